"""Macros of C: variable arguments, empty arguments, pasting, texts, the place of use, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from server.fdi.eddl.errors import EddError
from server.fdi.eddl.expressions import Text
from server.fdi.eddl.nodes import Construct, Scalar
from server.fdi.eddl.parser import parse
from server.fdi.eddl.static import evaluate
from tests.kit.edd import HEADER, edd, rules


def _values(expression: str, before: str) -> list[Any]:
    found = edd(f"{before}\nVARIABLE x {{ LABEL {expression}; TYPE FLOAT; }}").items["x"]
    assert isinstance(found, Construct)
    scalar = found.attributes[0].value
    assert isinstance(scalar, Scalar)
    return [value.raw if isinstance(value, Text) else evaluate(value) for value in scalar.values]


@pytest.mark.parametrize(
    ("definitions", "used", "values"),
    [
        ("#define F(...) __VA_ARGS__", "F(1, 2, 3)", [1, 2, 3]),
        ("#define F(a, ...) a, __VA_ARGS__", "F(1, (2), 3)", [1, 2, 3]),
        ("#define F(a, ...) a, ## __VA_ARGS__", "F(1)", [1]),  # the comma goes with what is not there
        ("#define F(a, ...) a, ## __VA_ARGS__", "F(1, 2, 3)", [1, 2, 3]),
        ("#define F(...) #__VA_ARGS__", "F(a, b)", ["a, b"]),
        ("#define N 5\n#define F(a, ...) a, ## __VA_ARGS__", "F(N, N)", [5, 5]),
        ("#define J(a, b) a ## b", "J(, 2)", [2]),
        ("#define J(a, b) a ## b", "J(1, )", [1]),
        ("#define J(a, b) 7 a ## b", "J(, )", [7]),
        ("#define J(a, b, c) a ## b ## c", "J(1, 2, 3)", [123]),
        ("#define AB 9\n#define J(a, b) a ## b", "J(A, B)", [9]),  # what is pasted is looked at again
        ("#define A 1\n#define S(x) #x", "S(A)", ["A"]),  # a text shows the argument as written
        ("#define A 1\n#define S(x) #x\n#define T(x) S(x)", "T(A)", ["1"]),
        ("#define S(x) #x", "S(a+b  c)", ["a+b c"]),
        ("#define S(x) #x", 'S("q\\n")', ['"q\\n"']),
        ("#define EMPTY\n#define F(x) 3 x", "F(EMPTY)", [3]),
        ("#define F(x, y) x + y", "F((1, 2), 3)", None),
    ],
)
def test_macros_follow_c(definitions: str, used: str, values: list[Any] | None) -> None:
    if values is None:  # the comma in brackets does not part arguments, so two arrive: no macro problem
        assert "macro" not in rules(f"{definitions}\nVARIABLE x {{ VALIDITY {used}; TYPE FLOAT; }}")
    else:
        assert _values(used, definitions) == values


def test_line_and_file_are_those_of_the_use() -> None:
    text = HEADER + "#define HERE __LINE__, __FILE__\n\nVARIABLE x { LABEL HERE; TYPE FLOAT; }"
    found = parse(text, file='a"b.ddl').items["x"]
    assert isinstance(found, Construct)
    scalar = found.attributes[0].value
    assert isinstance(scalar, Scalar)
    assert evaluate(scalar.values[0]) == 4
    assert isinstance(scalar.values[1], Text)
    assert scalar.values[1].raw == 'a"b.ddl'


def test_conditions_see_the_line_and_the_macros() -> None:
    source = edd("#if __LINE__ == 2 && defined __LINE__\nVARIABLE yes { }\n#else\nVARIABLE no { }\n#endif")
    assert list(source.items) == ["yes"]


@pytest.mark.parametrize("form", ['#define NAME "in.h"\n#include NAME', "#define NAME <in.h>\n#include NAME"])
def test_an_include_may_be_named_by_a_macro(form: str) -> None:
    asked: list[str] = []

    def include(name: str) -> bytes:
        asked.append(name)
        return b"VARIABLE inner { }"

    assert list(parse(HEADER + form + "\n", include=include).items) == ["inner"]
    assert asked == ["in.h"]


def test_line_numbers_may_come_from_a_macro() -> None:
    assert edd("#define N 50\n#line N\nVARIABLE x { }").items["x"].position.line == 50


@pytest.mark.parametrize(
    "source",
    [
        "#define F(a) ## a",
        "#define F(a) a ##",
        "#define A ## b",
        "#define F(a, ...) a\nF()\nF",  # control of the next two: this one is fine but stands outside a construct
        "#define F(a, b, ...) a\nF(1)",
        "#define F(... , a) a",
        "#define F(a ...) a",
        "#define __LINE__ 1",
        "#undef __FILE__",
        "#define defined 1",
        "#undef defined",
    ],
)
def test_what_c_refuses_is_refused(source: str) -> None:
    with pytest.raises(EddError) as caught:
        edd(source + "\n")
    expected = "syntax" if source.startswith("#define F(a, ...) a\nF()") else "macro"
    assert caught.value.problems[0].rule == expected


def test_a_second_meaning_and_a_warning_are_noted_but_let_through() -> None:
    source = edd("#define N 1\n#define N 1\n#define N 2\n#warning look here\nVARIABLE x { }")
    assert [(problem.line, problem.rule) for problem in source.warnings] == [(4, "macro"), (5, "preprocessor")]
    assert "look here" in source.warnings[1].text


def test_pasting_signs_that_come_with_arguments_paste_nothing() -> None:
    # C 6.10.3.3: only the '##' of the definition is an operator.
    assert "macro" not in rules("#define F(x) x\nMENU m { ITEMS { F(a ## b) } }")


def test_a_flood_of_variable_arguments_ends_at_the_limit() -> None:
    bomb = "#define D(...) __VA_ARGS__, __VA_ARGS__\n" + "D(" * 40 + "1" + ")" * 40
    assert rules(bomb)[-1] == "limit"
