"""mqtt.toml is written by outsiders: every mistake is told at once, with its key, and nothing unclear is taken."""

from __future__ import annotations

import pytest

from server.core.binding import DeviceBinding
from server.core.texts import Texts
from server.fdi.binding import BindingFile, read_binding
from server.fdi.errors import PackageError
from server.model.device_type import DataType, ParameterSpec

PARAMETERS = {
    spec.name: spec
    for spec in (
        ParameterSpec(name="level", label=Texts.of("Level"), data_type=DataType.DOUBLE, unit_symbol="%", dynamic=True),
        ParameterSpec(name="count", label=Texts.of("Count"), data_type=DataType.UINT16),
        ParameterSpec(name="on", label=Texts.of("On"), data_type=DataType.BOOLEAN),
        ParameterSpec(name="serial", label=Texts.of("Serial"), data_type=DataType.STRING),
        ParameterSpec(name="since", label=Texts.of("Since"), data_type=DataType.DATETIME, edd_type="DATE"),
        ParameterSpec(name="level_high", label=Texts.of("High"), data_type=DataType.DOUBLE, writable=True),
    )
}

MESSAGE = """
type = "thing"
[[message]]
topic = "things/{device}/raw"
[message.parameters]
level = "/level"
"""


def read(text: str) -> BindingFile:
    return read_binding(text.encode(), part="/protocol/mqtt.toml", parameters=PARAMETERS)


def binding(text: str) -> DeviceBinding:
    return read(text).binding


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(PackageError) as caught:
        read(text)
    assert caught.value.part == "/protocol/mqtt.toml"
    assert caught.value.rule == "binding"
    return caught.value.problems


def test_the_least_file_has_useful_defaults() -> None:
    found = binding(MESSAGE)
    assert (found.type_id, found.codec, found.device_id) == ("thing", "pointer_json", "{device}")
    assert (found.uncertain_after_s, found.bad_after_s) == (5.0, 30.0)
    assert found.commands == ()
    row = found.rows[0]
    assert (row.topic, row.time_pointer, row.rows, row.count_only) == ("things/{device}/raw", "", False, False)


def test_kind_unit_and_limits_come_from_the_parameter() -> None:
    found = binding(MESSAGE + 'count = "/n"\non = "/on"\nserial = "/a/b"\n').rows[0].parameters
    assert [(entry.parameter, entry.kind, entry.unit) for entry in found] == [
        ("level", "float", "%"),
        ("count", "integer", ""),
        ("on", "boolean", ""),
        ("serial", "string", ""),
    ]
    assert (found[1].minimum, found[1].maximum) == (0, 65535)  # UInt16


def test_the_long_form_names_unit_and_need() -> None:
    text = MESSAGE.replace('"/level"', '{ at = "/v/level", unit = "/v/unit", required = true }')
    entry = binding(text).rows[0].parameters[0]
    assert (entry.pointer, entry.unit_pointer, entry.optional) == ("/v/level", "/v/unit", False)


def test_a_list_of_metrics() -> None:
    row = binding(
        """
        type = "thing"
        device_id = "{site}.{device}"
        [[message]]
        topic = "plant/{site}/{device}/readings"
        [message.metrics]
        list = "/readings"
        key = "metric"
        value = "value"
        unit = "unit"
        [message.metrics.parameters]
        level = "fill level"
        """
    ).rows[0]
    assert (row.list_pointer, row.key_name, row.value_name, row.unit_name) == ("/readings", "metric", "value", "unit")
    assert [(entry.parameter, entry.pointer, entry.key) for entry in row.parameters] == [
        ("level", "/readings", "fill level")
    ]


def test_values_lists_every_parameter_that_json_can_carry() -> None:
    row = binding(MESSAGE + '[[message]]\ntopic = "things/{device}/status"\nvalues = "/values"\n').rows[1]
    assert row.values_pointer == "/values"
    assert [(entry.parameter, entry.pointer) for entry in row.parameters] == [
        (name, f"/values/{name}") for name in ("level", "count", "on", "serial", "level_high")
    ]


