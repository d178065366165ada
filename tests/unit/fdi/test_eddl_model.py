"""The static view of the dosing pump: values worked out by hand from its source."""

from __future__ import annotations

import functools

import pytest

from server.fdi.eddl.model import EddModel, Enumerator, Member, MenuItem
from server.fdi.eddl.resolve import resolve
from tests.kit.edd import edd, model, read


@functools.cache
def pump() -> EddModel:
    return resolve(read("pump.ddl"))


def test_identification_comes_from_the_header() -> None:
    view = pump()
    assert (view.manufacturer, view.device_type, view.device_revision, view.dd_revision) == (0xAC, 0x0D07, 3, 2)
    other = resolve(read("dialects.ddl"))
    assert (other.manufacturer, other.device_type) == ("EXAMPLE", "_DP7")


@pytest.mark.parametrize(
    ("name", "edd_type", "size"),
    [
        ("pressure", "FLOAT", 4),
        ("set_flow", "DOUBLE", 8),
        ("expert", "BOOLEAN", 1),
        ("strokes", "UNSIGNED_INTEGER", 8),
        ("command_word", "UNSIGNED_INTEGER", 1),
        ("trim", "INTEGER", 2),
        ("state", "ENUMERATED", 1),
        ("faults", "BIT_ENUMERATED", 2),
        ("channel", "INDEX", 1),
        ("tag", "ASCII", 32),
        ("short_tag", "PACKED_ASCII", 8),
        ("note", "VISIBLE", 16),
        ("asian_note", "EUC", 16),
        ("blob", "OCTET", 12),
        ("pin", "PASSWORD", 4),
        ("switches", "BITSTRING", 12),
        ("made", "DATE", 3),
        ("serviced", "DATE_AND_TIME", 7),
        ("wakes", "TIME", 6),
        ("runs", "DURATION", 6),
        ("clock", "TIME_VALUE", 8),
    ],
)
def test_every_type_and_its_size(name: str, edd_type: str, size: int) -> None:
    variable = pump().variables[name]
    assert (variable.edd_type, variable.size) == (edd_type, size)


def test_measured_value_from_a_macro() -> None:
    pressure = pump().variables["pressure"]
    assert pressure.label == {"en": "Pressure", "de": "Druck", "ru": "Давление"}
    assert pressure.classes == {"DEVICE", "DYNAMIC"}
    assert (pressure.readable, pressure.writable, pressure.private) == (True, False, False)
    assert pressure.constant_unit == {"en": "bar"}
    assert pressure.ranges == ((0.0, 16.5),)
    assert pressure.display_format == "7.3f"
    assert pressure.conditional == frozenset()


def test_texts_of_the_dictionary() -> None:
    flow = pump().variables["flow"]
    assert flow.label == {"en": "Flow", "ru": "Расход"}
    assert flow.help == {"en": "Volume delivered per hour."}
    assert flow.scaling_factor == 0.1


def test_conditional_attributes_show_one_branch_and_are_named() -> None:
    set_flow = pump().variables["set_flow"]
    # HANDLING: some state of the device allows writing; MAX_VALUE2: the DEFAULT of the SELECT.
    assert (set_flow.readable, set_flow.writable) == (True, True)
    assert set_flow.ranges == ((0, 10), (20, 500.0))
    assert set_flow.conditional == {"HANDLING", "MAX_VALUE2"}
    assert set_flow.default_value == 3.5  # 7 / 2 is 3 in C
    assert set_flow.initial_value == -15.0
    assert set_flow.edit_format == "6.2f"


def test_constant_conditions_are_decided() -> None:
    assert pump().menus["settings"].help == {"en": "Always"}


def test_open_ranges_and_defaults() -> None:
    variables = pump().variables
    assert variables["strokes"].ranges == ((None, 2**64 - 1),)
    assert variables["trim"].ranges == ((-100, 100),)
    assert variables["flow"].ranges == ()
    assert variables["expert"].default_value is True
    assert variables["tag"].default_value == "DP7"


