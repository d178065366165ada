"""Both twins driven by the same operations: not a byte may differ, nor what is raised."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from server.opcua.wire.values import FORMATS
from tests.kit.twins import PURE, TYPED, require

POINTS, ITEMS, GROUPS, READIES = 4, 8, 2, 2
TICKS = st.one_of(st.just(0), st.integers(1, 5), st.integers(0, 2**62))
CODES = st.sampled_from([0, 0, 0x80310000, 0x40900000, 0x00A60000, 0x480])
KINDS = st.sampled_from([*FORMATS, 11, 11, 10, 6, 12, 15])
NAN = struct.unpack("<d", bytes.fromhex("010000000000f8ff"))[0]
NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 1.5, float("nan"), NAN, float("inf"), float("-inf"), 1e300, 3.4e38]),
    st.floats(),
)
WHOLE = st.one_of(st.integers(-3, 3), st.sampled_from([127, 128, 255, 256, 65535, 2**31, 2**32 - 1, 2**63, 2**64 - 1]))
VALUES = st.one_of(NUMBERS, WHOLE, st.booleans(), st.text(max_size=40), st.binary(max_size=40), st.none())
DEADBANDS = st.sampled_from([-1.0, -1.0, 0.0, 1.0, 2.5, 1e10])


@st.composite
def usual(draw: st.DrawFn, kind: int) -> Any:
    """Mostly a value of the type."""
    if draw(st.integers(0, 19)) == 0:
        return draw(VALUES)
    if kind in (10, 11):
        return draw(NUMBERS)
    if kind == 1:
        return draw(st.booleans())
    if kind == 12:
        return draw(st.text(max_size=40))
    if kind == 15:
        return draw(st.binary(max_size=40))
    return draw(st.integers(0, 100))


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Encoded Variants: scalars, arrays, matrices, null ones; some broken."""
    kind = draw(st.sampled_from([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11, 11]))
    letter = FORMATS[kind]
    values = st.floats(width=32) if kind in (10, 11) else st.integers(0, 100)
    form = draw(st.integers(0, 5))
    if form == 0:
        return struct.pack(f"<B{letter}", kind, draw(values))
    if form == 1:
        array = draw(st.lists(values, max_size=6))
        return struct.pack(f"<Bi{len(array)}{letter}", kind | 0x80, len(array), *array)
    if form == 2:
        array = draw(st.lists(values, min_size=4, max_size=4))
        shape = draw(st.sampled_from([(2, 2), (4, 1), (1, 4)]))
        return struct.pack(f"<Bi4{letter}iii", kind | 0xC0, 4, *array, 2, *shape)
    if form == 3:
        kind = draw(st.sampled_from([12, 15, 16, 0x86, 0x8B, 0x8C]))
        return struct.pack("<Bi", kind, draw(st.sampled_from([-1, 0])))
    if form == 4:
        return draw(st.binary(min_size=1, max_size=30))
    return draw(st.binary(min_size=40, max_size=80))


