"""Damage that knows what it damages: octets, words of EDDL, elements of XML, items of a ZIP.

Every function takes the input, a source of random numbers, and other inputs to take pieces from.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from random import Random

from lxml import etree

from tests.kit.eddl_words import ATTRIBUTES, BUILTINS, CONSTRUCTS, TYPES, VALUES
from tests.kit.packages import Item, members, raw_zip

Mutator = Callable[[bytes, Random, Sequence[bytes]], bytes]

NUMBERS = (
    *("0", "1", "-1", "2", "3", "7", "0.0", "0.5", "-0.0", "1e308", "1e999", "1e-320", "0x", "0b1", "08", "1.", ".5"),
    *("9" * 5_000, "0x" + "f" * 9_000),  # Python does not convert so many digits
    *("127", "128", "255", "256", "32767", "65535", "65536", "2147483647", "2147483648", "4294967295", "4294967296"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1u", "0xFFull"),
)
_WORDS = tuple(sorted(CONSTRUCTS | TYPES | ATTRIBUTES | VALUES | BUILTINS))
_SIGNS = (
    *("{", "}", "(", ")", "[", "]", ";", ",", ":", ".", "=", "<", ">", "&", "|", "!", "~", "?", "-", "+", "*", "/"),
    *("<<", ">>", "==", "&&", "||", "++", "--", "+=", "/* ", "*/", "//", "\n#if 1\n", "\n#endif\n", "\n#define X X\n"),
    *('"', '"a"', '"|en|a|de|b"', '"%{v} %[9.2f]{1}"', '""', "'c'", "\\", "\x00", "é", "\ufeff"),
    *("IF", "ELSE", "SELECT", "CASE", "DEFAULT", "LIKE", "REDEFINE", "ADD", "DELETE", "IMPORT", "OF", "TRUE"),
    *("if (1)", "else", "for (;;)", "while (1)", "do", "switch (1)", "case 1:", "return", "break;", "int", "char"),
)
_TOKEN = re.compile(
    r'"(?:\\.|[^"\\\n])*"|//[^\n]*|#[^\n]*|[A-Za-z_]\w*|[0-9][\w.]*|<<=|>>=|&&|\|\||\+\+|--|<<|>>|[-+*/%&|^=<>!]=|\s+|.',
    re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z_]\w*")
_NUMBER = re.compile(r"[0-9][\w.]*")
_OPERATOR = re.compile(r"<<|>>|&&|\|\||[-+*/%&|^<>]|[<>=!]=")
_BRACKETS = {"{": "}", "(": ")", "[": "]"}
_TEXTS = (
    *("", " ", "a" * 3_000, "-1", "1e9", "0x7777", "../../x", "/x", "urn:x", "\u202e", "2026-13-45T99:00:00Z", "NaN"),
    *("1.2.3", "99999999999999999999", "|en|x", "true", "c313c606-98ff-4e1e-a135-2883a5ab859f", "text/plain", "#a"),
)
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
_RENAMES = ("../x", "a//b", "a/./b", "/a", "a.", "A.XML", "%2e%2e/x", "a\\b", "con", "_rels/a.rels", "a/", "é.xml", "~")
MOST = 60_000  # octets of an input; longer ones are cut
MOST_PART = 500_000  # octets of an item made by repetition, more than the limits of a case let pass


def _rounds(random: Random, most: int = 6) -> range:
    """A few, one more often than six."""
    count = 1
    while count < most and random.random() < 0.6:
        count += 1
    return range(count)


def octets(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Octets changed, turned, left out, doubled, or taken from another input."""
    made = bytearray(data)
    for _ in _rounds(random):
        at = random.randrange(len(made) + 1)
        end = min(len(made), at + random.randrange(1, 40))
        match random.randrange(6):
            case 0 if at < len(made):
                made[at] = random.randrange(256)
            case 1 if at < len(made):
                made[at] ^= 1 << random.randrange(8)
            case 2:
                del made[at:end]
            case 3:
                made[at:at] = made[at:end] * random.randrange(1, 8)
            case 4:
                other = random.choice(others) if others else data
                start = random.randrange(len(other) + 1)
                made[at:end] = other[start : start + random.randrange(1, 200)]
            case _:
                made[at:at] = random.choice((b"\x00", b"\xff\xff\xff\xff", b"\x80", b"<", b"&", b'"', b"\xef\xbb\xbf"))
    return bytes(made[:MOST])


