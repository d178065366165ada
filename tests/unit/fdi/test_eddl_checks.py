"""Every rule of resolving is broken once, beside a source that keeps it."""

from __future__ import annotations

import pytest

from server.fdi.eddl.limits import EddLimits
from server.fdi.eddl.menu_depth import deepest
from tests.kit.edd import edd, model, problems, rules

V = "VARIABLE v { TYPE FLOAT; } METHOD m (int a) { DEFINITION { } } MENU n { ITEMS { v } }\n"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("VARIABLE v { TYPE FLOAT; }", "duplicate-name"),
        ("v LIKE VARIABLE v { }", "duplicate-name"),
        ('VARIABLE a { LABEL "x"; }', "type-missing"),
        ("VARIABLE a { TYPE FLAOT; }", "type-unknown"),
        ("VARIABLE a { TYPE INTEGER (9); }", "type-size"),
        ("VARIABLE a { TYPE ASCII (0); }", "type-size"),
        ('VARIABLE a { TYPE ENUMERATED { { 1, "a" }, { 1, "b" } } }', "duplicate-value"),
        ("VARIABLE a { TYPE ENUMERATED; }", "enumerator"),
        ("VARIABLE a { TYPE ENUMERATED { { 1 } } }", "enumerator"),
        ('VARIABLE a { TYPE ENUMERATED { { v, "x" } } }', "enumerator"),
        ('VARIABLE a { TYPE FLOAT { { 1, "x" } } }', "enumerator"),
        ("VARIABLE a { TYPE FLOAT { MIN_VALUE 5; MAX_VALUE 4.9; } }", "range"),
        ("VARIABLE a { TYPE FLOAT { MIN_VALUE2 2; MAX_VALUE2 1; } }", "range"),
        ('VARIABLE a { TYPE FLOAT { MIN_VALUE "low"; } }', "range"),
        ("VARIABLE a { TYPE FLOAT { DEFAULT_VALUE 1 / 0; } }", "expression"),
        ("VARIABLE a { HANDLING READ & WRIT; TYPE FLOAT; }", "handling"),
        ("VARIABLE a { VALIDITY gone; TYPE FLOAT; }", "unresolved-reference"),
        ("VARIABLE a { TYPE FLOAT { MAX_VALUE gone.MAX_VALUE; } }", "unresolved-reference"),
        ("VARIABLE a { HANDLING IF (gone) { READ; } TYPE FLOAT; }", "unresolved-reference"),
        ("VARIABLE a { TYPE INDEX gone; }", "unresolved-reference"),
        ("MENU a { ITEMS { gone } }", "unresolved-reference"),
        ("MENU a { ITEMS { IF (v) { n } ELSE { gone } } }", "unresolved-reference"),
        ("MENU a { ITEMS { v.NOTHING } }", "unresolved-reference"),
        ("MENU a { ITEMS { 7 } }", "menu-item"),
        ("MENU a { ITEMS { m(1, 2) } }", "arguments"),
        ("COLLECTION c { MEMBERS { A, v; } } MENU a { ITEMS { c.B } }", "unresolved-reference"),
        ("COLLECTION c { MEMBERS { A, gone; } }", "unresolved-reference"),
        ("COLLECTION c { MEMBERS { A, v; A, v; } }", "duplicate-name"),
        ("COLLECTION c { MEMBERS { A; } }", "member"),
        ("COLLECTION c { MEMBERS { A, c.A; } }", "unresolved-reference"),
        ("ARRAY OF VARIABLE c { ELEMENTS { 1, v; } } MENU a { ITEMS { c[2] } }", "unresolved-reference"),
        ("ARRAY OF VARIABLE c { ELEMENTS { 1, v; 1, v; } }", "duplicate-value"),
        ("ARRAY c { TYPE v; }", "array"),
        ("ARRAY c { TYPE gone; NUMBER_OF_ELEMENTS 2; }", "unresolved-reference"),
        ('ARRAY c { LABEL "x"; }', "array"),
        ("MENU a { ITEMS { n[1] } }", "unresolved-reference"),
        ("UNIT u { v : gone }", "unresolved-reference"),
        ("UNIT u { v : m }", "relation"),
        ("COMMAND c { TRANSACTION { REQUEST { m } REPLY { } } }", "data-item"),
        ("VARIABLE a { TYPE FLOAT; POST_EDIT_ACTIONS { v } }", "action"),
        ("CHART c { MEMBERS { A, v; } }", "chart"),
        ("a LIKE VARIABLE gone { }", "missing-target"),
        ("a LIKE MENU v { }", "missing-target"),
        ("a LIKE b { } b LIKE a { }", "missing-target"),
        ("a LIKE v { DELETE HELP; }", "missing-target"),
        ('a LIKE v { REDEFINE HELP "x"; }', "missing-target"),
        ("REDEFINE VARIABLE gone { TYPE FLOAT; }", "missing-target"),
        ("DELETE VARIABLE gone;", "missing-target"),
        ("DELETE MENU v;", "missing-target"),
        ('METHOD a { LABEL "x"; }', "definition"),
        ("METHOD a (int x, int x) { DEFINITION { } }", "duplicate-name"),
        ("VARIABEL a { TYPE FLOAT; }", "construct-unknown"),
    ],
)
def test_a_broken_rule_is_reported_by_its_name(body: str, rule: str) -> None:
    assert rule in rules(V + body)


