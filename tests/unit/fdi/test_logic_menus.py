"""MENUs and METHODs of the moment, actions, COMMANDs (eddl.md, sections 5.5, 5.6 and 5.8)."""

from __future__ import annotations

import pytest

from server.core.texts import Texts
from server.fdi.eddl.expressions import Integer, Reference
from server.fdi.logic.commands import transaction_of
from server.fdi.logic.errors import EvaluationError
from tests.kit.logic import held, logic

EDD = """
VARIABLE s { TYPE INTEGER; }
VARIABLE x { TYPE FLOAT; VALIDITY s != 3; PRE_WRITE_ACTIONS { m, run (1, s), DEFINITION { s = 1; } }
    POST_EDIT_ACTIONS { IF (s) { m } } }
VARIABLE y { TYPE FLOAT; VISIBILITY s != 3; }
VARIABLE e { TYPE FLOAT; } ARRAY curve { LABEL "C"; TYPE e; NUMBER_OF_ELEMENTS 2; }
COLLECTION OF VARIABLE c { MEMBERS { ONE, x; } }
CHART chart { LABEL "Ch"; MEMBERS { A, source; } } SOURCE source { MEMBERS { A, x; } }
PLUGIN plug { LABEL "P"; UUID "0"; }
METHOD m { LABEL "M"; VALIDITY s == 1; DEFINITION { return; } }
METHOD run (int a, int b) { LABEL "Run"; DEFINITION { return; } }
MENU main
{
    LABEL IF (s) { "On"; } ELSE { "Off"; } HELP "Help"; STYLE WINDOW; VALIDITY s < 9;
    ITEMS
    {
        "static", x (READ_ONLY, NO_LABEL), y, COLUMNBREAK, c, curve, curve[s], c.ONE, inner, chart, plug,
        IF (s == 1) { m, run (2, s) } ELSE { run (3, s) }
    }
}
MENU inner { LABEL "Inner"; VISIBILITY s != 3; ITEMS { x } }
"""
LOGIC = logic(EDD)


def kinds(**values: int) -> list[tuple[str, str]]:
    return [(item.kind, item.target) for item in LOGIC.menu("main", held(**values)).items]


def test_a_menu_shows_what_its_conditions_let_through() -> None:
    assert kinds(s=1) == [
        ("text", ""),
        ("variable", "x"),
        ("variable", "y"),
        ("layout", "COLUMNBREAK"),
        ("collection", "c"),
        ("array", "curve"),
        ("variable", "curve_1"),
        ("variable", "x"),
        ("menu", "inner"),
        ("chart", "chart"),
        ("plugin", "plug"),
        ("method", "m"),
        ("method", "run"),
    ]


def test_items_that_are_not_valid_or_not_visible_are_left_out() -> None:
    # s = 3: x is not valid, y and inner are not visible, curve has no element 3.
    assert kinds(s=3) == [
        ("text", ""),
        ("layout", "COLUMNBREAK"),
        ("collection", "c"),
        ("array", "curve"),
        ("chart", "chart"),
        ("plugin", "plug"),
        ("method", "run"),
    ]


def test_while_a_condition_is_not_known_every_branch_is_shown() -> None:
    assert [target for kind, target in kinds() if kind == "method"] == ["m", "run", "run"]


def test_a_menu_has_its_texts_style_and_flags() -> None:
    view = LOGIC.menu("main", held(s=0))
    assert (view.label, view.help, view.style) == (Texts.of("Off"), Texts.of("Help"), "WINDOW")
    assert view.valid
    assert view.visible
    assert not LOGIC.menu("main", held(s=9)).valid
    assert not LOGIC.menu("inner", held(s=3)).visible
    assert LOGIC.menu("main", held()).label == Texts.of("main")  # nothing can be told: its name


