"""What the console room needs of the others; `app.py` passes it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from server.alarms.performance import Snapshot
from server.alarms.rule_service import RuleService
from server.console.feed import Feed
from server.console.shared import SharedAnswers
from server.core.clock import Clock, TimeUs
from server.core.values import Caller
from server.fdi.draft.service import DraftService
from server.history.aggregates.catalogue import Aggregate
from server.history.aggregates.results import Configuration, ProcessedPage
from server.history.reader import Buckets
from server.history.store import Page
from server.history.tiers import Tier
from server.model.plant import Plant
from server.pipeline import Pipeline
from server.pipeline.ports import AlarmJournal
from server.security.audit import AuditWriter
from server.security.sessions import Sessions
from server.security.users import Accounts
from server.settings import HttpSettings


class Packages(Protocol):
    """Installed FDI packages. Checks rights and leaves audit records itself."""

    async def install(self, data: bytes, caller: Caller) -> list[dict[str, Any]]:
        """Take a package in; its types are usable when this returns.

        Raises:
            DeniedError: the caller may not.
            RemoteError: the package is refused.
        """

    async def rollback(self, package: str, version: str | None, caller: Caller) -> dict[str, Any]:
        """Put another installed version in use; None: the next below the one in use.

        Raises:
            DeniedError, NotFoundError: may not; not there.
        """

    async def remove(self, package: str, version: str | None, caller: Caller) -> None:
        """Remove a package or one version of it.

        Raises:
            DeniedError, NotFoundError: may not; not there.
        """

    def list(self) -> list[dict[str, Any]]:
        """A summary of each."""

    def details(self, package: str, version: str | None = None) -> dict[str, Any]:
        """Parameters, commands and documents of one. Raises NotFoundError."""

    def document(self, package: str, name: str) -> tuple[str, bytes]:
        """(content type, bytes) of one document or image.

        Raises:
            NotFoundError, RemoteError: no such package; none of this name.
        """


class Notifications(Protocol):
    """Channels that tell of alarms. Checks rights and leaves audit records itself."""

    def channels(self) -> list[dict[str, Any]]:
        """Each channel and how it does."""

    async def try_out(self, name: str, caller: Caller) -> None:
        """Send a test message. Raises DeniedError, NotFoundError."""

    async def try_again(self, name: str, caller: Caller) -> int:
        """Send again what was given up; how many. Raises DeniedError, NotFoundError."""


class Assignments(Protocol):
    """Device types chosen by hand. Checks rights and leaves audit records itself."""

    @property
    def types(self) -> Mapping[str, str]:
        """The type chosen for each device."""

    async def assign(self, device_id: str, type_id: str, caller: Caller) -> None:
        """Choose the type of a device, seen already or not.

        Raises:
            DeniedError, NotFoundError, RemoteError: may not, or locked; no such type; the types share no topic.
        """

    async def release(self, device_id: str, caller: Caller) -> None:
        """Let a device be again what it says itself. Raises DeniedError, NotFoundError."""


class History(Protocol):
    """Stored values; see `HistoryStore.read_raw`."""

    async def read_raw(
        self,
        device_id: str,
        parameter: str,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        *,
        bounds: bool = False,
        resume: TimeUs | None = None,
    ) -> Page: ...

    def tier(self, place: tuple[str, str], start: TimeUs, end: TimeUs) -> Tier: ...

    def silence_s(self, place: tuple[str, str], usual_s: float) -> float: ...

    def raw_from(self, device_id: str) -> TimeUs | None: ...

    async def buckets(self, places: Sequence[tuple[str, str]], start: TimeUs, end: TimeUs, width: int) -> Buckets: ...

    async def process(
        self,
        place: tuple[str, str],
        aggregate: Aggregate,
        start: TimeUs,
        end: TimeUs,
        width: int,
        configuration: Configuration,
        limit: int,
    ) -> ProcessedPage: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleContext:
    """Everything routes and pages work with."""

    pipeline: Pipeline
    plant: Plant
    packages: Packages
    history: History
    accounts: Accounts
    sessions: Sessions
    feed: Feed
    health: Callable[[], Mapping[str, Mapping[str, object]]]  # dependency -> {"ok": bool, facts …}
    metrics: Callable[[], Mapping[str, int | float]]  # every counter and gauge by name
    performance: Callable[[], Snapshot]  # how the alarm system performs now
    rules: RuleService
    notifications: Notifications
    journal: AlarmJournal
    severities: Mapping[str, int]  # of each alarm priority
    audit: AuditWriter
    settings: HttpSettings
    clock: Clock
    data_dir: Path
    answers: SharedAnswers = field(default_factory=SharedAnswers)
    assignments: Assignments | None = None  # absent: types are not chosen by hand here
    drafts: DraftService | None = None  # absent: this server does not listen for drafts