def test_rows_quality_sensor_and_nameplate() -> None:
    row = binding(
        MESSAGE.replace(
            "[message.parameters]",
            'device = "/id"\nsensor = "/s"\ntime = "/t"\nquality = "/q"\nrows = true\n'
            'attributes = { firmware = "/meta/fw" }\n[message.parameters]',
        )
    ).rows[0]
    assert (row.device_pointer, row.sensor_pointer, row.time_pointer) == ("/id", "/s", "/t")
    assert (row.quality_pointer, row.quality_map, row.rows) == ("/q", "quality_flag", True)
    assert row.attributes == {"firmware": "/meta/fw"}


def test_the_command_table() -> None:
    found = binding(
        MESSAGE
        + """
        [commands]
        topic = "things/{device}/command"
        response = "things/{device}/response"
        [[command]]
        name = "set"
        method = "SetThreshold"
        writes = "parameter"
        role = "engineer"
        label = { en = "Set", ru = "Задать" }
        arguments = [
            { name = "Name", param = "name", type = "String" },
            { name = "Value", param = "value", type = "Double", description = "New value" },
        ]
        [[command]]
        name = "report"
        method = "GetDiagnostics"
        answer = "report"
        reads = "parameters"
        """
    )
    assert (found.command_topic, found.response_topic) == ("things/{device}/command", "things/{device}/response")
    first = found.command("set")
    assert first is not None
    assert (first.method, first.writes, first.role, first.label["ru"]) == (
        "SetThreshold",
        "parameter",
        "engineer",
        "Задать",
    )
    assert [(entry.name, entry.param, entry.data_type) for entry in first.arguments] == [
        ("Name", "name", "String"),
        ("Value", "value", "Double"),
    ]
    assert first.arguments[1].description == {"en": "New value"}
    second = found.command("report")
    assert second is not None
    assert (second.answer, second.reads, first.reads) == ("report", "parameters", "")


