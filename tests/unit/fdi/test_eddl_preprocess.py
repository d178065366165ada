"""Macros, conditions, includes and splices, with the places of what they bring in."""

from __future__ import annotations

from typing import Any

import pytest

from server.fdi.eddl.errors import EddError
from server.fdi.eddl.expressions import Text
from server.fdi.eddl.nodes import Construct, Edd, Scalar
from server.fdi.eddl.parser import parse
from server.fdi.eddl.static import evaluate
from tests.kit.edd import HEADER, edd


def _values(source: Edd) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in source.items.items():
        assert isinstance(item, Construct)
        scalar = item.attributes[0].value
        assert isinstance(scalar, Scalar)
        first = scalar.values[0]
        found[name] = first.raw if isinstance(first, Text) else evaluate(first)
    return found


def _text(expression: str, before: str = "") -> Any:
    return _values(edd(f"{before}\nVARIABLE x {{ LABEL {expression}; TYPE FLOAT; }}"))["x"]


@pytest.mark.parametrize(
    ("definitions", "used", "value"),
    [
        ("#define N 7", "N", 7),
        ("#define A B\n#define B 3", "A", 3),
        ("#define ADD2(a, b) ((a) + (b))", "ADD2(1, ADD2(2, 3))", 6),
        ("#define NONE() 4", "NONE()", 4),
        ("#define F(x) x\n#define G F", "G(5)", 5),
        ("#define S(x) #x", "S(a + b)", "a + b"),
        ("#define JOIN(a, b) a ## b", "JOIN(1, 2)", 12),
        ("#define N 1\n#undef N\n#define N 2", "N", 2),
        ("#define LONG 1 + \\\n  2", "LONG", 3),
        ("#define F(x) (x * 2) // doubled", "F(4)", 8),
        ("#define F(x) x", "F((2))", 2),
        ("#define N /* a\n comment over lines */ 9", "N", 9),
    ],
)
def test_macros_expand_as_in_c(definitions: str, used: str, value: object) -> None:
    assert _text(used, definitions) == value


def test_a_macro_is_not_expanded_inside_itself() -> None:
    source = edd(
        '#define x x\n#define a b\n#define b a\nVARIABLE x { LABEL "t"; TYPE FLOAT; }\nVARIABLE a { TYPE FLOAT; }'
    )
    assert list(source.items) == ["x", "a"]


def test_a_function_like_name_without_brackets_stays_a_name() -> None:
    assert list(edd("#define F(x) x\nVARIABLE F { TYPE FLOAT; }").items) == ["F"]


@pytest.mark.parametrize(
    ("condition", "taken"),
    [
        ("#if 1", True),
        ("#if 0", False),
        ("#if defined(__TOKVER__) && __TOKVER__ >= 800", True),
        ("#if !defined NEVER", True),
        ("#if UNKNOWN", False),
        ("#if 1 ? 0 : 1", False),
        ("#if (3 + 4 * 2) == 11 && -7 / 2 == -3 && -7 % 2 == -1", True),
        ("#if 0 && 1 / 0", False),
        ("#if 1 || 1 / 0", True),
        ("#if 0x10 == 16 && 010 == 8 && 0b11 == 3 && ~0 == -1", True),
        ("#ifdef __TOKVER__", True),
        ("#ifndef __TOKVER__", False),
        ("#define A 1\n#if A", True),
    ],
)
def test_conditions_choose_what_is_read(condition: str, taken: bool) -> None:
    source = edd(f"{condition}\nVARIABLE yes {{ TYPE FLOAT; }}\n#else\nVARIABLE no {{ TYPE FLOAT; }}\n#endif")
    assert list(source.items) == (["yes"] if taken else ["no"])


def test_only_one_branch_of_nested_conditions_is_read() -> None:
    source = edd(
        "#if 0\n# if 1\nVARIABLE a { }\n# else\nVARIABLE b { }\n# endif\n#elif 1\nVARIABLE c { }\n"
        "#elif 1\nVARIABLE d { }\n#else\nVARIABLE e { }\n#endif\nVARIABLE f { }"
    )
    assert list(source.items) == ["c", "f"]


