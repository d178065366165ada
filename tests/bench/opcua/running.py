"""Servers as processes: started, measured, stopped; all of them take the same number of load nodes and period."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.opcua.figures import server_cpu_s

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
START_S = 240.0
STOP_S = 30.0
STILL_MS = 3_600_000  # the load nodes' period when they are not to change
NAMES = ("ours", "ours-pure", "node", "asyncua")


@dataclass(frozen=True)
class Asked:
    """What a server is started with."""

    nodes: int
    period_ms: int
    folder: Path  # kept between two starts of the same server
    shared: Path  # for what all starts share
    certificate: Path  # DER of the client to be trusted


@dataclass
class Server:
    """A running server."""

    url: str
    pid: int
    process: asyncio.subprocess.Process
    start_s: float = 0.0
    start_cpu_s: float = 0.0
    rss_mb: float = 0.0

    async def stop(self) -> None:
        """Ask it to end; kill it when it does not."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            try:
                async with asyncio.timeout(STOP_S):
                    # Its pipe is read to the end, or a full one would keep it alive.
                    await self.process.communicate()
            except TimeoutError:
                self.process.kill()
                await self.process.communicate()


async def start(name: str, asked: Asked) -> Server:
    """Start a server of a name and wait until it listens; raises RuntimeError with the end of its log."""
    began = time.perf_counter()
    match name:
        case "ours" | "ours-pure":
            from tests.bench.opcua import ours

            server = await ours.start(asked, pure=name == "ours-pure")
        case "node":
            await asyncio.to_thread(install_node_server)
            began = time.perf_counter()
            script = str(HERE / "node_server.mjs")
            server = await _spawn(["node", script, str(asked.nodes), str(asked.period_ms), str(asked.folder)], asked)
        case "asyncua":
            options = ["--nodes", str(asked.nodes), "--period-ms", str(asked.period_ms), "--folder", str(asked.folder)]
            server = await _spawn([sys.executable, "-m", "tests.bench.opcua.asyncua_server", *options], asked)
        case _:
            raise ValueError(f"{name} is none of {', '.join(NAMES)}")
    server.start_s = time.perf_counter() - began
    server.start_cpu_s = server_cpu_s(server.pid)
    server.rss_mb = psutil.Process(server.pid).memory_info().rss / 1e6
    return server


async def _spawn(command: Sequence[str], asked: Asked) -> Server:
    asked.folder.mkdir(parents=True, exist_ok=True)
    log = asked.folder / "server.log"
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=subprocess.PIPE, stderr=out, stdin=subprocess.DEVNULL
        )
    assert process.stdout is not None
    line = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            while (line := await process.stdout.readline()) and not line.startswith(b"{"):
                pass
    if not line:
        if process.returncode is None:
            process.kill()
        await process.wait()
        raise RuntimeError(f"{command[0]} did not come up:\n{log.read_text()[-2000:]}")
    return Server(json.loads(line)["url"], process.pid, process)


def install_node_server() -> None:
    """`npm ci` when the packages are not there; raises RuntimeError without npm."""
    stamp = HERE / "node_modules" / ".installed"
    lock = HERE / "package-lock.json"
    if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("npm is missing: node-opcua's server cannot be installed")
    subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--silent"], cwd=HERE, check=True)
    stamp.touch()


async def load(server: Server, spec: dict[str, object], wait_s: float = 300.0) -> dict[str, object]:
    """Run one load against a server in a process of its own; {"error": reason} when it failed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.opcua.client",
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    text = json.dumps({**spec, "url": server.url, "pid": server.pid}).encode()
    try:
        async with asyncio.timeout(wait_s):
            out, errors = await process.communicate(text)
    except TimeoutError:
        process.kill()
        await process.communicate()
        return {"error": f"no end within {wait_s:.0f} s"}
    if process.returncode:
        return {"error": errors.decode(errors="replace").strip().splitlines()[-1][:200]}
    return dict(json.loads(out))
