"""Effective specifications: each attribute that may depend on values, by hand (eddl.md, sections 4, 5.2, 5.4 and 7)."""

from __future__ import annotations

import pytest

from server.core import status
from server.core.texts import Texts
from server.core.units import unit_of
from server.fdi.logic.type_logic import TypeLogic
from server.model.device_type import EnumValue, ParameterSpec
from tests.kit.logic import Held, held, logic

S = "VARIABLE s { TYPE INTEGER (4); } "


def effective(variable: str, values: Held, name: str = "x") -> ParameterSpec:
    return logic(S + variable).spec(name, values)


def test_what_does_not_depend_on_values_is_the_same_object() -> None:
    found = logic(S + "VARIABLE x { TYPE FLOAT { MAX_VALUE 5; } }")
    assert found.dynamic == frozenset()
    assert found.spec("x", held()) is found.parameters["x"]


def test_a_result_equal_to_the_static_choice_is_the_same_object() -> None:
    # The static view shows the first branch of an IF.
    found = logic(S + 'VARIABLE x { TYPE FLOAT; LABEL IF (s) { "A"; } ELSE { "B"; } }')
    assert found.spec("x", held(s=1)) is found.parameters["x"]
    assert found.spec("x", held(s=0)).label == Texts.of("B")


def test_devices_in_the_same_state_share_their_specification() -> None:
    found = logic(S + "VARIABLE x { TYPE FLOAT { MAX_VALUE s; } }")
    assert found.spec("x", held(s=4)) is found.spec("x", held(s=4))


def test_while_a_value_is_not_known_the_static_choice_stands() -> None:
    found = logic(S + "VARIABLE x { TYPE FLOAT { MIN_VALUE 1; MAX_VALUE s; } VALIDITY s; HANDLING IF (s) { READ; } }")
    assert found.spec("x", held()) is found.parameters["x"]
    assert found.parameters["x"].valid


@pytest.mark.parametrize(
    ("attribute", "field", "low", "high"),
    [
        ('LABEL IF (s) { "|en|A|ru|Б"; } ELSE { "C"; }', "label", Texts.of("C"), Texts.of("A", ru="Б")),
        ('HELP "v" + (s ? "1" : "0")', "help", Texts.of("v0"), Texts.of("v1")),
        ("VALIDITY s", "valid", False, True),
        ("VISIBILITY s", "visible", False, True),
        ("HANDLING IF (s) { READ & WRITE; } ELSE { READ; }", "writable", False, True),
        ("HANDLING IF (s) { READ & WRITE; } ELSE { WRITE; }", "readable", False, True),
        ("TYPE FLOAT { DEFAULT_VALUE s + 2; }", "default_value", 2.0, 3.0),
        ("TYPE FLOAT { INITIAL_VALUE s + 2.5; }", "initial_value", 2.5, 3.5),
        ("TYPE FLOAT { SCALING_FACTOR s ? 0.1 : 10; }", "scaling_factor", 10.0, 0.1),
        ('TYPE FLOAT { DISPLAY_FORMAT s ? "5.1f" : "5.2f"; }', "display_format", "5.2f", "5.1f"),
        ('CONSTANT_UNIT IF (s) { "kA"; } ELSE { "A"; }', "unit_symbol", "A", "kA"),
        ('CONSTANT_UNIT IF (s) { "kA"; } ELSE { "A"; }', "unit", unit_of("A"), unit_of("kA")),
        ("TYPE FLOAT { MIN_VALUE s - 1; MAX_VALUE 5.0; }", "ranges", ((-1.0, 5.0),), ((0.0, 5.0),)),
        (
            "TYPE FLOAT { IF (s) { MIN_VALUE 1; MAX_VALUE 2; } ELSE { MIN_VALUE 3; MAX_VALUE 4; } }",
            "ranges",
            ((3.0, 4.0),),
            ((1.0, 2.0),),
        ),
        (
            "TYPE INTEGER (1) { MIN_VALUE1 0; MAX_VALUE1 s + 1; MIN_VALUE2 50; }",
            "ranges",
            ((0.0, 1.0), (50.0, 127.0)),
            ((0.0, 2.0), (50.0, 127.0)),
        ),
        (
            'TYPE ENUMERATED { { 0, "a" }, IF (s) { { 1, "b", "Help" } } ELSE { { 2, "c" } } }',
            "enum_values",
            (EnumValue(0, Texts.of("a")), EnumValue(2, Texts.of("c"))),
            (EnumValue(0, Texts.of("a")), EnumValue(1, Texts.of("b"), Texts.of("Help"))),
        ),
    ],
    ids=[
        "label", "help", "validity", "visibility", "write", "read", "default", "initial", "scaling", "format",
        "unit-symbol", "unit", "bound", "branches", "pairs", "enumerators",
    ],
)  # fmt: skip
def test_an_attribute_follows(attribute: str, field: str, low: object, high: object) -> None:
    body = attribute + ";" if not attribute.endswith("}") else attribute
    found = logic(f"{S} VARIABLE x {{ {body} {'' if 'TYPE' in attribute else 'TYPE FLOAT;'} }}")
    assert getattr(found.spec("x", held(s=0)), field) == low
    assert getattr(found.spec("x", held(s=1)), field) == high


def test_select_takes_the_case_that_equals() -> None:
    body = "VARIABLE x { TYPE FLOAT { MAX_VALUE SELECT (s) { CASE 1: 10; CASE 2: 20; DEFAULT: 30; } } }"
    found = logic(S + body)
    highs = [found.spec("x", held(s=value)).ranges[0][1] for value in (1, 2, 3)]
    assert highs == [10.0, 20.0, 30.0]