def test_an_item_keeps_its_qualifiers_text_and_arguments() -> None:
    items = LOGIC.menu("main", held(s=1)).items
    assert items[0].text == Texts.of("static")
    assert items[1].qualifiers == {"READ_ONLY", "NO_LABEL"}
    argument, _ = items[-1].arguments
    assert isinstance(argument, Integer)
    assert argument.value == 2


def test_no_such_menu_or_method() -> None:
    with pytest.raises(KeyError):
        LOGIC.menu("nothing", held())
    with pytest.raises(KeyError):
        LOGIC.method("nothing")


def test_a_method_is_valid_by_its_condition_or_while_that_is_not_known() -> None:
    assert [LOGIC.method_valid("m", held(s=value)) for value in (1, 2)] == [True, False]
    assert LOGIC.method_valid("m", held())
    assert LOGIC.method_valid("run", held())
    assert LOGIC.method("run").parameters[1].name == "b"


def test_actions_come_in_order_with_arguments_or_a_program() -> None:
    first, second, third = LOGIC.actions("x", "PRE_WRITE_ACTIONS")
    assert (first.method, first.arguments, first.definition) == ("m", (), None)
    assert second.method == "run"
    assert isinstance(second.arguments[1], Reference)
    assert third.method is None
    assert third.definition is not None
    assert LOGIC.actions("x", "PRE_READ_ACTIONS") == ()
    assert LOGIC.actions("nothing", "PRE_READ_ACTIONS") == ()


def test_conditions_around_actions_are_decided() -> None:
    assert [action.method for action in LOGIC.actions("x", "POST_EDIT_ACTIONS", held(s=1))] == ["m"]
    assert LOGIC.actions("x", "POST_EDIT_ACTIONS", held(s=0)) == ()
    with pytest.raises(EvaluationError):
        LOGIC.actions("x", "POST_EDIT_ACTIONS")


COMMANDS = """
VARIABLE a { TYPE FLOAT; } VARIABLE b { TYPE FLOAT; } VARIABLE i { TYPE INTEGER; }
COLLECTION OF VARIABLE c { MEMBERS { A, a; B, b; } }
ARRAY OF VARIABLE refs { ELEMENTS { 0, a; 1, b; } }
COMMAND by_index { NUMBER 1; OPERATION READ; TRANSACTION { REQUEST { i (INDEX) } REPLY { i (INDEX), refs[i], a } } }
COMMAND plain { NUMBER 2; OPERATION READ; TRANSACTION { REQUEST { } REPLY { c } } }
COMMAND set { NUMBER 3; OPERATION WRITE; TRANSACTION 4 { REQUEST { b (INFO), a } REPLY { a } } }
COMMAND again
{
    NUMBER 3; OPERATION WRITE;
    TRANSACTION 0 { REQUEST { a } REPLY { a } }
    TRANSACTION 1 { REQUEST { b } REPLY { b } }
}
COMMAND act { NUMBER 9; OPERATION COMMAND; TRANSACTION { REQUEST { } REPLY { a } } }
"""


def test_a_command_is_found_by_number_and_by_what_it_carries() -> None:
    found = logic(COMMANDS)
    reading, writing = found.read_command("a"), found.write_command("a")
    assert reading is not None
    assert reading.name == "plain"  # no INDEX item
    assert writing is not None
    assert writing.name == "set"  # the first of two as good
    assert found.command(3) is found.commands_named["set"]
    assert found.command(77) is None
    other = found.write_command("b")
    assert other is not None
    assert other.name == "again"  # an INFO item is not stored
    assert found.read_command("i") is not None
    assert found.write_command("i") is None


def test_a_command_with_one_transaction_has_it_under_every_number() -> None:
    found = logic(COMMANDS)
    single = transaction_of(found.commands_named["set"])
    assert single is not None
    assert single.number == 4
    assert transaction_of(found.commands_named["again"], 1) is found.commands_named["again"].transactions[1]
    assert transaction_of(found.commands_named["again"], 7) is None