class Room:
    """The objects of one twin."""

    def __init__(self, twin: Any) -> None:
        self.twin = twin
        self.points = [twin.Point() for _ in range(POINTS)]
        self.groups = [twin.Group() for _ in range(GROUPS)]
        self.readies = [twin.Ready() for _ in range(READIES)]
        self.items = [
            twin.Item(self.points[n % POINTS], self.readies[n % READIES], n * 77, (2, 2, 0, 1, 3)[n % 5])
            for n in range(ITEMS)
        ]
        self.lives = 0

    def live(self, number: int) -> None:
        """Brings a point up to date: to another value each time it is asked, at last by raising."""
        self.lives += 1
        if self.lives % 7 == 0:
            raise LookupError
        self.points[number].put_scalar(7, self.lives // 2, 0, self.lives, 0)

    def state(self) -> list[Any]:
        """All that can be seen without changing anything."""
        return [
            [(p.flags, p.body, p.source, p.server, p.wire, p.status if p.flags in (0, 1, 2, 3) else 0, p.variant)
             for p in self.points],
            [[p.current(which, 9) for which in range(4)] for p in self.points],
            [(i.waiting(), i.has_values(), i.listed, i.mode, i.dirty, i.size, i.handle, i.which, i.trigger,
              i.timestamps, i.deadband, i.discard_oldest, i.held, list(i.queue or ())) for i in self.items],
            [[self.items.index(i) for i in (p.items or ())] for p in self.points],
            [[self.items.index(i) for i in g.dirty] for g in self.groups],
            [([self.items.index(i) for i in r.items], r.overflows, r.stale, r.pending()) for r in self.readies],
        ]  # fmt: skip


class Twins(RuleBasedStateMachine):
    """Everything is done to both."""

    def __init__(self) -> None:
        super().__init__()
        self.rooms = [Room(PURE), Room(TYPED)]

    def both(self, act: Callable[[Room], Any]) -> None:
        """Same answer or same kind of error, same state after it."""
        answers = []
        for room in self.rooms:
            try:
                answers.append(act(room))
            except (struct.error, ValueError, LookupError) as error:
                answers.append(type(error))
        assert answers[0] == answers[1]
        pure, typed = (room.state() for room in self.rooms)
        assert pure == typed

    @initialize(queue=st.integers(1, 3))
    def reporting(self, queue: int) -> None:
        def act(room: Room) -> None:
            for number, item in enumerate(room.items):
                if number % 3:
                    item.group = room.groups[number % GROUPS]
                item.set_queue(queue, True)
                item.set_mode(2)
                item.attach()

        self.both(act)

    @rule(n=st.integers(0, POINTS - 1), body=bodies(), code=CODES, source=TICKS, server=TICKS)
    def put(self, n: int, body: bytes, code: int, source: int, server: int) -> None:
        flags, content = (3, body + code.to_bytes(4, "little")) if code else (1, body)
        self.both(lambda room: room.points[n].put(flags, content, source, server))

    @rule(n=st.integers(0, POINTS - 1), flags=st.integers(-1, 17), body=st.binary(max_size=6))
    def put_anything(self, n: int, flags: int, body: bytes) -> None:
        if not flags & 1 and len(body) != (4 if flags & 2 else 0):
            flags = 16  # refused: without a value the body is the status or nothing
        self.both(lambda room: room.points[n].put(flags, body, 3, 3))

    @rule(n=st.integers(0, POINTS - 1), data=st.data(), kind=KINDS, code=CODES, source=TICKS, server=TICKS)
    def put_scalar(self, n: int, data: st.DataObject, kind: int, code: int, source: int, server: int) -> None:
        value = data.draw(usual(kind))
        self.both(lambda room: room.points[n].put_scalar(kind, value, code, source, server))

    @rule(data=st.data(), kind=KINDS, source=TICKS, server=TICKS, repeats=st.sampled_from([1, 1, 3]))
    def put_scalars(self, data: st.DataObject, kind: int, source: int, server: int, repeats: int) -> None:
        count = data.draw(st.integers(0, POINTS))
        values = [data.draw(usual(kind)) for _ in range(count)] * repeats
        self.both(lambda room: room.twin.put_scalars(room.points[:count] * repeats, kind, values, source, server))

    @rule(which=st.integers(0, 3), now=TICKS, order=st.lists(st.integers(0, POINTS - 1), max_size=6))
    def join(self, which: int, now: int, order: list[int]) -> None:
        self.both(lambda room: room.twin.join_values([room.points[n] for n in order], which, now))

    @rule(n=st.integers(0, POINTS - 1), which=st.integers(0, 3), now=TICKS)
    def encoded(self, n: int, which: int, now: int) -> None:
        self.both(lambda room: room.points[n].encoded(which, now))

    @rule(n=st.integers(0, POINTS - 1), on=st.booleans())
    def live(self, n: int, on: bool) -> None:
        def act(room: Room) -> None:
            room.points[n].live = (lambda: room.live(n)) if on else None

        self.both(act)

    @rule(n=st.integers(0, ITEMS - 1), mode=st.sampled_from([0, 1, 2, 2, 2]))
    def set_mode(self, n: int, mode: int) -> None:
        self.both(lambda room: room.items[n].set_mode(mode))

    @rule(n=st.integers(0, ITEMS - 1), size=st.integers(0, 4), discard_oldest=st.booleans())
    def set_queue(self, n: int, size: int, discard_oldest: bool) -> None:
        self.both(lambda room: room.items[n].set_queue(size, discard_oldest))

    @rule(n=st.integers(0, ITEMS - 1), trigger=st.integers(0, 2), deadband=DEADBANDS)
    def set_filter(self, n: int, trigger: int, deadband: float) -> None:
        self.both(lambda room: room.items[n].set_filter(trigger, deadband))

    @rule(n=st.integers(0, ITEMS - 1), handle=st.integers(0, 2**32 - 1))
    def set_handle(self, n: int, handle: int) -> None:
        self.both(lambda room: room.items[n].set_handle(handle))

    @rule(n=st.integers(0, ITEMS - 1), which=st.integers(0, 3))
    def set_which(self, n: int, which: int) -> None:
        def act(room: Room) -> None:
            room.items[n].which = which

        self.both(act)

    @rule(n=st.integers(0, ITEMS - 1), links=st.none() | st.lists(st.integers(0, ITEMS - 1), unique=True, max_size=3))
    def set_links(self, n: int, links: list[int] | None) -> None:
        def act(room: Room) -> None:
            room.items[n].links = None if links is None else [room.items[m] for m in links]

        self.both(act)

    @rule(n=st.integers(0, ITEMS - 1), group=st.none() | st.integers(0, GROUPS - 1))
    def set_group(self, n: int, group: int | None) -> None:
        def act(room: Room) -> None:
            room.items[n].group = None if group is None else room.groups[group]

        self.both(act)

    @rule(n=st.integers(0, ITEMS - 1), on=st.booleans())
    def attach(self, n: int, on: bool) -> None:
        self.both(lambda room: room.items[n].attach() if on else room.items[n].detach())

    @rule(n=st.integers(0, ITEMS - 1), point=st.integers(0, POINTS - 1))
    def move(self, n: int, point: int) -> None:
        def act(room: Room) -> None:
            room.items[n].detach()
            room.items[n].point = room.points[point]
            room.items[n].attach()

        self.both(act)

    @rule(n=st.integers(0, ITEMS - 1), group=st.integers(0, GROUPS - 1))
    def poll(self, n: int, group: int) -> None:
        self.both(lambda room: room.groups[group].polled.append(room.items[n]))

    @rule(n=st.integers(0, ITEMS - 1))
    def drop(self, n: int) -> None:
        self.both(lambda room: room.items[n].drop())

    @rule(n=st.integers(0, ITEMS - 1), now=TICKS, bits=st.sampled_from([0x4000, 0x8000]))
    def mark(self, n: int, now: int, bits: int) -> None:
        self.both(lambda room: room.items[n].mark(bits, now))

    @rule(n=st.integers(0, ITEMS - 1), now=TICKS)
    def resend(self, n: int, now: int) -> None:
        self.both(lambda room: room.items[n].resend(now))

    @rule(n=st.integers(0, ITEMS - 1), now=TICKS)
    def sample(self, n: int, now: int) -> None:
        self.both(lambda room: room.items[n].sample(now))

    @rule(n=st.integers(0, ITEMS - 1), wire=st.sampled_from([b"", b"\x01\x03\x07", b"\x01" + bytes(50)]))
    def queue_up(self, n: int, wire: bytes) -> None:
        self.both(lambda room: room.items[n].queue_up(wire))

    @rule(n=st.integers(0, GROUPS - 1), now=TICKS)
    def tick(self, n: int, now: int) -> None:
        self.both(lambda room: room.groups[n].tick(now))

    @rule(n=st.integers(0, READIES - 1), limit=st.integers(0, 5), most=st.sampled_from([0, 1, 30, 60, 1000]))
    def take(self, n: int, limit: int, most: int) -> None:
        self.both(lambda room: room.readies[n].take(limit, most))


@pytest.mark.timeout(300)
def test_the_twins_do_the_same() -> None:
    require(TYPED)
    machine = Twins.TestCase()
    machine.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
    machine.runTest()
