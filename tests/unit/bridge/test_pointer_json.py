"""What a payload may do wrong: each case ends in a reason with its place, never in another exception."""

from __future__ import annotations

import json
import time

import pytest

from bridge.codec import CodecLimits, Decoded, PayloadError
from bridge.codecs.pointer_json import CODEC, load, resolve
from bridge.routing import Router
from server.core.binding import DeviceBinding, ParameterBinding, RowBinding
from server.core.values import RawMessage

NOW = 1_767_600_000_000_000  # 2026-01-05T08:00:00Z
LIMITS = CodecLimits()
BINDING = DeviceBinding(
    type_id="pump",
    codec="pointer_json",
    rows=(
        RowBinding(
            topic="pumps/{device}/raw",
            parameters=(
                ParameterBinding("level", "/level", "float"),
                ParameterBinding("count", "/count", "integer", minimum=0, maximum=4_294_967_295),
                ParameterBinding("on", "/on", "boolean"),
                ParameterBinding("note", "/note", "string"),
            ),
            device_pointer="/id",
            sensor_pointer="/sensor",
            time_pointer="/time",
            attributes={"model": "/model"},
            rows=True,
        ),
        RowBinding(
            topic="pumps/{device}/strict",
            parameters=(
                ParameterBinding("level", "/level", "float", optional=False),
                ParameterBinding("count", "/count", "integer"),
            ),
        ),
        RowBinding(
            topic="unnamed/pumps", parameters=(ParameterBinding("level", "/level", "float"),), device_pointer="/id"
        ),
        RowBinding(
            topic="pumps/{device}/list",
            parameters=(ParameterBinding("level", "/list", "float", key="level", unit="%"),),
            list_pointer="/list",
            key_name="metric",
            value_name="value",
            unit_name="unit",
        ),
    ),
    response_topic="pumps/{device}/response",
)
ROUTER = Router([BINDING])


def decode(payload: bytes | str, topic: str = "pumps/p-1/raw", limits: CodecLimits = LIMITS) -> Decoded:
    route = ROUTER.route(topic)
    assert route is not None
    content = payload.encode() if isinstance(payload, str) else payload
    return CODEC.decode(RawMessage(topic, content, NOW), route, limits)


def row(**more: str) -> str:
    """A good row with members replaced or added, given as JSON text."""
    members = {"id": '"p-1"', "time": '"2026-01-05T08:00:00Z"', "level": "1.5"} | more
    return "{" + ", ".join(f'"{name}": {text}' for name, text in members.items()) + "}"


def refused(payload: bytes | str, topic: str = "pumps/p-1/raw", limits: CodecLimits = LIMITS) -> str:
    """The reason why nothing of a payload was taken."""
    try:
        found = decode(payload, topic, limits)
    except PayloadError as problem:
        return problem.reason
    assert found.measurements == []
    (problem,) = found.problems
    return problem.reason


def test_the_good_row_is_taken() -> None:
    (measurement,) = decode(row()).measurements
    assert (measurement.device_id, measurement.source_time) == ("p-1", NOW)
    assert measurement.values == (("level", 1.5, 0),)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"level=1",
        b"\x00" * 10,
        b'{"level": 1',
        b'{"level": 1}}',
        b'{"level": NaN}',
        b'{"level": Infinity}',
        b'{"level": -Infinity}',
        b'{"level": 1e400}',
        b'{"level": ' + b"9" * 5_000 + b"}",
        b'{"level": 01}',
        b'{"level": 1,}',
        b"{'level': 1}",
        b'{"note": "\xff\xfe"}',
        b'{"\xc3\x28": 1}',
        b'{"note": "\xed\xa0\x80"}',
        b'{"note": "\\ud800"}',
        b'{"note": "a\nb"}',
        b"\xef\xbb\xbf{}",
        b'{"level": 1} // comment',
    ],
)
def test_what_is_no_json_is_refused(payload: bytes) -> None:
    assert refused(payload) == "not_json"


@pytest.mark.parametrize("payload", ["null", "true", "1", '"text"'])
def test_a_payload_that_is_no_row_is_refused(payload: str) -> None:
    assert refused(payload) == "wrong_type"