def test_the_surroundings_of_these_checks_keep_all_rules() -> None:
    assert list(model(V).variables) == ["v"]


def test_all_problems_come_at_once_with_their_lines() -> None:
    found = problems(
        "VARIABLE a { }\n"
        "VARIABLE a { TYPE FLOAT; }\n"
        "MENU m { ITEMS { gone } }\n"
        "VARIABLE b { TYPE FLOAT { MIN_VALUE 2; MAX_VALUE 1; } }"
    )
    assert sorted((problem.line, problem.rule) for problem in found) == [
        (2, "type-missing"),
        (3, "duplicate-name"),
        (4, "unresolved-reference"),
        (5, "range"),
    ]
    assert next(p for p in found if p.line == 4).excerpt == "MENU m { ITEMS { gone } }"


def test_a_range_the_device_decides_is_not_compared() -> None:
    view = model("VARIABLE s { TYPE FLOAT; } VARIABLE a { TYPE FLOAT { MIN_VALUE 5; MAX_VALUE IF (s) { 1; } } }")
    assert view.variables["a"].ranges == ((5, 1),)
    assert view.variables["a"].conditional == {"MAX_VALUE"}


def test_the_same_value_in_two_branches_is_no_duplicate() -> None:
    view = model('VARIABLE s { TYPE FLOAT; } VARIABLE a { TYPE ENUMERATED { IF (s) { {1, "a"} } ELSE { {1, "b"} } } }')
    assert [e.text for e in view.variables["a"].enumerators] == [{"en": "a"}]


def test_device_and_dd_revision_are_numbers() -> None:
    from server.fdi.eddl.errors import EddError
    from server.fdi.eddl.parser import parse
    from server.fdi.eddl.resolve import resolve

    with pytest.raises(EddError) as caught:
        resolve(parse("MANUFACTURER a, DEVICE_TYPE b, DEVICE_REVISION c, DD_REVISION 1"))
    assert [problem.rule for problem in caught.value.problems] == ["identification"]


def _chain(length: int, *, closed: bool) -> str:
    menus = [f"MENU m{n} {{ ITEMS {{ m{n + 1} }} }}" for n in range(length - 1)]
    return "\n".join([*menus, f"MENU m{length - 1} {{ ITEMS {{ {'m0' if closed else ''} }} }}"])


@pytest.mark.parametrize("closed", [False, True])
def test_menus_are_bounded_in_depth_cycles_too(closed: bool) -> None:
    limits = EddLimits(menu_depth=8)
    assert len(model(_chain(8, closed=closed)).menus) == 8
    assert set(rules(_chain(9, closed=closed), limits)) == {"menu-depth"}


def test_depth_counts_the_longest_way_down() -> None:
    menus = {"a": ["b", "c"], "b": ["c"], "c": ["d", "c"], "d": [], "e": ["f"], "f": ["e", "a"]}
    assert deepest(menus) == {"a": 4, "b": 3, "c": 2, "d": 1, "e": 6, "f": 6}


def test_like_in_a_very_long_chain_is_refused() -> None:
    chain = "VARIABLE a0 { TYPE FLOAT; }" + "".join(f" a{n + 1} LIKE a{n} {{ }}" for n in reversed(range(100)))
    assert "missing-target" in rules(chain)
    assert len(edd(chain).items) == 101
