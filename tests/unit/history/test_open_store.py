"""Which store a URL gives, what is a mistake of the settings and what is a database that is only away."""

import socket
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from server.core import status
from server.core.errors import ConfigurationError, RemoteError
from server.database.sqlite import engine
from server.history import tables
from server.history.store import HistoryRow
from server.history.stores import open_store
from server.history.stores.sqlite import SqliteStore
from server.settings import HistorySettings

ROW = HistoryRow("d", "p", 1, 2, 1.0, status.GOOD)


def test_without_a_url_history_lies_in_the_data_folder(tmp_path: Path) -> None:
    store = open_store(HistorySettings(), tmp_path)
    store.write([ROW])
    store.close()
    assert (tmp_path / "history.db").exists()
    again = open_store(HistorySettings(url=f"sqlite:///{tmp_path}/history.db"), tmp_path / "elsewhere")
    assert again.latest("d", "p") is not None
    again.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql://", "names no database"),
        ("postgresqlx://host/db", "no history in postgresqlx"),
        ("postgresql://host:port/db", "no SQLAlchemy URL"),
    ],
)
def test_a_wrong_url_is_a_mistake_of_the_settings(url: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        open_store(HistorySettings(url=url), tmp_path)


def test_a_database_that_is_away_does_not_stop_the_start_and_its_password_is_not_told(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening: refused at once
        store = open_store(
            HistorySettings(url=f"postgresql+psycopg://user:sesam@127.0.0.1:{nobody.getsockname()[1]}/db"), tmp_path
        )
        for call in (lambda: store.write([ROW]), lambda: store.latest("d", "p")):
            with pytest.raises(RemoteError, match="check that the database runs") as caught:
                call()
            assert "sesam" not in caught.value.text
        store.close()


def test_a_damaged_history_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(b"nothing" * 1000)
    with pytest.raises(ConfigurationError, match=r"history\.db"):
        open_store(HistorySettings(), tmp_path)


def test_a_history_of_a_newer_program_is_left_untouched(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "history.db").close()
    raw = sqlite3.connect(tmp_path / "history.db")
    raw.execute("UPDATE history_schema SET version_num = 'h9999'")
    raw.commit()
    raw.close()
    with pytest.raises(ConfigurationError, match="h9999 is newer"):
        open_store(HistorySettings(), tmp_path)


def test_the_migrations_make_exactly_the_declared_tables(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "history.db").close()
    SqliteStore(tmp_path / "history.db").close()  # the second open finds all done
    other = engine(tmp_path / "history.db")
    with other.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "history_schema"})
        assert compare_metadata(context, tables.HISTORY) == []
        (sql,) = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'history_points'").one()
        assert "WITHOUT ROWID" in sql  # twice the rate, half the disk
    other.dispose()


def test_a_full_disk_keeps_the_store_usable(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "history.db")
    store.write([ROW])
    with store._engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("PRAGMA max_page_count = 1")
    with pytest.raises(RemoteError, match="full"):
        store.write([HistoryRow("d", "p", time, time, "x" * 1000, 0) for time in range(10, 100)])
    assert store.read_raw("d", "p", 0, None, 100).next_time is None
    assert len(store.read_raw("d", "p", 0, None, 100).values) == 1
    with store._engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("PRAGMA max_page_count = 1000000")
    assert store.write([HistoryRow("d", "p", time, time, "x" * 1000, 0) for time in range(10, 100)]) == 90
    store.close()
