"""Hostile EDD sources end in an EddError or a tree, within bounded time, never in anything else."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.fdi.eddl.errors import EddError
from server.fdi.eddl.limits import EddLimits
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.parser import parse
from server.fdi.eddl.resolve import resolve
from server.fdi.eddl.strings import DictionaryError, parse_dictionary
from tests.fuzz.eddl_cases import NotTheSameError, check, one_edd_case
from tests.kit.edd import CORPUS, FOLDER, HEADER
from tests.kit.edd_strategies import edds

QUICK_S = 20.0  # far above what any of these needs, far below a runaway

COMPACT = r"""
#define F(a, b) a ## b
#if defined(F) && 1 /* c */
VARIABLE v { LABEL "|en|a\"|ru|б" ; HELP [t]; CLASS A & B; HANDLING IF (w == 3) { READ; } ELSE { WRITE; }
 TYPE ENUMERATED (1) { DEFAULT_VALUE F(1, 2); { 1, "x" } SELECT (w) { CASE 1: { 2, "y", "h" } DEFAULT: }
 MAX_VALUE -1.5e3; } }
#else
#error "x"
#endif
w LIKE VARIABLE v { REDEFINE LABEL "w"; DELETE HELP; }
IMPORT STANDARD X { EVERYTHING; REDEFINITIONS { DELETE MENU m; } }
UNIT u { v : w, v[1].X }
COMMAND c { NUMBER 1; TRANSACTION 0 { REQUEST { v <0x0F> (INFO), 7 } REPLY { } } }
MENU n { ITEMS { v (READ_ONLY), COLUMNBREAK, "t", IF (v) { w } m(1, 2) } };
METHOD m (long &a, char b[]) { DEFINITION { int i = 'c', k[2] = { 1 }; for (;;) { i += (long)v * 2; break; }
 switch (i) { case 1: default: f(&i); } if (!i) ; else do i--; while (i ? 1 : 0); return v; } }