def test_rows_are_taken_only_where_the_package_says_so() -> None:
    assert refused("[]", "pumps/p-1/strict") == "wrong_type"
    assert decode("[]").measurements == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("level", '"1.5"', "wrong_type"),
        ("level", "true", "wrong_type"),
        ("level", "false", "wrong_type"),
        ("level", "null", "wrong_type"),
        ("level", "[1.5]", "wrong_type"),
        ("level", '{"value": 1}', "wrong_type"),
        ("level", "9" * 400, "out_of_range"),
        ("level", "-" + "9" * 400, "out_of_range"),
        ("count", "1.5", "wrong_type"),
        ("count", "true", "wrong_type"),
        ("count", '"5"', "wrong_type"),
        ("count", "-1", "out_of_range"),
        ("count", "4294967296", "out_of_range"),
        ("count", "9" * 100, "out_of_range"),
        ("count", "1e300", "out_of_range"),
        ("on", "1", "wrong_type"),
        ("on", '"true"', "wrong_type"),
        ("on", "null", "wrong_type"),
        ("note", "5", "wrong_type"),
        ("note", '"' + "x" * 4_097 + '"', "too_long"),
        ("note", '"a\\u0000b"', "bad_text"),
    ],
)
def test_a_bad_value_is_refused_and_the_good_one_beside_it_stays(name: str, value: str, reason: str) -> None:
    beside = "on" if name != "on" else "level"
    found = decode(row(**({"on": "true"} | {name: value})))
    assert [(problem.reason, problem.path) for problem in found.problems] == [(reason, f"/{name}")]
    (measurement,) = found.measurements
    taken = {parameter for parameter, *_ in measurement.values}
    assert beside in taken
    assert name not in taken


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("level", "15", 15.0),
        ("level", "-0.0", 0.0),
        ("level", "1e308", 1e308),
        ("level", "1e-400", 0.0),
        ("level", "18446744073709551616", 2.0**64),
        ("count", "5.0", 5),
        ("count", "4294967295", 4_294_967_295),
        ("on", "false", False),
        ("note", '"x\\u00e9"', "xé"),
        ("note", '""', ""),
    ],
)
def test_a_value_gets_its_parameters_type(name: str, value: str, expected: object) -> None:
    (measurement,) = decode(row(**{name: value})).measurements
    found = {parameter: taken for parameter, taken, _ in measurement.values}[name]
    assert found == expected
    assert type(found) is type(expected)


def test_of_duplicate_keys_the_last_counts() -> None:
    (measurement,) = decode('{"time": "2026-01-05T08:00:00Z", "level": 1, "level": 2}').measurements
    assert measurement.values == (("level", 2.0, 0),)


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        ('"2026-01-05T08:00:00"', "bad_time"),  # without a zone it says no moment
        ('"2026-01-05"', "bad_time"),
        ('"now"', "bad_time"),
        ('""', "bad_time"),
        ("null", "bad_time"),
        ("1767600000", "bad_time"),
        ("true", "bad_time"),
        ("[]", "bad_time"),
        ('"2026-02-30T08:00:00Z"', "bad_time"),
        ('"2026-01-05T25:00:00Z"', "bad_time"),
        ('"99999-01-05T08:00:00Z"', "bad_time"),
        ('"' + "2026-01-05T08:00:00Z" * 10 + '"', "bad_time"),
        ('"2026-01-05T08:01:00.000001Z"', "future_time"),
        ('"2126-01-05T08:00:00Z"', "future_time"),
        ('"9999-12-31T23:59:59.999999-23:59"', "future_time"),
        ('"1999-12-31T23:59:59.999999Z"', "past_time"),
        ('"1970-01-01T00:00:00Z"', "past_time"),
        ('"0001-01-01T00:00:00+23:59"', "past_time"),
    ],
)
def test_a_time_that_cannot_be_right_refuses_the_row(moment: str, reason: str) -> None:
    found = decode(row(time=moment))
    assert found.measurements == []
    assert [(problem.reason, problem.path) for problem in found.problems] == [(reason, "/time")]


