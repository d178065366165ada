"""The HTTP application over a small plant, without sockets: accounts, fakes, a client per role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI

from server.alarms.engine import AlarmEngine
from server.alarms.performance import Snapshot
from server.alarms.priority import SEVERITIES
from server.alarms.rule_service import RuleService
from server.alarms.rules import AlarmRules
from server.console.api import create_app
from server.console.context import ConsoleContext
from server.console.feed import Feed
from server.core import status
from server.core.clock import ManualClock, TimeUs
from server.core.errors import NotFoundError, RemoteError
from server.core.values import Caller, ChangeKind, CommandResponse, DeviceId, ModelChange, Scalar
from server.database.alarm_store import JournalEntry
from server.database.rule_store import RuleRow
from server.database.site import AccountRow
from server.fdi.assignment import TypeAssignments
from server.model.plant import Plant
from server.pipeline import Pipeline
from server.security.access import ROLES, Right, require
from server.security.sessions import Sessions
from server.security.users import Accounts
from server.settings import HttpSettings
from tests.kit.history import MemoryHistory
from tests.kit.plant import measured, pump_type
from tests.kit.sinks import Remembered, RememberedHistory, RememberedPoints, RememberedSender

FAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""A hash that costs nothing: these tests are not about its strength."""

PASSWORDS = {role: f"secret of {role}" for role in ROLES}
PACKAGE = b"PK a package"


class AccountsInMemory:
    """Where accounts are kept for a test."""

    def __init__(self) -> None:
        self.rows: dict[str, AccountRow] = {}

    def accounts(self) -> Sequence[AccountRow]:
        return [self.rows[user] for user in sorted(self.rows)]

    def save_account(self, row: AccountRow) -> None:
        self.rows[row.user] = row


class RulesInMemory:
    """Where alarm rules are kept for a test."""

    def __init__(self) -> None:
        self.rows: dict[str, RuleRow] = {}

    def alarm_rules(self) -> Sequence[RuleRow]:
        return [self.rows[rule_id] for rule_id in sorted(self.rows)]

    def save_alarm_rule(self, row: RuleRow) -> None:
        self.rows[row.rule_id] = row

    def delete_alarm_rule(self, rule_id: str) -> None:
        self.rows.pop(rule_id, None)


class NotificationsInMemory:
    """One channel with three messages that were given up."""

    def channels(self) -> list[dict[str, Any]]:
        return [{"name": "duty", "kind": "email", "ok": True, "waiting": 0, "sent": 0, "given_up": 3, "error": ""}]

    async def try_out(self, name: str, caller: Caller) -> None:
        require(caller, Right.MANAGE_ALARMS, "test")
        self._require(name)

    async def try_again(self, name: str, caller: Caller) -> int:
        require(caller, Right.MANAGE_ALARMS, "send again")
        self._require(name)
        return 3

    @staticmethod
    def _require(name: str) -> None:
        if name != "duty":
            raise NotFoundError(f"no notification channel {name!r}")


class JournalInMemory:
    """Every event that was saved, page by page."""

    def __init__(self, records: Remembered) -> None:
        self._records = records

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
        saved = [event for kind, events in self._records.seen if kind == "saved" for event in events]  # type: ignore[attr-defined]
        found = [
            JournalEntry(number, event)
            for number, event in enumerate(saved, 1)
            if (start is None or event.time >= start)
            and (end is None or event.time < end)
            and condition_id in (None, event.condition_id)
            and device_id in (None, event.device_id)
        ]
        found.sort(key=lambda entry: entry.place, reverse=backward)
        if after is not None:
            found = [entry for entry in found if (entry.place < after if backward else entry.place > after)]
        return found[:limit]


class PackagesInMemory:
    """One package at most; refuses what does not begin as a ZIP."""

    def __init__(self) -> None:
        self.installed: dict[str, bytes] = {}

    async def install(self, data: bytes, caller: Caller) -> list[dict[str, Any]]:
        require(caller, Right.PACKAGES, "install packages")
        if not data.startswith(b"PK"):
            raise RemoteError("not a ZIP archive [zip.broken]", status_code=status.BAD_INVALID_ARGUMENT)
        self.installed["pump"] = data
        return self.list()

    async def rollback(self, package: str, version: str | None, caller: Caller) -> dict[str, Any]:
        require(caller, Right.PACKAGES, "roll back packages")
        self._require(package)
        return {"package_id": package, "version": version or "0.9.0", "current": True}

    async def remove(self, package: str, version: str | None, caller: Caller) -> None:
        require(caller, Right.PACKAGES, "remove packages")
        self._require(package)
        del self.installed[package]

    def list(self) -> list[dict[str, Any]]:
        return [{"package_id": name, "version": "1.0.0"} for name in self.installed]

    def details(self, package: str, version: str | None = None) -> dict[str, Any]:
        self._require(package)
        return {"package_id": package, "types": []}

    def document(self, package: str, name: str) -> tuple[str, bytes]:
        self._require(package)
        if name != "manual.html":
            raise NotFoundError(f"no document {name!r} in {package}")
        return "text/html", b"<script>alert(1)</script>"

    def _require(self, package: str) -> None:
        if package not in self.installed:
            raise NotFoundError(f"no package {package!r}")


