"""What a draft makes of messages: names, types, units, ranges, times, devices, by the tutorial's rules."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from server.core.values import RawMessage
from server.fdi.draft.names import edd_comment, edd_text, identifier, label, toml_text, type_name
from server.fdi.draft.parameters import unit_of, widened
from server.fdi.draft.topics import filter_of, matches
from server.model.device_type import DataType
from tests.kit.drafts import RECEIVED, built, decode, drafted, message, parameters, values

BREAKER = {
    "device_id": "breaker-001",
    "timestamp": "2026-01-05T07:59:00Z",
    "device_type": "smart_breaker",
    "measurements": {
        "voltage": {"phase_a": 230.0, "phase_b": 231.5, "unit": "V"},
        "temperature": {"value": 40.0, "unit": "°C"},
        "status": {"breaker": 1, "position": "in"},
        "protection": {"trip_count": 3, "arc_fault_detected": False},
    },
}


def raw(device: str = "breaker-001", **more: Any) -> RawMessage:
    return message(f"iot/{device}/raw", {**BREAKER, "device_id": device, **more})


# -- names


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("measurements", "voltage", "phase_a"), "voltage_phase_a"),  # containers are no part of the name
        (("frequency", "value"), "frequency"),  # a lone value takes its parent's name
        (("value",), "value"),
        (("values",), "values"),  # nothing else to name it by
        (("bearingTemp",), "bearing_temp"),
        (("HTTPServer2Load",), "http_server2_load"),
        (("Übertemperatur °C",), "ubertemperatur_c"),
        (("3rd stage",), "v_3rd_stage"),
        (("float",), "float_value"),  # words of EDDL
        (("menu",), "menu_value"),
        (("температура",), "value"),  # nothing left that an identifier may hold
        (("device_root_menu",), "device_root_menu_value"),  # the draft's own menu
    ],
)
def test_identifiers_are_leaf_paths_made_safe(path: tuple[str, ...], expected: str) -> None:
    assert identifier(path) == expected


def test_labels_keep_the_words_of_the_message() -> None:
    assert label(("measurements", "bearingTemp", "value")) == "Bearing Temp"
    assert label(("температура",)) == "Температура"


@pytest.mark.parametrize(("text", "expected"), [("Pump P7", "pump_p7"), ("7up", "device_7up"), ("насос", "device")])
def test_type_ids_are_made_of_names(text: str, expected: str) -> None:
    assert type_name(text) == expected


def test_texts_from_outside_stay_texts_inside_sources() -> None:
    assert edd_text('a"b\\c|en|\n') == '"a\\"b\\\\c\\|en\\| "'
    assert edd_comment("x */ VARIABLE y /* z") == "/* x * / VARIABLE y / * z */"
    assert toml_text('a"\n\x7f\\') == '"a\\"\\n\\u007f\\\\"'


# -- topics


@pytest.mark.parametrize(
    ("asked", "expected"), [("iot/{device}/raw", "iot/+/raw"), ("iot/#", "iot/#"), ("+/+", "+/+"), ("#", "#")]
)
def test_a_named_level_listens_to_all(asked: str, expected: str) -> None:
    assert filter_of(asked) == expected


@pytest.mark.parametrize("asked", ["", "a/#/b", "a+", "a/{Device}", "{d}/{d}", "a/\0", "$share/g/a", "a" * 1_025])
def test_what_is_no_filter_is_refused(asked: str) -> None:
    with pytest.raises(ValueError, match="topic filter"):
        filter_of(asked)


def test_filters_match_as_mqtt_says() -> None:
    """MQTT 5, 4.7.1: `#` also takes the level above it."""
    assert matches("a/b", "a/#") and matches("a", "a/#") and matches("a/b", "+/b")
    assert not matches("a/b/c", "a/+") and not matches("b", "a/#")


def test_the_level_that_messages_repeat_is_the_device() -> None:
    (found,) = drafted([raw()]).messages
    assert (found.topic, found.device) == ("iot/{device}/raw", "/device_id")


def test_kinds_of_messages_behind_the_device_stay_apart_and_share_their_values() -> None:
    both = [message(f"looms/L{n}/bbw/{kind}", {"width": n}) for kind in ("raw", "processed") for n in (1, 2)]
    draft = drafted(both)
    assert {entry.topic for entry in draft.messages} == {"looms/{device}/bbw/raw", "looms/{device}/bbw/processed"}
    assert list(parameters(draft)) == ["width"]


def test_the_same_word_behind_different_subjects_is_two_values() -> None:
    draft = drafted([message(f"dev-1/{side}/raw", {"temperature": 1}) for side in ("inlet", "outlet")])
    assert set(parameters(draft)) == {"inlet_temperature", "outlet_temperature"}


def test_a_lone_value_is_called_after_its_topic() -> None:
    draft = drafted([message(f"home/dev1/{what}", {"value": 1}) for what in ("temperature", "pressure")])
    assert set(parameters(draft)) == {"temperature", "pressure"}


def test_places_before_the_device_join_its_id_only_where_ids_repeat() -> None:
    repeated = drafted([message(f"plant/{s}/{d}/raw", {"v": 1}) for s in ("n1", "s1") for d in ("p1", "p2")])
    assert (repeated.device_id, repeated.messages[0].topic) == ("{site}.{device}", "plant/{site}/{device}/raw")
    single = drafted([message(f"plant/{s}/{d}/raw", {"v": 1}) for s, d in (("n1", "p1"), ("s1", "p2"))])
    assert (single.device_id, single.messages[0].topic) == ("{device}", "plant/{site}/{device}/raw")


def test_devices_that_share_a_topic_are_told_by_their_messages() -> None:
    draft = drafted([message("hall/telemetry", {"id": f"m-{n % 2}", "v": n}) for n in range(4)])
    (found,) = draft.messages
    assert (found.topic, found.device, found.devices) == ("hall/telemetry", "/id", 2)
    (measurement,) = decode(built(draft), message("hall/telemetry", {"id": "m-1", "v": 7})).measurements
    assert (measurement.device_id, values(measurement)) == ("m-1", {"v": 7.0})


def test_an_id_of_the_message_is_no_device() -> None:
    """Another id in each message names messages, not devices."""
    draft = drafted([message("iot/pump-1/raw", {"id": f"msg-{n}", "v": n}) for n in range(9)])
    assert (draft.messages[0].topic, draft.messages[0].device) == ("iot/{device}/raw", "")


def test_named_levels_are_taken_as_the_user_says() -> None:
    draft = drafted([message("a/b/c", {"v": 1})], ["{device}/+/c"])
    assert (draft.messages[0].topic, draft.notes) == ("{device}/b/c", ())


def test_a_guess_is_told() -> None:
    draft = drafted([message("a/b/c", {"v": 1})])
    assert draft.messages[0].topic == "a/{device}/c"
    assert any("level 2 is taken" in note for note in draft.notes)


def test_topics_without_a_common_device_are_told() -> None:
    draft = drafted([message("pumps/p-1/raw", {"v": 1}), message("valves/v-1/raw", {"open": True})])
    assert any("no device in common" in note for note in draft.notes)


# -- values


def test_a_message_of_the_plant_gives_the_names_that_its_package_has() -> None:
    """The identifiers, units and facts of the hand-written breaker package for the same payload."""
    found = parameters(drafted([raw()]))
    assert list(found) == [
        "voltage_phase_a", "voltage_phase_b", "temperature", "status_breaker", "status_position",
        "protection_trip_count", "protection_arc_fault_detected",
    ]  # fmt: skip
    assert (found["voltage_phase_a"].unit, found["temperature"].unit) == ("V", "°C")
    (sent,) = drafted([raw()]).messages
    assert dict(sent.attributes) == {"device_type": "/device_type"}
    assert sent.time == "/timestamp"


def test_types_follow_values_and_names() -> None:
    device_type = built(drafted([raw()]))
    found = {name: spec.data_type for name, spec in device_type.parameters.items()}
    assert found == {
        "voltage_phase_a": DataType.DOUBLE,
        "voltage_phase_b": DataType.DOUBLE,
        "temperature": DataType.DOUBLE,
        "status_breaker": DataType.BYTE,  # ENUMERATED (1)
        "status_position": DataType.STRING,
        "protection_trip_count": DataType.UINT32,
        "protection_arc_fault_detected": DataType.BOOLEAN,
    }


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ([1, 2, 3], "DOUBLE"),  # whole so far; a fraction may come
        ([2**53 + 1], "UNSIGNED_INTEGER"),  # a double would change it
        ([-(2**53) - 1, 5], "INTEGER"),
        ([True, False], "BOOLEAN"),
        (["on", "off"], "ASCII"),
        (["вкл"], "EUC"),
        ([1, 2, "three"], "DOUBLE"),  # the commonest kind counts
    ],
)
def test_the_type_of_a_value(contents: list[Any], expected: str) -> None:
    (found,) = drafted([message("d/p-1/raw", {"x": content}) for content in contents]).parameters
    assert found.edd_type == expected


def test_counters_are_integers_until_a_fraction_or_a_negative_comes() -> None:
    def kind(*contents: float) -> str:
        (found,) = drafted([message("d/p-1/raw", {"trip_count": content}) for content in contents]).parameters
        return found.edd_type

    assert (kind(1, 2.0), kind(1, 2.5), kind(1, -1)) == ("UNSIGNED_INTEGER", "DOUBLE", "DOUBLE")


def test_states_are_enumerations_of_what_was_seen() -> None:
    draft = drafted([message("d/p-1/raw", {"mode": content}) for content in (2, 0, 2, 5)])
    (found,) = draft.parameters
    assert (found.edd_type, found.enumerators) == ("ENUMERATED", (0, 2, 5))
    (spec,) = built(draft).parameters.values()
    assert [entry.value for entry in spec.enum_values] == [0, 2, 5]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 10.0, (0.0, 15.0)),  # margin 5, step 5; not below 0, as nothing was
        (-3.0, 7.0, (-10.0, 15.0)),  # margin 5, step 5: -8 down to -10, 12 up to 15
        (230.0, 234.0, (228.0, 236.0)),  # margin 2, step 2
        (40.0, 40.0, (20.0, 60.0)),  # one value: half of it, step 20
        (0.0, 0.0, (0.0, 0.5)),
        (-1e308, 1e308, (None, None)),  # no double can hold the span
        (1e17, 1e17 + 16, (None, None)),  # no room for steps between such doubles
    ],
)
def test_ranges_are_widened_and_rounded(low: float, high: float, expected: tuple[float | None, float | None]) -> None:
    assert widened(low, high) == expected


@pytest.mark.parametrize(
    ("name", "told", "expected"),
    [
        ("power_kw", {}, "kW"),
        ("velocity_mm_s", {}, "mm/s"),
        ("voltage_phase_a", {}, ""),  # a letter is no unit
        ("power_kw", {"MW": 1}, "MW"),  # what messages say wins
        ("flow", {"l/s": 3, "m³/h": 9}, "m³/h"),
        ("flow", {"": 9, "x\n": 8, "y" * 33: 7}, ""),
    ],
)
def test_units_come_from_messages_else_from_names(name: str, told: dict[str, int], expected: str) -> None:
    assert unit_of(name, Counter(told)) == expected


def test_a_unit_beside_a_value_belongs_to_it() -> None:
    content = {"flow": 1.5, "flow_unit": "m³/h", "oil": {"temp": 60, "unit": "°C", "level": 3, "level_unit": "mm"}}
    draft = drafted([message("d/p-1/raw", content)])
    assert {name: found.unit for name, found in parameters(draft).items()} == {
        "flow": "m³/h",
        "oil_temp": "°C",
        "oil_level": "mm",
    }
    decoded = decode(built(draft), message("d/p-1/raw", content))
    assert (decoded.unit_mismatches, len(decoded.measurements[0].values)) == (0, 3)


def test_a_factor_in_a_group_does_not_take_the_units_of_the_group() -> None:
    # A power factor stands among powers and is a plain ratio; a unit of its own would still be its unit.
    power = {
        "total": 5.0,
        "power_factor": 0.9,
        "factor": 1.0,
        "crest_factor": 3.0,
        "crest_factor_unit": "1",
        "unit": "kW",
    }
    draft = drafted([message("d/p-1/raw", {"power": power})])
    assert {name: found.unit for name, found in parameters(draft).items()} == {
        "power_total": "kW",
        "power_power_factor": "",
        "power_factor": "",
        "power_crest_factor": "1",
    }
    assert decode(built(draft), message("d/p-1/raw", {"power": power})).unit_mismatches == 0


@pytest.mark.parametrize(
    ("topics", "told"),
    [
        (1, None),
        (2, "1 topic has no device in common with a0/{device}/raw: a1/{device}/raw. If"),
        (
            6,
            "5 topics have no device in common with a0/{device}/raw: "
            "a1/{device}/raw, a2/{device}/raw, a3/{device}/raw, …. If",
        ),
    ],
)
def test_topics_of_other_devices_are_told_in_one_note(topics: int, told: str | None) -> None:
    messages = [message(f"a{kind}/p-{kind}/raw", {f"v{kind}": 1.5}) for kind in range(topics) for _ in range(2)]
    notes = [note for note in drafted(messages, "#").notes if "in common" in note]
    assert [note.startswith(told or "?") for note in notes] == ([True] if told else []), notes


def test_percentages_range_from_0_to_100() -> None:
    (found,) = drafted([message("d/p-1/raw", {"load_percent": content}) for content in (40, 60)]).parameters
    assert (found.unit, found.low, found.high) == ("%", 0.0, 100.0)


# -- times, qualities, facts, lists


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ("2026-01-05T07:59:00Z", ""),
        ("2026-01-05T10:59:00+03:00", ""),
        (1767599940, "epoch_s"),
        (1767599940.0, "epoch_s"),
        (1767599940000, "epoch_ms"),
    ],
)
def test_times_are_found_by_name_and_form(content: Any, form: str) -> None:
    draft = drafted([message("d/p-1/raw", {"ts": content, "v": 1})])
    (sent,) = draft.messages
    assert (sent.time, sent.time_form) == ("/ts", form)
    (measurement,) = decode(built(draft), message("d/p-1/raw", {"ts": content, "v": 1})).measurements
    assert measurement.source_time == RECEIVED - 60_000_000


@pytest.mark.parametrize("content", ["2026-01-05T07:59:00", "yesterday", 17, "2099-01-01T00:00:00Z"])
def test_what_is_no_moment_stays_a_value_and_is_told(content: Any) -> None:
    (sent,) = drafted([message("d/p-1/raw", {"ts": content, "v": 1})]).messages
    assert sent.time == ""
    assert any("looks like a time" in note for note in sent.notes)
    assert [place.parameter for place in sent.places] == ["ts", "v"]


def test_a_quality_flag_is_no_value() -> None:
    draft = drafted([message("d/p-1/raw", {"quality_flag": flag, "v": 1}) for flag in (0, 1, 2)])
    assert (draft.messages[0].quality, list(parameters(draft))) == ("/quality_flag", ["v"])


def test_facts_that_change_on_a_device_are_values() -> None:
    steady = drafted([message(f"d/p-{n}/raw", {"metadata": {"batch": f"b{n}"}, "v": 1}) for n in (1, 2)])
    assert dict(steady.messages[0].attributes) == {"batch": "/metadata/batch"}
    changing = drafted([message("d/p-1/raw", {"metadata": {"batch": f"b{n}"}, "v": 1}) for n in (1, 2)])
    assert dict(changing.messages[0].attributes) == {}
    assert "metadata_batch" in parameters(changing)


def test_lists_of_named_readings_are_read_by_name() -> None:
    content = {"readings": [{"name": "Temp", "value": 60.5, "unit": "°C"}, {"name": "P", "value": 3, "unit": "bar"}]}
    draft = drafted([message("d/p-1/readings", content)])
    assert {name: found.unit for name, found in parameters(draft).items()} == {"temp": "°C", "p": "bar"}
    turned = {"readings": list(reversed(content["readings"]))}  # order does not matter
    (measurement,) = decode(built(draft), message("d/p-1/readings", turned)).measurements
    assert values(measurement) == {"temp": 60.5, "p": 3.0}


def test_a_list_that_some_messages_lack_is_read_by_places() -> None:
    """The codec refuses a message without its list of readings; places are optional."""
    listed = [{"name": "a", "value": 1}]
    draft = drafted([message("d/p-1/raw", {"list": listed, "v": 1}), message("d/p-1/raw", {"v": 2})])
    assert draft.messages[0].metrics is None
    assert set(parameters(draft)) == {"list_0_name", "list_0", "v"}


def test_arrays_of_rows_are_taken_row_by_row() -> None:
    rows = [{"v": 1, "time": "2026-01-05T07:59:00Z"}, {"v": 2, "time": "2026-01-05T07:59:01Z"}]
    draft = drafted([message("d/p-1/raw", rows)])
    assert draft.messages[0].rows
    found = decode(built(draft), message("d/p-1/raw", rows)).measurements
    assert [values(measurement) for measurement in found] == [{"v": 1.0}, {"v": 2.0}]