def test_a_missing_time_refuses_the_row() -> None:
    assert refused('{"id": "p-1", "level": 1}') == "bad_time"


@pytest.mark.parametrize(
    ("moment", "offset_us"),
    [
        ('"2026-01-05T08:01:00Z"', 60_000_000),  # the last that a device's clock may be ahead
        ('"2026-01-05T11:00:00+03:00"', 0),
        ('"2026-01-05T08:00:00.123456789Z"', 123_456),
        ('"2000-01-01T00:00:00Z"', 946_684_800_000_000 - NOW),
    ],
)
def test_a_time_with_a_zone_is_taken(moment: str, offset_us: int) -> None:
    (measurement,) = decode(row(time=moment)).measurements
    assert measurement.source_time == NOW + offset_us


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ('"p-2"', "other_device"),
        ('"P-1"', "other_device"),
        ('""', "bad_device_id"),
        ('"../p-1"', "bad_device_id"),
        ('"p 1"', "bad_device_id"),
        ('"p-1\\n"', "bad_device_id"),
        ('"' + "p" * 65 + '"', "bad_device_id"),
        ("1", "bad_device_id"),
        ("null", "bad_device_id"),
        ('["p-1"]', "bad_device_id"),
    ],
)
def test_an_id_that_is_not_the_topics_refuses_the_row(told: str, reason: str) -> None:
    # Otherwise one device could speak for another.
    assert refused(row(id=told)) == reason


def test_an_id_may_be_left_to_the_topic() -> None:
    (measurement,) = decode('{"time": "2026-01-05T08:00:00Z", "level": 1}').measurements
    assert measurement.device_id == "p-1"


def test_where_the_topic_names_no_device_the_payload_must() -> None:
    (measurement,) = decode('{"id": "p-7", "level": 1}', "unnamed/pumps").measurements
    assert (measurement.device_id, measurement.source_time) == ("p-7", NOW)
    assert refused('{"level": 1}', "unnamed/pumps") == "bad_device_id"


@pytest.mark.parametrize("sensor", ['""', '"a/b"', "2", "true", '"' + "s" * 65 + '"', "[]"])
def test_a_sensor_id_that_is_none_refuses_the_row(sensor: str) -> None:
    assert refused(row(sensor=sensor)) == "bad_sensor_id"


def test_device_and_sensor_together_stay_an_id() -> None:
    assert refused(row(sensor='"' + "s" * 64 + '"')) == "bad_device_id"


@pytest.mark.parametrize(
    ("sensor", "device"),
    [("null", "p-1"), ('"bbw-1"', "p-1"), ('"bbw-2"', "p-1.bbw-2"), ('"bbw-11"', "p-1.bbw-11"), ('"bbw"', "p-1.bbw")],
)
def test_the_first_sensor_is_the_device_itself(sensor: str, device: str) -> None:
    (measurement,) = decode(row(sensor=sensor)).measurements
    assert measurement.device_id == device


@pytest.mark.parametrize("model", ["5", "null", '"' + "m" * 257 + '"', '"a\\u0000b"', '"a\\u001bb"'])
def test_an_odd_nameplate_fact_is_left_out(model: str) -> None:
    (measurement,) = decode(row(model=model)).measurements
    assert measurement.attributes == {}


def test_a_missing_required_value_refuses_the_row() -> None:
    assert refused('{"count": 1}', "pumps/p-1/strict") == "missing"


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ("{}", "wrong_type"),
        ("null", "wrong_type"),
        ("5", "wrong_type"),
        ('[{"metric": "level", "value": "x"}]', "wrong_type"),
    ],
)
def test_a_list_of_metrics_that_is_none_is_refused(listed: str, reason: str) -> None:
    assert refused(f'{{"list": {listed}}}', "pumps/p-1/list") == reason


