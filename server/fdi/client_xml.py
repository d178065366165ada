"""XML for FDI Clients: a small tree that is written as one text; values as texts and texts as values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from server.core.clock import TimeUs, from_datetime
from server.core.values import Scalar
from server.fdi.client_literals import CLIENT_NAMESPACE
from server.model.device_type import DataType

# What XML 1.0 cannot carry at all; such characters come from devices and METHODs and are shown as U+FFFD.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
)
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NUMBER_LENGTH = 400
_MOMENT_LENGTH = 40


@dataclass(slots=True)
class Element:
    """One element to be written: attributes without a value (None, "") are left out."""

    name: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def add(self, *children: Element | None) -> Element:
        """Append those that are there; the element itself, for chaining."""
        self.children += [child for child in children if child is not None]
        return self


def leaf(name: str, text: str, **attributes: str | None) -> Element:
    """An element with text only."""
    return Element(name, attributes, text=text)


def optional_leaf(name: str, text: str) -> Element | None:
    """An element with text, or None when there is no text."""
    return Element(name, text=text) if text else None


def document(root: Element) -> str:
    """The whole document in the client namespace. Depth is the caller's: trees here are bounded by their makers."""
    parts: list[str] = []
    _write(root, parts, f' xmlns="{CLIENT_NAMESPACE}"')
    return "".join(parts)


def _write(element: Element, parts: list[str], declared: str = "") -> None:
    parts.append(f"<{element.name}{declared}")
    for key, value in element.attributes.items():
        if value:
            parts.append(f' {key}="{_ILLEGAL.sub(chr(0xFFFD), value).translate(_ATTRIBUTE)}"')
    if not element.children and not element.text:
        parts.append("/>")
        return
    parts.append(">")
    if element.text:
        parts.append(_ILLEGAL.sub("\ufffd", element.text).translate(_TEXT))
    for child in element.children:
        _write(child, parts)
    parts.append(f"</{element.name}>")


def text_of(value: Scalar | None) -> str:
    """A value as XSD writes it; bytes in hex; "" for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        return repr(value) if math.isfinite(value) else ("INF" if value > 0 else "-INF")
    return str(value)


def _moment(word: str) -> TimeUs | None:
    """A moment as xs:dateTime; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(word if len(word) <= _MOMENT_LENGTH else "")
        return from_datetime(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def value_of(text: str, data_type: DataType) -> Scalar | None:
    """The value that a text stands for, or None when it stands for none of that type. Ranges are not judged."""
    if data_type is DataType.STRING:
        return text
    word = text.strip()
    if data_type is DataType.DATETIME:
        return _moment(word)
    if data_type is DataType.BOOLEAN:
        return {"true": True, "1": True, "false": False, "0": False}.get(word)
    if data_type is DataType.BYTESTRING:
        try:
            return bytes.fromhex(word)
        except ValueError:
            return None
    if len(word) > _NUMBER_LENGTH:
        return None
    if data_type.integer:
        return int(word) if _WHOLE.fullmatch(word) else None
    if word in ("NaN", "INF", "-INF"):
        return float(word.replace("INF", "inf"))
    return float(word) if _REAL.fullmatch(word) else None