def test_handling_and_private() -> None:
    pin = pump().variables["pin"]
    assert (pin.readable, pin.writable, pin.private) == (False, True, True)
    tag = pump().variables["tag"]  # no HANDLING: both
    assert (tag.readable, tag.writable) == (True, True)


def test_enumerators_with_texts_help_and_status() -> None:
    variables = pump().variables
    assert [(e.value, e.text["en"]) for e in variables["state"].enumerators] == [
        (0, "Stopped"),
        (1, "Dosing"),
        (2, "Flushing"),
        (3, "Blocked"),
    ]
    assert variables["faults"].enumerators == (
        Enumerator(1, {"en": "Hose worn"}, {"en": "Replace the hose."}, ("DIAGNOSTIC", "WARNING")),
        Enumerator(2, {"en": "No suction"}, {"en": "Check the tank."}, ("PROCESS", "EVENT", "ERROR", "quit_fault")),
        Enumerator(512, {"en": "Key switch"}, {"en": "The panel is locked."}, ("MODE", "INFO")),
    )
    flow_unit = variables["flow_unit"]
    assert [e.value for e in flow_unit.enumerators] == [1, 2, 250, 251]  # of all branches
    assert flow_unit.enumerators[0].text == {"en": "l/h", "ru": "л/ч"}
    assert flow_unit.default_value == 1
    assert "TYPE" in flow_unit.conditional


def test_like_copies_and_changes() -> None:
    variables = pump().variables
    trim, fine, copy = variables["trim"], variables["trim_fine"], variables["trim_copy"]
    assert (fine.label, fine.help, fine.size) == ({"en": "Fine trim"}, {"en": "Tenths."}, 4)
    assert fine.ranges == ((-100, None),)  # MAX_VALUE is deleted
    assert [(e.value, e.text["en"]) for e in fine.enumerators] == [(0, "off"), (1, "on")]
    assert fine.default_value == 1
    assert fine.classes == trim.classes == {"SERVICE"}
    assert (copy.label, copy.help) == ({"en": "Fine trim"}, {})


def test_index_names_its_array() -> None:
    assert pump().variables["channel"].index_of == "readings"


def test_collections_and_records() -> None:
    head = pump().collections["head_a"]
    assert (head.of, head.kind) == ("VARIABLE", "COLLECTION")
    assert dict(head.members) == {
        "PRESSURE": Member("pressure", {"en": "p"}),
        "FLOW": Member("readings[1]"),
        "SET": Member("set_flow"),
        "UNIT": Member("flow_unit"),
    }
    assert dict(pump().collections["nothing"].members) == {}
    assert pump().collections["snapshot"].kind == "RECORD"
    assert list(pump().collections["head_b"].members) == ["FIRST_READING", "TRIM"]


def test_arrays_of_both_sorts() -> None:
    curve, readings = pump().arrays["curve"], pump().arrays["readings"]
    assert (curve.kind, curve.element, curve.count) == ("value", "curve_point", 21)
    assert (readings.kind, readings.of) == ("reference", "VARIABLE")
    assert dict(readings.elements) == {
        0: Member("pressure", {"en": "Pressure"}),
        1: Member("flow", {"en": "Flow", "ru": "Расход"}, {"en": "Help"}),
        2: Member("set_flow"),
    }


def test_menu_items_in_order_with_their_kinds() -> None:
    items = pump().menus["main_menu"].items
    assert items[:6] == (
        MenuItem("variable", "pressure", None, frozenset({"READ_ONLY"})),
        MenuItem("variable", "flow", None, frozenset({"READ_ONLY", "NO_UNIT"})),
        MenuItem("layout", "COLUMNBREAK"),
        MenuItem("text", None, {"en": "Static text", "ru": "Текст"}),
        MenuItem(
            "text", None, {"en": "Panel is locked", "de": "Bedienfeld ist gesperrt", "ru": "Панель заблокирована"}
        ),
        MenuItem("menu", "settings"),
    )
    shown = [(item.kind, item.target) for item in items[14:22]]
    assert shown == [
        ("collection", "head_a"),
        ("variable", "set_flow"),  # through head_a.SET
        ("variable", "flow"),  # through readings[1]
        ("other", "curve[3]"),
        ("other", "curve"),
        ("collection", "snapshot"),
        ("method", "check_set_flow"),
        ("menu", "calibrate_menu"),
    ]
    assert [item.target for item in items if item.conditional] == [
        "calibrate_menu",
        "faults",
        "state",
        "trim",
        "trim_fine",
        "expert",
    ]


