"""The history stores that every contract test runs against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from server.core.clock import ManualClock, TimeUs, from_iso
from server.core.status import StatusCode
from server.history import packing
from server.history.store import Change, HistoryRow, HistoryStore, StoredValue
from server.history.stores.memory import MemoryStore
from server.history.stores.postgres import PostgresStore
from server.history.stores.sqlite import SqliteStore
from tests.kit.postgres import PostgresServer
from tests.kit.timescale import TimescaleServer

DAY = from_iso("2026-01-05T00:00:00Z")


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    running = PostgresServer(tmp_path_factory.mktemp("cluster"))
    yield running
    running.remove()


@pytest.fixture(scope="session")
def timescale() -> Iterator[TimescaleServer]:
    """One for all tests of a process: it takes half a gigabyte."""
    running = TimescaleServer()
    yield running
    running.remove()


FAR = from_iso("9990-01-01T00:00:00Z")


class PackedStore(SqliteStore):
    """Every hour is closed, and after every change all of it lies in figures and blocks, however small."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, clock=ManualClock(FAR))

    def write(self, rows: Sequence[HistoryRow]) -> int:
        new = super().write(rows)
        self._pack_all()
        return new

    def change(
        self, device_id: str, parameter: str, values: Sequence[StoredValue], how: Change, user: str, now: TimeUs
    ) -> list[StatusCode]:
        codes = super().change(device_id, parameter, values, how, user, now)
        self._pack_all()
        return codes

    def _pack_all(self) -> None:
        while self.maintain(FAR).more:
            pass


SQL = ["sqlite", "sqlite packed", "postgres copy", "postgres unnest", "timescale"]


@pytest.fixture(params=["memory", *SQL])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HistoryStore]:
    """Every store there is."""
    made = make_store(request.param, request, tmp_path, monkeypatch)
    yield made
    made.close()


@pytest.fixture(params=SQL)
def sql_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HistoryStore]:
    """Those that keep more than the values."""
    made = make_store(request.param, request, tmp_path, monkeypatch)
    yield made
    made.close()


def make_store(
    name: str, request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> HistoryStore:
    if name == "memory":
        return MemoryStore()
    if name == "sqlite":
        return SqliteStore(folder / "history.db", clock=ManualClock(DAY))
    if name == "sqlite packed":
        monkeypatch.setattr(packing, "LEAST", 1)
        return PackedStore(folder / "history.db")
    if name == "timescale":
        timescale: TimescaleServer = request.getfixturevalue("timescale")
        url = make_url(timescale.empty_database())
        return PostgresStore(url, clock=ManualClock(DAY), strategy="unnest", prepare_threshold=None)
    postgres: PostgresServer = request.getfixturevalue("server")
    return PostgresStore(
        make_url(postgres.new_database()),
        clock=ManualClock(DAY),
        strategy="copy" if name.endswith("copy") else "unnest",
    )
