"""Whatever bytes come, the codec gives measurements that can be stored, or a reason; nothing else."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.codec import CodecLimits, PayloadError
from bridge.codecs.pointer_json import CODEC
from bridge.routing import Router
from bridge.topics import NAME, TopicPattern, join_id, split_id
from server.core.binding import DeviceBinding, ParameterBinding, RowBinding
from server.core.values import RawMessage

NOW = 1_767_600_000_000_000
LIMITS = CodecLimits(payload_bytes=65_536, rows=50)
PARAMETERS = (
    ParameterBinding("level", "/level", "float", unit_pointer="/unit", unit="%"),
    ParameterBinding("count", "/count", "integer", minimum=0, maximum=255),
    ParameterBinding("on", "/deep/on", "boolean"),
    ParameterBinding("note", "/list/0", "string"),
)
KINDS: dict[str, type] = {"level": float, "count": int, "on": bool, "note": str}
ROUTER = Router(
    [
        DeviceBinding(
            "pump",
            "pointer_json",
            (
                RowBinding(
                    "pumps/{device}/raw",
                    PARAMETERS,
                    device_pointer="/id",
                    sensor_pointer="/sensor",
                    time_pointer="/time",
                    quality_pointer="/flag",
                    attributes={"model": "/model"},
                    rows=True,
                ),
                RowBinding(
                    "pumps/{device}/list",
                    (ParameterBinding("level", "/list", "float", key="level", unit="%"),),
                    list_pointer="/list",
                    key_name="metric",
                    value_name="value",
                    unit_name="unit",
                ),
            ),
            response_topic="pumps/{device}/response",
        )
    ]
)
TOPICS = st.sampled_from(["pumps/p-1/raw", "pumps/p-1/list"])

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
times = st.sampled_from(["2026-01-05T08:00:00Z", "2026-01-05T08:00:00", "1990-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
metrics = st.fixed_dictionaries(
    {}, optional={"metric": st.just("level") | anything, "value": anything, "unit": anything}
)
rows = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("p-1") | anything,
        "sensor": st.sampled_from(["s-1", "s-2", "a/b"]) | anything,
        "time": times | st.datetimes().map(lambda moment: moment.isoformat() + "Z") | anything,
        "flag": st.integers(-1, 3) | anything,
        "level": st.floats() | st.integers() | anything,
        "count": st.integers(-5, 300) | anything,
        "deep": st.fixed_dictionaries({"on": st.booleans() | anything}) | anything,
        "list": st.lists(metrics | anything, max_size=4),
        "unit": st.sampled_from(["%", "kg"]) | anything,
        "model": anything,
    },
)


def check(topic: str, payload: bytes) -> None:
    route = ROUTER.route(topic)
    assert route is not None
    try:
        found = CODEC.decode(RawMessage(topic, payload, NOW), route, LIMITS)
    except PayloadError as problem:
        assert problem.reason.isidentifier()
        return
    assert all(problem.reason.isidentifier() for problem in found.problems)
    for measurement in found.measurements:
        assert NAME.fullmatch(measurement.device_id)
        assert measurement.device_id.startswith("p-1")
        assert LIMITS.earliest <= measurement.source_time <= NOW + 60_000_000
        assert measurement.values
        for name, value, code in measurement.values:
            assert type(value) is KINDS[name]
            assert not isinstance(value, float) or math.isfinite(value)
            assert not isinstance(value, str) or (len(value) <= 4_096 and "\0" not in value and value.encode())
            assert 0 <= code < 2**32
        for text in measurement.attributes.values():
            assert len(text) <= 256


@given(TOPICS, st.binary(max_size=2_000))
@example("pumps/p-1/raw", b"[" * 2_000)
@example("pumps/p-1/raw", b'{"a":' * 400)
def test_any_bytes(topic: str, payload: bytes) -> None:
    check(topic, payload)


@settings(max_examples=300)
@given(TOPICS, rows | st.lists(rows | anything, max_size=5) | anything)
def test_any_json(topic: str, content: Any) -> None:
    check(topic, json.dumps(content).encode())  # Python writes NaN and Infinity, which are no JSON


@given(rows, st.data())
def test_a_good_message_with_bytes_changed(content: Any, data: st.DataObject) -> None:
    payload = bytearray(json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    check("pumps/p-1/raw", bytes(payload))


answers = st.fixed_dictionaries(
    {},
    optional={
        "command_id": st.just("c1") | anything,
        "status": st.sampled_from(["done", "rejected", "failed"]) | anything,
        "reason": anything,
        "values": st.dictionaries(st.text(max_size=8), anything, max_size=5) | anything,
    },
)


@settings(max_examples=300)
@given(answers | anything, st.none() | st.binary(max_size=40))
def test_any_answer(content: Any, correlation: bytes | None) -> None:
    route = ROUTER.route("pumps/p-1/response")
    assert route is not None
    message = RawMessage("pumps/p-1/response", json.dumps(content).encode(), NOW, correlation=correlation)
    try:
        command_id, outcome, reason, values = CODEC.decode_answer(message, route, LIMITS)
    except PayloadError:
        return
    assert 0 < len(command_id) <= 256
    assert outcome in {"done", "rejected", "failed"}
    assert len(reason) <= 256
    assert all(isinstance(value, bool | int | float | str) for value in values.values())
    assert all(math.isfinite(value) for value in values.values() if isinstance(value, int | float))


@given(st.text(max_size=60) | st.lists(st.sampled_from(["plant", "a", "b.c", "+", "#", "", "readings"])).map("/".join))
def test_what_matches_a_pattern_fills_it_again(topic: str) -> None:
    pattern = TopicPattern.of("plant/{facility}/{asset}/readings")
    parts = pattern.match(topic)
    if parts is not None:
        assert pattern.fill(parts) == topic


names = st.text("ab.-_1", min_size=1, max_size=8)


@given(names, names)
def test_a_joined_id_comes_apart_into_the_same_parts(facility: str, asset: str) -> None:
    # Otherwise a command could go to another asset than the one that measured.
    parts = {"facility": facility, "asset": asset}
    joined = join_id("{facility}.{asset}", parts)
    assert joined == "" or split_id("{facility}.{asset}", joined) == parts
