"""Alarm rules in the site database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from server.core.clock import TimeUs
from server.database.tables import ALARM_RULES


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule as it is kept."""

    rule_id: str
    body: str  # JSON
    changed_at: TimeUs
    changed_by: str


def read(connection: Connection) -> list[RuleRow]:
    """Every rule by its id."""
    rows = connection.execute(select(ALARM_RULES).order_by(ALARM_RULES.c.rule_id))
    return [RuleRow(row.rule_id, row.body, row.changed_at, row.changed_by) for row in rows]


def write(connection: Connection, row: RuleRow) -> None:
    """Keep a rule, or another version of one."""
    values = {"body": row.body, "changed_at": row.changed_at, "changed_by": row.changed_by}
    connection.execute(
        insert(ALARM_RULES)
        .values(rule_id=row.rule_id, **values)
        .on_conflict_do_update(index_elements=["rule_id"], set_=values)
    )


def forget(connection: Connection, rule_id: str) -> None:
    """Drop a rule; an unknown one is no error."""
    connection.execute(delete(ALARM_RULES).where(ALARM_RULES.c.rule_id == rule_id))
