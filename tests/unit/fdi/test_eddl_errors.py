"""Problems name file, line, column, rule and text; several at once; every limit holds."""

from __future__ import annotations

import dataclasses

import pytest

from server.core.errors import RemoteError
from server.fdi.eddl.errors import EddError, Problem
from server.fdi.eddl.limits import DEFAULT_LIMITS, EddLimits
from server.fdi.eddl.parser import parse
from tests.kit.edd import HEADER, edd, problems


def _refused(source: str | bytes, limits: EddLimits = DEFAULT_LIMITS) -> tuple[Problem, ...]:
    with pytest.raises(EddError) as caught:
        parse(source, limits=limits)
    return caught.value.problems


def test_a_problem_names_its_place_and_shows_the_line() -> None:
    (found,) = _refused(HEADER + 'VARIABLE x {\n   LABEL "a" "b" HELP "c";\n}')
    assert (found.file, found.line, found.column, found.rule) == ("device.ddl", 3, 18, "syntax")
    assert found.excerpt == 'LABEL "a" "b" HELP "c";'
    assert "'HELP' is not expected here" in found.text
    assert "';'" in found.text  # what is missing


def test_the_message_reads_like_a_compilers() -> None:
    with pytest.raises(EddError, match=r"device\.ddl:2:12: .*\[syntax\]") as caught:
        edd("VARIABLE x 7 { }")
    assert isinstance(caught.value, RemoteError)


def test_reading_goes_on_after_a_broken_construct() -> None:
    found = _refused(
        HEADER
        + "VARIABLE a { LABEL ; }\n"  # 2
        + "VARIABLE b { TYPE FLOAT; }\n"
        + "MENU m { ITEMS { ) } }\n"  # 4
        + "VARIABLE c { TYPE FLOAT\n"  # 5: the brace of line 6 closes it
        + "}\n"
        + "METHOD d { DEFINITION { x = ; } }\n"  # 7
    )
    assert [problem.line for problem in found] == [2, 4, 6, 7]


def test_a_forgotten_closing_brace_costs_one_problem() -> None:
    found = _refused(HEADER + 'VARIABLE a {\n LABEL "x";\n\nVARIABLE b { LABEL ; }\nVARIABLE c { TYPE FLOAT; }\n')
    assert [problem.line for problem in found] == [5, 5]


def test_a_brace_too_many_costs_one_problem() -> None:
    assert [p.line for p in _refused(HEADER + "VARIABLE a { TYPE FLOAT; }\n}\nVARIABLE b { TYPE FLOAT; }")] == [3]


def test_what_was_expected_is_said_when_it_is_short() -> None:
    (found,) = _refused(HEADER + "VARIABLE x { TYPE ASCII (8; }")
    assert "')'" in found.text


def test_the_source_ends_inside_a_construct() -> None:
    (found,) = _refused(HEADER + "VARIABLE a { TYPE FLOAT;")
    assert "ends inside" in found.text


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("", "identification"),
        ("VARIABLE a { TYPE FLOAT; }", "identification"),
        ("MANUFACTURER 1", "identification"),
        ("MANUFACTURER 1, DEVICE_TYPE 2, DEVICE_REVISION 3, DD_REVISION 4, DD_REVISION 5", "identification"),
        ("MANUFACTURER , DEVICE_TYPE", "syntax"),
        (HEADER + 'VARIABLE a { LABEL "never closed; }', "string"),
        (HEADER + "/* never closed", "comment"),
        (HEADER + "VARIABLE a { @ }", "character"),
        (HEADER + "METHOD a { DEFINITION { x = 'ab'; } }", "character"),
        (HEADER + "METHOD a { DEFINITION { x = ''; } }", "character"),
        (HEADER + "VARIABLE a { TYPE FLOAT { MIN_VALUE 09; } }", "number"),
        (HEADER + "MENU a { ITEMS { a <1> (b + 1) } }", "syntax"),
        (HEADER + "MENU a { ITEMS { SELECT (b) { DEFAULT: c DEFAULT: d } } }", "syntax"),
        (HEADER + "METHOD a (int -b) { DEFINITION { } }", "syntax"),
    ],
)
def test_each_kind_of_mistake_has_its_rule(source: str, rule: str) -> None:
    assert rule in [problem.rule for problem in _refused(source)]


def test_the_list_of_problems_is_bounded() -> None:
    found = _refused(HEADER + "VARIABLE a { LABEL ; }\n" * 100)
    assert len(found) == DEFAULT_LIMITS.problems


CROSSED = {
    "source_bytes": (EddLimits(source_bytes=200), 'VARIABLE x { LABEL "' + "a" * 200 + '"; }'),
    "tokens": (EddLimits(tokens=50), "VARIABLE x { TYPE FLOAT; }" * 10),
    "macros": (EddLimits(macros=5), "\n".join(f"#define A{n} 1" for n in range(10)) + "\n"),
    "expansions": (EddLimits(expansions=100), "#define A 1 1 1 1 1 1\n" + "A " * 50),
    "string_chars": (EddLimits(string_chars=100), 'VARIABLE x { LABEL "' + '" "'.join("abcdefghij" * 5) + '"; }'),
    "nesting": (EddLimits(nesting=10), "VARIABLE x { VALIDITY " + "(" * 12 + "1" + ")" * 12 + "; }"),
    "operators": (EddLimits(operators=20), "VARIABLE x { VALIDITY " + "+".join("1" * 30) + "; }"),
    "open_rules": (
        EddLimits(open_rules=60),
        "METHOD x { DEFINITION { " + "if (1) a; else " * 30 + "b; } }",
    ),
    "constructs": (EddLimits(constructs=3), "".join(f"VARIABLE x{n} {{ TYPE FLOAT; }}" for n in range(5))),
}