def test_every_mistake_is_listed_with_its_key() -> None:
    found = problems(
        """
        type = "Thing One"
        colour = "red"
        [silence]
        uncertain_after_s = -1
        bad_after_s = "long"
        [[message]]
        topic = "things/+/raw"
        [message.parameters]
        levle = "/level"
        count = "no pointer"
        since = "/since"
        [[command]]
        name = "trip"
        role = "king"
        """
    )
    for start in (
        "type: 'Thing One' is not right",
        "colour: means nothing here",
        "silence.uncertain_after_s: must be a number above 0",
        "silence.bad_after_s: must be a number above 0",
        "message[1].topic: 'things/+/raw' is not right",
        "message[1].parameters.levle: the EDD has no such parameter; did you mean level?",
        "message[1].parameters.count.at: 'no pointer' is not right",
        "message[1].parameters.since: a parameter of EDD type DATE cannot be carried in JSON",
        "command[1].role: 'king' is none of",
        "commands: topic and response must say",
    ):
        assert any(text.startswith(start) for text in found), (start, found)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('type = "thing"', "message"),
        (MESSAGE + "[[message]]\ntopic = 'things/{device}/raw'\ncount_only = true", "message[2].topic"),
        (MESSAGE + "[[message]]\ntopic = 'things/{id}/log'\ncount_only = true", "message[2].topic"),
        (MESSAGE + "[[message]]\ntopic = 'things/{device}/{device}'\ncount_only = true", "message[2].topic"),
        (MESSAGE + "[[message]]\ntopic = 'things/x{device}'\ncount_only = true", "message[2].topic"),
        (MESSAGE + "[[message]]\ntopic = 'things/{device}/log'", "message[2]"),
        (MESSAGE + "[[message]]\ntopic = 'things/{device}/log'\ncount_only = true\nvalues = '/v'",
         "message[2].count_only"),
        (MESSAGE.replace("[message.parameters]", "values = '/v'\n[message.parameters]"), "message[1].parameters"),
        (MESSAGE.replace('type = "thing"', 'type = "thing"\ndevice_id = "fixed"'), "device_id"),
        (MESSAGE.replace('type = "thing"', 'type = "thing"\ndevice_id = "{device}/x"'), "device_id"),
        (MESSAGE.replace("[message.parameters]", "quality = '/q'\nquality_map = 'other'\n[message.parameters]"),
         "message[1].quality_map"),
        (MESSAGE.replace("[message.parameters]", "rows = 1\n[message.parameters]"), "message[1].rows"),
        (MESSAGE + "[silence]\nuncertain_after_s = 50", "silence.bad_after_s"),
        (MESSAGE + "[commands]\ntopic = 'a/{device}'\nresponse = 'a/{device}'", "commands.response"),
        (MESSAGE + "[commands]\ntopic='a/{device}'\nresponse='b/{device}'\n[[command]]\nname='a'\nwrites='parameter'",
         "command[1].writes"),
        (MESSAGE + "[commands]\ntopic='a/{device}'\nresponse='b/{device}'\n[[command]]\nname='a'\n"
         "[[command]]\nname='a'",
         "command[2].name"),
        (MESSAGE + "[commands]\ntopic='a/{device}'\nresponse='b/{device}'\n[[command]]\nname='a'\n"
         "arguments=[{name='X', param='x', type='Float'}]", "command[1].arguments[1].type"),
        (MESSAGE + "[commands]\ntopic='a/{device}'\nresponse='b/{device}'\n[[command]]\nname='a'\nreads='parameters'\n"
         "arguments=[{name='X', param='x', type='Double'}]", "command[1].reads"),
        (MESSAGE + "[commands]\ntopic='a/{device}'\nresponse='b/{device}'\n[[command]]\nname='a'\nreads='parameters'\n"
         "[[command]]\nname='b'\nreads='parameters'", "command"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_key(text: str, key: str) -> None:
    found = problems(text)
    assert [entry for entry in found if entry.startswith(f"{key}: ")], found


@pytest.mark.parametrize(("table", "most"), [("message", 64), ("command", 128)])
def test_messages_and_commands_are_counted_before_they_are_read(table: str, most: int) -> None:
    # Each message with `values` binds every parameter: without a bound a small file would fill the memory.
    assert any(text.startswith(f"{table}: {most + 1} of them") for text in problems(f"[[{table}]]\n" * (most + 1)))


def test_what_nobody_sends_or_writes_is_a_warning() -> None:
    warnings = read(MESSAGE.replace("level =", "count =")).warnings
    assert any("level is measured" in text for text in warnings)
    assert any("level_high: writable" in text for text in warnings)


@pytest.mark.parametrize(
    ("data", "rule", "line"),
    [
        (b"type = 'thing'\nbroken", "toml.syntax", 2),
        (b"\xff\xfe", "toml.syntax", 0),
        (b"a = " + b"[" * 100_000, "toml.syntax", 0),
        (b"x = 1\na" + b".a" * 20_000 + b" = 1", "toml.syntax", 2),  # took tomllib eleven seconds
        (b"x = " + b"9" * 5_000, "toml.syntax", 0),  # more digits than Python converts to a number
        (b"x = [{ y = 0x" + b"f" * 9_000 + b" }]", "toml.syntax", 0),  # or from one
        (b"#" * 300_000, "toml.size", 0),
    ],
)
def test_what_is_no_toml_is_refused(data: bytes, rule: str, line: int) -> None:
    with pytest.raises(PackageError) as caught:
        read_binding(data, part="/protocol/mqtt.toml", parameters=PARAMETERS)
    assert (caught.value.rule, caught.value.line) == (rule, line)