class ChoicesInMemory:
    """Types chosen by hand without bridge, disk and locks: all types share their topics."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    def assign(self, types: Mapping[str, str]) -> None: ...

    def share(self, _one: str, _other: str) -> bool:
        return True

    def assigned_types(self) -> dict[str, str]:
        return dict(self.rows)

    def assign_type(self, device_id: str, type_id: str | None) -> None:
        self.rows = {**self.rows, device_id: type_id or ""}

    def delete_device(self, device_id: str) -> None: ...

    def require(self, _device_id: DeviceId, _caller: Caller) -> None: ...


class AnsweringSender(RememberedSender):
    """A device that confirms every command with these values, or stays silent."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Scalar] = {}
        self.outcome = "done"
        self.silent = False
        self.answered = lambda response: None

    async def send_command(
        self, type_id: str, device_id: str, command_id: str, name: str, params: dict[str, object]
    ) -> None:
        await super().send_command(type_id, device_id, command_id, name, params)
        if not self.silent:
            self.answered(
                CommandResponse(command_id, self.outcome, "told by the device", self.values, 0, DeviceId(device_id))
            )


@dataclass
class Site:
    """The application and everything behind it."""

    clock: ManualClock
    plant: Plant
    pipeline: Pipeline
    context: ConsoleContext
    app: FastAPI
    records: Remembered
    sender: AnsweringSender
    accounts: AccountsInMemory
    packages: PackagesInMemory
    history: MemoryHistory
    health: dict[str, Mapping[str, object]] = field(default_factory=dict)

    async def feed(self, *, device: str = "pump-1", ago_s: float = 0.0, **values: Scalar) -> None:
        """One message of a pump."""
        await self.pipeline.offer([measured(self.clock.now() - round(ago_s * 1e6), device, **values)])

    def client(self, **more: Any) -> httpx.AsyncClient:
        """Somebody who has not signed in."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("127.0.0.1", 50_000))
        return httpx.AsyncClient(transport=transport, base_url="http://fieldloom.test", **more)

    @asynccontextmanager
    async def signed_in(self, role: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client with the bearer token of a role; "anonymous" has none."""
        async with self.client() as client:
            if role != "anonymous":
                session = self.context.sessions.open(role, role, "http", "127.0.0.1")
                client.headers["Authorization"] = f"Bearer {session.token}"
            yield client


async def make_site(clock: ManualClock, folder: Path, *, pages: bool = False, **settings: Any) -> Site:
    """A plant with one kind of pump and an application over it."""
    plant = Plant()
    rules = AlarmRules(plant)
    engine = AlarmEngine(plant, declared=rules.specs_of)
    feed = Feed()
    records = Remembered()
    points = RememberedPoints()
    sender = AnsweringSender()
    pipeline = Pipeline(
        plant=plant,
        clock=clock,
        points=[points],
        alarms=engine,
        alarm_sinks=[points, feed],
        history=_Committed(),
        feeds=[feed],
        sender=sender,
        records=records,
        command_timeout_s=0.05,
    )
    sender.answered = pipeline.answered
    await pipeline.install(pump_type())
    accounts = AccountsInMemory()
    for role in ROLES:
        accounts.save_account(AccountRow(role, role, FAST.hash(PASSWORDS[role]), False, clock.now()))
    packages, history = PackagesInMemory(), MemoryHistory()
    health: dict[str, Mapping[str, object]] = {"mqtt": {"ok": True}, "history": {"ok": True}}
    choices = ChoicesInMemory()
    service = RuleService(rules, RulesInMemory(), records.audit, clock)
    service.attach(pipeline)
    context = ConsoleContext(
        pipeline=pipeline,
        plant=plant,
        packages=packages,
        assignments=TypeAssignments(plant, pipeline, choices, choices, choices, records.audit, clock),
        history=history,
        accounts=Accounts(accounts, folder, clock, hasher=FAST),
        sessions=Sessions(clock, 3_600, settings.get("login_attempts", 10)),
        feed=feed,
        health=lambda: health,
        metrics=lambda: {**pipeline.counters(), **feed.counters()},
        performance=Snapshot,
        rules=service,
        notifications=NotificationsInMemory(),
        journal=JournalInMemory(records),
        severities=SEVERITIES,
        audit=records.audit,
        settings=HttpSettings(**settings),
        clock=clock,
        data_dir=folder,
    )
    app = create_app(context, pages=pages)
    return Site(clock, plant, pipeline, context, app, records, sender, accounts, packages, history, health)


class _Committed(RememberedHistory):
    """A historian that has everything on disk at once."""

    def record(self, updates: Sequence[Any]) -> asyncio.Future[None]:
        commit = super().record(updates)
        commit.set_result(None)
        return commit


REMOVED = ModelChange(ChangeKind.DEVICE_REMOVED, "pump", DeviceId("pump-1"))
