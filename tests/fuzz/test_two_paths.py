"""Byte-level plans and the complete services answer every request alike, to the last byte, and leave the same values.

Requests are made at byte level, valid and hostile, and sent through one dispatcher with plans and one without. The side
without keeps its values in pure Python, the other one in the twin that is in force: with the typed twin built, typed is
compared with pure. TWO_PATHS_EXAMPLES sets how many examples are tried, of up to MOST_STEPS requests each; every
request is followed by variants of itself, with other nodes or other bytes.
"""

from __future__ import annotations

import os
import random
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary, variant_to_binary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.opcua.nodes.keys import Key, wire_of
from server.opcua.nodes.node import OBJECT, VARIABLE_TYPE, A
from server.opcua.roles import OPEN, ROLE_NAMES, SECRET, SIGNING_REQUIRED
from server.opcua.services.attribute import AttributeService
from server.opcua.services.limits import OperationLimits
from server.opcua.services.method import MethodService
from server.opcua.services.simple_method import SimpleMethod
from server.opcua.wire import TWIN
from server.opcua.wire.call_plan import CallPlans
from server.opcua.wire.plans import ReadPlans
from server.opcua.wire.points import Point as PurePoint
from server.opcua.wire.write_plan import WritePlans
from tests.kit.service_room import NS, TOKEN_BYTES, Device, Listening, Room, Untranslated

EXAMPLES = int(os.environ.get("TWO_PATHS_EXAMPLES", "300"))
MOST_STEPS = 8
VARIANTS_OF_ONE = 6
HEAD_BYTES = 4 + len(TOKEN_BYTES) + 27
LIMITS = OperationLimits(read=8, write=8, call=4)
V = ua.VariantType
TICKS = 133_000_000_000_000_000
BUILT_IN = {
    1: True,
    2: -1,
    3: 1,
    4: -2,
    5: 2,
    6: -3,
    7: 3,
    8: -4,
    9: 4,
    10: 1.5,
    11: 2.5,
    12: "text",
    13: datetime(2020, 1, 1, tzinfo=UTC),
    15: b"bytes",
}
FORMATS = {1: "B", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "I", 11: "Q", 13: "q", 19: "I"}
NUMBER_KEYS: list[Key] = [NS << 32 | 100 + kind for kind in BUILT_IN]
BIG = NS << 32 | 70_000
TEXT: Key = (NS, "a/b")
OTHERS: list[Key] = [NS << 32 | number for number in range(1, 16)]
OBJECT_KEY, ECHO, PAIR, BARRED = (NS << 32 | number for number in range(50, 54))
KEYS: list[Key] = [*NUMBER_KEYS, BIG, TEXT, *OTHERS, OBJECT_KEY, ECHO, 11, 2255]


class Handlers:
    """The methods, by object and method."""

    def __init__(self, methods: dict[tuple[Key, Key], SimpleMethod]) -> None:
        self._methods = methods

    def find(self, object_key: Key, method_key: Key) -> SimpleMethod | None:
        return self._methods.get((object_key, method_key))


def _fill(room: Room) -> dict[tuple[Key, Key], SimpleMethod]:
    for kind, value in BUILT_IN.items():
        room.variable(NS << 32 | 100 + kind, ua.Variant(value, V(kind)), data_type=kind, times=(TICKS, TICKS))
    double = ua.Variant(0.5, V.Double)
    room.variable(BIG, double, times=(0, TICKS))
    room.variable(TEXT, double)
    shapes: list[dict[str, Any]] = [
        {"access": 1},
        {"access": 2},
        {"direct": False},
        {"permissions": SECRET},
        {"permissions": None},
        {"restrictions": SIGNING_REQUIRED},
        {"data_type": 24},
        {"data_type": 26},
        {"rank": -2},
        {"rank": -3},
        {"rank": 1},
        {"status": int(ua.StatusCodes.UncertainInitialValue), "times": (TICKS, TICKS + 10)},
    ]
    for key, shape in zip(OTHERS, shapes, strict=False):
        value = ua.Variant([1.0, 2.0, 3.0], V.Double) if shape.get("rank") == 1 else double
        room.variable(key, value, **shape)
    room.variable(OTHERS[12], None)
    room.variable(OTHERS[13], ua.Variant(ua.Argument(Name="a"), V.ExtensionObject), data_type=296)
    room.add(OTHERS[14], "Type", node_class=VARIABLE_TYPE, data_type=11, permissions=OPEN)
    methods = {
        (OBJECT_KEY, ECHO): SimpleMethod((11,), (11,), lambda value: (value,)),
        (OBJECT_KEY, PAIR): SimpleMethod((1, 6), (6, 1, 10), lambda yes, number: (number, yes, 0.25)),
        (OBJECT_KEY, BARRED): SimpleMethod((), (), tuple),
    }
    room.add(OBJECT_KEY, "Methods", node_class=OBJECT, permissions=OPEN)
    for number, ((owner, key), method) in enumerate(methods.items()):
        room.method(owner, key, SECRET if key == BARRED else OPEN)
        arguments = [ua.Argument(Name=str(kind), DataType=ua.NodeId(kind), ValueRank=-1) for kind in method.inputs]
        inputs = room.variable(NS << 32 | 900 + number, ua.Variant(arguments, V.ExtensionObject, is_array=True), rank=1)
        inputs.name = ua.QualifiedName("InputArguments", 0)
        room.store.link(key, 46, inputs.key)
    return methods


