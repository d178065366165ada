"""What is printed reads back as the same tree: the corpus, and the places where brackets or escapes decide."""

from __future__ import annotations

import pytest

from server.fdi.eddl.comparing import same
from server.fdi.eddl.nodes import Edd
from server.fdi.eddl.parser import parse
from server.fdi.eddl.printing import print_edd
from tests.kit.edd import FOLDER, edd, read, rules


def _again(source: Edd) -> Edd:
    return parse(print_edd(source))


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.ddl")))
def test_the_corpus_survives_printing(name: str) -> None:
    source = read(name)
    again = _again(source)
    assert same(source, again)
    assert print_edd(again) == print_edd(source)


def _values(*texts: str) -> str:
    return " ".join(f"VARIABLE v{at} {{ VALIDITY {text}; }}" for at, text in enumerate(texts))


def _list(text: str) -> str:
    return f"MENU x {{ ITEMS {{ {text} }} }}"


def _statements(text: str) -> str:
    return f"METHOD x {{ DEFINITION {{ {text} }} }}"


@pytest.mark.parametrize(
    "body",
    [
        _values("(1 + 2) * 3", "1 + 2 * 3", "1 - (2 - 3)", "1 - 2 - 3", "-(-a)", "- -a", "!(a && b)", "~(-1)"),
        _values("(a ? b : c) ? d : e", "a ? (b ? c : d) : e", "(a ? b : c) + 1", "f(a, { b; c }, (d ? 1 : 2))"),
        _values("(a < 3) > b", "a[(1 + b) * 2].c[d]", '[text] + "x"', "0xFFFFFFFFFFFFFFFF", "7u", "1e300", ".5"),
        _values('"a\\"b\\\\c\\n\\001\\t\\x41"', '"|en|A\\|B|de|C"', '"\\|en|x"', '"a|b"', '"|en zz|kurz|en|lang"'),
        _list('(a < 3) > b, a <3>, (a + b) (HIDDEN), (a) (WORD), (a) [d], ("x") "y", (a) { b } c { d }'),
        _list("(ADD) b; (ADD[1]); (DELETE - 1); ADD a; DELETE b; REDEFINE c <1> (INFO); x = (a) [d]"),
        _list("IF (a) { b }; ELSE; IF (a) { } ELSE { IF (b) { c } d } SELECT (a) { DEFAULT: x CASE (1 ? 2 : 3): y }"),
        "VARIABLE x { HANDLING IF (a) { READ; }; ELSE { WRITE } TYPE FLOAT { MIN_VALUE IF (a) { 1; }; ELSE 2; } }",
        'VARIABLE x { TYPE (y); ADD (z); TYPE INDEX (1 + 1) table { DELETE 1; DELETE NAME; ADD { 1, "a" } } }',
        "COMMAND x { TRANSACTION (a) { } TRANSACTION (-1) { } TRANSACTION 2 { REQUEST { } } ADD TRANSACTION { } }",
        _statements("a = b = c; (a = b), c; (a, b); x[(a, b)] = (c, d); f((a, b), c); a = (b, c) ? (d, e) : (f = 1);"),
        _statements("if (a) if (b) ; else c; else if (d) { } else ; while (a) do b; while (c); for (a, b;;) ;"),
        _statements("- -a; - --a; + ++a; f(&a & &b); -(a++); (a++)--; ++(++a); (int)(-a); (unsigned long)(a + b) * 2;"),
        _statements("switch (a, b) { case 1 ? 2 : 3: case 'x': default: { } break; } return; return a, b; continue;"),
        _statements('int a[2][] = { 1, (2, 3) }, b = (c, d); time_t t; DD_STRING s = "a" "|de|b"; char c = \'\\\'\';'),
        _statements("c = '\\n'; c = '\\\\'; c = '\"'; c = '\\0'; c = '\\x1F600'; c = '\\|';"),
        "METHOD x (int &a, char b[], unsigned long &c[], time_t d) { DEFINITION { } } METHOD OF VARIABLE y () { }",
        "UNIT u { a[b].c IF (d) { e, f } : g } WRITE_AS_ONE w { a; b } REFRESH r { : }",
        "RESPONSE_CODES c { } DELETE UNIT u;",
        'x LIKE VARIABLE y { DELETE HELP; REDEFINE LABEL "a"; } ADD z LIKE y { } REDEFINE VARIABLE y { }',
        "IMPORT STANDARD _T, DEVICE_REVISION 1 { EVERYTHING; VARIABLE a; }"
        "IMPORT STANDARD _U { REDEFINITIONS { DELETE METHOD m; b LIKE a { } } } DELETE y LIKE z { }",
    ],
)
def test_meaning_is_kept(body: str) -> None:
    source = edd(body)
    assert same(source, _again(source)), print_edd(source)


def test_brackets_stand_only_where_they_matter() -> None:
    source = edd(_values("((1 * 2)) + ((3))", "(a) && (b || c)"))
    assert "VALIDITY 1 * 2 + 3;" in print_edd(source)
    assert "VALIDITY a && (b || c);" in print_edd(source)


@pytest.mark.parametrize("value", ["NAME", '"two words"', '"a\\|b"', '"int"', "0x10"])
def test_identifications_keep_their_values(value: str) -> None:
    source = parse(f"MANUFACTURER {value}, DEVICE_TYPE 2, DEVICE_REVISION 3, DD_REVISION 4")
    assert same(source, _again(source))


def test_a_name_that_is_a_macro_again_stays_a_name() -> None:
    source = edd("#undef __TOKVER__\nMENU x { ITEMS { __TOKVER__ } }")
    assert same(source, _again(source))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("VARIABLE x { }", "VARIABLE y { }"),
        (_list("a, b"), _list("a; b")),
        (_list("a"), _list("a, b")),
        (_values("1"), _values("1u")),
        (_values("1"), _values("1.0")),
        (_values('"a|en|b"'), _values('"a\\|en|b"')),
        ("IMPORT STANDARD a { }", ""),
    ],
)
def test_the_comparison_sees_what_differs(one: str, other: str) -> None:
    assert not same(edd(one), edd(other))
    assert same(edd(one), edd("\n\n " + one))  # control: places do not count


@pytest.mark.parametrize(
    "program",
    [
        "if (a) ; else " * 150 + ";",  # a chain is one level
        "{" * 50 + "}" * 50,
        "x = " + "a ? 1 : " * 150 + "2;",
        "x = " + "(int)" * 150 + "y;",
        "x = " + "!" * 150 + "y;",
    ],
)
def test_deep_programs_print(program: str) -> None:
    source = edd(_statements(program))
    assert same(source, _again(source))


@pytest.mark.parametrize("program", ["do " * 120 + ";" + " while (a);" * 120, "x = " + "(int)" * 250 + "y;"])
def test_programs_too_deep_to_walk_are_refused(program: str) -> None:
    assert set(rules(_statements(program))) <= {"syntax", "limit"}
