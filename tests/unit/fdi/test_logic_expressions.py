"""Expressions of EDDs: references, C semantics, texts, what is not known. Expectations by hand, clauses of eddl.md."""

from __future__ import annotations

import pytest

from server.core.texts import Texts
from server.fdi.logic.errors import EvaluationError
from tests.kit.logic import expression, held, logic

ITEMS = """
VARIABLE i { TYPE INTEGER (4); LABEL "|en|Number|ru|Число"; }
VARIABLE u { TYPE UNSIGNED_INTEGER (4); }
VARIABLE small { TYPE UNSIGNED_INTEGER (1); }
VARIABLE f
{
    TYPE FLOAT { MIN_VALUE 1.5; MAX_VALUE1 20.0; MIN_VALUE2 30; MAX_VALUE2 i * 2; DEFAULT_VALUE 2; }
    CONSTANT_UNIT "bar";
}
VARIABLE d { TYPE DOUBLE { SCALING_FACTOR 0.5; } HELP "Help of d"; }
VARIABLE flag { TYPE BOOLEAN; }
VARIABLE text { TYPE ASCII (8); }
VARIABLE octets { TYPE OCTET (4); }
VARIABLE state { TYPE ENUMERATED { { 0, "|en|off|ru|выкл" }, { 1, "on" } } }
VARIABLE element { TYPE INTEGER (2) { MAX_VALUE 7; } }
ARRAY curve { LABEL "Curve"; TYPE element; NUMBER_OF_ELEMENTS 3; }
ARRAY OF VARIABLE refs { ELEMENTS { 1, i; 5, curve[2]; } }
COLLECTION OF VARIABLE pair { MEMBERS { ONE, i; TWO, curve[1]; DEEP, refs[5]; } }
RECORD rec { MEMBERS { A, d; } }
LIST points { TYPE element; CAPACITY 9; COUNT i + 1; }
AXIS axis { MIN_VALUE 3; MAX_VALUE 4; }
"""
VALUES = held(
    i=-7, u=4294967295, small=200, f=0.10000000149011612, d=2.5, flag=True, text="abc", state=1,
    curve_0=10, curve_1=11, curve_2=12, octets=b"1234",
)  # fmt: skip
LOGIC = logic(ITEMS)

GIVEN = {
    "i / 2": -3,
    "i % 2": -1,
    "u + 1": 0,  # unsigned int wraps
    "small + 100": 300,  # a small integer is promoted before it is added
    "i > u": 0,  # -7 becomes 4294967289
    "flag + 1": 2,
    "f == 0.1": 1,  # section 7.7: single precision against a decimal constant
    "-f == -0.1": 1,
    "f == d - 2.4": 0,  # no constant: in double precision
    "d * 2": 5.0,
    "1 << 4 | 1": 17,
    "!state": 0,
    "TRUE && !FALSE": 1,
    "state == 1 ? 10 : 20": 10,
    "0 && octets": 0,  # the other side does not count
    "1 || 1 / 0": 1,
    "1 ? 5 : 1 / 0": 5,
    "(1 ? 7 : 2.0) / 2": 3.5,  # C 6.5.15: both sides have the greater type, whichever is taken
    "(state ? i : d) / 2": -3.5,
    "(0 ? u : -1) > 0": 1,
    "(1 ? i : small == 3) / 2": -3,
    'text == "abc"': 1,
    'text + "d" == "abcd"': 1,
    'text < "abd"': 1,
    "curve[1]": 11,
    "curve[state + 1]": 12,
    "refs[1]": -7,
    "refs[i + 12]": 12,
    "pair.ONE": -7,
    "pair.TWO + pair.DEEP": 23,
    "rec.A": 2.5,
    "PARAM.i": -7,
    "f.MIN_VALUE": 1.5,
    "f.MIN_VALUE1": 1.5,
    "f.MAX_VALUE": 20.0,
    "f.MAX_VALUE[2]": -14,
    "f.DEFAULT_VALUE": 2,
    "f.CONSTANT_UNIT": "bar",
    "d.SCALING_FACTOR": 0.5,
    "i.SCALING_FACTOR": 1.0,
    "i.LABEL": "Number",
    "d.HELP": "Help of d",
    "d.LABEL": "d",
    "i.VALIDITY": 1,
    "i.VARIABLE_STATUS": 0,
    "curve.NUMBER_OF_ELEMENTS": 3,
    "curve[2].LABEL": "Curve [2]",
    "curve[state].MAX_VALUE": 7,
    "refs.COUNT": 2,
    "points.COUNT": -6,
    "points.CAPACITY": 9,
    "axis.VIEW_MIN": 3,
    "axis.VIEW_MAX": 4,
    "state(0)": "off",
    "state(state)": "on",
}  # fmt: skip


@pytest.mark.parametrize("text", GIVEN, ids=str)
def test_an_expression_gives(text: str) -> None:
    found = LOGIC.evaluate(expression(text), VALUES)
    assert (found, type(found)) == (GIVEN[text], type(GIVEN[text]))


@pytest.mark.parametrize(
    "text",
    [
        "1 / 0",
        "i % (i + 7)",
        "text + 1",
        '"a" && 1',
        "octets",
        "d % 2",
        "1 << 32",
        "nowhere",
        "curve[3]",
        "curve[i]",
        "refs[2]",
        "pair.NONE",
        "i.NONE",
        "state(9)",
        "state(1, 2)",
        "text(1)",
        "f.INITIAL_VALUE",
        "f.MAX_VALUE[3]",
        "igetval()",
        "i.MIN_VALUE.MAX_VALUE",
    ],
    ids=str,
)
def test_what_makes_no_sense_is_an_error(text: str) -> None:
    with pytest.raises(EvaluationError):
        LOGIC.evaluate(expression(text), VALUES)


