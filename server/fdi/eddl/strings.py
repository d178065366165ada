"""Texts of EDDL: escapes, languages inside one string, dictionary files."""

from __future__ import annotations

import re
from collections.abc import Mapping

from server.fdi.eddl.limits import DEFAULT_LIMITS, EddLimits

LITERAL_BAR = "\ue000"  # stands for an escaped bar between decoding and splitting
DEFAULT_LANGUAGE = "en"

_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,6})|(.))", re.DOTALL)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "|": LITERAL_BAR}
_LANGUAGE = re.compile(r"\|([a-z]{2}(?: zz)?)\|")
_ENTRY = re.compile(
    r"(?P<gap>(?:\s++|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+)"
    r"(?:(?P<place>\[\s*+\d++\s*+,\s*+\d++\s*+\])|(?P<name>[A-Za-z_]\w*+)|(?P<text>\"(?:[^\"\\]++|\\.)*+\")"
    r"|(?P<end>\Z)|(?P<bad>.))",
    re.DOTALL | re.ASCII,
)


def _escaped(match: re.Match[str]) -> str:
    octal, hexadecimal, other = match.groups()
    if octal is not None:
        return chr(int(octal, 8))
    if hexadecimal is not None:
        code = int(hexadecimal, 16)
        return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else "\ufffd"
    return _SIMPLE.get(other, other)


def decode(literal: str) -> str:
    """The text of a literal with its quotation marks taken off; an escaped bar becomes LITERAL_BAR."""
    inner = literal[1:-1]
    return _ESCAPE.sub(_escaped, inner) if "\\" in inner else inner


def plain(decoded: str) -> str:
    """A decoded text with escaped bars put back."""
    return decoded.replace(LITERAL_BAR, "|")


def split_languages(decoded: str) -> dict[str, str]:
    """Text by language: `|en|A|de|B` gives both; text before the first code, or without any, is English."""
    if "|" not in decoded:
        return {DEFAULT_LANGUAGE: plain(decoded)}
    pieces = _LANGUAGE.split(decoded)
    found: dict[str, str] = {}
    if pieces[0] or len(pieces) == 1:
        found[DEFAULT_LANGUAGE] = plain(pieces[0])
    for language, text in zip(pieces[1::2], pieces[2::2], strict=True):
        found.setdefault(language, plain(text))
    return found


class DictionaryError(ValueError):
    """A dictionary file that cannot be read; `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"line {line}: {text}")
        self.line = line


def parse_dictionary(source: str | bytes, *, limits: EddLimits = DEFAULT_LIMITS) -> Mapping[str, Mapping[str, str]]:
    """A dictionary file (`[section,offset] identifier "text"`) as text by language by identifier.

    Raises DictionaryError; the first entry of an identifier stands.
    """
    if len(source) > limits.source_bytes:
        raise DictionaryError(1, f"the dictionary has {len(source)} octets, more than {limits.source_bytes}")
    text = source if isinstance(source, str) else decode_bytes(source)
    entries: dict[str, Mapping[str, str]] = {}
    name: str | None = None
    texts: list[str] = []
    at = 0
    while True:
        match = _ENTRY.match(text, at)
        kind = match.lastgroup if match else "bad"
        if match is None or kind == "bad":
            at = match.end("gap") if match else at
            raise DictionaryError(
                text.count("\n", 0, at) + 1, "expected [section,offset], an identifier or a text in quotation marks"
            )
        if kind != "text" and name is not None and (texts or kind != "place"):
            if not texts:
                raise DictionaryError(text.count("\n", 0, at) + 1, f"the entry {name} has no text")
            entries.setdefault(name, split_languages("".join(texts)))
            name, texts = None, []
        if kind == "end":
            return entries
        if kind == "name":
            name = match.group("name")
        elif kind == "text":
            if name is None:
                raise DictionaryError(text.count("\n", 0, at) + 1, "a text without an identifier before it")
            texts.append(decode(match.group("text")))
        at = match.end()


def decode_bytes(source: bytes) -> str:
    """Bytes as UTF-8 (with or without mark), else as ISO 8859-1, which takes any octet."""
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError:
        return source.decode("iso-8859-1")
