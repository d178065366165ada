"""From EDD to DeviceType. Expected types are those of the fact sheet on the information model, section 6.1."""

from __future__ import annotations

import sys

import pytest

from server.core.texts import Texts
from server.fdi.build import check_package
from server.fdi.errors import PackageError
from server.model.device_type import DataType, DeviceType, GroupSpec, ParameterSpec
from tests.kit.packages import make_package

HEADER = "MANUFACTURER 1, DEVICE_TYPE 2, DEVICE_REVISION 3, DD_REVISION 4\n"
BINDING = 'type = "thing"\n[[message]]\ntopic = "things/{device}/raw"\nvalues = "/values"\n'


def device_type(edd: str, binding: str = BINDING) -> DeviceType:
    return check_package(make_package("thing", edd=HEADER + edd, binding=binding)).device_types[0]


def parameter(edd_type: str, attributes: str = "") -> ParameterSpec:
    found = device_type(f'VARIABLE x {{ LABEL "X"; {attributes} TYPE {edd_type} }} VARIABLE y {{ TYPE DOUBLE; }}')
    return found.parameters["x"]


def refused(edd: str, binding: str = BINDING) -> PackageError:
    with pytest.raises(PackageError) as caught:
        device_type(edd, binding)
    return caught.value


def group(found: DeviceType, name: str) -> GroupSpec:
    return next(entry for entry in found.groups if entry.name == name)


@pytest.mark.parametrize(
    ("edd_type", "data_type"),
    [
        ("BOOLEAN;", DataType.BOOLEAN),
        ("FLOAT;", DataType.FLOAT),
        ("DOUBLE;", DataType.DOUBLE),
        ("INTEGER;", DataType.SBYTE),
        ("INTEGER (1);", DataType.SBYTE),
        ("INTEGER (2);", DataType.INT16),
        ("INTEGER (3);", DataType.INT32),
        ("INTEGER (4);", DataType.INT32),
        ("INTEGER (5);", DataType.INT64),
        ("INTEGER (8);", DataType.INT64),
        ("UNSIGNED_INTEGER (1);", DataType.BYTE),
        ("UNSIGNED_INTEGER (2);", DataType.UINT16),
        ("UNSIGNED_INTEGER (3);", DataType.UINT32),
        ("UNSIGNED_INTEGER (4);", DataType.UINT32),
        ("UNSIGNED_INTEGER (7);", DataType.UINT64),
        ('ENUMERATED { { 1, "a" } }', DataType.BYTE),
        ('ENUMERATED (2) { { 1, "a" } }', DataType.UINT16),
        ('BIT_ENUMERATED (4) { { 1, "a" } }', DataType.UINT32),
        ("ASCII (8);", DataType.STRING),
        ("PACKED_ASCII (8);", DataType.STRING),
        ("VISIBLE (8);", DataType.STRING),
        ("EUC (8);", DataType.STRING),
        ("PASSWORD (8);", DataType.STRING),
        ("OCTET (8);", DataType.BYTESTRING),
        ("BITSTRING (16);", DataType.BYTESTRING),
        ("DATE;", DataType.DATETIME),
        ("DATE_AND_TIME;", DataType.DATETIME),
        ("TIME;", DataType.DATETIME),
        ("DURATION;", DataType.DURATION),
        ("TIME_VALUE (4);", DataType.DURATION),
        ("TIME_VALUE (8);", DataType.DATETIME),
    ],
)
def test_edd_types_become_ua_types(edd_type: str, data_type: DataType) -> None:
    assert parameter(edd_type).data_type is data_type


def test_label_and_help_keep_their_languages() -> None:
    found = parameter("DOUBLE;", 'LABEL "|en|Speed|ru|Скорость"; HELP "How fast.";')
    assert found.label == Texts({"en": "Speed", "ru": "Скорость"})
    assert found.help == Texts({"en": "How fast."})


