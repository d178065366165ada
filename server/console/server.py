"""The HTTP server: binds first, serves in the same event loop, ends streams and pages quickly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from fastapi import FastAPI

from server.core.errors import InUseError, LocalError
from server.ops.ports import owner_of

BACKLOG = 512
GRACE_S = 2  # open requests get so long at the end


class _Uvicorn(uvicorn.Server):
    """Uvicorn without its signal handlers, which belong to the process, and with a word when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


class ConsoleServer:
    """Serves an application of `create_app`."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._task: asyncio.Task[None] | None = None
        self._server: _Uvicorn | None = None
        self.url = ""

    async def start(self) -> None:
        """Listen; `url` is known and answers when this returns.

        Raises:
            InUseError: the port belongs to another process.
        """
        listener = self._bind()
        port = listener.getsockname()[1]
        server = _Uvicorn(
            uvicorn.Config(
                self._app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                ws="websockets-sansio",
                ws_max_size=1024 * 1024,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_S,
                timeout_keep_alive=15,
                h11_max_incomplete_event_size=32 * 1024,
            )
        )
        self._server = server
        self._task = asyncio.create_task(server.serve([listener]), name="http server")
        up = asyncio.create_task(server.up.wait(), name="http server up")
        await asyncio.wait({self._task, up}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            up.cancel()
            listener.close()
            self._task.result()
            raise LocalError("the HTTP server did not start; the log has the reason")
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{shown}:{port}"

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            owner = owner_of(self._port) if self._port else None
            who = f"process {owner} uses it" if owner is not None else error.strerror or str(error)
            raise InUseError(
                f"HTTP: port {self._port} on {self._host} cannot be used ({who}); "
                "choose another with FIELDLOOM_HTTP__PORT"
            ) from None
        listener.setblocking(False)
        return listener

    async def stop(self) -> None:
        """End streams, pages and the listener; calling it twice is no error."""
        self._app.state.console.feed.close()
        if self._server is not None:
            self._server.should_exit = True
        if self._task is not None:
            task, self._task = self._task, None
            await task
        self.url = ""