def make(*, fast: bool, mode: int) -> tuple[Room, Listening]:
    """A filled room, with plans or without."""
    room = Room("operator", mode)
    audit = Listening()
    methods = _fill(room)
    AttributeService(room.store, room.rights, Untranslated(), room.clock, LIMITS, Device(), audit).register(
        room.dispatcher
    )
    MethodService(room.store, LIMITS, audit, Handlers(methods)).register(room.dispatcher)
    if fast:
        room.dispatcher.register_fast("Read", ReadPlans(room.store, room.clock, LIMITS.read))
        room.dispatcher.register_fast("Write", WritePlans(room.store, room.clock, audit, LIMITS.write))
        room.dispatcher.register_fast("Call", CallPlans(room.store, room.clock, audit, methods, LIMITS.call))
    else:
        for node in room.store.nodes():
            if node.point is not None:
                pure = PurePoint()
                pure.put(node.point.flags, node.point.body, node.point.source, node.point.server)
                node.point = pure  # type: ignore[assignment]
    return room, audit


# -- requests as bytes


ROLL = st.integers(0, 15)
"""0 is the odd case."""


@st.composite
def mostly(draw: st.DrawFn, usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> Any:
    """Hardly ever the odd one: otherwise few requests of several rows would be plain, and plans take only those."""
    return draw(usual if draw(ROLL) else odd)


def _wide(key: Key) -> bytes:
    """The longest encoding of a numeric NodeId."""
    return struct.pack("<BHI", 2, key >> 32, key & 0xFFFFFFFF) if isinstance(key, int) else wire_of(key)


ODD_IDS = st.one_of(
    st.sampled_from(KEYS).map(_wide),
    st.binary(min_size=1, max_size=12),
    st.sampled_from(
        [
            wire_of((NS, "nobody")),
            wire_of((NS, b"nobody")),
            nodeid_to_binary(ua.NodeId(424242, 9)),
            b"\x03\x02\x00\xff\xff\xff\xff",  # a null String
            b"\x03\x02\x00\xfe\xff\xff\xff",
            b"\x03\x02\x00\x01\x00\x00\x00\xff",  # no UTF-8
            b"\x81\x02\x65\x00" + struct.pack("<i", 1) + b"u",  # an ExpandedNodeId
            b"\x04\x02\x00" + bytes(16),
        ]
    ),
)
PLAIN_KEYS = [key for key in NUMBER_KEYS if key not in (NS << 32 | 112, NS << 32 | 113, NS << 32 | 115)]
TEXT_LENGTHS = mostly(
    st.just(b"\xff\xff\xff\xff"), st.sampled_from([bytes(4), b"\xfe\xff\xff\xff", b"\x10\x00\x00\x00"])
)


def _string(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<i", len(content)) + content


RANGES = mostly(
    st.just(b"\xff\xff\xff\xff"), st.one_of(TEXT_LENGTHS, st.sampled_from(["0", "1:2", "x", "7", "0,0"]).map(_string))
)
ENCODINGS = mostly(
    st.just(b"\x00\x00\xff\xff\xff\xff"),
    st.one_of(
        st.builds(lambda number, length: struct.pack("<H", number) + length, st.integers(0, 3), TEXT_LENGTHS),
        st.sampled_from(["Default Binary", "Default XML", "?"]).map(lambda text: bytes(2) + _string(text)),
    ),
)
IDS = mostly(st.sampled_from(PLAIN_KEYS).map(wire_of), st.one_of(st.sampled_from(KEYS).map(wire_of), ODD_IDS))
ATTRIBUTES = mostly(st.just(13), st.one_of(st.sampled_from([int(name) for name in A]), st.integers(0, 2**32 - 1)))


def _counted(rows: list[bytes], lie: int | None) -> bytes:
    return struct.pack("<i", len(rows) if lie is None else lie) + b"".join(rows)


LIES = mostly(st.none(), st.sampled_from([-1, 0, 1, 2, 9, 2**31 - 1, -(2**31)]))


PLAIN_IDS = st.sampled_from([wire_of(key) for key in PLAIN_KEYS])
ODD_READ = st.builds(
    lambda node, attribute, part, encoding: node + struct.pack("<I", attribute) + part + encoding,
    IDS,
    ATTRIBUTES,
    RANGES,
    ENCODINGS,
)
PLAIN_READ = PLAIN_IDS.map(lambda node: node + struct.pack("<IiHi", 13, -1, 0, -1))
READ_ROWS = st.lists(mostly(PLAIN_READ, ODD_READ), max_size=9)
MAX_AGES = mostly(st.just(0.0), st.sampled_from([1.0, -1.0, float("nan"), float("inf"), -0.0]))
STAMPS = mostly(st.integers(0, 3), st.sampled_from([-1, 4, 5, 99]))


@st.composite
def reads(draw: st.DrawFn) -> bytes:
    """Parameters of a Read."""
    return struct.pack("<di", draw(MAX_AGES), draw(STAMPS)) + _counted(draw(READ_ROWS), draw(LIES))


def _raw(kind: int, number: int) -> bytes:
    letter = FORMATS[kind]
    size = struct.calcsize(letter)
    return bytes((kind,)) + (number % 256**size).to_bytes(size, "little")


RAW_NUMBERS = st.one_of(
    st.integers(0, 3),
    st.integers(0, 2**64 - 1),
    st.sampled_from(
        [0x7FF0000000000001, 0x7FF8000000000000, 0xFFF0000000000000, 0x7F800001, 0xFFA00000, 0x7FC00000, 1 << 63]
    ),
)
VARIANTS = st.one_of(
    st.builds(_raw, st.sampled_from(sorted(FORMATS)), RAW_NUMBERS),
    st.sampled_from(
        [
            ua.Variant("new", V.String),
            ua.Variant(None, V.String),
            ua.Variant(b"new", V.ByteString),
            ua.Variant([1.0, 2.0], V.Double),
            ua.Variant([[1.0, 2.0], [3.0, 4.0]], V.Double),
            ua.Variant([], V.Double, is_array=True),
            ua.Variant(None, V.Double, is_array=True),
            ua.Variant(),
            ua.Variant(ua.Argument(Name="b"), V.ExtensionObject),
        ]
    ).map(variant_to_binary),
    st.binary(max_size=6),
)
STATUSES = st.sampled_from([0, 0, 0x40000000, 0x80000000, 0x00000400, 0xFFFFFFFF])
MOMENTS = mostly(
    st.integers(TICKS, TICKS + 50),
    st.one_of(
        st.sampled_from([0, 1, 9, 10, -1, 2_650_467_743_989_999_999, 2_650_467_743_990_000_000, 2**63 - 1, -(2**63)]),
        st.integers(-(2**63), 2**63 - 1),
    ),
)


@st.composite
def data_values(draw: st.DrawFn, kind: int, mask: int) -> bytes:
    """A DataValue of the row's type and mask, or another one."""
    odd = not draw(ROLL)
    if odd:
        mask = draw(st.integers(0, 255))
    parts = [bytes((mask,))]
    if mask & 1:
        parts.append(draw(VARIANTS) if odd else _raw(kind, draw(RAW_NUMBERS)))
    if mask & 2:
        parts.append(struct.pack("<I", draw(STATUSES)))
    for bit, pico in ((4, 16), (8, 32)):
        if mask & bit:
            parts.append(struct.pack("<q", draw(MOMENTS)))
        if mask & pico:
            parts.append(b"\x01\x00")
    return b"".join(parts)


WRITE_KINDS = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11, 11, 13])
MASKS = st.sampled_from([1, 1, 3, 5, 7, 9, 13, 15])
DOUBLES = st.sampled_from([wire_of(key) for key in (NS << 32 | 111, BIG, TEXT)])
COUNTS = st.integers(0, 9)


