"""The product as its users start it: a process of its own on free ports, with or without its simulated plant."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from server.opcua.nodesets import build_all

ROOT = Path(__file__).resolve().parents[2]
START_S = 90.0
STOP_S = 30.0


@dataclass
class Product:
    """A running server."""

    process: asyncio.subprocess.Process
    data: Path
    log: Path
    opcua_url: str = ""
    http_url: str = ""
    mqtt_url: str = ""
    token: str = ""

    def password(self, user: str) -> str:
        """The generated password of a demo account."""
        return str(json.loads((self.data / "accounts.json").read_text())[user])

    async def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """Ctrl-C; returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            try:
                async with asyncio.timeout(STOP_S):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
                raise AssertionError(f"the server did not stop:\n{self.log.read_text()[-4000:]}") from None
        assert self.process.returncode is not None
        return self.process.returncode


def built(folder: Path) -> dict[str, str]:
    """Environment that points at NodeSets and packages built into a folder."""
    from server.fdi.build import build_package, source_folders

    nodesets, packages = folder / "nodesets", folder / "packages"
    if not nodesets.exists():
        build_all(ROOT / "nodesets" / "src", nodesets)
        for source in source_folders(ROOT / "fdi_packages" / "src"):
            build_package(source, packages)
    return {"FIELDLOOM_NODESETS_DIR": str(nodesets), "FIELDLOOM_PACKAGES_DIR": str(packages)}


@asynccontextmanager
async def product(
    folder: Path, *arguments: str, command: str = "run", env: Mapping[str, str] | None = None
) -> AsyncIterator[Product]:
    """Start `fieldloom run` (or `demo`) on free ports and wait until it is up; stopped at the end."""
    started = await launch(folder, command, arguments, env or {})
    try:
        yield started
    finally:
        await started.stop()


async def launch(folder: Path, command: str, arguments: Sequence[str], env: Mapping[str, str]) -> Product:
    """Start it and wait for its banner; the caller stops it."""
    folder.mkdir(parents=True, exist_ok=True)
    data, log = folder / "data", folder / "server.log"
    plain = {key: value for key, value in os.environ.items() if not key.startswith("FIELDLOOM_")}
    full = {
        **plain,
        **built(folder),
        "FIELDLOOM_DATA_DIR": str(data),
        "FIELDLOOM_PLANT_FILE": str(ROOT / "plant.toml"),
        "FIELDLOOM_OPCUA__PORT": "0",
        "FIELDLOOM_HTTP__PORT": "0",
        "FIELDLOOM_MQTT__PORT": "0",
        # Test packages are unsigned; the demo allows them by itself.
        **({"FIELDLOOM_PACKAGES__UNSIGNED": "allow"} if command == "run" else {}),
        "PYTHONUNBUFFERED": "1",
        **env,
    }
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "server",
            command,
            *arguments,
            cwd=folder,
            env={**full, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=out,
            stdin=asyncio.subprocess.DEVNULL,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            while line := await process.stdout.readline():
                if b"Accounts" in line:
                    break
            else:
                await process.wait()
                raise AssertionError(f"the server ended with {process.returncode}:\n{log.read_text()[-4000:]}")
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"the server did not come up:\n{log.read_text()[-4000:]}") from None
    note = json.loads((data / "server.json").read_text())
    return Product(process, data, log, note["opcua_url"], note["http_url"], note["mqtt_url"], note["token"])