def test_text_left_out_need_not_be_readable() -> None:
    source = edd("#if 0\nit's \"half a text\n@ $ /* #endif */ \n// #endif\n#endif\nVARIABLE a { }")
    assert list(source.items) == ["a"]


def test_includes_come_from_the_caller_and_keep_their_file_name() -> None:
    asked: list[str] = []

    def include(name: str) -> bytes:
        asked.append(name)
        return b"\nVARIABLE inner { TYPE FLOAT; }"

    text = HEADER + '#include "in.h"\nVARIABLE outer { TYPE FLOAT; }'
    source = parse(text, include=include, file="main.ddl")
    assert asked == ["in.h"]
    places = {name: (item.position.file, item.position.line) for name, item in source.items.items()}
    assert places == {"inner": ("in.h", 2), "outer": ("main.ddl", 3)}


def test_nothing_is_read_from_the_file_system() -> None:
    with pytest.raises(EddError) as caught:
        edd('#include "/etc/hostname"\n')
    assert [problem.rule for problem in caught.value.problems] == ["include"]


def test_a_missing_include_is_named() -> None:
    def include(name: str) -> bytes:
        raise KeyError(name)

    with pytest.raises(EddError) as caught:
        parse(HEADER + '#include "gone.h"\n', include=include)
    assert "gone.h" in caught.value.problems[0].text


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("#error stop here, it's wrong", "preprocessor"),
        ("#if 1\n", "preprocessor"),
        ("#endif", "preprocessor"),
        ("#else", "preprocessor"),
        ("#if 1\n#else\n#else\n#endif", "preprocessor"),
        ("#if 1 +\n#endif", "preprocessor"),
        ("#if 1 / 0\n#endif", "preprocessor"),
        ("#if 1 2\n#endif", "preprocessor"),
        ("#nonsense", "preprocessor"),
        ("#define", "preprocessor"),
        ("#define 7 8", "preprocessor"),
        ("#define F(a, a) a", "macro"),
        ("#define F(1) a", "macro"),
        ("#define F(a) a\nF(1, 2)", "macro"),
        ("#define F(a) a\nF(1", "macro"),
        ("#define F(a, b) a ## b\nF({, })", "macro"),
        ("#include nothing", "include"),
        ("#line x", "preprocessor"),
    ],
)
def test_a_wrong_directive_is_a_problem_with_its_place(source: str, rule: str) -> None:
    with pytest.raises(EddError) as caught:
        edd(source + "\n")
    assert rule in [problem.rule for problem in caught.value.problems]
    assert caught.value.problems[0].line >= 2


def test_line_directive_moves_the_places_that_follow() -> None:
    source = edd('#line 100 "other.ddl"\nVARIABLE x { }')
    assert (source.items["x"].position.file, source.items["x"].position.line) == ("other.ddl", 100)


def test_places_count_physical_lines_across_splices_and_comments() -> None:
    source = edd("/* one\n two */ #define A \\\n 1\nVARI\\\nABLE x { }\nVARIABLE y { }")
    assert source.items["x"].position.line == 5
    assert source.items["y"].position.line == 7


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_line_ending_counts_as_one_line(newline: str) -> None:
    source = parse(HEADER.replace("\n", newline) + newline.join(["#define A 1", "", "VARIABLE x { }"]))
    assert source.items["x"].position.line == 4


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("é".encode(), "é"),
        (b"\xe9", "é"),  # ISO 8859-1, not UTF-8
        ("Насос".encode(), "Насос"),
    ],
)
def test_bytes_are_utf_8_else_latin_1(raw: bytes, expected: str) -> None:
    source = parse(b"\xef\xbb\xbf" * (raw != b"\xe9") + HEADER.encode() + b'VARIABLE x { LABEL "' + raw + b'"; }')
    assert _values(source)["x"] == expected