def test_a_unit_is_found_by_its_symbol() -> None:
    found = parameter("DOUBLE;", 'CONSTANT_UNIT "°C";')
    assert found.unit is not None
    # UNECE Recommendation 20: degree Celsius is CEL; OPC 10000-8 packs the letters into an Int32.
    assert (found.unit_symbol, found.unit.unit_id) == ("°C", (ord("C") << 16) + (ord("E") << 8) + ord("L"))
    own = parameter("DOUBLE;", 'CONSTANT_UNIT "units/h";')
    assert own.unit is not None
    assert own.unit.unit_id == -1


def test_ranges_are_kept_as_pairs_with_their_hull() -> None:
    found = parameter("DOUBLE { MIN_VALUE 0.0; MAX_VALUE 10.0; MIN_VALUE2 20.0; MAX_VALUE2 30.0; }")
    assert set(found.ranges) == {(0.0, 10.0), (20.0, 30.0)}
    assert found.eu_range == (0.0, 30.0)


def test_an_open_end_is_the_end_of_the_type() -> None:
    assert parameter("DOUBLE { MIN_VALUE 0; }").eu_range == (0.0, sys.float_info.max)
    assert parameter("INTEGER (2) { MAX_VALUE 5; }").eu_range == (-32768.0, 5.0)


def test_enumerations_keep_values_and_texts() -> None:
    found = parameter('ENUMERATED { { 0, "|en|Off|ru|Выкл" }, { 7, "On", "Running." } }')
    assert [(entry.value, entry.text.default, entry.help.default) for entry in found.enum_values] == [
        (0, "Off", ""),
        (7, "On", "Running."),
    ]
    assert found.enum_values[0].text.by_language["ru"] == "Выкл"


def test_handling_says_who_may_read_and_write() -> None:
    assert (parameter("DOUBLE;").readable, parameter("DOUBLE;").writable) == (True, True)
    read = parameter("DOUBLE;", "HANDLING READ;")
    assert (read.readable, read.writable) == (True, False)
    write = parameter("DOUBLE;", "HANDLING WRITE;")
    assert (write.readable, write.writable) == (False, True)
    assert not parameter("PASSWORD (8);").readable
    assert not parameter("DOUBLE;", "CLASS CONSTANT;").writable


def test_class_dynamic_marks_measured_values() -> None:
    found = parameter("DOUBLE;", "CLASS DEVICE & DYNAMIC;")
    assert found.dynamic
    assert found.classes == {"DEVICE", "DYNAMIC"}
    assert not parameter("DOUBLE;", "CLASS DEVICE;").dynamic


def test_defaults_take_the_type_of_their_parameter() -> None:
    assert parameter("DOUBLE { DEFAULT_VALUE 5; }").default_value == 5.0
    assert parameter("UNSIGNED_INTEGER (2) { INITIAL_VALUE 5; }").initial_value == 5
    error = refused("VARIABLE x { TYPE UNSIGNED_INTEGER (1) { DEFAULT_VALUE 256; } }")
    assert error.rule == "edd.default"
    assert (error.part, error.line) == ("/edd/device.ddl", 2)


def test_private_parameters_are_hidden() -> None:
    found = device_type("VARIABLE x { PRIVATE TRUE; TYPE DOUBLE { DEFAULT_VALUE 1; } } VARIABLE y { TYPE DOUBLE; }")
    assert set(found.parameters) == {"y"}
    assert set(found.hidden) == {"x"}
    assert found.hidden["x"].default_value == 1.0


def test_elements_of_a_value_array_are_parameters() -> None:
    found = device_type(
        'VARIABLE point { LABEL "P"; TYPE FLOAT { MIN_VALUE 0; MAX_VALUE 1; } } VARIABLE y { TYPE DOUBLE; }'
        'ARRAY curve { LABEL "Curve"; TYPE point; NUMBER_OF_ELEMENTS 3; }'
        'MENU m { LABEL "M"; ITEMS { curve, curve[1] } }'
    )
    assert list(found.parameters) == ["y", "curve_0", "curve_1", "curve_2"]
    assert found.parameters["curve_1"].label.default == "Curve [1]"
    assert found.parameters["curve_2"].eu_range == (0.0, 1.0)
    assert group(found, "m").parameters == ("curve_0", "curve_1", "curve_2")


