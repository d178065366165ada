"""kill -9 while values stream in and hours are packed; the long form is `python -m tests.bench.drill_history_kill`."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from tests.kit.history_drill import Drill
from tests.kit.postgres import PostgresServer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]


async def test_embedded_store(tmp_path: Path) -> None:
    drill = Drill(tmp_path, URL.create("sqlite", database=str(tmp_path / "history.db")), seed=7)
    seen = await drill.run(6, compare_every=2)
    print(seen)
    assert drill.packed > 0


async def test_postgresql(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path)
    try:
        print(await Drill(tmp_path, make_url(server.new_database()), seed=8).run(5, compare_every=2))
    finally:
        server.remove()
