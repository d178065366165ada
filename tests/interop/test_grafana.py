"""The views for Grafana on a real PostgreSQL, and every question of the example dashboard asked there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.command import downgrade
from sqlalchemy.engine import make_url

from server.core.clock import ManualClock, from_iso, to_datetime
from server.database.migration import _config, current
from server.history.store import HistoryRow
from server.history.stores.postgres import PostgresStore
from server.history.tiers import HOUR, MINUTE
from tests.kit.postgres import PostgresServer

pytestmark = pytest.mark.interop
DASHBOARD = Path(__file__).resolve().parents[2] / "docs" / "grafana" / "fieldloom.json"
START = from_iso("2026-01-05T00:00:00Z")
MACROS = {
    r"\$__timeFilter\((\w+)\)": r"\1 BETWEEN '2026-01-04T00:00:00Z' AND '2026-01-07T00:00:00Z'",
    r"\$\{device:sqlstring\}": "'gpu-1','loom-7'",
    r"\$\{parameter:sqlstring\}": "'power_kw'",
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    server = PostgresServer(tmp_path)
    url = server.new_database()
    store = PostgresStore(make_url(url), clock=ManualClock(START))
    rows = [HistoryRow("gpu-1", "power_kw", START + at * MINUTE, START, float(at), 0) for at in range(180)]
    rows += [
        HistoryRow("gpu-1", "power_kw", START + 200 * MINUTE, START, None, 0x809D0000),
        HistoryRow("gpu-1", "power_kw", START + 201 * MINUTE, START, 7.0, 0x40900000),
        HistoryRow("loom-7", "power_kw", START, START, "broken yarn", 0),
    ]
    store.write(rows)
    while store.maintain(START + 9 * HOUR).more:
        pass
    store.close()
    yield url
    server.remove()


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url.replace("+psycopg", ""), options="-c timezone=UTC") as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def plain(query: str) -> str:
    for macro, text in MACROS.items():
        query = re.sub(macro, text, query)
    assert "$" not in query, query
    return query


def test_views_show_values_with_their_quality_and_figures(database: str) -> None:
    assert ask(
        database,
        "SELECT value, text, status, quality FROM grafana_values WHERE time >= '2026-01-05T03:00:00Z' ORDER BY time",
    ) == [(None, None, 0x809D0000, "Bad"), (7.0, None, 0x40900000, "Uncertain")]
    assert ask(database, "SELECT value, text FROM grafana_values WHERE device = 'loom-7'") == [(None, "broken yarn")]
    assert ask(
        database, "SELECT time, average, minimum, maximum, count FROM grafana_hours WHERE device = 'gpu-1' ORDER BY 1"
    ) == [(to_datetime(START + hour * HOUR), 29.5 + 60 * hour, 60.0 * hour, 60.0 * hour + 59, 60) for hour in range(3)]
    assert ask(database, "SELECT count(*) FROM grafana_minutes") == [(180,)]


def test_every_question_of_the_dashboard_is_answered(database: str) -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    questions = [target["rawSql"] for panel in dashboard["panels"] for target in panel["targets"]]
    questions += [each["query"] for each in dashboard["templating"]["list"] if each["type"] == "query"]
    assert len(questions) == 7
    for question in questions:
        assert ask(database, plain(question)), question
    # What is not Good breaks the line.
    values = ask(database, plain(questions[0]))
    assert [row[2] for row in values[-2:]] == [None, None]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_who_only_reads_sees_the_views_and_nothing_else(database: str) -> None:
    url = make_url(database)
    with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE ROLE grafana LOGIN")
        connection.execute("GRANT SELECT ON grafana_values, grafana_minutes, grafana_hours, history_series TO grafana")
    reader = url.set(username="grafana").render_as_string(hide_password=False)
    assert ask(reader, "SELECT count(*) FROM grafana_values") == [(183,)]
    for forbidden in ("DELETE FROM history_series", "SELECT * FROM history_points"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(reader, forbidden)


def test_the_views_go_with_their_revision(database: str) -> None:
    store = PostgresStore(make_url(database), clock=ManualClock(START))
    with store._engine.begin() as connection:
        downgrade(_config("history", connection), "h0003")
        assert current(connection, "history") == "h0003"
    assert ask(database, "SELECT to_regclass('grafana_values')") == [(None,)]
    assert len(store.fetch("gpu-1", "power_kw", None, None, 999)) == 182
    store.close()
    assert ask(database, "SELECT count(*) FROM grafana_values") == [(183,)]
