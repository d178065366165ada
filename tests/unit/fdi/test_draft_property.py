"""Whatever devices send: the draft builds, and its package turns the very same messages into the values they carry."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.codecs.pointer_json import MISSING, resolve
from server.core.values import RawMessage
from tests.kit.drafts import built, decode, drafted, message, values

KEYS = st.one_of(
    st.sampled_from(["value", "unit", "temp", "Temp", "temp_unit", "status", "ts", "id", "quality", "a/b", "~x", "0"]),
    st.sampled_from(["type", "float", "meta", "count", "values", "readings", "name", "температура", 'q"\\', "|en|"]),
    st.text(min_size=1, max_size=8),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["°C", "2026-01-05T07:59:00Z", "on", "p-1", 1767599940, 1767599940000]),
)
READINGS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["a", "b", "c"]), "value": SCALARS}, optional={"unit": st.text()}),
    max_size=4,
)
CONTENT = st.recursive(
    SCALARS | READINGS,
    lambda inner: st.one_of(st.dictionaries(KEYS, inner, max_size=4), st.lists(inner, max_size=3)),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, CONTENT, max_size=5)
PAYLOADS = OBJECTS | st.lists(OBJECTS, min_size=1, max_size=3)
TOPICS = st.sampled_from(["a/p-1/raw", "a/p-2/raw", "b/p-1/raw", "b/p-2/x", "a/p-1/x"])


def fits(value: Any, kind: str, low: float | None, high: float | None) -> bool:
    """Whether a JSON value can be a parameter of a kind, said again in the words of the documents."""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "string":
        return isinstance(value, str) and "\0" not in value and len(value) <= 4_096
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    inside = (low is None or value >= low) and (high is None or value <= high)
    return inside and (kind == "float" or float(value).is_integer())


def as_kind(value: Any, kind: str) -> Any:
    return float(value) if kind == "float" else value


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(st.tuples(TOPICS, PAYLOADS), min_size=1, max_size=6))
def test_the_same_messages_become_the_values_they_carry(sent: list[tuple[str, Any]]) -> None:
    messages = [message(topic, content) for topic, content in sent]
    draft = drafted(messages)
    if not draft.messages:
        return  # nothing but empty objects, nulls and names: the report says so, and there is no package
    device_type = built(draft)
    for raw, (topic, content) in zip(messages, sent, strict=True):
        _check(device_type, raw, topic, content)


def _check(device_type: Any, raw: RawMessage, topic: str, content: Any) -> None:
    decoded = decode(device_type, raw)
    if any(problem.reason == "unknown_topic" for problem in decoded.problems):
        return  # a kind of message without any value is not in the package
    rows = content if isinstance(content, list) else [content]
    (row,) = [row for row in device_type.binding.rows if _shape(row.topic, topic)]
    expected = []
    for entry in rows:
        if row.time_pointer and resolve(entry, row.time_pointer) is MISSING:
            continue  # told in the draft: rows without their time are refused
        found = {}
        for binding in row.parameters:
            value = _of(entry, row, binding)
            if value is not MISSING and fits(value, binding.kind, binding.minimum, binding.maximum):
                found[binding.parameter] = as_kind(value, binding.kind)
        if found:
            expected.append(found)
    if row.time_pointer or row.device_pointer or row.quality_pointer:
        assert len(decoded.measurements) <= len(expected)
        return
    got = [dict(values(measurement)) for measurement in decoded.measurements]
    assert got == expected


def _of(entry: Any, row: Any, binding: Any) -> Any:
    if not binding.key:
        return resolve(entry, binding.pointer)
    named = [item for item in resolve(entry, row.list_pointer) if item.get(row.key_name) == binding.key]
    return named[-1].get(row.value_name, MISSING) if named else MISSING


def _shape(pattern: str, topic: str) -> bool:
    return all(p.startswith("{") or p == t for p, t in zip(pattern.split("/"), topic.split("/"), strict=True))


Device = tuple[dict[tuple[str, ...], str], list[tuple[str, dict[str, Any]]]]
"""The kind of value at each place, and messages by topic."""
NAMES = st.from_regex(r"[a-z]{2,8}", fullmatch=True)
TYPED = st.sampled_from(["number", "flag", "text"])


@st.composite
def devices(draw: st.DrawFn) -> Device:
    """Devices that always send the same places with the same kinds of values, as real ones do."""
    places = draw(st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map(tuple), TYPED, min_size=1, max_size=6))
    # No place may be below another one: a leaf is no object.
    plain = {p: k for p, k in places.items() if not any(o != p and o == p[: len(o)] for o in places)}
    sent = []
    for number in range(draw(st.integers(1, 4))):
        content: dict[str, Any] = {"sent_at": {"timestamp": "2026-01-05T07:59:00Z"}}
        for path, kind in plain.items():
            inner = content
            for step in path[:-1]:
                inner = inner.setdefault(step, {})
            inner[path[-1]] = draw(
                {
                    "number": st.floats(-1e12, 1e12) | st.integers(-1000, 1000),
                    "flag": st.booleans(),
                    "text": st.sampled_from(["run", "stop", "idle"]),
                }[kind]
            )
        sent.append((f"works/dev-{number % 2}/raw", content))
    return plain, sent


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(devices())
def test_orderly_devices_lose_nothing(given_: Device) -> None:
    """Every value that is no name, unit or fact of the nameplate arrives as itself, with the device's time."""
    places, sent = given_
    draft = drafted(message(topic, content) for topic, content in sent)
    bound = {place.pointer for kind in draft.messages for place in kind.places}
    told = {place for kind in draft.messages for place in kind.attributes.values()}
    units = {place.unit_pointer for kind in draft.messages for place in kind.places}
    everything = {"/" + "/".join(path) for path in places}
    words = ("unit", "uom", "units")
    texts = {"/" + "/".join(path) for path, kind in places.items() if kind == "text" and path[-1] in words}
    quality = {kind.quality for kind in draft.messages}
    assert everything - bound - told - units - texts - quality == set()
    if not draft.messages:
        return
    device_type = built(draft)
    for topic, content in sent:
        (measurement,) = decode(device_type, message(topic, content)).measurements
        assert measurement.device_id == topic.split("/")[1]
        (row,) = device_type.binding.rows
        expected = {b.parameter: resolve(content, b.pointer) for b in row.parameters}
        assert values(measurement) == expected
