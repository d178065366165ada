"""The static views of the dosing pump's and the dialects' other constructs: values worked out from their sources."""

from __future__ import annotations

import functools

import pytest

from server.fdi.eddl.commands import DataItem, EddTransaction, ResponseCode
from server.fdi.eddl.components import Declared, RelatedComponent
from server.fdi.eddl.graphics import GridVector
from server.fdi.eddl.keywords import KINDS
from server.fdi.eddl.kinds import VIEWS
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.resolve import resolve
from server.fdi.eddl.texts import Assigned, Member
from tests.kit.edd import edd, model, read, rules

OWN = {"VARIABLE", "MENU", "METHOD", "COLLECTION", "RECORD", "ARRAY", "ITEM_ARRAY", "UNIT", "REFRESH", "WRITE_AS_ONE"}


@functools.cache
def _pump() -> EddModel:
    return resolve(read("pump.ddl"))


@functools.cache
def _dialects() -> EddModel:
    return resolve(read("dialects.ddl"))


def test_every_kind_of_construct_has_a_view_and_a_place_in_the_model() -> None:
    assert set(VIEWS) | OWN == KINDS
    fields = set(EddModel.__dataclass_fields__)
    assert {kept for kept, _ in VIEWS.values()} <= fields


def test_command_with_its_messages_masks_and_codes() -> None:
    command = _pump().commands["read_values"]
    assert (command.number, command.operation) == (130, "READ")
    first, second = command.transactions
    assert first == EddTransaction(
        0,
        (),
        (
            *(DataItem(name) for name in ("response_code", "device_status", "pressure", "flow")),
            DataItem("state", mask=0xF0),
            DataItem("trim", mask=0x0F, info=True),
            DataItem("head_a.UNIT"),
        ),
        (ResponseCode(0, "SUCCESS", {"en": "OK"}),),
    )
    assert second.number == 1
    assert second.request == (DataItem(None, constant=1), DataItem("channel", info=True, index=True))
    assert second.reply[-1] == DataItem("readings[channel]")
    assert command.transaction(1) is second
    assert command.transaction(2) is None


def test_a_transaction_without_codes_answers_with_those_of_its_command() -> None:
    command = _pump().commands["write_flow"]
    codes = (
        ResponseCode(0, "SUCCESS", {"en": "OK"}),
        ResponseCode(3, "DATA_ENTRY_ERROR", {"en": "Too much"}, conditional=True),
    )
    assert command.response_codes == codes
    assert command.transactions[0].response_codes == codes
    assert command.transactions[0].actions == ("note_edit",)
    assert command.transaction(7) is command.transactions[0]  # the only one
    assert "RESPONSE_CODES" in command.conditional


def test_a_shared_table_of_codes_is_followed() -> None:
    view = model(
        'RESPONSE_CODES t { 0, SUCCESS, "OK", "all well"; 16, MODE_ERROR, "No"; }'
        "COMMAND c { NUMBER 1; TRANSACTION { REQUEST { } REPLY { } } RESPONSE_CODES t; }"
    )
    assert view.response_codes["t"].codes == view.commands["c"].response_codes
    assert view.commands["c"].response_codes[0] == ResponseCode(0, "SUCCESS", {"en": "OK"}, {"en": "all well"})


def test_addresses_of_other_profiles() -> None:
    command = model(
        'COMMAND c { SLOT 1; SUBSLOT 2; INDEX 3; API 0x4000; BLOCK trans; HEADER "h"; MODULE m; CONNECTION k;'
        " OPERATION DATA_EXCHANGE; TRANSACTION { REQUEST { } REPLY { } } }"
    ).commands["c"]
    assert (command.number, command.slot, command.subslot, command.index, command.api) == (None, 1, 2, 3, 0x4000)
    assert (command.block, command.header, command.module, command.connection) == ("trans", "h", "m", "k")


V = "VARIABLE v { TYPE FLOAT; } VARIABLE w { HANDLING READ; TYPE FLOAT; } METHOD m { DEFINITION { } }\n"


