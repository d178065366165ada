"""Attributes and CLASS words that EDDL does not have: most often misspelled, at times a vendor's own, so warnings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator

from server.fdi.eddl.attribute_words import ATTRIBUTES, CLASSES, IN_TRANSACTION, IN_TYPE
from server.fdi.eddl.errors import Findings
from server.fdi.eddl.nodes import Attribute, Conditional, Construct, Content, Transaction, TypeSpec
from server.fdi.eddl.static_view import placed_words

LONGEST = 64  # characters of a word that is compared with others; the time goes with their product
_NUMBERED = re.compile(r"(M(?:IN|AX)_VALUE)\d{1,4}")


def meant(word: str, known: Collection[str]) -> str:
    """`; did you mean LABEL?` for the known word that is most like it, "" when none is."""
    if len(word) > LONGEST:
        return ""
    close = difflib.get_close_matches(word, known, n=1) or difflib.get_close_matches(word.upper(), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def check_spelling(constructs: Iterable[Construct], findings: Findings) -> None:
    """Warn of every attribute and CLASS word that is not known, as long as there is room for warnings."""
    for construct in constructs:
        known = ATTRIBUTES.get(construct.kind)
        if known is None:
            continue
        owner = f"{construct.kind} {construct.name}"
        for attribute in construct.attributes:
            if findings.no_more_warnings:
                return
            _attribute(attribute, known, owner, findings)
            match attribute.value:
                case Transaction(attributes=inner):
                    for part in inner:
                        _attribute(part, IN_TRANSACTION, f"a TRANSACTION of {owner}", findings)
                case TypeSpec(items=items) if construct.kind in IN_TYPE:
                    for part in _attributes(items):
                        _attribute(part, IN_TYPE[construct.kind], f"the TYPE of {owner}", findings)
                case _:
                    pass
            if attribute.name == "CLASS":
                _classes(attribute, owner, findings)


def _attribute(attribute: Attribute, known: frozenset[str], owner: str, findings: Findings) -> None:
    numbered = _NUMBERED.fullmatch(attribute.name)
    name = numbered.group(1) if numbered else attribute.name
    if name not in known and not findings.no_more_warnings:
        text = f"{owner} can have no attribute {attribute.name}{meant(name, known)}"
        findings.warn(attribute.position, "attribute-unknown", text)


def _classes(attribute: Attribute, owner: str, findings: Findings) -> None:
    for word in placed_words(attribute):
        if word.name not in CLASSES and not findings.no_more_warnings:
            text = f"{owner}: there is no CLASS {word.name}{meant(word.name, CLASSES)}"
            findings.warn(word.position, "class-unknown", text)


def _attributes(items: Iterable[Content]) -> Iterator[Attribute]:
    """The attributes among the items, in every branch."""
    for item in items:
        if isinstance(item, Attribute):
            yield item
        elif isinstance(item, Conditional):
            for case in item.cases:
                yield from _attributes(case.content)
            yield from _attributes(item.default or ())
