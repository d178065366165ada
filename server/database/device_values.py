"""Rows of `device_values`: what the server keeps for a device besides what the device reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from server.core.values import Scalar
from server.database.tables import DEVICE_VALUES
from server.database.tagged import tagged, untagged


@dataclass(frozen=True, slots=True)
class DeviceValueRow:
    """One value; None as value means that it is no longer kept."""

    device_id: str
    kind: str  # "offline" or "local"
    name: str
    value: Scalar | None


def read(connection: Connection) -> Iterator[DeviceValueRow]:
    """All rows, by device, kind and name."""
    columns = DEVICE_VALUES.c
    for row in connection.execute(select(DEVICE_VALUES).order_by(columns.device_id, columns.kind, columns.name)).all():
        yield DeviceValueRow(row.device_id, row.kind, row.name, untagged(json.loads(row.value)))


def write(connection: Connection, rows: Iterable[DeviceValueRow]) -> None:
    """Insert, replace or, without a value, remove each row."""
    columns = DEVICE_VALUES.c
    for row in rows:
        if row.value is None:
            connection.execute(
                delete(DEVICE_VALUES).where(
                    columns.device_id == row.device_id, columns.kind == row.kind, columns.name == row.name
                )
            )
            continue
        body = json.dumps(tagged(row.value))
        connection.execute(
            insert(DEVICE_VALUES)
            .values(device_id=row.device_id, kind=row.kind, name=row.name, value=body)
            .on_conflict_do_update(index_elements=["device_id", "kind", "name"], set_={"value": body})
        )


def forget(connection: Connection, device_id: str) -> None:
    """Remove all rows of one device."""
    connection.execute(delete(DEVICE_VALUES).where(DEVICE_VALUES.c.device_id == device_id))