def _transaction(items: str) -> str:
    return f"COMMAND c {{ NUMBER 1; TRANSACTION {{ REQUEST {{ {items} }} REPLY {{ }} }} }}"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (_transaction('"text"'), "data-item"),
        (_transaction("v <0xF0>, v <0x18>"), "mask"),  # both hold bit 4
        (_transaction("v <0>"), "mask"),
        ("COMMAND c { NUMBER v + 1.5; NUMBER 1.5; }", "number"),
        ("COMMAND c { TRANSACTION 1 { } TRANSACTION 1 { } }", "duplicate-value"),
        ("COMMAND c { TRANSACTION v { } }", "number"),
        ('COMMAND c { RESPONSE_CODES { 0, SUCCESS, "a"; 0, SUCCESS, "b"; } }', "duplicate-value"),
        ("COMMAND c { RESPONSE_CODES { 0; } }", "response-codes"),
        ("COMMAND c { RESPONSE_CODES v; }", "response-codes"),
        ("LIST l { CAPACITY 3; }", "type-missing"),
        ("LIST l { TYPE v; CAPACITY 3; COUNT 4; }", "range"),
        ("AXIS a { MIN_VALUE 2; MAX_VALUE 1; }", "range"),
        ("WAVEFORM f { TYPE ZZ { Y_VALUES { v } } }", "type-unknown"),
        ("GRID g { VECTORS { v } }", "vector"),
        ("FILE f { HANDLING REED; }", "handling"),
        ("FILE f { MEMBERS { A, v; A, v; } }", "duplicate-name"),
        ("TEMPLATE t { DEFAULT_VALUES { v; } }", "member"),
        ("COMPONENT_RELATION r { MINIMUM_NUMBER 3; MAXIMUM_NUMBER 2; }", "range"),
    ],
)
def test_what_is_surely_wrong_is_refused(body: str, rule: str) -> None:
    assert rule in rules(V + body)


def test_masks_start_anew_after_bit_0_and_after_a_plain_item() -> None:
    view = model(V + _transaction("v <0xF8>, w <0x07>, v <0xF0>, w, v <0x80>, w <0x01>, v <1>, w <1>"))
    assert len(view.commands["c"].transactions[0].request) == 8


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("COMMAND c { NUMBER 1; OPERATION PONDER; TRANSACTION { REPLY { } } }", "operation"),
        ("COMMAND c { NUMBER 1; }", "transaction"),
        ("COMMAND c { NUMBER 1; TRANSACTION { REQUEST { } } }", "transaction"),
        (_transaction("v") + _transaction("v").replace(" c ", " d "), "number"),
        ('COMMAND c { TRANSACTION { REPLY { } RESPONSE_CODES { 0, FINE, "x"; } } }', "response-codes"),
        ('IMAGE i { LABEL "x"; }', "path"),
        ('PLUGIN p { LABEL "x"; }', "uuid"),
        ("CHART c { TYPE PIE; MEMBERS { A, s; } } SOURCE s { MEMBERS { A, v; } }", "type-unknown"),
        ("COMPONENT_RELATION r { RELATION_TYPE COUSIN; }", "relation"),
        ("WRITE_AS_ONE x { v, w }", "relation"),  # w is only read
        ('VARIABLE b { TYPE BIT_ENUMERATED { { 3, "a" }, { 2, "b" } } }', "mask"),
        ("#warning careful\n", "preprocessor"),
    ],
)
def test_what_is_odd_is_a_warning_of_the_model(body: str, rule: str) -> None:
    view = resolve(edd(V + body))
    assert rule in [problem.rule for problem in view.warnings]
    assert all(problem.line >= 2 for problem in view.warnings)


def test_the_surroundings_of_the_warnings_give_none() -> None:
    assert resolve(edd(V + _transaction("v"))).warnings == ()
    assert _pump().warnings == ()


def test_plots() -> None:
    view = _pump()
    axis, source, chart = view.axes["flow_axis"], view.sources["flow_source"], view.charts["flow_chart"]
    assert (axis.min_value, axis.max_value, axis.scaling, axis.constant_unit) == (0, None, "LINEAR", {"en": "l/h"})
    assert axis.conditional == {"MAX_VALUE"}  # set_flow.MAX_VALUE
    assert source.members == {"F": Member("flow")}
    assert (source.line_type, source.line_color, source.emphasis, source.y_axis) == (
        "DATA1",
        0x00FF00,
        True,
        "flow_axis",
    )
    assert source.init_actions == ("note_edit",)
    assert (chart.type, chart.cycle_time_ms, chart.length_ms, chart.height, chart.width) == (
        "STRIP",
        500,
        60_000,
        "MEDIUM",
        "LARGE",
    )
    bare = model("CHART c { MEMBERS { A, s; } } SOURCE s { MEMBERS { A, v; } } VARIABLE v { TYPE FLOAT; }").charts["c"]
    assert (bare.type, bare.cycle_time_ms, bare.length_ms) == ("STRIP", 1000, 600_000)  # eddl.md section 5.7


def test_curves_and_tables() -> None:
    view = _pump()
    curve, line = view.waveforms["curve_wave"], view.waveforms["line_wave"]
    assert (curve.type, curve.readable, curve.writable, curve.number_of_points) == ("XY", True, False, 3)
    assert (curve.x_values, curve.y_values) == (("0", "1", "2"), ("curve[0]", "curve[1]", "curve[2]"))
    assert (curve.key_x_values, curve.key_y_values) == (("1",), ("curve[1]",))
    assert (line.type, line.x_initial, line.x_increment, line.y_values) == ("YT", 0.0, 1.0, ("flow",))
    graph = view.graphs["curve_graph"]
    assert (list(graph.members), graph.x_axis, graph.cycle_time_ms) == (["W", "L"], "flow_axis", None)
    grid = view.grids["table"]
    assert grid.orientation == "VERTICAL"
    assert grid.vectors == (
        GridVector({"en": "Name"}, ({"en": "Pressure"}, {"en": "Flow"})),
        GridVector({"en": "Value"}, ("pressure", "flow")),
    )