def test_menu_attributes() -> None:
    menu = pump().menus["main_menu"]
    assert (menu.label, menu.style, menu.access) == ({"en": "Pump", "ru": "Насос"}, "WINDOW", "ONLINE")
    assert pump().menus["calibrate_menu"].label == {"en": "Expert"}  # first branch


def test_method_signatures() -> None:
    calibrate = pump().methods["calibrate"]
    assert calibrate.label == {"en": "Calibrate", "ru": "Калибровка"}
    assert calibrate.classes == {"OUTPUT", "OPERATE", "SERVICE"}
    assert calibrate.access == "ONLINE"
    assert calibrate.parameters == (
        ("DD_STRING", "report", True, False),
        ("long", "results", False, True),
        ("int", "counts", True, True),
        ("DD_ITEM", "item", True, False),
        ("float", "offset", False, False),
    )
    assert pump().methods["check_set_flow"].returns == "INTEGER"


def test_relations_of_all_three_kinds() -> None:
    found = {relation.name: relation for relation in pump().relations}
    assert (found["flow_units"].causes, found["flow_units"].effects) == (("flow_unit",), ("flow", "set_flow"))
    assert found["on_state"].causes == ("state", "trim")
    assert found["on_state"].effects == ("faults", "set_flow", "readings[0]")
    assert (found["together"].kind, found["together"].causes) == ("WRITE_AS_ONE", ("set_flow", "flow_unit"))


def test_nothing_is_left_without_a_view() -> None:
    assert pump().other == ()
    assert list(pump().commands) == ["read_values", "write_flow"]


def test_redefine_and_delete_at_the_top_level() -> None:
    view = model(
        'VARIABLE a { LABEL "A"; TYPE FLOAT; } VARIABLE b { TYPE FLOAT; }'
        'COLLECTION c { MEMBERS { A, a, "old"; B, b; } }'
        'REDEFINE VARIABLE a { REDEFINE LABEL "New"; }'
        'REDEFINE COLLECTION c { MEMBERS { DELETE B; ADD D, a; REDEFINE A, a, "new"; } } DELETE VARIABLE b;'
    )
    assert list(view.variables) == ["a"]
    assert view.variables["a"].label == {"en": "New"}
    assert view.collections["c"].members == {"A": Member("a", {"en": "new"}), "D": Member("a")}


def test_names_an_import_may_bring_are_not_missed() -> None:
    imported = "IMPORT MANUFACTURER 1, DEVICE_TYPE 1, DEVICE_REVISION 1, DD_REVISION 1 { EVERYTHING; } "
    assert resolve(edd(imported + "MENU m { ITEMS { elsewhere } } n LIKE VARIABLE far { }")).menus["m"].items == (
        MenuItem("other", "elsewhere"),
    )


def test_dictionary_names_stand_in_when_no_dictionary_is_given() -> None:
    assert model("VARIABLE a { LABEL [some_text]; TYPE FLOAT; }").variables["a"].label == {"en": "some_text"}


def test_response_code_and_device_status_are_supplied() -> None:
    view = model("COMMAND c { NUMBER 1; TRANSACTION { REQUEST { } REPLY { response_code, device_status } } }")
    assert [item.target for item in view.commands["c"].transactions[0].reply] == ["response_code", "device_status"]


def test_menus_may_show_each_other() -> None:
    view = model("MENU a { ITEMS { b } } MENU b { ITEMS { a } }")
    assert view.menus["a"].items == (MenuItem("menu", "b"),)
