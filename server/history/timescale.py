"""What TimescaleDB does for the historian at run time: continuous aggregates, chunks, background jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from server.core.clock import SECOND, TimeUs, from_datetime, to_datetime
from server.history.tables import HOURS, MINUTES
from server.history.tiers import HOUR, Tier

WATCH_EVERY: TimeUs = 600 * SECOND
_CELLS = {Tier.MINUTES: MINUTES, Tier.HOURS: HOURS}


def windows(hours: Iterable[TimeUs]) -> list[tuple[TimeUs, TimeUs]]:
    """Hours that follow each other joined: (from, until) in order."""
    found: list[tuple[TimeUs, TimeUs]] = []
    for hour in sorted(set(hours)):
        if found and found[-1][1] == hour:
            found[-1] = found[-1][0], hour + HOUR
        else:
            found.append((hour, hour + HOUR))
    return found


def refresh(connection: Connection, hours: Iterable[TimeUs]) -> None:
    """Calculate the cells of these hours anew. None of them may have lost values: its cells would be lost too.

    Args:
        connection: in autocommit, because a refresh commits by itself.
    """
    for low, high in windows(hours):
        for cells in _CELLS.values():
            connection.execute(
                text(f"CALL refresh_continuous_aggregate('{cells.name}', :low, :high)"),
                {"low": to_datetime(low), "high": to_datetime(high)},
            )


def stored_cells(connection: Connection) -> dict[Tier, Table]:
    """The tables that the continuous aggregates keep their cells in."""
    query = text(
        "SELECT view_name, materialization_hypertable_schema, materialization_hypertable_name "
        "FROM timescaledb_information.continuous_aggregates WHERE view_name IN ('history_minutes', 'history_hours')"
    )
    places = {name: (schema, table) for name, schema, table in connection.execute(query)}
    found = {}
    for tier, cells in _CELLS.items():
        schema, name = places[cells.name]
        found[tier] = cells.to_metadata(type(cells.metadata)(), schema=schema, name=name)
    return found


def drop_chunks(connection: Connection, before: TimeUs) -> int:
    """Remove the chunks of raw values that end before a time; how many values that were. The cells stay."""
    limit = {"limit": to_datetime(before)}
    last = connection.scalar(
        text(
            "SELECT max(range_end) FROM timescaledb_information.chunks "
            "WHERE hypertable_name = 'history_points' AND range_end <= :limit"
        ),
        limit,
    )
    if last is None:
        return 0
    rows = connection.scalar(text("SELECT count(*) FROM history_points WHERE ts < :last"), {"last": last})
    connection.execute(
        text("SELECT drop_chunks('history_points', older_than => CAST(:last AS timestamptz))"), {"last": last}
    )
    return int(rows or 0)


# -- jobs


@dataclass(slots=True)
class JobWatch:
    """Runs the jobs of the history hypertable where the database's own workers do not, and tells of those that fail."""

    looked_at: TimeUs | None = None
    _ran: dict[int, TimeUs] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def is_due(self, now: TimeUs) -> bool:
        """True when it is time to look again."""
        return self.looked_at is None or not 0 <= now - self.looked_at < WATCH_EVERY

    def look(self, connection: Connection, now: TimeUs) -> int:
        """Look at the jobs, run those that are overdue; how many were run.

        Args:
            connection: in autocommit, because a job commits by itself.
        """
        self.looked_at = now
        warnings, problems = [], []
        runs = 0
        for job in _jobs(connection):
            name = f"job {job.job_id} ({job.proc_name})"
            if job.last_run_status == "Failed":
                warnings.append(f"{name} failed in the background, {job.total_failures} times in all")
            if not self._is_overdue(job, now):
                continue
            try:
                connection.execute(text("CALL run_job(:job)"), {"job": job.job_id})
            except DBAPIError as error:
                problems.append(f"{name}: {str(error.orig).strip().splitlines()[0]}")
            else:
                runs += 1
                self._ran[job.job_id] = now
        self.warnings, self.problems = tuple(warnings), tuple(problems)
        return runs

    def _is_overdue(self, job: Any, now: TimeUs) -> bool:
        """No success of its own nor of ours within two of its intervals."""
        interval = round(job.seconds * SECOND)
        done = [self._ran[job.job_id]] if job.job_id in self._ran else []
        # "-infinity" stands for never; the driver cannot make a datetime of it.
        if isinstance(job.last_success, datetime):
            done.append(from_datetime(job.last_success))
        return not done or now - max(done) > 2 * interval


def _jobs(connection: Connection) -> Sequence[Any]:
    return connection.execute(
        text(
            "SELECT j.job_id, j.proc_name, extract(epoch FROM j.schedule_interval)::float AS seconds, "
            "s.last_run_status, coalesce(s.total_failures, 0) AS total_failures, "
            "CASE WHEN isfinite(s.last_successful_finish) THEN s.last_successful_finish END AS last_success "
            "FROM timescaledb_information.jobs j LEFT JOIN timescaledb_information.job_stats s USING (job_id) "
            "WHERE j.hypertable_name = 'history_points' ORDER BY j.job_id"
        )
    ).all()
