"""What the flow needs of the rooms above and below it; `app.py` passes implementations in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from server.core.alarm_actions import AlarmAction
from server.core.clock import TimeUs
from server.core.status import StatusCode
from server.core.values import AlarmEvent, Caller, DeviceId, EnteredEvent, Measurement, ModelChange, PointUpdate, Scalar
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device
from server.model.device_type import DeviceType, SpecChange


class PointSink(Protocol):
    """Takes accepted values, in order, a whole batch at a time."""

    async def prepare_type(self, device_type: DeviceType) -> None:
        """A type, or another version of one, is about to be installed: do what takes long, change nothing.

        Whatever this raises ends the installation.
        """

    async def model_changed(self, change: ModelChange) -> None:
        """A type or device came or went; called before any value of it, after its last."""

    async def publish(self, updates: Sequence[PointUpdate]) -> None:
        """Show these. Late ones (`UpdateKind.LATE`) never replace a live value."""

    async def specs_changed(self, changes: Sequence[SpecChange]) -> None:
        """Parameters mean something else now; called after the values that caused it."""


class BusinessLogic(Protocol):
    """What the EDDs make of values: effective ranges, units, labels, access, validity. Pure and quick."""

    def model_changed(self, change: ModelChange) -> Sequence[SpecChange]:
        """A type or device came or went; what its parameters mean from the start."""

    def evaluate(self, updates: Sequence[PointUpdate]) -> Sequence[SpecChange]:
        """What these values change, applied to the plant already; only what depends on them is looked at."""


class Guard(Protocol):
    """Who may change a device now: DI locking."""

    def require(self, device_id: DeviceId, caller: Caller) -> None:
        """Raises DeniedError with BadLocked while somebody else holds the lock."""


class WriteHooks(Protocol):
    """What an EDD does around a write to the device: PRE_WRITE_ACTIONS, POST_WRITE_ACTIONS."""

    async def before_write(
        self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller
    ) -> tuple[StatusCode, Scalar]:
        """Good and the value to send (actions may change it), or why nothing is sent."""

    async def after_write(self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller) -> StatusCode:
        """Good, or GoodPostActionFailed."""


class AlarmJudge(Protocol):
    """Judges values once; everybody else shows the result. Pure: times are passed in."""

    def model_changed(self, change: ModelChange, now: TimeUs) -> Sequence[AlarmEvent]:
        """A type or device came, went or changed; what that does to conditions: some end, some are judged anew."""

    def redeclared(self, device_ids: Sequence[DeviceId], now: TimeUs) -> Sequence[AlarmEvent]:
        """Rules changed what these devices' conditions are: some end, some are judged anew, all others stay."""

    def judge(self, updates: Sequence[PointUpdate]) -> Sequence[AlarmEvent]:
        """Transitions that these updates cause, in order; times come from the updates."""

    def tick(self, now: TimeUs) -> Sequence[AlarmEvent]:
        """What time alone does: delays that are over, shelving that ends, re-alarms; in order of when they were due."""

    def act(self, action: AlarmAction, user: str, now: TimeUs) -> Sequence[AlarmEvent]:
        """What an operator does; the first event answers him, further ones follow from it.

        Raises:
            NotFoundError: BadNodeIdUnknown: no such condition.
            RemoteError: BadEventIdUnknown, BadConditionBranchAlreadyAcked, BadConditionBranchAlreadyConfirmed,
                BadConditionDisabled, BadConditionAlreadyEnabled, BadConditionAlreadyDisabled, BadConditionNotShelved,
                BadConditionAlreadyShelved, BadShelvingTimeOutOfRange, BadInvalidState, BadMethodInvalid (the alarm has
                no such state).
        """

    def retained(self) -> list[AlarmEvent]:
        """Every condition and branch that somebody must still see, oldest first."""

    def state(self, condition_id: str) -> AlarmEvent | None:
        """The current state of a condition; one that never changed is inactive and acknowledged.

        None: no such condition.
        """

    def branches(self, condition_id: str) -> list[AlarmEvent]:
        """Its earlier states that still have to be acknowledged or confirmed, oldest first."""

    def spec(self, condition_id: str) -> AlarmSpec | None:
        """How a condition is declared; None: no such condition."""

    def specs_of(self, device: Device) -> Sequence[AlarmSpec]:
        """How the conditions of a device are declared now, even before the engine has heard of it."""

    def max_time_shelved_s(self, spec: AlarmSpec | None) -> float:
        """Greatest ShelvingTime of an alarm: its own, or the site's."""

    def condition_ids(self, device_id: str) -> list[str]:
        """Conditions of one device."""

    @property
    def failures(self) -> int:
        """Judgements that could not be made: a mistake of the program, told in the log."""


