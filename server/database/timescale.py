"""What TimescaleDB adds to the history schema: a hypertable with columnstore, and continuous aggregates. DDL only."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

OLDEST = (2, 18)
"""Earlier versions have no columnstore by this name."""
_NOT_GOOD = 0x40000000  # from this StatusCode on they are Uncertain or Bad
_CELLS = {"history_minutes": "1 minute", "history_hours": "1 hour"}


def is_usable(connection: Connection) -> bool:
    """True when the extension is in this database, or can be put there, and is new enough.

    It is only created where the server loads it at its start: anywhere else the attempt ends the connection.
    """
    found = _version(connection)
    if found is None:
        preloaded = connection.exec_driver_sql("SELECT current_setting('shared_preload_libraries', true)").scalar()
        if "timescaledb" not in str(preloaded or ""):
            return False
        try:
            with connection.begin_nested():
                connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS timescaledb")
        except DBAPIError:
            return False  # this account may not: the operator creates it, or history lies in daily partitions
        found = _version(connection)
    return found is not None and found >= OLDEST


def _version(connection: Connection) -> tuple[int, ...] | None:
    text = connection.exec_driver_sql("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").scalar()
    if text is None:
        return None
    return tuple(int(part) for part in str(text).split("-")[0].split(".") if part.isdigit())


def is_hypertable(connection: Connection) -> bool:
    """True when the history of this database lies in a hypertable."""
    if _version(connection) is None:
        return False
    query = "SELECT 1 FROM timescaledb_information.hypertables WHERE hypertable_name = 'history_points'"
    return connection.exec_driver_sql(query).first() is not None


def make_hypertable(connection: Connection) -> None:
    """Of the empty table history_points: a chunk a day, columnstore after two days."""
    for statement in (
        "SELECT create_hypertable('history_points', by_range('ts', INTERVAL '1 day'), create_default_indexes => false)",
        "ALTER TABLE history_points SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'series_id', "
        "timescaledb.orderby = 'ts')",
        "CALL add_columnstore_policy('history_points', after => INTERVAL '2 days')",
    ):
        connection.exec_driver_sql(statement)


def make_cells(connection: Connection) -> None:
    """The continuous aggregates that stand for the tables of the same names; the historian refreshes them."""
    good = f"FILTER (WHERE status < {_NOT_GOOD})"
    for name, width in _CELLS.items():
        connection.exec_driver_sql(
            f"CREATE MATERIALIZED VIEW {name} "  # noqa: S608 - names and numbers of this file
            "WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS "
            f"SELECT series_id, time_bucket(INTERVAL '{width}', ts) AS ts, count(*) AS rows, "
            f"count(number) {good} AS good, sum(number) {good} AS total, min(number) {good} AS low, "
            f"max(number) {good} AS high FROM history_points "
            f"GROUP BY series_id, time_bucket(INTERVAL '{width}', ts) WITH NO DATA"
        )


def drop_cells(connection: Connection) -> None:
    """Remove them."""
    for name in _CELLS:
        connection.exec_driver_sql(f"DROP MATERIALIZED VIEW {name}")
