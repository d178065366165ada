"""One way in, one way out: measurements to plant to sinks in their order; commands to devices; alarms to everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from server.core.alarm_actions import BY_ENGINEERS, AlarmAction, Verb
from server.core.clock import Clock
from server.core.errors import IntegrationError
from server.core.status import BAD_SHUTDOWN, GOOD, StatusCode, name_of
from server.core.values import (
    INTERNAL,
    AlarmEvent,
    Caller,
    ChangeKind,
    Command,
    CommandResponse,
    CommandResult,
    DeviceId,
    Measurement,
    ModelChange,
    PointUpdate,
    Scalar,
)
from server.model.device_type import DeviceType, SpecChange
from server.model.plant import Plant
from server.pipeline.commands import CommandDesk
from server.pipeline.ledger import AlarmLedger
from server.pipeline.ports import (
    AlarmJudge,
    AlarmSink,
    BusinessLogic,
    CommandSender,
    DurableSink,
    Guard,
    LatestSink,
    PointSink,
    SiteRecords,
    WriteHooks,
)
from server.security.access import Right, require
from server.security.audit import AuditTrail

TICK_S = 0.5
"""How often silence is looked at."""
STOP_S = 1.0
"""How long a stop waits for commands and alarm actions that were begun."""
ABANDONED = "the server stopped before the device answered"
Result = TypeVar("Result")
SPREAD_TURN_S = 0.01
"""After so long with model changes alone, the event loop serves others."""


class Pipeline:
    """The flow of one server. Sinks see every batch whole and in order; the address space before the alarms."""

    def __init__(
        self,
        *,
        plant: Plant,
        clock: Clock,
        points: Sequence[PointSink],
        alarms: AlarmJudge,
        alarm_sinks: Sequence[AlarmSink],
        history: DurableSink,
        feeds: Sequence[LatestSink],
        sender: CommandSender,
        records: SiteRecords,
        command_timeout_s: float = 5.0,
        logic: BusinessLogic | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._logic = logic
        self.plant = plant
        self.alarms = alarms
        self._clock = clock
        self._points = points
        self._alarm_sinks = alarm_sinks
        self._history = history
        self._feeds = feeds
        self._records = records
        self._ledger = AlarmLedger(records.save_alarms)
        self._trail = AuditTrail(records.audit, clock)
        self._order = asyncio.Lock()  # sinks see batches one after the other
        self._desk = CommandDesk(plant, sender, clock, self._echo, command_timeout_s, guard)
        self.on_alarm_action: list[Callable[[AlarmAction, Caller, StatusCode], None]] = []
        """Called with every action on an alarm and its outcome, whatever door it came through."""
        self._unfinished: set[asyncio.Task[Any]] = set()
        self._batches = 0
        self._alarm_events = 0

    def hook(self, hooks: WriteHooks) -> None:
        """What an EDD does around writes; set once, before the first one."""
        self._desk.hooks = hooks

    # -- in

    async def offer(self, measurements: Sequence[Measurement]) -> asyncio.Future[None]:
        """Take a batch in. The future is done when its values are on disk: only then may the source forget it."""
        async with self._order:
            now = self._clock.now()
            changes: list[ModelChange] = []
            updates: list[PointUpdate] = []
            for measurement in measurements:
                applied = self.plant.apply(measurement, now)
                changes += applied.changes
                updates += applied.updates
            self._batches += 1
            if changes:
                await self._save(changes)
                await self._spread(changes)
            return await self._flow(updates)

    async def _flow(self, updates: Sequence[PointUpdate]) -> asyncio.Future[None]:
        for sink in self._points:
            await sink.publish(updates)
        if self._logic is not None:
            changed = self._logic.evaluate(updates)
            if changed:
                for sink in self._points:
                    await sink.specs_changed(changed)
        events = self.alarms.judge(updates)
        if events:
            await self._announce(events)
        for feed in self._feeds:
            feed.offer(updates)
        return self._history.record(updates)

    async def respecified(self, look: Callable[[], Sequence[SpecChange]]) -> None:
        """Show what parameters mean after something else than a value of a device changed; `look` finds out in turn."""
        async with self._order:
            changes = look()
            for sink in self._points if changes else ():
                await sink.specs_changed(changes)

    async def _echo(self, measurement: Measurement) -> None:
        await self.offer([measurement])

    async def tick(self) -> None:
        """Look at silence and at answers nobody waited for; called every `TICK_S`."""
        await self._desk.drain()
        async with self._order:
            now = self._clock.now()
            stale = self.plant.decay(now)
            if stale:
                await self._flow(stale)
            events = self.alarms.tick(now)
            if events:
                await self._announce(events)
            await self._ledger.settle()

    # -- types and devices

    async def install(self, device_type: DeviceType) -> None:
        """Take a device type in, or let another version of one take over; its nodes are there when this returns.

        Values wait meanwhile, none is lost. When something fails on the way, everything is as before, and it is raised.
        """
        for sink in self._points:
            await sink.prepare_type(device_type)
        async with self._order:
            update = self.plant.replacing(device_type)
            try:
                await self._spread(update.steps())
            except BaseException:
                await self._spread(update.undo())
                raise

    async def uninstall(self, type_id: str) -> None:
        """Remove a type and its devices.

        Raises:
            NotFoundError: no such type.
        """
        async with self._order:
            await self._spread(self.plant.uninstall(type_id))

    async def retype(self, device_id: DeviceId, type_id: str) -> None:
        """Let a device be of another type; raises NotFoundError. What it was goes, what it is now comes."""
        async with self._order:
            steps = list[ModelChange]()

            def walked() -> Iterator[ModelChange]:
                for change in self.plant.retype(device_id, type_id):
                    steps.append(change)
                    yield change

            await self._spread(walked())
            await self._save(steps)

    async def forget(self, device_id: DeviceId) -> None:
        """Let a device go until its next message; raises NotFoundError."""
        async with self._order:
            await self._spread(self.plant.forget(device_id))

    async def restore(self, devices: Iterable[tuple[str, str, tuple[str, ...], int, dict[str, str]]]) -> int:
        """Bring back devices of earlier runs; returns how many came back."""
        async with self._order:
            found = (self.plant.restore(DeviceId(row[0]), *row[1:]) for row in devices)
            changes = [change for change in found if change is not None]
            await self._spread(changes)
            return len(changes)

    async def _save(self, changes: Sequence[ModelChange]) -> None:
        added = [change.device_id for change in changes if change.kind is ChangeKind.DEVICE_ADDED]
        seen = [self.plant.devices[device_id] for device_id in added if device_id is not None]
        if seen:
            rows = [(d.device_id, d.device_type.type_id, d.path, d.created_at, dict(d.attributes)) for d in seen]
            await asyncio.to_thread(self._records.save_devices, rows)

    async def _spread(self, changes: Iterable[ModelChange]) -> None:
        """Tell all sinks. The changes may be made one by one as they are asked for; the event loop gets its turns."""
        now = self._clock.now()
        time = asyncio.get_running_loop().time
        turn = time() + SPREAD_TURN_S
        events: list[AlarmEvent] = []
        for change in changes:
            for sink in self._points:
                await sink.model_changed(change)
            if self._logic is not None:
                specs = self._logic.model_changed(change)
                for sink in self._points if specs else ():
                    await sink.specs_changed(specs)
            events += self.alarms.model_changed(change, now)
            self._history.model_changed(change)
            for feed in self._feeds:
                feed.model_changed(change)
            if time() >= turn:
                if events:
                    await self._announce(events)
                    events = []
                await asyncio.sleep(0)
                turn = time() + SPREAD_TURN_S
        if events:
            await self._announce(events)

    # -- out

    async def submit(self, command: Command) -> CommandResult:
        """Send a command and wait for its echo; see `CommandDesk.submit` for what it raises. Leaves an audit record."""
        return await self._finish(self._submit(command))

    async def _submit(self, command: Command) -> CommandResult:
        target = f"{command.device_id}/{command.name}"
        try:
            result = await self._desk.submit(command)
        except IntegrationError as error:
            await self._audit(command.caller, "command", target, name_of(error.status), error.text)
            raise
        except asyncio.CancelledError:
            await self._audit(command.caller, "command", target, name_of(BAD_SHUTDOWN), ABANDONED)
            raise
        detail = " ".join(f"{key}={value!r}" for key, value in command.params.items())
        await self._audit(command.caller, "command", target, name_of(result.status), _joined(detail, result.reason))
        return result

    async def write_parameter(
        self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller
    ) -> CommandResult:
        """Carry a plain Write to its device; see `CommandDesk.write`. Leaves an audit record."""
        return await self._finish(self._write_parameter(device_id, parameter, value, caller))

    async def _write_parameter(
        self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller
    ) -> CommandResult:
        target = f"{device_id}/{parameter}"
        try:
            result = await self._desk.write(device_id, parameter, value, caller)
        except IntegrationError as error:
            await self._audit(caller, "write", target, name_of(error.status), error.text)
            raise
        except asyncio.CancelledError:
            await self._audit(caller, "write", target, name_of(BAD_SHUTDOWN), ABANDONED)
            raise
        await self._audit(caller, "write", target, name_of(result.status), _joined(repr(value), result.reason))
        return result

    def answered(self, response: CommandResponse) -> None:
        """An answer arrived at the bridge."""
        self._desk.answered(response)

    # -- alarms

    async def redeclare(self, change: Callable[[], Sequence[DeviceId]]) -> Sequence[AlarmEvent]:
        """Let rules change what conditions devices have; `change` does it in turn and says of which devices."""
        return await self._finish(self._redeclare(change))

    async def _redeclare(self, change: Callable[[], Sequence[DeviceId]]) -> Sequence[AlarmEvent]:
        async with self._order:
            device_ids = change()
            events = self.alarms.redeclared(device_ids, self._clock.now())
            gone = [event for event in events if event.cause == "ended"]
            if gone:
                await self._announce(gone)
            for sink in self._alarm_sinks:
                await sink.conditions_changed(device_ids)
            rest = [event for event in events if event.cause != "ended"]
            if rest:
                await self._announce(rest)
            return events

    async def alarm_action(self, action: AlarmAction, caller: Caller) -> AlarmEvent:
        """What an operator does to an alarm; every door comes through here. Leaves an audit record.

        Raises:
            DeniedError, NotFoundError, RemoteError: as `AlarmJudge.act` says.
        """
        return await self._finish(self._alarm_action(action, caller))

    async def _alarm_action(self, action: AlarmAction, caller: Caller) -> AlarmEvent:
        verb, target = action.verb, action.condition_id
        right = Right.MANAGE_ALARMS if verb in BY_ENGINEERS else Right.ACKNOWLEDGE
        detail = action.comment or ""
        if action.shelve_s is not None:
            detail = _joined(f"{action.shelve_s:g} s", detail)
        try:
            require(caller, right, f"{verb.value} {target}")
            async with self._order:
                events = self.alarms.act(action, caller.user, self._clock.now())
                await self._announce(events)
        except IntegrationError as error:
            self._tell_action(action, caller, error.status)
            await self._audit(caller, verb.value, target, name_of(error.status), error.text)
            raise
        self._tell_action(action, caller, GOOD)
        await self._audit(caller, verb.value, target, "Good", detail)
        return events[0]

    def _tell_action(self, action: AlarmAction, caller: Caller, code: StatusCode) -> None:
        for listener in self.on_alarm_action:
            listener(action, caller, code)

    async def acknowledge(self, condition_id: str, event_id: bytes | None, comment: str, caller: Caller) -> AlarmEvent:
        """Acknowledge an alarm, with a comment unless it is empty."""
        return await self.alarm_action(AlarmAction(Verb.ACKNOWLEDGE, condition_id, event_id, comment or None), caller)

    async def comment(self, condition_id: str, event_id: bytes | None, comment: str, caller: Caller) -> AlarmEvent:
        """Add a comment to an alarm."""
        return await self.alarm_action(AlarmAction(Verb.COMMENT, condition_id, event_id, comment), caller)

    async def stop(self) -> None:
        """Let what was begun end; commands that nobody has answered by then are given up, with a record of it."""
        if self._unfinished:
            _, waiting = await asyncio.wait(self._unfinished, timeout=STOP_S)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def settled(self) -> None:
        """Wait until what has happened so far to alarms is kept and shown: whoever looks then sees nothing that a crash
        could take back. What is read before the next `await` is read in that moment.
        """
        async with self._order:
            pass

    async def _finish(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Carry something out to its end and its audit record, also when who asked for it is gone meanwhile."""
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._unfinished.discard(task)
        if not task.cancelled():
            task.exception()  # who asked has it, or is gone

    async def _announce(self, events: Sequence[AlarmEvent]) -> None:
        self._alarm_events += len(events)
        # Kept before shown: what an operator has seen survives the next second.
        await self._ledger.keep(events)
        for sink in self._alarm_sinks:
            await sink.alarms_changed(events)

    async def _audit(self, caller: Caller, action: str, target: str, outcome: str, detail: str) -> None:
        if caller is INTERNAL:
            return
        await self._trail.write(caller, action, target, outcome, detail)

    def counters(self) -> dict[str, int | float]:
        """What passed and what did not, as nodes and metrics show it."""
        plant = self.plant.counters
        values: dict[str, int | float] = {
            "devices": len(self.plant.devices),
            "device_types": len(self.plant.types),
            "batches": self._batches,
            "measurements": plant.measurements,
            "values": plant.values,
            "late_values": plant.late,
            "repeated_values": plant.repeated,
            "stale_values": plant.stale,
            "alarm_events": self._alarm_events,
            "alarm_events_not_kept": self._ledger.owed,
            "alarm_events_lost": self._ledger.lost,
            "alarms_not_judged": self.alarms.failures,
        }
        values |= {f"refused_{reason}": count for reason, count in plant.refused.items()}
        values |= {f"commands_{name}": count for name, count in self._desk.counters.items()}
        return values


def _joined(said: str, reason: str) -> str:
    """What was asked for, and why it did not come about."""
    return ": ".join(part for part in (said, reason) if part)