def test_an_array_too_long_is_refused() -> None:
    error = refused('VARIABLE p { TYPE FLOAT; } ARRAY a { LABEL "A"; TYPE p; NUMBER_OF_ELEMENTS 2000000; }')
    assert error.rule == "edd.count"


def test_many_arrays_are_refused_before_their_elements_are_made() -> None:
    """A line of source asks for ten thousand elements: the first arrays past the limit end it, not the last."""
    arrays = "".join(f"ARRAY a{number} {{ TYPE p; NUMBER_OF_ELEMENTS 9000; }} " for number in range(500))
    error = refused("VARIABLE p { TYPE FLOAT; } " + arrays)
    assert error.rule == "edd.count"
    assert "array a1" in str(error)


MENUS = """
VARIABLE a { LABEL "A"; TYPE DOUBLE; }
VARIABLE b { LABEL "B"; TYPE DOUBLE; }
VARIABLE c { LABEL "C"; PRIVATE TRUE; TYPE DOUBLE; }
COLLECTION OF VARIABLE pair { LABEL "Pair"; MEMBERS { ONE, a; TWO, b; } }
MENU inner { LABEL "|en|Inner|ru|Внутри"; ITEMS { pair, c } }
MENU process_variables_root_menu { LABEL "P"; ITEMS { a, COLUMNBREAK, "text", inner, pair.TWO } }
MENU diagnostic_root_menu { LABEL "D"; ITEMS { b } }
MENU maintenance_root_menu { LABEL "M"; ITEMS { b } }
MENU configuration { LABEL "C"; ITEMS { a } }
MENU special { LABEL "S"; ITEMS { b } }
MENU dialog { LABEL "not reachable"; ITEMS { b } }
MENU device_root_menu { LABEL "Root"; ITEMS { process_variables_root_menu, configuration, special } }
"""


def test_root_menus_become_the_recommended_groups() -> None:
    found = device_type(MENUS)
    assert [(entry.name, entry.standard) for entry in found.groups] == [
        ("Operational", True),
        ("Configuration", True),
        ("special", False),
        ("Diagnostics", True),
        ("Maintenance", True),
    ]


def test_a_group_holds_parameters_and_the_groups_inside() -> None:
    operational = group(device_type(MENUS), "Operational")
    assert operational.parameters == ("a", "b")
    assert [entry.name for entry in operational.groups] == ["inner"]
    inner = operational.groups[0]
    assert inner.parameters == ("a", "b")  # the collection's members; the private one stays out
    assert inner.label.by_language["ru"] == "Внутри"


def test_without_root_menus_the_outermost_menus_are_groups() -> None:
    found = device_type(
        'VARIABLE a { TYPE DOUBLE; } MENU one { LABEL "1"; ITEMS { a, two } } MENU two { LABEL "2"; ITEMS { a } }'
    )
    assert [entry.name for entry in found.groups] == ["one"]


def test_menus_in_a_circle_end() -> None:
    edd = """VARIABLE a { TYPE DOUBLE; }
    MENU one { LABEL "1"; ITEMS { a, two } }
    MENU two { LABEL "2"; ITEMS { one, a, two } }
    MENU device_root_menu { LABEL "R"; ITEMS { one } }"""
    report = check_package(make_package("thing", edd=HEADER + edd, binding=BINDING))
    one = report.device_types[0].groups[0]
    assert one.groups[0].parameters == ("a",)
    assert one.groups[0].groups == ()
    assert any("contains itself" in text for text in report.warnings)


