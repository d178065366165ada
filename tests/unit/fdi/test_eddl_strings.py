"""Escapes, languages inside one text, and dictionary files."""

from __future__ import annotations

import pytest

from server.fdi.eddl.limits import EddLimits
from server.fdi.eddl.strings import DictionaryError, decode, parse_dictionary, plain, split_languages


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (r'"a\tb\n"', "a\tb\n"),
        (r'"\"q\" \\ \' \?"', '"q" \\ \' ?'),
        (r'"\101\x42\x1F600"', "AB" + chr(0x1F600)),
        (r'"\0"', "\0"),
        (r'"\xD800"', "\ufffd"),
        (r'"a\|b"', "a|b"),
        ('""', ""),
    ],
)
def test_escapes_decode_as_in_c(literal: str, text: str) -> None:
    assert plain(decode(literal)) == text


@pytest.mark.parametrize(
    ("literal", "languages"),
    [
        ('"Voltage"', {"en": "Voltage"}),
        ('"|en|Voltage|de|Spannung|ru|Напряжение"', {"en": "Voltage", "de": "Spannung", "ru": "Напряжение"}),
        ('"Voltage|de|Spannung"', {"en": "Voltage", "de": "Spannung"}),
        ('"|de|Spannung"', {"de": "Spannung"}),
        ('"|en|Voltage|en zz|V"', {"en": "Voltage", "en zz": "V"}),
        (r'"|en|on\|off|de|an"', {"en": "on|off", "de": "an"}),
        ('"a | b"', {"en": "a | b"}),
        ('"|EN|x"', {"en": "|EN|x"}),
        ('"|en|first|en|second"', {"en": "first"}),
        ('""', {"en": ""}),
    ],
)
def test_one_text_splits_into_its_languages(literal: str, languages: dict[str, str]) -> None:
    assert split_languages(decode(literal)) == languages


def test_dictionary_entries_join_their_pieces() -> None:
    source = """
    /* texts */ [100,1] voltage "|en|Voltage" "|ru|Напряжение" // one
    [100,2]
    current "Cur" "rent"
    """
    assert parse_dictionary(source) == {
        "voltage": {"en": "Voltage", "ru": "Напряжение"},
        "current": {"en": "Current"},
    }


def test_dictionary_bytes_may_be_latin_1() -> None:
    assert parse_dictionary('[1,1] a "é"'.encode("iso-8859-1")) == {"a": {"en": "é"}}


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('[1,1] a\n[1,2] b "x"', 1),
        ('\n"text without a name"', 1),
        ("[1,1] a 7", 1),
        ('[1,1] a "x\n', 1),
        ("[1,1] a", 1),
    ],
)
def test_a_broken_dictionary_is_refused(source: str, line: int) -> None:
    with pytest.raises(DictionaryError) as caught:
        parse_dictionary(source)
    assert caught.value.line >= line


def test_dictionary_size_is_limited() -> None:
    with pytest.raises(DictionaryError, match="more than 10"):
        parse_dictionary('[1,1] a "0123456789"', limits=EddLimits(source_bytes=10))
