"""A start with a known plant: CPU of the server from its exec to the first session that a client gets, and its memory.

The plant is made by a first run with the simulator; the measured starts find packages, devices and snapshot in place.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.kit.product import ROOT, built, launch
from tests.kit.raw import EndedError, RawChannel, RawSession, RefusedError
from tests.kit.until import until

PLANTS = (
    ("demo plant", ("--devices", "demo"), 338),
    ("demo plant and 1000 looms", ("--devices", "demo", "--devices", "loom=1000"), 1328),
)
"""Name, arguments of `fieldloom demo`, devices."""
STARTS = 2
LIMIT_S = 120.0
POLL_S = 0.01


@dataclass
class Start:
    """One start."""

    wall_s: float
    cpu_s: float
    settled_cpu_s: float  # when pages are served too
    rss_mib: float


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def make_plant(folder: Path, arguments: tuple[str, ...], devices: int) -> None:
    """Run the demo until all its devices are known."""
    server = await launch(folder, "demo", arguments, {"FIELDLOOM_OPCUA__ALLOW_NONE": "true"})
    try:
        async with httpx.AsyncClient(base_url=server.http_url, timeout=60) as http:

            async def complete() -> bool:
                lines = (await http.get("/metrics")).text.splitlines()
                return any(
                    line.startswith("fieldloom_devices ") and float(line.split()[1]) >= devices for line in lines
                )

            await until(complete, f"{devices} devices", within_s=LIMIT_S)
    finally:
        await server.stop()


async def first_session(url: str, began: float) -> RawSession:
    """Try until the server gives a session."""
    while time.monotonic() - began < LIMIT_S:
        try:
            channel = await RawChannel.open(url)
            return await RawSession.create(channel)
        except (ConnectionError, OSError, EndedError, RefusedError):
            await asyncio.sleep(POLL_S)
    raise TimeoutError(f"no session within {LIMIT_S} s")


async def start(folder: Path) -> Start:
    """One start of the server alone."""
    port = _free_port()
    plain = {
        key: value for key, value in os.environ.items() if not key.startswith("FIELDLOOM_") or key == "FIELDLOOM_PURE"
    }
    environment = {
        **plain,
        **built(folder),
        "FIELDLOOM_DATA_DIR": str(folder / "data"),
        "FIELDLOOM_PLANT_FILE": str(ROOT / "plant.toml"),
        "FIELDLOOM_OPCUA__PORT": str(port),
        "FIELDLOOM_OPCUA__ALLOW_NONE": "true",
        "FIELDLOOM_HTTP__PORT": "0",
        "FIELDLOOM_MQTT__PORT": "0",
        "PYTHONPATH": str(ROOT),
    }
    began = time.monotonic()
    with (folder / "start.log").open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "server",
            "run",
            cwd=folder,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=out,
        )
    try:
        watched = psutil.Process(process.pid)
        session = await first_session(f"opc.tcp://127.0.0.1:{port}/fieldloom", began)
        wall_s, cpu_s = time.monotonic() - began, _cpu_s(watched)
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            while b"Accounts" not in await process.stdout.readline():
                pass
        result = Start(wall_s, cpu_s, _cpu_s(watched), watched.memory_info().rss / 2**20)
        await session.close()
        await session.channel.close()
        return result
    finally:
        process.terminate()
        await process.wait()


async def bench() -> None:
    """Every plant in turn."""
    for name, arguments, devices in PLANTS:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            built(folder)
            await make_plant(folder, arguments, devices)
            size = (folder / "data" / "cache" / "address-space.snapshot").stat().st_size
            starts = [await start(folder) for _ in range(STARTS)]
            print(f"{name} ({devices} devices, snapshot {size / 2**20:.1f} MiB)")
            for label, figures in (
                ("  CPU to the first session, s ", [one.cpu_s for one in starts]),
                ("  wall to the first session, s", [one.wall_s for one in starts]),
                ("  CPU until pages are served, s", [one.settled_cpu_s for one in starts]),
                ("  RSS then, MiB", [one.rss_mib for one in starts]),
            ):
                print(f"{label:34} {statistics.median(figures):8.2f}   ({', '.join(f'{f:.2f}' for f in figures)})")
            print(json.dumps({"plant": name, "starts": [vars(one) for one in starts]}))


def main() -> None:
    """Print the figures."""
    asyncio.run(bench())


if __name__ == "__main__":
    main()