def _pieces(source: bytes) -> list[str]:
    return _TOKEN.findall(source.decode("utf-8", "surrogateescape"))


def _block(tokens: Sequence[str], random: Random) -> tuple[int, int]:
    """Where a bracketed part with the words before it begins and ends; a few words when there is none."""
    opening = [at for at, token in enumerate(tokens) if token in _BRACKETS]
    if not opening or random.random() < 0.3:
        start = random.randrange(len(tokens))
        return start, min(len(tokens), start + random.randrange(1, 8))
    start = end = random.choice(opening)
    depth = 0
    while end < len(tokens):
        depth += (tokens[end] in _BRACKETS) - (tokens[end] in _BRACKETS.values())
        end += 1
        if depth == 0:
            break
    return max(0, start - random.randrange(5)), end


def words(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Words and bracketed parts of an EDD left out, doubled, exchanged, replaced, repeated or taken from elsewhere."""
    if not data or random.random() < 0.05:
        return octets(data, random, others)
    tokens = _pieces(data)
    if random.random() < 0.6:
        for _ in _rounds(random, 4):
            _gently(tokens, random, others)
            if len(tokens) > MOST:
                break
        return "".join(tokens).encode("utf-8", "surrogateescape")[:MOST]
    for _ in _rounds(random):
        if not tokens:
            break
        at = random.randrange(len(tokens))
        start, end = _block(tokens, random)
        match random.randrange(10):
            case 0:
                del tokens[start:end]
            case 1:
                tokens[end:end] = tokens[start:end]
            case 2:
                moved = tokens[start:end]
                del tokens[start:end]
                to = random.randrange(len(tokens) + 1)
                tokens[to:to] = moved
            case 3:
                del tokens[at : at + random.randrange(1, 3)]
            case 4:
                _other_word(tokens, at, random)
            case 5:
                tokens.insert(at, f" {random.choice(_SIGNS)} ")
            case 6:
                tokens[at] = f" {random.choice(_WORDS)} "
            case 7:
                places = [place for place, token in enumerate(tokens) if token[0].isdigit()]
                tokens[random.choice(places) if places else at] = f" {random.choice(NUMBERS)} "
            case 8 if others:
                foreign = _pieces(random.choice(others))
                if foreign:
                    first, last = _block(foreign, random)
                    tokens[start : end if random.randrange(2) else start] = foreign[first:last]
            case _:
                # Deeply nested or very long: where limits are.
                many = (2, 5, 40, 150) if end - start < 500 else (2,)
                tokens[start:end] = tokens[start:end] * random.choice(many)
        if sum(map(len, tokens)) > MOST:
            break
    return "".join(tokens).encode("utf-8", "surrogateescape")[:MOST]


def _gently(tokens: list[str], random: Random, others: Sequence[bytes]) -> None:
    """A change that the grammar mostly lets pass, so that it reaches what stands behind the grammar."""
    start, end = _statement(tokens, random)
    match random.randrange(7):
        case 0 | 1 | 2:
            of = random.choice((_NAME, _NUMBER, _OPERATOR))
            places = [place for place, token in enumerate(tokens) if of.fullmatch(token)]
            if places:
                fresh = random.choice(NUMBERS[:1] + NUMBERS[3:9] + NUMBERS[-18:]) if of is _NUMBER else ""
                tokens[random.choice(places)] = fresh or tokens[random.choice(places)]
        case 3:
            del tokens[start:end]
        case 4:
            tokens[end:end] = tokens[start:end] * (30 if end - start < 500 and random.random() < 0.25 else 1)
        case 5 if others:
            foreign = _pieces(random.choice(others))
            first, last = _statement(foreign, random)
            tokens[start:start] = foreign[first:last]
        case _:
            moved = tokens[start:end]
            to = _statement(tokens, random)[0]
            tokens[to:to] = moved


def _statement(tokens: Sequence[str], random: Random) -> tuple[int, int]:
    """Where a construct, attribute, member or statement begins and ends."""
    start = random.choice([0, *(at + 1 for at, token in enumerate(tokens) if token in ("{", "}", ";"))])
    depth, end = 0, start
    while end < len(tokens):
        token = tokens[end]
        depth += (token in _BRACKETS) - (token in _BRACKETS.values())
        if depth < 0:
            break
        end += 1
        if depth == 0 and token in (";", "}"):
            break
    return start, end


def _other_word(tokens: list[str], at: int, random: Random) -> None:
    """One name of the source in the place of another: references that lead elsewhere, and in circles."""
    named = [place for place, token in enumerate(tokens) if _NAME.fullmatch(token)]
    tokens[random.choice(named) if named else at] = tokens[random.choice(named)] if named else "x"


def xml(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Elements left out, doubled, moved, nested, renamed; attributes and texts changed; or only octets."""
    try:
        root = etree.fromstring(data, _PARSER)
    except (etree.XMLSyntaxError, ValueError):
        return octets(data, random, others)
    if random.random() < 0.15:
        return octets(data, random, others)
    for _ in _rounds(random):
        elements = [element for element in root.iter() if isinstance(element.tag, str)]
        element, target = random.choice(elements), random.choice(elements)
        parent = element.getparent()
        match random.randrange(10):
            case 0 if parent is not None:
                parent.remove(element)
            case 1 if parent is not None:
                for _ in range(random.choice((1, 1, 3, 60))):
                    parent.append(_copied(element))
            case 2 if parent is not None:
                target.append(_copied(element))
            case 3:
                element.tag = random.choice((target.tag, "x", "{urn:y}" + etree.QName(element).localname))
            case 4:
                element.text = random.choice(_TEXTS)
            case 5 if element.attrib:
                name = random.choice(list(element.attrib))
                element.set(name, random.choice((*_TEXTS, *target.attrib.values())))
            case 6 if element.attrib:
                del element.attrib[random.choice(list(element.attrib))]
            case 7:
                for _ in range(random.choice((2, 10, 80))):
                    element = etree.SubElement(element, target.tag)
            case 8:
                for number in range(random.choice((8, 64, 1_500))):
                    element.set(f"{random.choice(('', '{urn:z}'))}a{number}", "1")
            case _:
                element.set(random.choice(("x", "Id", "{urn:y}z", *target.attrib)), random.choice(_TEXTS))
        if len(elements) > 800:
            break
    made = etree.tostring(root, encoding=random.choice(("utf-8", "utf-8", "utf-8", "utf-16", "ascii")))
    match random.randrange(12):
        case 0:
            made = b'<!DOCTYPE x [<!ENTITY e "eeee">]>' + made
        case 1:
            made = octets(made, random, others)
    return made[:MOST]


def _copied(element: etree._Element) -> etree._Element:
    return etree.fromstring(etree.tostring(element, with_tail=False), _PARSER)


def _part(name: str, data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A part damaged in the way of its kind."""
    if name.endswith((".ddl", ".h", ".toml")):
        return words(data, random, others)
    if name.endswith((".xml", ".rels", ".psdsxs")):
        return xml(data, random, others)
    return octets(data, random, others)


def package(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Items of a package damaged, renamed, left out, added, doubled, or lied about; or only octets of the file."""
    try:
        items = members(data)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, zipfile.zlib.error):
        return octets(data, random, others)
    if not items or random.random() < 0.08:
        return octets(data, random, others)
    lies: dict[str, dict[str, int]] = {}
    doubled: list[Item] = []
    for _ in _rounds(random, 4):
        name = random.choice(list(items))
        match random.randrange(12):
            case 0 if len(items) > 1:
                del items[name]
            case 1:
                items[random.choice((*_RENAMES, name.upper(), name + "/x"))] = items[name]
            case 2:
                items[random.choice(_RENAMES)] = random.choice(others) if others else b""
            case 3:
                doubled.append(Item(name=random.choice((name, name.upper())), data=items[name]))
            case 4:
                what = random.choice(("size", "packed_size", "crc", "flags", "method", "mode"))
                lies.setdefault(name, {})[what] = random.choice((0, 1, 8, 0o120777, 0xFFFF, 0x800, 12))
            case 5:
                items[name] = items[name][: MOST_PART // 500] * random.choice((2, 20, 500))
            case 6 if others:
                items[name] = random.choice(list(_foreign(random.choice(others)).values()) or [b""])
            case _:
                items[name] = _part(name, items[name], random, ())
        if sum(map(len, items.values())) > 300_000:
            break
    made = [Item(name=name, data=content, **lies.get(name, {})) for name, content in items.items()]  # type: ignore[arg-type]
    return raw_zip(made + doubled)


def _foreign(data: bytes) -> dict[str, bytes]:
    try:
        return members(data)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, zipfile.zlib.error):
        return {}
