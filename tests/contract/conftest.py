"""The history stores that every contract test runs against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from server.core.clock import ManualClock, from_iso
from server.history.store import HistoryStore
from server.history.stores.memory import MemoryStore
from server.history.stores.postgres import PostgresStore
from server.history.stores.sqlite import SqliteStore
from tests.kit.postgres import PostgresServer

DAY = from_iso("2026-01-05T00:00:00Z")


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    running = PostgresServer(tmp_path_factory.mktemp("cluster"))
    yield running
    running.remove()


@pytest.fixture(params=["memory", "sqlite", "postgres copy", "postgres unnest"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HistoryStore]:
    made: HistoryStore
    if request.param == "memory":
        made = MemoryStore()
    elif request.param == "sqlite":
        made = SqliteStore(tmp_path / "history.db")
    else:
        postgres: PostgresServer = request.getfixturevalue("server")
        url = make_url(postgres.new_database())
        strategy = "copy" if request.param.endswith("copy") else "unnest"
        made = PostgresStore(url, clock=ManualClock(DAY), strategy=strategy)
    yield made
    made.close()
