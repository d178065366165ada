"""A boiler with edit contexts over it, wired as the server does, for tests of editing."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.core import status
from server.core.clock import ManualClock
from server.core.status import name_of
from server.core.values import Caller, Scalar
from server.fdi.configuration import Configuration
from server.fdi.edit_context import EditContexts
from server.fdi.edit_values import Side
from server.model.lock import Locks, owner_of
from server.model.plant import Plant
from server.settings import FdiSettings
from tests.kit.editing import ANNA, BOILER, PARAMETERS, Disk, FakeAccess, boiler_plant, report

ON, OFF = Side.ONLINE, Side.OFFLINE


class LiveValues:
    """Values that no Variable shows: one PRIVATE parameter."""

    def value(self, name: str) -> Scalar | None:
        return {"secret": 7.0}.get(name)


@dataclass
class EditSite:
    """Everything around edit contexts, wired as the server does."""

    clock: ManualClock
    limits: FdiSettings = field(default_factory=FdiSettings)

    def __post_init__(self) -> None:
        self.plant: Plant = boiler_plant(self.clock, low=20.0, high=80.0, unit=0, span=50.0, mode=1, extra="x")
        self.locks = Locks(self.clock, timeout_s=60.0)
        self.disk = Disk()
        self.configuration = Configuration(self.disk, self.plant)
        self.access = FakeAccess(self.plant, self.clock)
        self.contexts = EditContexts(
            self.plant, self.locks, self.configuration, self, self.access, None, self.clock, self.limits
        )
        self.changed: list[tuple[str, frozenset[tuple[Side, str]]]] = []
        self.discarded: list[str] = []
        self.contexts.on_changed.append(lambda *what: self.changed.append(what))
        self.contexts.on_discarded.append(self.discarded.append)

    def values(self, _device_id: str) -> LiveValues:
        return LiveValues()

    def opened(self, parent: str = "", caller: Caller = ANNA) -> str:
        """A context of a caller who holds the lock."""
        self.locks.init_lock(BOILER, "", owner_of(caller))
        context, code = self.contexts.get(BOILER, parent, 1, caller)
        assert code == 0
        self.contexts.register(context, PARAMETERS, caller)
        return context

    def look(self, context: str, name: str, side: Side = ON) -> tuple[Scalar | None, str]:
        """(value, name of its StatusCode) as the context shows it."""
        seen = self.contexts.read(context, side, name)
        return seen.value, name_of(seen.status)

    async def edit(self, context: str, side: Side = ON, **values: Scalar) -> None:
        """Write values that must be taken."""
        for name, value in values.items():
            assert await self.contexts.write(context, side, name, value, ANNA) == status.GOOD

    def say(self, **values: Scalar) -> None:
        """The boiler reports values."""
        self.contexts.values_changed(report(self.plant, self.clock, **values))  # type: ignore[arg-type]
