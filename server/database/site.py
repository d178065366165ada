"""The site database: what a site is and remembers besides history. One SQLite file, one connection, any thread.

Devices seen, values kept for them, the namespace order, accounts, alarm states with their journal, the audit trail.
All calls block until the change is on disk.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from server.core import status
from server.core.clock import TimeUs
from server.core.errors import ConfigurationError, IntegrationError
from server.core.values import AlarmEvent, EnteredEvent
from server.database import alarm_store, device_values, event_rows, rule_store
from server.database.alarm_store import JournalEntry
from server.database.device_values import DeviceValueRow
from server.database.event_rows import EventEntry
from server.database.migration import migrate
from server.database.rule_store import RuleRow
from server.database.sqlite import engine
from server.database.tables import ACCOUNTS, ALARMS, ASSIGNED_TYPES, AUDIT, DEVICES, FACTS, NAMESPACES

UA_NAMESPACE = "http://opcfoundation.org/UA/"
_FIRST_FREE = 2  # 0 is OPC UA itself, 1 the application


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device as it was last known."""

    device_id: str
    type_id: str
    path: tuple[str, ...]  # place in the plant
    created_at: TimeUs
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account; the hash is argon2's own text form."""

    user: str
    role: str
    password_hash: str
    locked: bool
    created_at: TimeUs


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One changing action, from whatever door."""

    time: TimeUs
    user: str
    role: str
    door: str
    address: str
    action: str
    target: str
    outcome: str
    detail: str


def _text(value: str) -> str:
    # A lone surrogate cannot be stored as UTF-8; names and details from outside may hold one.
    return value.encode("utf-8", "replace").decode("utf-8")


class SiteDatabase:
    """The file `site.db` in the data folder, made and upgraded at open."""

    def __init__(self, path: Path) -> None:
        """Open, creating what is missing.

        Raises:
            ConfigurationError: damaged, not writable, or written by a newer program; says what to do.
        """
        self.path = path
        self._lock = threading.Lock()
        self.on_alarms: list[Callable[[Connection, Sequence[AlarmEvent]], Callable[[], None] | None]] = []
        """Called with every batch of alarm events inside its transaction; what they write is kept with it or not, and
        what they return is called when it is kept.
        """
        self._engine = engine(path)
        try:
            with self._transaction() as connection:
                migrate(connection, "site", str(path))
                self._application_uri = _application_uri(connection)
        except ConfigurationError:
            self._engine.dispose()
            raise
        except IntegrationError as error:
            self._engine.dispose()
            raise ConfigurationError([error.text], what="database") from None

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._lock:
            try:
                with self._engine.begin() as connection:
                    yield connection
            except DBAPIError as error:
                raise IntegrationError(
                    f"{self.path}: {error.orig}: nothing was stored; check free space and rights of the data folder",
                    status_code=status.BAD_RESOURCE_UNAVAILABLE,
                ) from error

    def application_uri(self) -> str:
        """`urn:fieldloom:<random>`, made once for this site."""
        return self._application_uri

    def namespaces(self) -> list[str]:
        """The NamespaceArray: OPC UA, the application, then all others in the order they were first added."""
        with self._transaction() as connection:
            added = connection.scalars(select(NAMESPACES.c.uri).order_by(NAMESPACES.c.position))
            return [UA_NAMESPACE, self._application_uri, *added]

    def add_namespace(self, uri: str) -> int:
        """The index of a namespace; a new one goes to the end and keeps its index for good."""
        if uri == UA_NAMESPACE:
            return 0
        if uri == self._application_uri:
            return 1
        with self._transaction() as connection:
            found = connection.scalar(select(NAMESPACES.c.position).where(NAMESPACES.c.uri == uri))
            if found is not None:
                return int(found)
            last = connection.scalar(select(func.max(NAMESPACES.c.position)))
            position = _FIRST_FREE if last is None else int(last) + 1
            connection.execute(insert(NAMESPACES).values(position=position, uri=uri))
            return position

    def devices(self) -> list[DeviceRow]:
        """Every device ever seen and not deleted, in order of first appearance."""
        with self._transaction() as connection:
            rows = connection.execute(select(DEVICES).order_by(DEVICES.c.created_at, DEVICES.c.device_id)).all()
        return [
            DeviceRow(
                row.device_id, row.type_id, tuple(json.loads(row.path)), row.created_at, json.loads(row.attributes)
            )
            for row in rows
        ]

    def save_device(self, row: DeviceRow) -> None:
        """Insert or replace one device."""
        with self._transaction() as connection:
            _put_device(connection, row)

    def save_devices(self, devices: Sequence[tuple[str, str, tuple[str, ...], TimeUs, dict[str, str]]]) -> None:
        """Insert or replace many, all or none: (device_id, type_id, path, created_at, attributes)."""
        with self._transaction() as connection:
            for device in devices:
                _put_device(connection, DeviceRow(*device))

    def delete_device(self, device_id: str) -> None:
        """Forget a device, the values kept for it and the state of its alarms; the journal stays.

        An unknown one is no error.
        """
        with self._transaction() as connection:
            connection.execute(delete(DEVICES).where(DEVICES.c.device_id == device_id))
            connection.execute(delete(ALARMS).where(ALARMS.c.device_id == device_id))
            device_values.forget(connection, device_id)

    def assigned_types(self) -> dict[str, str]:
        """Device types chosen by hand, by device."""
        with self._transaction() as connection:
            rows = connection.execute(select(ASSIGNED_TYPES).order_by(ASSIGNED_TYPES.c.device_id)).all()
        return {row.device_id: row.type_id for row in rows}

    def assign_type(self, device_id: str, type_id: str | None) -> None:
        """Keep the type chosen for a device; None keeps none."""
        with self._transaction() as connection:
            connection.execute(delete(ASSIGNED_TYPES).where(ASSIGNED_TYPES.c.device_id == device_id))
            if type_id is not None:
                connection.execute(insert(ASSIGNED_TYPES).values(device_id=device_id, type_id=type_id))

    def load_device_values(self) -> list[DeviceValueRow]:
        """Every value kept for a device, by device, kind and name."""
        with self._transaction() as connection:
            return list(device_values.read(connection))

    def save_device_values(self, rows: Sequence[DeviceValueRow]) -> None:
        """Keep or, where the value is None, drop values of devices; all or none."""
        with self._transaction() as connection:
            device_values.write(connection, rows)

    def delete_device_values(self, device_id: str) -> None:
        """Drop all values kept for one device."""
        with self._transaction() as connection:
            device_values.forget(connection, device_id)

    def accounts(self) -> list[AccountRow]:
        """All accounts by name."""
        with self._transaction() as connection:
            rows = connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.user)).all()
        return [AccountRow(row.user, row.role, row.password_hash, bool(row.locked), row.created_at) for row in rows]

    def save_account(self, row: AccountRow) -> None:
        """Insert or replace one account."""
        values = {
            "role": row.role,
            "password_hash": row.password_hash,
            "locked": row.locked,
            "created_at": row.created_at,
        }
        with self._transaction() as connection:
            connection.execute(
                insert(ACCOUNTS)
                .values(user=row.user, **values)
                .on_conflict_do_update(index_elements=["user"], set_=values)
            )

    def save_alarm(self, event: AlarmEvent) -> None:
        """Keep the condition's state and append it to the journal, both or neither."""
        self.save_alarms([event])

    def save_alarms(self, events: Sequence[AlarmEvent]) -> None:
        """Keep the states of many conditions, in order, and append each to the journal, with what `on_alarms` adds; all
        or none.
        """
        if not events:
            return
        with self._transaction() as connection:
            alarm_store.save(connection, events)
            kept = [hook(connection, events) for hook in self.on_alarms]
        for tell in kept:
            if tell is not None:
                tell()

    def alarms(self) -> list[AlarmEvent]:
        """The last state of every condition and branch."""
        with self._transaction() as connection:
            return alarm_store.states(connection)

    def journal(
        self, start: TimeUs | None, end: TimeUs | None, limit: int, condition_id: str | None = None
    ) -> list[AlarmEvent]:
        """Entries with start <= time < end, oldest first, at most `limit`; None leaves that side open."""
        return [
            found.event for found in self.journal_page(start=start, end=end, limit=limit, condition_id=condition_id)
        ]

    def journal_page(
        self,
        *,
        start: TimeUs | None = None,
        end: TimeUs | None = None,
        limit: int,
        condition_id: str | None = None,
        device_id: str | None = None,
        after: tuple[TimeUs, int] | None = None,
        backward: bool = False,
    ) -> list[JournalEntry]:
        """One page of the journal; see `alarm_store.journal`."""
        with self._transaction() as connection:
            return list(
                alarm_store.journal(
                    connection,
                    start=start,
                    end=end,
                    limit=limit,
                    condition_id=condition_id,
                    device_id=device_id,
                    after=after,
                    backward=backward,
                )
            )

    def event_page(
        self,
        *,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        device_id: str | None,
        after: tuple[TimeUs, int] | None,
        backward: bool,
    ) -> list[EventEntry]:
        """One page of the journal with the events that were entered from outside; see `alarm_store.events`."""
        with self._transaction() as connection:
            return alarm_store.events(connection, start, end, limit, device_id, after, backward=backward)

    def find_events(self, event_ids: Sequence[bytes]) -> dict[bytes, EventEntry]:
        """Those of these events that are in the journal, by EventId."""
        with self._transaction() as connection:
            return event_rows.by_id(connection, event_ids)

    def change_events(self, removed: Sequence[int], entered: Sequence[EnteredEvent]) -> None:
        """Take entries out of the journal and put others in, all or none."""
        with self._transaction() as connection:
            event_rows.change(connection, removed, entered)

    def prune_journal(self, before: TimeUs, limit: int = 10_000) -> int:
        """Forget the oldest entries from before a time; how many went, at most `limit`."""
        with self._transaction() as connection:
            return alarm_store.prune(connection, before, limit)

    def alarm_rules(self) -> list[RuleRow]:
        """The rules of the site by their ids."""
        with self._transaction() as connection:
            return rule_store.read(connection)

    def save_alarm_rule(self, row: RuleRow) -> None:
        """Keep a rule, or another version of one."""
        with self._transaction() as connection:
            rule_store.write(connection, row)

    def delete_alarm_rule(self, rule_id: str) -> None:
        """Drop a rule; an unknown one is no error."""
        with self._transaction() as connection:
            rule_store.forget(connection, rule_id)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction for what is kept in tables of its own: the outbox."""
        with self._transaction() as connection:
            yield connection

    def audit(
        self,
        time: TimeUs,
        user: str,
        role: str,
        door: str,
        address: str,
        action: str,
        target: str,
        outcome: str,
        detail: str = "",
    ) -> None:
        """Append one line to the audit trail."""
        line = {
            "user": user,
            "role": role,
            "door": door,
            "address": address,
            "action": action,
            "target": target,
            "outcome": outcome,
            "detail": detail,
        }
        values = {name: _text(value) for name, value in line.items()}
        with self._transaction() as connection:
            connection.execute(insert(AUDIT).values(time=time, **values))

    def audit_rows(self, limit: int) -> list[AuditRow]:
        """The newest lines by the time of what they tell, newest first."""
        with self._transaction() as connection:
            rows = connection.execute(
                select(AUDIT).order_by(AUDIT.c.time.desc(), AUDIT.c.entry.desc()).limit(limit)
            ).all()
        return [
            AuditRow(
                row.time, row.user, row.role, row.door, row.address, row.action, row.target, row.outcome, row.detail
            )
            for row in rows
        ]

    def close(self) -> None:
        """Close the file; calling it twice is no error."""
        with self._lock:
            self._engine.dispose()


def _application_uri(connection: Connection) -> str:
    found = connection.scalar(select(FACTS.c.value).where(FACTS.c.name == "application_uri"))
    if found is not None:
        return str(found)
    made = f"urn:fieldloom:{secrets.token_hex(8)}"
    connection.execute(insert(FACTS).values(name="application_uri", value=made))
    return made


def _put_device(connection: Connection, row: DeviceRow) -> None:
    values = {
        "type_id": row.type_id,
        "path": json.dumps(list(row.path)),
        "created_at": row.created_at,
        "attributes": json.dumps(dict(row.attributes), sort_keys=True),
    }
    connection.execute(
        insert(DEVICES)
        .values(device_id=row.device_id, **values)
        .on_conflict_do_update(index_elements=["device_id"], set_=values)
    )