"""


def _survives(source: str | bytes, limits: EddLimits | None = None) -> EddModel | EddError:
    started = time.monotonic()
    try:
        return resolve(
            parse(source, limits=limits or EddLimits(), include=lambda name: b"#include <" + name.encode() + b">")
        )
    except EddError as error:
        assert error.problems
        assert all(problem.line >= 1 and problem.column >= 1 and problem.text for problem in error.problems)
        return error
    finally:
        assert time.monotonic() - started < QUICK_S


def test_a_source_cut_at_any_character_is_refused_or_read() -> None:
    source = HEADER + COMPACT
    assert isinstance(_survives(source), EddModel)  # control: whole, it is fine
    for end in range(len(source)):
        _survives(source[:end])


def test_a_source_that_starts_at_any_character_is_refused_or_read() -> None:
    for start in range(0, len(COMPACT), 3):
        _survives(HEADER + COMPACT[start:])


@pytest.mark.parametrize("name", ["pump.ddl", "dialects.ddl", "forms.ddl"])
def test_corpus_files_cut_or_damaged(name: str) -> None:
    whole = (FOLDER / name).read_bytes()
    randomness = random.Random(7)
    for _ in range(40):
        end = randomness.randrange(len(whole))
        _survives(whole[:end])
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[randomness.randrange(len(damaged))] = randomness.randrange(256)
        _survives(bytes(damaged))


DEEP = 20_000
HOSTILE = {
    "braces": "VARIABLE x " + "{" * DEEP,
    "closing braces": "}" * DEEP,
    "brackets": "VARIABLE x { VALIDITY " + "(" * DEEP,
    "indexes": "MENU x { ITEMS { a" + "[a" * DEEP,
    "conditions": "VARIABLE x { VALIDITY " + "IF (a) { " * DEEP,
    "else chain": "VARIABLE x { VALIDITY " + "IF (a) { 1; } ELSE " * DEEP,
    "groups": "MENU x { ITEMS { " + "{ " * DEEP,
    "signs": "VARIABLE x { VALIDITY " + "- " * DEEP,
    "sum": "VARIABLE x { VALIDITY 1" + " + 1" * DEEP + "; }",
    "ternaries": "VARIABLE x { VALIDITY " + "a ? 1 : " * DEEP + "2; }",
    "sums in arguments": "VARIABLE x { VALIDITY " + ("f(1" + " + 1" * 150 + ", { ") * 200,
    "assignments": "METHOD x { DEFINITION { " + "a = " * DEEP + "1; } }",
    "ifs": "METHOD x { DEFINITION { " + "if (a) " * DEEP + "; } }",
    "casts": "METHOD x { DEFINITION { a = " + "(int)" * DEEP + "1; } }",
    "else ifs": "METHOD x { DEFINITION { " + "if (a) ; else " * DEEP + "; } }",
    "steps": "MENU x { ITEMS { a" + ".b" * DEEP + " } }",
    "long name": "VARIABLE " + "x" * 500_000 + " { TYPE FLOAT; }",
    "long number": "VARIABLE x { TYPE FLOAT { MIN_VALUE " + "9" * 100_000 + "; } }",
    "big shift": "VARIABLE x { TYPE FLOAT { MIN_VALUE 1 << 1000000000; } }",
    "products": "VARIABLE x { TYPE FLOAT { MIN_VALUE " + "*".join(["0xFFFFFFFFFFFFFFFF"] * 150) + "; } }",
    "semicolons": ";" * 100_000,
    "strings": "VARIABLE x { LABEL " + '"a" ' * DEEP + "; TYPE FLOAT; }",
    "languages": 'VARIABLE x { LABEL "' + "|en|" * 10_000 + '"; TYPE FLOAT; }',
    "open comments left out": "#if 0\n" + "/*" * 200_000,
    "open texts left out": "#if 0\n" + '"\\' * 200_000,
    "quotes in a directive": "#define A " + '"\\' * 200_000,
    "hashes": "# # # " * 50_000,
    "conditions of the preprocessor": "#if 0\n" * DEEP,
    "open conditions": "#if 1\n" * DEEP,
    "brackets of a condition": "#if " + "(" * DEEP + "1\n",
    "signs of a condition": "#if " + "-" * DEEP + "1\n",
    "macro in itself": "#define A A A A A\nA\n",
    "macro bomb": "#define A0 x x\n" + "".join(f"#define A{n + 1} A{n} A{n}\n" for n in range(60)) + "A60\n",
    "argument bomb": "#define F(x) x x\n" + "F(" * 60 + "1" + ")" * 60,
    "nested arguments": "#define F(x) x\n" + "F(" * 5_000 + "1" + ")" * 5_000,
    "stringized bomb": "#define S(x) #x\n" + "S(" * 3_000 + "1" + ")" * 3_000,
    "pasted bomb": "#define P(x) x ## x\n" + "P(" * 40 + "a" + ")" * 40,
    "include loop": '#include "again"\n',
    "members in a circle": "COLLECTION a { MEMBERS { X, b.X; } } COLLECTION b { MEMBERS { X, a.X; } }",
    "elements in a circle": "ARRAY OF V a { ELEMENTS { 0, a[i]; 1, a[i]; 2, a[1]; } } VARIABLE i { TYPE DATE; }",
    "many members": "COLLECTION a { MEMBERS { " + "".join(f"M{n}, a.M{n + 1}; " for n in range(2_000)) + "} }",
    "long menu": "MENU a { ITEMS { " + "a, " * DEEP + "} }",
    "menu chain": "".join(f"MENU m{n} {{ ITEMS {{ m{n + 1} }} }}" for n in range(3_000)) + "MENU m3000 { ITEMS { } }",
    "like chain": "".join(f"a{n} LIKE a{n + 1} {{ }}" for n in range(3_000)) + "VARIABLE a3000 { TYPE FLOAT; }",
    "null octets": "VARIABLE x { \0\0\0 }",
    "byte order marks": "\ufeff" * 1_000,
    "lone surrogate": 'VARIABLE x { LABEL "\ud800"; TYPE FLOAT; }',
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_source_is_survived(name: str) -> None:
    _survives(HEADER + HOSTILE[name])


def test_an_oversized_source_is_refused_before_it_is_read() -> None:
    refused = _survives(b"{" * 20_000_000)
    assert isinstance(refused, EddError)
    assert [problem.rule for problem in refused.problems] == ["limit"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400))
def test_any_octets_are_survived(octets: bytes) -> None:
    _survives(octets)
    _survives(HEADER.encode() + octets)


_WORDS = st.sampled_from(
    [
        *("VARIABLE", "x", "y", "{", "}", "(", ")", "[", "]", ";", ",", ":", ".", "=", "<", ">", "0x0F", "1", "2.5"),
        *("TYPE", "FLOAT", "ENUMERATED", '"t"', '"|en|a|ru|b"', "IF", "ELSE", "SELECT", "CASE", "DEFAULT", "&", "-"),
        *("LABEL", "MENU", "ITEMS", "METHOD", "DEFINITION", "if", "else", "for", "int", "MEMBERS", "COLLECTION", "OF"),
        *("LIKE", "REDEFINE", "DELETE", "ADD", "UNIT", "TRANSACTION", "REQUEST", "IMPORT", "REDEFINITIONS", "?", "'c'"),
        *("\n#define x y\n", "\n#if 1\n", "\n#endif\n", "\n#else\n", "//", "/*", "*/", "\\\n", "++", "return", "while"),
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_WORDS, max_size=60))
def test_any_order_of_words_is_survived(words: list[str]) -> None:
    _survives(HEADER + " ".join(words))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(COMPACT)), st.integers(0, 12), st.text(max_size=12))
def test_any_edit_of_a_good_source_is_survived(at: int, length: int, text: str) -> None:
    _survives(HEADER + COMPACT[:at] + text + COMPACT[at + length :])


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet='[]0,1 ab"|en\\\n/*', max_size=60))
def test_any_dictionary_is_refused_or_read(text: str) -> None:
    try:
        parse_dictionary(text)
    except DictionaryError as error:
        assert error.line >= 1


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(edds)
def test_a_source_made_from_the_grammar_parses_prints_and_reads_back(source: str) -> None:
    parse(source)  # whatever it means, its form is right
    one_edd_case(source.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", CORPUS)
def test_a_damaged_file_of_the_corpus_is_refused_or_reads_back(name: str) -> None:
    whole = (FOLDER / name).read_bytes()
    randomness = random.Random(name)
    one_edd_case(whole)
    started = time.monotonic()
    for _ in range(15):
        damaged = bytearray(whole)
        for _ in range(randomness.randrange(1, 4)):
            at = randomness.randrange(len(damaged))
            match randomness.randrange(4):
                case 0:
                    damaged[at] = randomness.randrange(256)
                case 1:
                    del damaged[at : at + randomness.randrange(1, 40)]
                case 2:
                    start = randomness.randrange(len(whole))
                    damaged[at:at] = whole[start : start + randomness.randrange(1, 40)]
                case _:
                    damaged[at] ^= 1 << randomness.randrange(8)
        one_edd_case(bytes(damaged))
    assert time.monotonic() - started < 15 * QUICK_S


def test_the_case_for_fuzzers_tells_what_it_is_looking_for(monkeypatch: pytest.MonkeyPatch) -> None:
    one_edd_case(b"\xff\x00{")  # control: refused, so nothing is raised
    monkeypatch.setattr("tests.fuzz.eddl_cases.print_edd", lambda _: HEADER)
    with pytest.raises(NotTheSameError):
        one_edd_case((HEADER + "VARIABLE x { TYPE FLOAT; }").encode())
    with pytest.raises(ValueError, match="without problems"):
        check(EddError([]))