def test_pictures_plugins_and_dialogs() -> None:
    view = _pump()
    image = view.images["picture"]
    assert (image.path, image.link) == ({"en": "pump_en.png", "ru": "pump_ru.png"}, "main_menu")
    assert view.plugins["wizard"].uuid == "6f1c0c3e-0000-0000-0000-000000000001"
    legacy = view.edit_displays["legacy"]
    assert (legacy.edit_items, legacy.display_items) == (("set_flow", "flow_unit"), ("pressure",))
    assert (legacy.pre_edit_actions, legacy.post_edit_actions) == ((), ("note_edit",))


def test_what_the_host_stores() -> None:
    view = _pump()
    log, recipe, blob = view.lists["log"], view.files["recipe"], view.blobs["firmware"]
    assert (log.element, log.capacity, log.count, log.conditional) == ("snapshot", 3, None, {"COUNT"})
    assert (recipe.members, recipe.identity) == ({"AMOUNT": Member("set_flow"), "CURVE": Member("curve")}, "recipe")
    assert (blob.readable, blob.writable, blob.identity) == (False, True, "fw")
    assert view.templates["factory"].default_values == (Assigned("set_flow", 3.5), Assigned("trim", -3))


def test_components() -> None:
    view = _dialects()
    network, relation = view.components["network"], view.component_relations["to_points"]
    assert (network.classification, network.can_delete, network.scan) == ("NETWORK_COMPONENT", False, "scan_network")
    assert network.relations == ("to_points",)
    assert network.declarations == (Declared("VARIABLE", "address"),)
    assert network.initial_values == (Assigned("address", 3), Assigned("mode", 3))
    assert relation.relation_type == "CHILD_COMPONENT"
    assert relation.components == (RelatedComponent("point", ("1",)),)
    assert (relation.addressing, relation.minimum_number, relation.maximum_number) == (("address",), 1, 8)
    assert view.component_folders["points"].label == {"en": "Points"}
    assert view.component_references["one_point"].label == {"en": "Point"}
    assert view.interfaces["bus"].declarations == ()


def test_function_blocks_and_modules() -> None:
    view = _dialects()
    block = view.blocks["analog_input"]
    assert (block.kind, block.type, block.number, block.characteristics) == ("BLOCK", "TRANSDUCER", 1, "char_record")
    assert list(block.parameters) == ["INPUT", "UNIT", "BLOCK", "TYPE", "IF"]
    assert block.parameters["INPUT"] == Member("ai_input", {"en": "Analogue input"})
    assert block.items == {"MENU_ITEMS": ("ai_menu",), "COLLECTION_ITEMS": ("PARAM.INPUT",)}
    assert view.blocks["physical"].kind == "BLOCK_A"
    assert view.variable_lists["all_values"].members == {"A": Member("UNIT")}
    assert view.programs["runner"].arguments == ("UNIT",)
    assert (view.domains["data_domain"].readable, view.domains["data_domain"].writable) == (True, False)
    assert view.connections["link"].app_instance == 3
    assert view.modules["slot"].number == 2


def test_what_depends_on_the_device_is_named_for_every_kind() -> None:
    view = model(
        "VARIABLE v { TYPE FLOAT; }\n"
        'MENU n { VALIDITY v; LABEL IF (v) { "a"; } ELSE { "b"; } ITEMS { IF (v) { v } } }\n'
        "METHOD m { VISIBILITY IF (v) { TRUE; } DEFINITION { } }\n"
        "COLLECTION c { VALIDITY v == 1; MEMBERS { A, v; } }\n"
        'ARRAY a { LABEL IF (v) { "a"; } TYPE v; NUMBER_OF_ELEMENTS 2; }\n'
        'PLUGIN p { VALIDITY v; UUID "x"; }\n'
        'PLUGIN q { VALIDITY TRUE; UUID "x"; }\n'
    )
    assert view.menus["n"].conditional == {"VALIDITY", "LABEL", "ITEMS"}
    assert view.methods["m"].conditional == {"VISIBILITY"}
    assert view.collections["c"].conditional == {"VALIDITY"}
    assert view.arrays["a"].conditional == {"LABEL"}
    assert view.plugins["p"].conditional == {"VALIDITY"}
    assert view.plugins["q"].conditional == frozenset()
