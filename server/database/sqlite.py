"""Opens SQLite files the same way everywhere: WAL, real transactions, damage told in the operator's words."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from server.core.errors import ConfigurationError

BUSY_S = 10.0  # how long one connection waits for another's write


def _unusable(path: Path, error: sqlite3.Error) -> ConfigurationError:
    if isinstance(error, sqlite3.OperationalError):
        advice = "check that the folder exists, is writable and not full, and that no other program holds the file"
    else:
        advice = f"move it and {path.name}-wal, {path.name}-shm away and restore a backup"
    return ConfigurationError([f"{path}: {error}: {advice}"], what="database")


def connect(path: Path, *, synchronous: str = "FULL", check: bool = True) -> sqlite3.Connection:
    """A raw connection in WAL mode, usable from any thread (one at a time), in autocommit: say BEGIN and COMMIT.

    Args:
        synchronous: `FULL` survives power loss, `NORMAL` a killed process.
        check: look at the whole file for damage first (reads all of it).

    Raises:
        ConfigurationError: not a database, damaged, or not writable.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        if check:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise _unusable(path, error) from None
    return connection


def engine(path: Path, *, synchronous: str = "FULL", check: bool = True) -> Engine:
    """A SQLAlchemy engine over one such connection, with real BEGINs so that DDL is transactional too.

    Raises:
        ConfigurationError: as `connect`.
    """
    first = connect(path, synchronous=synchronous, check=check)
    made = create_engine(URL.create("sqlite+pysqlite"), creator=lambda: first, poolclass=StaticPool)

    @event.listens_for(made, "begin")
    def _begin(_connection: object) -> None:
        first.execute("BEGIN IMMEDIATE")

    return made