@pytest.mark.parametrize("text", ["i + 1", "i == i", "0 || i", "1 && i", "i ? 1 : 1", "curve[i]", "refs[1]"], ids=str)
def test_a_value_that_is_not_known_makes_the_expression_unknown(text: str) -> None:
    with pytest.raises(EvaluationError):
        LOGIC.evaluate(expression(text), held())


def test_a_side_that_does_not_count_may_be_unknown() -> None:
    assert LOGIC.evaluate(expression("0 && i"), held()) == 0
    assert LOGIC.evaluate(expression("i.VARIABLE_STATUS"), held()) == 1


def test_the_value_an_action_is_about_is_read_by_its_builtins() -> None:
    assert LOGIC.evaluate(expression("igetval() + 1"), held(), this=4) == 5


def test_texts_keep_their_languages() -> None:
    assert LOGIC.text(expression("state(0)"), held()) == Texts.of("off", ru="выкл")
    joined = LOGIC.text(expression('i.LABEL + ": " + state(0)'), held())
    assert joined == Texts.of("Number: off", ru="Число: выкл")
    with pytest.raises(EvaluationError):
        LOGIC.text(expression("i"), VALUES)


def test_deep_expressions_are_an_error_and_no_crash() -> None:
    # Each MAX_VALUE leans on the next one with a dozen operators: far more than may be evaluated inside one another.
    chain = "".join(
        f"VARIABLE v{n} {{ TYPE FLOAT {{ MAX_VALUE {'1 + ' * 12} v{n + 1}.MAX_VALUE; }} }}" for n in range(200)
    )
    found = logic(chain + "VARIABLE v200 { TYPE FLOAT { MAX_VALUE 1; } }")
    with pytest.raises(EvaluationError, match="deep"):
        found.evaluate(expression("v0.MAX_VALUE"), held())
    assert found.evaluate(expression("v190.MAX_VALUE"), held()) == 121  # ten steps of twelve, and 1


def test_attributes_that_lean_on_one_another_twice_are_worked_out_once() -> None:
    # 2^40 evaluations if what is known already were not kept.
    chain = "".join(
        f"VARIABLE v{n} {{ TYPE DOUBLE {{ MAX_VALUE v{n + 1}.MAX_VALUE + v{n + 1}.MAX_VALUE; }} }}" for n in range(40)
    )
    found = logic(chain + "VARIABLE v40 { TYPE DOUBLE { MAX_VALUE 1.0; } }")
    assert found.evaluate(expression("v0.MAX_VALUE"), held()) == 2.0**40


def test_a_circle_of_attributes_is_an_error() -> None:
    found = logic(
        """VARIABLE a { TYPE FLOAT { MAX_VALUE b.MAX_VALUE; } }
        VARIABLE b { TYPE FLOAT { MAX_VALUE s ? a.MAX_VALUE : 5.0; } }
        VARIABLE s { TYPE INTEGER; }"""
    )
    with pytest.raises(EvaluationError, match="itself"):
        found.evaluate(expression("a.MAX_VALUE"), held(s=1))
    assert found.evaluate(expression("a.MAX_VALUE"), held(s=0)) == 5.0  # the way round is not taken


@pytest.mark.parametrize(
    "text",
    ["!" * 190 + "i", "curve[" * 60 + "0" + "]" * 60, "1 ? 2 : " * 95 + "3", " + ".join(["i"] * 190)],
    ids=["signs", "indexes", "choices", "sum"],
)
def test_the_deepest_that_the_grammar_takes_is_compiled_and_run_or_refused(text: str) -> None:
    try:
        LOGIC.evaluate(expression(text), held(i=1, curve_0=0))
    except EvaluationError as error:
        assert "nested" in str(error)


def test_a_long_chain_of_attributes_is_an_error_and_no_crash() -> None:
    chain = "".join(f"VARIABLE v{n} {{ TYPE FLOAT {{ MAX_VALUE v{n + 1}.MAX_VALUE; }} }}" for n in range(600))
    found = logic(chain + "VARIABLE v600 { TYPE FLOAT { MAX_VALUE i; } } VARIABLE i { TYPE INTEGER; }")
    assert found.spec("v0", held(i=1)) is found.parameters["v0"]
    assert found.spec("v590", held(i=1)).ranges[0][1] == 1.0


def test_what_indexes_choose_from_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two arrays of 60 elements, 100 names allowed: one of the expressions has no value, the other works.
    monkeypatch.setattr("server.fdi.logic.places.CHOICES", 100)
    found = logic(
        """VARIABLE i { TYPE INTEGER; } VARIABLE e { TYPE FLOAT; }
        ARRAY a { TYPE e; NUMBER_OF_ELEMENTS 60; } ARRAY b { TYPE e; NUMBER_OF_ELEMENTS 60; }
        VARIABLE x { TYPE FLOAT { MAX_VALUE a[i]; } } VARIABLE y { TYPE FLOAT { MAX_VALUE b[i]; } }"""
    )
    values = held(i=2, a_2=5.0, b_2=6.0)
    known = [found.spec(name, values) is not found.parameters[name] for name in ("x", "y")]
    assert sorted(known) == [False, True]


def test_a_reference_of_many_steps_is_an_error() -> None:
    with pytest.raises(EvaluationError):
        LOGIC.evaluate(expression("refs[i]" + ".ONE" * 40), VALUES)
