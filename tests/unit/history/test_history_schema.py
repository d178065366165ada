"""Every earlier schema of history comes up to date with its values, and every step goes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.command import downgrade, upgrade
from sqlalchemy import Connection, create_engine, text

from server.core.clock import ManualClock, from_iso
from server.database.migration import NEWEST, _config, current
from server.history.store import Change, HistoryRow, StoredValue
from server.history.stores.sqlite import SqliteStore
from server.history.tiers import HOUR

START = from_iso("2026-01-05T00:00:00Z")
PLACE = ("gpu-1", "power_kw")
ROWS = [
    HistoryRow(*PLACE, START + number * 30_000_000, START + number * 30_000_000 + 9, number / 7, 0)
    for number in range(300)
]
PLAIN = [StoredValue(row.source_time, row.server_time, row.value, row.status) for row in ROWS]


def at(path: Path, revision: str, *, down: bool) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        (downgrade if down else upgrade)(_config("history", connection), revision)
        assert current(connection, "history") == (None if revision == "base" else revision)
    engine.dispose()


def insert(connection: Connection) -> None:
    connection.execute(
        text("INSERT INTO history_series (series_id, device_id, parameter) VALUES (1, 'gpu-1', 'power_kw')")
    )
    for row in ROWS:
        connection.execute(
            text("INSERT INTO history_points VALUES (1, :ts, 9, 0, 0, :number, NULL)"),
            {"ts": row.source_time, "number": row.value},
        )


@pytest.mark.parametrize("revision", ["h0001", "h0002"])
def test_what_an_earlier_version_wrote_is_read_and_gets_its_figures(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "history.db"
    at(path, revision, down=False)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        insert(connection)
    engine.dispose()
    store = SqliteStore(path, clock=ManualClock(START))
    before = store.buckets([PLACE], START, START + 3 * HOUR, HOUR)
    assert store.fetch(*PLACE, None, None, 1000) == PLAIN
    step = store.maintain(START + 9 * HOUR)
    assert (step.hours, step.packed) == (3, 3)
    assert store.fetch(*PLACE, None, None, 1000) == PLAIN
    assert store.buckets([PLACE], START, START + 3 * HOUR, HOUR) == before
    store.close()


@pytest.mark.parametrize("revision", ["h0002", "h0001"])
def test_going_back_makes_rows_of_what_was_packed(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "history.db"
    store = SqliteStore(path, clock=ManualClock(START))
    store.write(ROWS)
    store.change(*PLACE, [StoredValue(START, START, 5.0, 0)], Change.REPLACE, "anna", START)
    assert store.maintain(START + 9 * HOUR).packed == 3
    store.close()
    at(path, revision, down=True)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        found = connection.execute(text("SELECT ts, number FROM history_points ORDER BY ts")).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [(START, 5.0), *((row.source_time, row.value) for row in ROWS[1:])]
    # And up again.
    again = SqliteStore(path, clock=ManualClock(START))
    assert len(again.fetch(*PLACE, None, None, 1000)) == 300
    assert NEWEST["history"] >= "h0003"
    again.close()
    at(path, "base", down=True)