@st.composite
def writes(draw: st.DrawFn) -> bytes:
    """Parameters of a Write: mostly rows of one type and mask, to nodes of that type."""
    kind, mask = draw(WRITE_KINDS), draw(MASKS)
    own = DOUBLES if kind == 11 else st.just(wire_of(NS << 32 | 100 + kind))
    rows = []
    for _ in range(draw(COUNTS)):
        if draw(ROLL):
            row = draw(own) + struct.pack("<Ii", 13, -1)
        else:
            row = draw(IDS) + struct.pack("<I", draw(ATTRIBUTES)) + draw(RANGES)
        rows.append(row + draw(data_values(kind, mask)))
    return _counted(rows, draw(LIES))


ARGUMENTS: dict[Key, tuple[int, ...]] = {ECHO: (11,), PAIR: (1, 6), BARRED: ()}


METHODS = st.sampled_from([ECHO, ECHO, PAIR, PAIR, BARRED])


@st.composite
def calls(draw: st.DrawFn) -> bytes:
    """Parameters of a Call."""
    rows = []
    for _ in range(draw(st.integers(0, 5))):
        method = draw(METHODS)
        if draw(ROLL):
            arguments = [_raw(kind, draw(RAW_NUMBERS)) for kind in ARGUMENTS[method]]
            rows.append(wire_of(OBJECT_KEY) + wire_of(method) + _counted(arguments, None))
        else:
            arguments = draw(st.lists(VARIANTS, max_size=3))
            rows.append(draw(IDS) + draw(IDS | st.just(wire_of(method))) + _counted(arguments, draw(LIES)))
    return _counted(rows, draw(LIES))


