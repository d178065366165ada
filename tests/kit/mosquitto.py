"""A Mosquitto of the test's own: free port, own folder, ended by its process id."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kit.parts import require
from tests.kit.until import until


@dataclass(frozen=True, slots=True)
class Mosquitto:
    """A running broker."""

    url: str
    port: int
    process: asyncio.subprocess.Process

    async def stop(self) -> None:
        """End it before its time."""
        if self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


@asynccontextmanager
async def mosquitto(folder: Path, *, persistence: bool = False) -> AsyncIterator[Mosquitto]:
    """Start one on 127.0.0.1 and stop it at the end."""
    program = require("mosquitto")
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "max_queued_messages 0",
        "max_inflight_messages 0",
        f"persistence {'true' if persistence else 'false'}",
        f"persistence_location {folder}/",
        "log_dest none",
    ]
    if os.getuid() == 0:
        lines.append("user root")
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    process = await asyncio.create_subprocess_exec(
        program, "-c", str(config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )

    broker = Mosquitto(f"mqtt://127.0.0.1:{port}", port, process)

    async def listening() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    try:
        await until(listening, "Mosquitto listening")
        yield broker
    finally:
        await broker.stop()
