"""From a source through codecs to the inlet, and commands the other way; counts all that does not get through."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import cast

import structlog

import bridge.codecs
from bridge.codec import Codec, CodecLimits, PayloadError
from bridge.routing import Kind, Route, Router
from bridge.source import Source
from bridge.topics import TOPIC_LIMIT, TopicPattern, split_id
from server.core.binding import DeviceBinding
from server.core.clock import Clock
from server.core.errors import ConfigurationError, IntegrationError, RemoteError
from server.core.matching import MANUFACTURER, MODEL, REVISION, choose
from server.core.plugins import discover
from server.core.values import CommandResponse, DeviceId, Measurement, OutboundMessage, RawMessage

log = structlog.get_logger("fieldloom.bridge")

Inlet = Callable[[Sequence[Measurement]], Awaitable["asyncio.Future[None]"]]
BridgeLimits = CodecLimits
DEVICES_TRACKED = 5_000
LOG_EVERY_S = 60.0
"""One line per device and reason in this time."""
LOG_LINES = 50
"""Lines in this time for all devices together: made-up device ids must not fill the disk with log lines."""
PENDING_BATCHES = 64
"""Batches that may wait for their durable commit; more hold the source back."""
TURN_BYTES = 65_536
"""After so many bytes decoded the event loop gets a turn."""


class Bridge:
    """One source, all bindings of the plant."""

    def __init__(
        self,
        source: Source,
        bindings: Iterable[DeviceBinding],
        *,
        inlet: Inlet,
        answered: Callable[[CommandResponse], None],
        clock: Clock,
        limits: CodecLimits | None = None,
    ) -> None:
        self._source = source
        self._inlet = inlet
        self._answered = answered
        self._clock = clock
        self._limits = limits or CodecLimits()
        self._codecs = cast(dict[str, Codec], discover(bridge.codecs, "CODEC"))
        self._bindings: dict[str, DeviceBinding] = {}
        self._router = Router()
        self._waiting: deque[tuple[asyncio.Future[None], list[RawMessage]]] = deque()
        self._space = asyncio.Semaphore(PENDING_BATCHES)
        self._settle = asyncio.Event()
        self._reasons: Counter[str] = Counter()
        self._matched: OrderedDict[str, str] = OrderedDict()  # device -> type, where types share a topic
        self._assigned: Mapping[str, str] = {}  # device -> type that somebody chose
        self._per_device: OrderedDict[str, Counter[str]] = OrderedDict()
        self._logged: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._log_window = (-LOG_EVERY_S, 0)  # since when, lines written
        self._counts: Counter[str] = Counter()
        self.update_bindings(bindings)

    def update_bindings(self, bindings: Iterable[DeviceBinding]) -> None:
        """Take another set of device types; new topics are subscribed at once.

        Raises:
            ConfigurationError: a binding names a codec that does not exist, or a topic that is none; nothing changes.
        """
        fresh = {binding.type_id: binding for binding in bindings}
        missing = [f"{b.type_id}: no codec {b.codec!r}" for b in fresh.values() if b.codec not in self._codecs]
        if missing:
            raise ConfigurationError(missing, what="bindings")
        try:
            self._router.replace(fresh.values())
        except ValueError as error:
            raise ConfigurationError([str(error)], what="bindings") from None
        self._bindings = fresh
        self._source.subscribe(self._router.filters())

    def assign(self, types: Mapping[str, str]) -> None:
        """The types chosen by hand, by device: where types share a topic they count before what a device says."""
        self._assigned = dict(types)

    def share(self, one: str, other: str) -> bool:
        """True when two types are heard on a common topic, so that a device of one can be taken for the other."""
        pair = [self._bindings.get(name) for name in (one, other)]
        topics = [
            {TopicPattern.of(row.topic).filter for row in each.rows if row.topic} for each in pair if each is not None
        ]
        return len(topics) == len(pair) and bool(topics[0] & topics[1])

    async def run(self) -> None:
        """Take messages in until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._source.run(self._deliver))
            group.create_task(self._acknowledge_durable())

    # -- in

    async def _deliver(self, batch: Sequence[RawMessage]) -> None:
        measurements: list[Measurement] = []
        since_turn = 0
        for message in batch:
            since_turn += len(message.payload)
            if since_turn > TURN_BYTES:
                since_turn = 0
                await asyncio.sleep(0)
            self._counts["messages"] += 1
            route = self._router.route(message.topic)
            if route is None:
                self._counts["unknown_topic"] += 1
                continue
            try:
                if route.others:
                    route = self._chosen(message, route)
                codec = self._codecs[route.binding.codec]
                if route.kind is Kind.RESPONSE:
                    self._answer(codec, message, route)
                else:
                    measurements += self._decode(codec, message, route)
            except PayloadError as problem:
                self._refused(message.topic, route, problem)
        await self._space.acquire()
        try:
            durable = await self._inlet(measurements) if measurements else _done()
        except IntegrationError as error:
            durable = _done(error)  # nothing of it is safe: the source delivers it again
        self._waiting.append((durable, list(batch)))
        self._settle.set()

    def _chosen(self, message: RawMessage, route: Route) -> Route:
        """Of the types that share a topic, the one that fits what the device says of itself, now or before."""
        routes = {id(each.binding.identity): each for each in (route, *route.others)}
        device_id, facts = route.device_id, cast(Mapping[str, str], {})
        if route.kind is Kind.ROW:
            device_id, facts = self._codecs[route.binding.codec].identify(message, route, self._limits)
        by_type = {each.binding.type_id: each for each in routes.values()}
        if device_id in self._assigned and self._assigned[device_id] in by_type:
            return by_type[self._assigned[device_id]]
        manufacturer, model = facts.get(MANUFACTURER, ""), facts.get(MODEL, "")
        known = by_type.get(self._matched.get(device_id, ""))
        if known is not None and not (manufacturer and model):
            return known
        identities = [each.binding.identity for each in routes.values()]
        fitting = choose(identities, manufacturer, model, facts.get(REVISION, ""))
        if fitting is None:
            raise PayloadError("no_matching_type", "", "manufacturer_id and model_id of an installed type")
        found = routes[id(fitting)]
        if route.kind is Kind.ROW:
            self._matched[device_id] = found.binding.type_id
            self._matched.move_to_end(device_id)
            if len(self._matched) > DEVICES_TRACKED:
                self._matched.popitem(last=False)
        return found

    def _decode(self, codec: Codec, message: RawMessage, route: Route) -> list[Measurement]:
        if route.row is not None and route.row.count_only:
            self._counts["counted_only"] += 1
            return []
        decoded = codec.decode(message, route, self._limits)
        for problem in decoded.problems:
            self._refused(message.topic, route, problem)
        self._counts["without_values"] += decoded.empty
        self._counts["unit_mismatches"] += decoded.unit_mismatches
        self._counts["rows"] += len(decoded.measurements)
        return decoded.measurements

    def _answer(self, codec: Codec, message: RawMessage, route: Route) -> None:
        if message.retained:
            self._counts["retained_answers"] += 1
            return
        if route.ambiguous:
            raise PayloadError("bad_device_id", "", "topic parts that make one device id only")
        problems: list[PayloadError] = []
        command_id, outcome, reason, values = codec.decode_answer(message, route, self._limits, problems)
        for problem in problems:
            self._refused(message.topic, route, problem)
        self._counts["answers"] += 1
        device = DeviceId(route.device_id) if route.device_id else None
        self._answered(CommandResponse(command_id, outcome, reason, values, message.received_at, device))

    def _refused(self, topic: str, route: Route, problem: PayloadError) -> None:
        self._reasons[problem.reason] += 1
        device = route.device_id or topic[:TOPIC_LIMIT]
        counter = self._per_device.get(device)
        if counter is None:
            counter = self._per_device[device] = Counter()
            if len(self._per_device) > DEVICES_TRACKED:
                self._per_device.popitem(last=False)
        else:
            self._per_device.move_to_end(device)
        counter[problem.reason] += 1
        key = (device, problem.reason)
        now = self._clock.monotonic()
        if now - self._logged.get(key, -LOG_EVERY_S) < LOG_EVERY_S:
            return
        since, lines = self._log_window
        if now - since >= LOG_EVERY_S:
            since, lines = now, 0
        if lines >= LOG_LINES:
            self._counts["log_lines_spared"] += 1
            return
        self._log_window = (since, lines + 1)
        self._logged[key] = now
        self._logged.move_to_end(key)
        if len(self._logged) > DEVICES_TRACKED:
            self._logged.popitem(last=False)
        log.warning(
            "payload_refused",
            topic=topic[:TOPIC_LIMIT],
            reason=problem.reason,
            path=problem.path or "/",
            expected=problem.expected,
            so_far=counter[problem.reason],
        )

    async def _acknowledge_durable(self) -> None:
        # In order of receipt, as MQTT 5 wants it; a later batch is never durable before an earlier one.
        while True:
            await self._settle.wait()
            self._settle.clear()
            while self._waiting:
                durable, batch = self._waiting[0]
                # Not awaited by itself: a commit that its owner cancels must not look as if this task were cancelled.
                await asyncio.wait((durable,))
                failure = _failure(durable)
                if failure:
                    self._counts["not_durable"] += 1
                    log.error("not_durable", reason=failure, messages=len(batch))
                    self._source.renounce(failure)
                else:
                    self._source.acknowledge(batch)
                self._waiting.popleft()
                self._space.release()

    # -- out

    async def send_command(
        self, type_id: str, device_id: str, command_id: str, name: str, params: dict[str, object]
    ) -> None:
        """Publish a command for a device.

        Raises:
            RemoteError: the type takes no commands, or the broker is away.
        """
        binding = self._bindings.get(type_id)
        if binding is None or not binding.command_topic:
            raise RemoteError(f"{type_id} takes no commands")
        parts = split_id(binding.device_id, device_id)
        if parts is None:
            raise RemoteError(f"{device_id} does not fit {binding.device_id}")
        try:
            topic = TopicPattern.of(binding.command_topic).fill(parts)
            response = TopicPattern.of(binding.response_topic).fill(parts) if binding.response_topic else None
        except ValueError as error:
            raise RemoteError(str(error)) from None
        payload = self._codecs[binding.codec].encode_command(command_id, name, params)
        await self._source.send(OutboundMessage(topic, payload, response, command_id.encode("utf-8")))
        self._counts["commands"] += 1

    # -- what happened

    def counters(self) -> dict[str, int | float]:
        """Flat counters for nodes and metrics."""
        found: dict[str, int | float] = {f"bridge_{name}": count for name, count in self._counts.items()}
        found |= {f"bridge_refused_{reason}": count for reason, count in self._reasons.items()}
        found["bridge_waiting_for_commit"] = len(self._waiting)
        for name, value in self._source.health().items():
            if isinstance(value, bool | int | float):
                found[f"mqtt_{name}"] = int(value)
        return found

    def refused_by_device(self) -> Mapping[str, Mapping[str, int]]:
        """What was refused of each device, by reason."""
        return self._per_device

    def unknown_topics(self) -> Mapping[str, int]:
        """Topics that no package knows, with how often they were seen; at most a hundred."""
        return self._router.unknown

    def health(self) -> Mapping[str, object]:
        """The source's health."""
        return self._source.health()


def _done(error: IntegrationError | None = None) -> asyncio.Future[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(None)
    return future


def _failure(durable: asyncio.Future[None]) -> str:
    """Why a batch is not durable, or "". Raises what is a bug and no failure of ours to foresee."""
    if durable.cancelled():
        return "the commit was given up"
    error = durable.exception()
    if error is None:
        return ""
    if isinstance(error, IntegrationError):
        return error.text
    raise error