@pytest.mark.parametrize("name", sorted(CROSSED))
def test_a_source_past_a_limit_is_refused(name: str) -> None:
    limits, body = CROSSED[name]
    found = _refused(HEADER + body, limits)
    assert found[-1].rule == "limit"
    roomy = dataclasses.replace(limits, **{name: getattr(DEFAULT_LIMITS, name)})
    if name not in ("expansions",):  # control: only this limit stood in the way
        assert parse(HEADER + body, limits=roomy).identification


@pytest.mark.parametrize(
    ("name", "limits"),
    [("include_depth", EddLimits(include_depth=5)), ("includes", EddLimits(includes=10))],
)
def test_files_that_include_each_other_end(name: str, limits: EddLimits) -> None:
    wide = name == "includes"

    def include(file: str) -> bytes:
        return b"VARIABLE x { }\n" if wide else b'#include "' + file.encode() + b'"\n'

    with pytest.raises(EddError) as caught:
        parse(HEADER + '#include "a.h"\n' * 20, include=include, limits=limits)
    assert caught.value.problems[-1].rule == "limit"


def test_included_bytes_count_with_the_source() -> None:
    with pytest.raises(EddError) as caught:
        parse(HEADER + '#include "a.h"\n', include=lambda _: b" " * 500, limits=EddLimits(source_bytes=500))
    assert caught.value.problems[-1].rule == "limit"


def test_the_limits_of_resolving_are_crossed_elsewhere_and_all_have_defaults() -> None:
    named = {field.name for field in dataclasses.fields(EddLimits)}
    crossed = {*CROSSED, "include_depth", "includes", "problems", "menu_depth", "import_depth", "imports", "inherited"}
    assert named == crossed


def test_problems_of_an_included_file_name_that_file() -> None:
    with pytest.raises(EddError) as caught:
        parse(HEADER + '#include "in.h"\n', include=lambda _: b"\n\nVARIABLE x { LABEL ; }")
    found = caught.value.problems[0]
    assert (found.file, found.line, found.excerpt) == ("in.h", 3, "VARIABLE x { LABEL ; }")


def test_problems_inside_a_macro_name_the_place_of_use() -> None:
    found = problems("#define BAD VARIABLE x { LABEL ; }\n\nBAD\n")
    assert found[0].line == 4


@pytest.mark.parametrize(
    ("body", "inside"),
    [
        ("VARIABLE x { LABEL ; }", "in LABEL of VARIABLE x"),
        ('VARIABLE x { LABEL "a"; TYPE FLOAT { MIN_VALUE ; } }', "in TYPE of VARIABLE x"),
        ("VARIABLE x { LABEL } ", "in LABEL of VARIABLE x"),
        ("MENU x { ) }", "in MENU x"),
        ("COLLECTION OF VARIABLE x { MEMBERS { ) } }", "in MEMBERS of COLLECTION x"),
        ("x LIKE VARIABLE y { REDEFINE LABEL ; }", "in LABEL of x"),
        ("REDEFINE VARIABLE x { LABEL ; }", "in LABEL of VARIABLE x"),
        ("METHOD x (int a) { DEFINITION { a = ; } }", "in DEFINITION of METHOD x"),
        ("IMPORT STANDARD x { EVERYTHING ) }", "in EVERYTHING of IMPORT"),
        ("VARIABLE x { TYPE FLOAT;", "ends inside VARIABLE x"),
    ],
)
def test_a_problem_names_the_construct_and_attribute_it_stands_in(body: str, inside: str) -> None:
    assert inside in _refused(HEADER + body)[0].text


def test_a_problem_in_the_head_of_a_construct_names_none() -> None:
    assert " in " not in _refused(HEADER + "VARIABLE 7 { }")[0].text


def test_a_problem_is_shown_with_its_line_and_a_caret() -> None:
    (found,) = _refused(HEADER + '\t VARIABLE x {\n\t LABEL "a"\t"b" HELP "c";\n}')
    place, line, caret = found.shown().split("\n")
    assert place == str(found)
    assert line == '    LABEL "a"\t"b" HELP "c";'
    assert caret == "             \t    ^"
    assert line.index("HELP") == caret.index("^")


def test_a_long_line_is_shown_around_the_place() -> None:
    (found,) = _refused(HEADER + "VARIABLE x { LABEL " + '"a" ' * 100 + "HELP; }")
    assert found.excerpt[found.caret or 0 :].startswith("HELP; }")
    assert len(found.excerpt) <= 120


def test_a_problem_without_its_source_shows_its_place_alone() -> None:
    found = Problem("gone.ddl", 3, 4, "syntax", "wrong")
    assert found.shown() == "gone.ddl:3:4: wrong [syntax]"
    assert Problem("a", 1, 1, "r", "t", "line").shown() == "a:1:1: t [r]\n    line"  # a place outside the line
