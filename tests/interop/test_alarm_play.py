"""The simulator plays an alarm script at the running product and finds everything told as written."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.kit.product import ROOT, Product, product

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]


async def play(server: Product, script: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "simulator.play", script, "--broker", server.mqtt_url, "--server", server.http_url),
        *("--accounts", str(server.data / "accounts.json")),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(120):
            _, told = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, told.decode()


async def test_a_script_is_played_and_a_wrong_expectation_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.alarms"
    text = (ROOT / "simulator" / "scripts" / "engine.alarms").read_text(encoding="utf-8").replace("gpu-77", "gpu-78")
    wrong.write_text(text.replace("inactive acked 800", "inactive acked 500"), encoding="utf-8")
    async with product(tmp_path) as server:
        right, other = await asyncio.gather(play(server, "engine"), play(server, str(wrong)))
    assert right[0] == 0, right[1]
    assert other[0] == 1
    assert "expected 'gpu-78/Alarms/temp_exhaust inactive acked 500'" in other[1]
    assert "1 differences" in other[1]