def test_a_list_of_metrics_may_hold_rubbish_beside_the_good_ones() -> None:
    listed = '[1, null, [], {}, {"metric": 5}, {"metric": "other", "value": 1}, {"metric": "level", "value": 7}]'
    found = decode(f'{{"list": {listed}}}', "pumps/p-1/list")
    assert found.measurements[0].values == (("level", 7.0, 0),)
    assert (found.problems, found.unit_mismatches) == ([], 0)


def test_a_metric_without_a_value_is_as_good_as_absent() -> None:
    found = decode('{"list": [{"metric": "level"}]}', "pumps/p-1/list")
    assert (found.measurements, found.problems, found.empty) == ([], [], 1)


# -- size and shape, before anything is parsed


def test_a_payload_of_a_megabyte_is_refused() -> None:
    assert refused(row(note='"' + "x" * 1_048_576 + '"')) == "too_large"


def test_the_size_limit_is_the_settings() -> None:
    payload = row()
    assert decode(payload, limits=CodecLimits(payload_bytes=len(payload))).measurements
    assert refused(payload, limits=CodecLimits(payload_bytes=len(payload) - 1)) == "too_large"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_deep_nesting_is_refused(opening: str, closing: str) -> None:
    for depth in (40, 5_000):
        assert refused(opening * depth + "1" + closing * depth) == "too_deep"


def test_deep_nesting_that_never_ends_is_refused() -> None:
    assert refused("[" * 200_000) == "too_deep"


def test_the_depth_limit_is_the_settings() -> None:
    assert refused(row(note="[" * 9 + "]" * 9), limits=CodecLimits(depth=9)) == "too_deep"
    assert decode(row(note="[" * 8 + "]" * 8), limits=CodecLimits(depth=9)).measurements


def test_brackets_in_texts_are_no_nesting() -> None:
    tricky = json.dumps("[{" * 1_000 + '\\"[' * 100)
    (measurement,) = decode(row(note=tricky)).measurements
    assert measurement.values[1][1] == "[{" * 1_000 + '\\"[' * 100


def test_nesting_behind_an_escaped_quote_is_seen() -> None:
    assert refused('{"a\\\\": ' + "[" * 100 + "]" * 100 + "}") == "too_deep"
    assert refused('{"note": "\\"", "b": ' + "[" * 100 + "]" * 100 + "}") == "too_deep"


def test_a_million_rows_are_refused() -> None:
    assert refused("[" + ",".join(["{}"] * 1_000_000) + "]") == "too_large"
    assert (
        refused("[" + ",".join(["1"] * 1_000_000) + "]", limits=CodecLimits(payload_bytes=4_000_000)) == "too_many_rows"
    )


def test_the_row_limit_is_the_settings() -> None:
    rows = f"[{row()}, {row()}]"
    assert len(decode(rows, limits=CodecLimits(rows=2)).measurements) == 2
    assert refused(rows, limits=CodecLimits(rows=1)) == "too_many_rows"


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 262_144,
        b"[]" * 131_072,
        b'"\\"' * 87_000,
        b'["' + b'\\"[' * 87_000,
        b'"' + b"\\" * 262_000,
        b"[" * 40 + b'"' * 262_000,
        b"[" + b"{}," * 87_000,
    ],
)
def test_looking_at_the_shape_takes_linear_time(payload: bytes) -> None:
    # A quadratic scan of a quarter megabyte would take minutes; the bound is far from what a slow machine needs.
    before = time.process_time()
    with pytest.raises(PayloadError):
        load(payload, LIMITS)
    assert time.process_time() - before < 2.0


@pytest.mark.parametrize(
    ("pointer", "found"),
    [("", {"a": [{"b/c": 1}, 2]}), ("/a/0/b~1c", 1), ("/a/1", 2), ("/a", [{"b/c": 1}, 2])],
)
def test_a_pointer_leads_to_its_value(pointer: str, found: object) -> None:
    assert resolve({"a": [{"b/c": 1}, 2]}, pointer) == found


# -- answers


def answer(payload: str, correlation: bytes | None = None) -> tuple[str, str, str, dict[str, object]]:
    route = ROUTER.route("pumps/p-1/response")
    assert route is not None
    message = RawMessage("pumps/p-1/response", payload.encode(), NOW, correlation=correlation)
    return CODEC.decode_answer(message, route, LIMITS)  # type: ignore[return-value]