def test_menus_that_multiply_are_cut() -> None:
    # Each level lists the next one's menus ten times under other names: 10^12 groups if nobody counts.
    levels = [
        " ".join(
            f'MENU m{level}_{n} {{ LABEL "M"; ITEMS {{ a, {", ".join(f"m{level + 1}_{k}" for k in range(10))} }} }}'
            for n in range(10)
        )
        for level in range(11)
    ]
    last = " ".join(f'MENU m11_{n} {{ LABEL "M"; ITEMS {{ a }} }}' for n in range(10))
    root = 'MENU device_root_menu { LABEL "R"; ITEMS { m0_0 } }'
    edd = f"VARIABLE a {{ TYPE DOUBLE; }} {' '.join(levels)} {last} {root}"
    report = check_package(make_package("thing", edd=HEADER + edd, binding=BINDING))
    assert any("groups end at" in text for text in report.warnings)


def test_collections_that_multiply_are_cut() -> None:
    # Each collection holds the next one eight times: 8^14 members if nobody counts.
    members = lambda level: " ".join(f"M{n}, c{level + 1};" for n in range(8))  # noqa: E731
    chain = " ".join(f'COLLECTION c{level} {{ LABEL "C"; MEMBERS {{ {members(level)} }} }}' for level in range(14))
    last = 'COLLECTION c14 { LABEL "C"; MEMBERS { M, a; } }'
    edd = f'VARIABLE a {{ TYPE DOUBLE; }} {chain} {last} MENU m {{ LABEL "M"; ITEMS {{ a, c0, c0 }} }}'
    assert group(device_type(edd), "m").parameters == ("a",)


METHODS = """
VARIABLE a { TYPE DOUBLE; }
METHOD trip { LABEL "|en|Trip|ru|Стоп"; DEFINITION { } }
METHOD calibrate (long point) { LABEL "Calibrate"; DEFINITION { } }
METHOD secret { LABEL "Secret"; PRIVATE TRUE; DEFINITION { } }
METHOD check { LABEL "Only an action of a variable"; DEFINITION { } }
MENU device_root_menu { LABEL "R"; ITEMS { m } }
MENU m { LABEL "M"; ITEMS { a, trip, calibrate, secret } }
"""
COMMANDS = """
[commands]
topic = "things/{device}/command"
response = "things/{device}/response"
[[command]]
name = "trip"
method = "Trip"
role = "engineer"
[[command]]
name = "set_threshold"
method = "SetThreshold"
arguments = [
    { name = "Name", param = "name", type = "String" },
    { name = "Value", param = "value", type = "Double", description = { ru = "Значение" } },
]
[[command]]
name = "get_diagnostics"
method = "GetDiagnostics"
answer = "report"
[[command]]
name = "hidden"
"""


def test_methods_come_from_the_command_table() -> None:
    found = device_type(METHODS, BINDING + COMMANDS)
    trip, threshold, report = found.methods
    assert (trip.name, trip.command, trip.role, trip.inputs, trip.outputs) == ("Trip", "trip", "engineer", (), ())
    assert [(entry.name, entry.data_type) for entry in threshold.inputs] == [
        ("Name", DataType.STRING),
        ("Value", DataType.DOUBLE),
    ]
    assert threshold.params == ("name", "value")
    assert [(entry.name, entry.data_type) for entry in report.outputs] == [("Report", DataType.STRING)]
    assert found.binding.command("hidden") is not None


def test_edd_methods_offered_by_a_menu_become_actions() -> None:
    found = device_type(METHODS, BINDING + COMMANDS)
    assert [(entry.name, entry.parameters) for entry in found.actions] == [
        ("trip", ()),
        ("calibrate", (("long", "point"),)),
    ]
    assert found.actions[0].label.by_language["ru"] == "Стоп"
    assert group(found, "m").methods == ("Trip",)


ALARMS = """
VARIABLE level { LABEL "L"; CONSTANT_UNIT "m"; CLASS DYNAMIC; HANDLING READ; TYPE DOUBLE; }
VARIABLE high { LABEL "H"; CONSTANT_UNIT "m"; TYPE DOUBLE { DEFAULT_VALUE 8; } }
VARIABLE highest { CONSTANT_UNIT "m"; PRIVATE TRUE; CLASS CONSTANT; TYPE DOUBLE { DEFAULT_VALUE 9; } }
VARIABLE state { LABEL "S"; TYPE ENUMERATED { { 0, "ok" }, { 3, "tripped" } } }
VARIABLE tripped { PRIVATE TRUE; TYPE UNSIGNED_INTEGER (1) { DEFAULT_VALUE 3; } }
VARIABLE name { TYPE ASCII (8); }
"""