NAMES = {"Read": 631, "Write": 673, "Call": 712}


CONTENTS = {"Read": reads(), "Write": writes(), "Call": calls()}
HARMS = mostly(st.just("none"), st.sampled_from(["flip", "cut", "more"]))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A whole request; now and then bytes of its parameters are others, or it ends early or late."""
    name = draw(st.sampled_from(list(NAMES)))
    content = bytearray(draw(CONTENTS[name]))
    harm = draw(HARMS)
    if harm == "flip" and content:
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    elif harm == "cut":
        del content[draw(st.integers(0, len(content))) :]
    elif harm == "more":
        content += draw(st.binary(min_size=1, max_size=4))
    head = struct.pack("<BBH", 1, 0, NAMES[name]) + TOKEN_BYTES + struct.pack("<qIIiI", TICKS, 7, 0, -1, 0) + bytes(3)
    return head + bytes(content)


CHANGES = st.one_of(
    st.tuples(st.just("role"), st.sampled_from(["viewer", "operator", "admin"])),
    st.tuples(st.just("access"), st.sampled_from([key for key in KEYS if key not in (11, 2255)])),
    st.tuples(st.just("audit"), st.booleans()),
    st.tuples(st.just("time"), st.integers(1, 1_000_000)),
)
STEPS = mostly(requests(), CHANGES)


SHORT_IDS = [wire for wire in map(wire_of, KEYS) if len(wire) == 4]


def variants(body: bytes) -> list[bytes]:
    """The request and its variants, the same ones for the same request."""
    chance = random.Random(zlib.crc32(body))
    found = [body]
    if len(body) == HEAD_BYTES:
        return found
    for number in range(VARIANTS_OF_ONE):
        changed = bytearray(chance.choice(found))
        if number % 2:
            place = chance.randrange(HEAD_BYTES, len(changed))
            changed[place] = (changed[place] + chance.choice((1, 2, 3, 8, 128, 253, 254, 255))) % 256
        else:
            old, new = chance.choice(SHORT_IDS), chance.choice(SHORT_IDS)
            changed[HEAD_BYTES:] = changed[HEAD_BYTES:].replace(old, new, chance.randint(1, 3))
        found.append(bytes(changed))
    return found


def apply(room: Room, audit: Listening, step: Any) -> list[bytes]:
    """The answers of a step. A request goes out twice: what a plan learned the first time counts the second."""
    if isinstance(step, bytes):
        del room.channel.sent[:]
        room.dispatcher.message(room.channel, 1, step)
        room.dispatcher.message(room.channel, 2, step)
        return list(room.channel.sent)
    what, value = step
    if what == "role":
        room.session.audience = room.rights.audience(ROLE_NAMES[value], room.channel.mode)
    elif what == "access":
        node = room.store[value]
        room.store.reshape(node, access=node.shape.access ^ 3, executable=not node.shape.executable)
    elif what == "audit":
        audit.wanted = value
    else:
        room.clock.advance(value / 1_000_000)
    return []


def state(room: Room) -> dict[Key, tuple[Any, ...]]:
    """Every value as it is kept."""
    return {
        node.key: (node.point.flags, node.point.body, node.point.source, node.point.server, node.point.encoded(2, 1))
        for node in room.store.nodes()
        if node.point is not None
    }


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(steps=st.lists(STEPS, min_size=1, max_size=MOST_STEPS), mode=st.sampled_from([1, 3]))
@pytest.mark.timeout(0 if EXAMPLES > 300 else 120)
def test_both_paths_answer_alike_and_leave_the_same_values(steps: list[Any], mode: int) -> None:
    fast, fast_audit = make(fast=True, mode=mode)
    slow, slow_audit = make(fast=False, mode=mode)
    for step in steps:
        for each in variants(step) if isinstance(step, bytes) else [step]:
            answers = apply(fast, fast_audit, each)
            assert answers == apply(slow, slow_audit, each)
            assert state(fast) == state(slow)
            COMPARED["requests"] += bool(answers)
            COMPARED["answers"] += len(answers)


COMPARED: Counter[str] = Counter()


@pytest.fixture(autouse=True, scope="module")
def told() -> Iterator[None]:
    """Says how much was compared; shown with -s."""
    yield
    print(f"\nplans on the {TWIN} twin: {dict(COMPARED)} compared")