def test_an_answer_is_taken() -> None:
    payload = '{"command_id": "c1", "status": "done", "reason": "", "values": {"state": 2, "on": true, "note": "x"}}'
    assert answer(payload) == ("c1", "done", "", {"state": 2, "on": True, "note": "x"})


def test_an_answer_may_name_its_command_by_correlation_only() -> None:
    assert answer('{"status": "rejected", "reason": "locked"}', b"c7") == ("c7", "rejected", "locked", {})


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ('{"status": "done"}', "/command_id"),
        ('{"command_id": "", "status": "done"}', "/command_id"),
        ('{"command_id": 5, "status": "done"}', "/command_id"),
        ('{"command_id": "' + "c" * 257 + '", "status": "done"}', "/command_id"),
        ('{"command_id": "c1"}', "/status"),
        ('{"command_id": "c1", "status": "DONE"}', "/status"),
        ('{"command_id": "c1", "status": true}', "/status"),
        ('{"command_id": "c1", "status": null}', "/status"),
        ('{"command_id": "c1", "status": []}', "/status"),
        ('{"command_id": "c1", "status": {"done": 1}}', "/status"),
        ('{"command_id": "c1", "status": "failed", "reason": 5}', "/reason"),
        ('{"command_id": "c1", "status": "failed", "reason": ["x"]}', "/reason"),
        ('{"command_id": "c1", "status": "failed", "reason": "a\\u0000"}', "/reason"),
        ('{"command_id": "c1", "status": "done", "values": []}', "/values"),
        ('{"command_id": "c1", "status": "done", "values": 5}', "/values"),
        (
            '{"command_id": "c1", "status": "done", "values": {' + ",".join(f'"v{n}":1' for n in range(501)) + "}}",
            "/values",
        ),
        ('["c1"]', ""),
        ("null", ""),
    ],
)
def test_an_answer_that_is_none_is_refused(payload: str, path: str) -> None:
    with pytest.raises(PayloadError) as caught:
        answer(payload)
    assert caught.value.path == path


def test_an_answers_bad_values_are_left_out() -> None:
    values = (
        '{"good": 1, "deep": {"a": 1}, "list": [1], "none": null, "long": "'
        + "x" * 5_000
        + '", "huge": '
        + "9" * 60
        + ', "nul": "\\u0000", "'
        + "k" * 300
        + '": 1}'
    )
    assert answer(f'{{"command_id": "c1", "status": "done", "values": {values}}}')[3] == {"good": 1}


def test_an_answers_parameters_are_of_their_kind() -> None:
    # They go the way of measured values: one that its type cannot hold must not get into the address space.
    route = ROUTER.route("pumps/p-1/response")
    assert route is not None
    values = '{"level": 15, "count": 4294967296, "on": 1, "note": 5, "count_of_another": 4294967296}'
    payload = f'{{"command_id": "c1", "status": "done", "values": {values}}}'.encode()
    problems: list[PayloadError] = []
    *_, found = CODEC.decode_answer(RawMessage("pumps/p-1/response", payload, NOW), route, LIMITS, problems)
    assert found == {"level": 15.0, "count_of_another": 4_294_967_296}
    assert type(found["level"]) is float
    assert [(problem.reason, problem.path) for problem in problems] == [
        ("out_of_range", "/values/count"),
        ("wrong_type", "/values/on"),
        ("wrong_type", "/values/note"),
    ]


def test_a_long_reason_is_cut() -> None:
    assert len(answer('{"command_id": "c1", "status": "failed", "reason": "' + "r" * 5_000 + '"}')[2]) == 256


def test_a_command_is_what_the_plant_expects() -> None:
    payload = CODEC.encode_command("c1", "set_threshold", {"name": "threshold_overcurrent", "value": 80.0})
    assert json.loads(payload) == {
        "command_id": "c1",
        "command": "set_threshold",
        "params": {"name": "threshold_overcurrent", "value": 80.0},
    }
