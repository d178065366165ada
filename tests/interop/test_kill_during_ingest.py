"""kill -9 while values stream in: what was acknowledged is in history once, everything else is delivered again."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from server.core.clock import SECOND, SystemClock, to_iso
from tests.kit.mosquitto import mosquitto
from tests.kit.product import launch
from tests.kit.publisher import Publisher
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]
ROUNDS = 3
PER_ROUND = 1_500


def stored(data: Path) -> list[tuple[int, float]]:
    """(source time, value) of gpu-1's power as the store has it, in order."""
    database = data / "history.db"
    if not database.exists():
        return []
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        try:
            rows = connection.execute(
                "SELECT s.ts, s.number FROM history_points s JOIN history_series r USING (series_id) "
                "WHERE r.device_id = 'gpu-1' AND r.parameter = 'power_kw' ORDER BY s.ts"
            ).fetchall()
        except sqlite3.OperationalError:
            return []
    connection.close()
    return [(int(time), float(number)) for time, number in rows]


async def test_no_acknowledged_value_is_lost_and_none_is_doubled(tmp_path: Path) -> None:
    async with mosquitto(tmp_path / "broker", persistence=True) as broker:
        env = {"FIELDLOOM_MQTT__URL": broker.url, "FIELDLOOM_MQTT__CLIENT_ID": "drill"}
        start = SystemClock().now() - ROUNDS * PER_ROUND * SECOND // 100
        sent: list[tuple[int, float]] = []
        with Publisher(broker.url) as publisher:
            server = await launch(tmp_path, "run", (), env)
            try:

                async def subscribed() -> bool:
                    publisher.send("engines/gpu-1/telemetry", message(start - SECOND, 0.0))
                    return bool(stored(server.data))

                await until(subscribed, "the first value in history")
                for number in range(ROUNDS):
                    for step in range(PER_ROUND):
                        moment = start + (number * PER_ROUND + step) * SECOND // 100
                        sent.append((moment, float(len(sent) + 1)))
                        publisher.send("engines/gpu-1/telemetry", message(*sent[-1]), wait=False)
                        if step == PER_ROUND // 2:
                            before = len(stored(server.data))
                    # In the middle of what it is still taking in.
                    await server.kill()
                    assert before <= len(sent) + 1
                    server = await launch(tmp_path, "run", (), env)

                async def complete() -> bool:
                    return len(stored(server.data)) >= len(sent) + 1

                await until(complete, f"{len(sent) + 1} values in history", within_s=60)
                found = stored(server.data)
                assert found[0] == (start - SECOND, 0.0)
                assert found[1:] == sent
                print(f"{ROUNDS} kills, {len(sent)} values sent, {len(found) - 1} stored, 0 lost, 0 doubled")
            finally:
                await server.stop()


def message(time_us: int, power: float) -> str:
    """An engine's telemetry."""
    return json.dumps({"engine_id": "gpu-1", "model": "J420", "time": to_iso(time_us), "power_kw": power})