class AlarmSink(Protocol):
    """Shows what alarms did: condition events, journal, streams."""

    async def alarms_changed(self, events: Sequence[AlarmEvent]) -> None: ...

    async def conditions_changed(self, device_ids: Sequence[DeviceId]) -> None:
        """Rules gave these devices other conditions; called before any event of a new one, after the last of an old."""


class JournalEntry(Protocol):
    """One event of the journal; `place` is what paging goes on from."""

    @property
    def event(self) -> AlarmEvent: ...

    @property
    def place(self) -> tuple[TimeUs, int]: ...


class AlarmJournal(Protocol):
    """Earlier events of conditions. Blocks."""

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
    ) -> Sequence[JournalEntry]:
        """Entries with start <= time < end, at most `limit`, oldest or newest first; `after` goes on from there."""


class EventEntry(Protocol):
    """One event of the journal, of a condition or entered from outside."""

    @property
    def entry(self) -> int: ...

    @property
    def event(self) -> AlarmEvent | EnteredEvent: ...

    @property
    def place(self) -> tuple[TimeUs, int]: ...


class EventJournal(AlarmJournal, Protocol):
    """The journal as clients may change it. Blocks."""

    def event_page(
        self,
        *,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        device_id: str | None,
        after: tuple[TimeUs, int] | None,
        backward: bool,
    ) -> Sequence[EventEntry]:
        """As `journal_page`, with the events that were entered from outside."""

    def find_events(self, event_ids: Sequence[bytes]) -> Mapping[bytes, EventEntry]:
        """Those of these events that there are, by EventId."""

    def change_events(self, removed: Sequence[int], entered: Sequence[EnteredEvent]) -> None:
        """Take entries out and put others in, all or none."""


class DurableSink(Protocol):
    """The historian's inlet."""

    def model_changed(self, change: ModelChange) -> None: ...

    def record(self, updates: Sequence[PointUpdate]) -> asyncio.Future[None]:
        """Take these for history; the future is done when they are on disk (spool commit). Never drops silently."""


class LatestSink(Protocol):
    """A feed that may skip to the latest value; must return at once."""

    def model_changed(self, change: ModelChange) -> None: ...

    def offer(self, updates: Sequence[PointUpdate]) -> None: ...


class SiteRecords(Protocol):
    """What the flow keeps for the next start. All calls block: they run off the event loop."""

    def save_devices(self, devices: Sequence[tuple[str, str, tuple[str, ...], TimeUs, dict[str, str]]]) -> None:
        """(device_id, type_id, path, created_at, attributes) of devices seen; known ones are replaced."""

    def save_alarms(self, events: Sequence[AlarmEvent]) -> None:
        """Latest state of each condition and branch, and a journal entry of each, in one transaction.

        A branch with Retain FALSE is over: only its journal entry stays.
        """

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
        detail: str,
    ) -> None:
        """One audit record."""


class CommandSender(Protocol):
    """Carries one command to its device's broker."""

    async def send_command(
        self, type_id: str, device_id: str, command_id: str, name: str, params: dict[str, object]
    ) -> None:
        """Publish it, QoS 1.

        Raises:
            RemoteError: the broker is away or refuses.
        """


Inlet = Callable[[Sequence[Measurement]], Awaitable["asyncio.Future[None]"]]
"""What the bridge calls: returns a future that is done when the batch is durable, so that MQTT can be acknowledged."""