def test_a_range_upside_down_is_no_range() -> None:
    found = logic(S + "VARIABLE x { TYPE FLOAT { MIN_VALUE 5; MAX_VALUE s; } }")
    assert found.spec("x", held(s=9)).ranges == ((5.0, 9.0),)
    assert found.spec("x", held(s=4)) is found.parameters["x"]  # a mistake of the EDD: the static choice stands


def test_a_default_that_does_not_fit_is_left_out() -> None:
    assert effective("VARIABLE x { TYPE UNSIGNED_INTEGER (1) { DEFAULT_VALUE s; } }", held(s=300)).default_value is None
    assert effective("VARIABLE x { TYPE UNSIGNED_INTEGER (1) { DEFAULT_VALUE s; } }", held(s=255)).default_value == 255


def test_elements_of_a_value_array_follow_their_type_and_their_array() -> None:
    found = logic(
        S
        + 'VARIABLE e { TYPE FLOAT { MAX_VALUE s; } } ARRAY a { LABEL IF (s == 1) { "One"; } ELSE { "Other"; } '
        + "TYPE e; NUMBER_OF_ELEMENTS 2; VALIDITY s < 9; }"
    )
    spec = found.spec("a_1", held(s=3))
    assert (spec.label.default, spec.ranges[0][1], spec.valid) == ("Other [1]", 3.0, True)
    assert not found.spec("a_1", held(s=9)).valid
    assert found.dynamic == {"a_0", "a_1"}


UNITS = """
VARIABLE code { TYPE ENUMERATED { { 1, "bar" }, { 2, "|en|gizmo|ru|штука" }, IF (s) { { 3, "Pa" } } } }
VARIABLE name { TYPE ASCII (8); }
VARIABLE p { TYPE FLOAT; CONSTANT_UNIT "V"; }
VARIABLE q { TYPE FLOAT; }
VARIABLE r { TYPE FLOAT; }
UNIT u1 { code : p, q }
UNIT u2 { name : r }
"""


def test_a_unit_relation_names_the_unit_of_what_depends() -> None:
    # fdi-information-model.md 6.2: UnitId -1 where there is no UNECE code, with the text as it stands.
    found = logic(S + UNITS)
    assert found.spec("p", held(code=1)).unit == unit_of("bar")
    own = found.spec("p", held(code=2)).unit
    assert own is not None
    assert (own.unit_id, own.display_name) == (-1, Texts.of("gizmo", ru="штука"))
    assert found.spec("r", held(name="K")).unit == unit_of("K")
    assert found.spec("q", held(code=3, s=1)).unit == unit_of("Pa")  # an enumerator of the moment


def test_without_a_unit_variable_the_constant_unit_stands() -> None:
    found = logic(S + UNITS)
    for values in (held(), held(code=9), held(code=3, s=0)):
        assert found.spec("p", values).unit == unit_of("V")
        assert found.spec("q", values).unit is None
    assert found.parameters["q"].unit_from == "code"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1, status.GOOD),
        (5.0, status.GOOD),
        (3, status.BAD_OUT_OF_RANGE),  # between the pairs
        (-1, status.BAD_OUT_OF_RANGE),
        ("5", status.BAD_TYPE_MISMATCH),
        (True, status.BAD_TYPE_MISMATCH),
    ],
    ids=["first", "second", "between", "below", "text", "flag"],
)
def test_a_value_is_checked_against_the_ranges_of_the_moment(value: float | str, code: int) -> None:
    body = "VARIABLE x { TYPE FLOAT { MIN_VALUE1 0; MAX_VALUE1 2; MIN_VALUE2 s; MAX_VALUE2 9; } }"
    assert logic(S + body).check("x", value, held(s=4)) == code


def checked(body: str, value: float | str, values: Held) -> str:
    return status.name_of(logic(S + body).check("x", value, values))


def test_the_check_looks_at_rights_validity_and_lists() -> None:
    assert (
        checked("VARIABLE x { TYPE FLOAT; HANDLING IF (s) { READ; } ELSE { READ & WRITE; } }", 1.0, held(s=1))
        == "BadNotWritable"
    )
    assert checked("VARIABLE x { TYPE FLOAT; VALIDITY s; }", 1.0, held(s=0)) == "BadNotWritable"
    listed = 'VARIABLE x { TYPE ENUMERATED { { 0, "a" }, IF (s) { { 1, "b" } } } }'
    assert checked(listed, 1, held(s=1)) == "Good"
    assert checked(listed, 1, held(s=0)) == "BadOutOfRange"
    index = "ARRAY OF VARIABLE a { ELEMENTS { 2, s; } } VARIABLE x { TYPE INDEX a; }"
    assert checked(index, 2, held()) == "Good"
    assert checked(index, 1, held()) == "BadOutOfRange"


def test_a_float_meets_decimal_bounds_in_single_precision() -> None:
    # The client sends the FLOAT nearest to 0.1, which is a little more than the DOUBLE 0.1.
    assert checked("VARIABLE x { TYPE FLOAT { MAX_VALUE 0.1; } }", 0.10000000149011612, held()) == "Good"


def test_no_such_parameter() -> None:
    found: TypeLogic = logic(S)
    with pytest.raises(KeyError):
        found.spec("nothing", held())