def test_alarm_collections_become_limit_alarms() -> None:
    found = device_type(
        ALARMS + 'COLLECTION alarm_level { LABEL "Level"; MEMBERS { INPUT, level; HIGH, high; HIGH_HIGH, highest; } }'
    )
    only = found.alarms[0]
    assert (only.parameter, only.sources) == ("level", {"HighHigh": 9.0, "High": "high"})
    assert only.label.default == "Level"


def test_trip_collections_become_trip_alarms() -> None:
    found = device_type(ALARMS + 'COLLECTION trip_it { LABEL "Tripped"; MEMBERS { INPUT, state; TRIPPED, tripped; } }')
    only = found.alarms[0]
    assert (only.name, only.parameter, only.sources) == ("Trip", "state", {"Tripped": 3})


@pytest.mark.parametrize(
    "collection",
    [
        "COLLECTION alarm_x { MEMBERS { HIGH, high; } }",
        "COLLECTION alarm_x { MEMBERS { INPUT, level; } }",
        "COLLECTION alarm_x { MEMBERS { INPUT, name; HIGH, high; } }",
        "COLLECTION alarm_x { MEMBERS { INPUT, level; HIGH, name; } }",
        "COLLECTION alarm_x { MEMBERS { INPUT, level; HIGH, high; HIGHER, high; } }",
        "COLLECTION alarm_x { MEMBERS { INPUT, highest; HIGH, high; } }",
        "COLLECTION alarm_x { MEMBERS { INPUT, level; HIGH, highest; LOW, high; LOW_LOW, highest; } }",
        "COLLECTION alarm_x { MEMBERS { INPUT, level; HIGH, high; } }"
        "COLLECTION alarm_y { MEMBERS { INPUT, level; LOW, high; } }",
        "COLLECTION trip_x { MEMBERS { INPUT, state; } }",
        "COLLECTION trip_x { MEMBERS { INPUT, level; TRIPPED, tripped; } }",
        "COLLECTION trip_x { MEMBERS { INPUT, state; TRIPPED, high; } }",
        "VARIABLE four { PRIVATE TRUE; TYPE UNSIGNED_INTEGER (1) { DEFAULT_VALUE 4; } }"
        "COLLECTION trip_x { MEMBERS { INPUT, state; TRIPPED, four; } }",
    ],
)
def test_an_alarm_that_makes_no_sense_is_refused(collection: str) -> None:
    error = refused(ALARMS + collection)
    assert error.rule == "edd.alarm"
    assert error.part == "/edd/device.ddl"
    assert error.line > 0


def test_attributes_that_depend_on_the_device_are_named() -> None:
    edd = """VARIABLE s { TYPE ENUMERATED { { 0, "a" }, { 1, "b" } } }
    VARIABLE x { HANDLING IF (s == 1) { READ; } ELSE { READ & WRITE; }
        CLASS IF (s == 1) { DEVICE; } ELSE { DYNAMIC; } TYPE DOUBLE; }"""
    report = check_package(make_package("thing", edd=HEADER + edd, binding=BINDING))
    # HANDLING follows the device; what kind of parameter it is (CLASS) must be known before.
    assert any("x: CLASS depends" in text for text in report.warnings)


def test_identity_comes_from_catalog_and_edd() -> None:
    found = device_type("VARIABLE x { TYPE DOUBLE; }")
    assert found.type_id == "thing"
    assert found.namespace_uri == f"urn:fieldloom:fdi:{found.package_id}"
    assert found.package_id == found.package_id.lower()
    assert (found.version, found.device_revision) == ("1.0.0", "3")
    assert found.label.by_language == {"en": "Thing thing", "ru": "Вещь thing"}
    assert found.manufacturer.default == "Test Works"
