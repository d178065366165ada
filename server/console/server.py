"""Serves the console's application on a socket of its own; start and stop belong to the caller."""

from __future__ import annotations

import asyncio
import errno
import socket

import uvicorn
from fastapi import FastAPI

from server.console.context import ConsoleContext
from server.core.errors import InUseError, LocalError

STOP_S = 2  # open requests may take so long to end
BACKLOG = 512


class ConsoleServer:
    """One HTTP endpoint. Port 0 takes a free one."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._loop: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        return self._socket.getsockname()[1] if self._socket is not None else self._port

    @property
    def url(self) -> str:
        """Where it is reached."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen and serve.

        Raises:
            InUseError: the port belongs to another process, or the address is not this machine's.
        """
        listener = _listen(self._host, self._port)
        config = uvicorn.Config(
            self._app,
            lifespan="on",
            log_config=None,  # the program's own log is set up elsewhere
            access_log=False,
            server_header=False,
            proxy_headers=False,  # no header may say who the peer is
            backlog=BACKLOG,
            ws_max_size=1024 * 1024,
            timeout_graceful_shutdown=STOP_S,
        )
        # Its parts are used one by one: `serve` would take the signal handlers and may end the process.
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        try:
            await server.startup(sockets=[listener])
        except SystemExit:
            listener.close()
            raise LocalError("the console could not start; the log has the reason") from None
        self._socket, self._server = listener, server
        self._loop = asyncio.create_task(server.main_loop(), name="console")

    async def stop(self) -> None:
        """End streams, answer what is under way for a moment, close. Calling it twice is no error."""
        server, loop, listener = self._server, self._loop, self._socket
        self._server = self._loop = None
        if server is None or loop is None or listener is None:
            return
        context: ConsoleContext = self._app.state.console
        context.feed.close()
        server.should_exit = True
        await loop
        await server.shutdown(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InUseError(f"port {port} on {host} is in use; stop the other program or set http.port") from None
        raise InUseError(
            f"cannot listen on {host} port {port}: {error.strerror}; set http.host and http.port"
        ) from None
    listener.setblocking(False)
    return listener
