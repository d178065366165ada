"""How values are taken out of catalog elements; what is odd is noted, what is wrong is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from server.core.texts import NO_TEXT, Texts
from server.fdi.errors import Finding, PackageError
from server.fdi.xml_reader import XmlElement

_UUID = re.compile(r"\{?([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})\}?")
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){1,3}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
LONGEST_TEXT = 256  # String256T

_T = TypeVar("_T")


def version_key(version: str) -> tuple[int, ...]:
    """A version as numbers to compare; missing fields are zero.

    Raises:
        ValueError: not two to four numbers between dots.
    """
    if not _VERSION.fullmatch(version):
        raise ValueError(f"{version!r} is no version such as 1.2.0")
    fields = [int(part) for part in version.split(".")]
    return tuple(fields + [0] * (4 - len(fields)))


def package_id(text: str) -> str | None:
    """A UUID in lower case without braces, or None when the text is none."""
    match = _UUID.fullmatch(text)
    return match.group(1).lower() if match else None


class Values:
    """Reads elements of one part."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.findings: list[Finding] = []

    def refuse(self, reason: str, line: int, rule: str = "catalog.element") -> PackageError:
        """The error that refuses the part."""
        return PackageError(reason, part=self.part, line=line, rule=rule)

    def warn(self, reason: str, line: int, rule: str) -> None:
        """Note something odd."""
        self.findings.append(Finding(rule=rule, text=reason, part=self.part, line=line))

    def texts(self, element: XmlElement | None) -> Texts:
        """A LocalizedStringT; the first value without language is the English one."""
        if element is None:
            return NO_TEXT
        found: dict[str, str] = {}
        for value in element.named("value"):
            language = value.attributes.get("lang") or value.attributes.get(_XML_LANG) or "en"
            if not _LANGUAGE.fullmatch(language):
                raise self.refuse(f"lang {language!r} is no language code", value.line)
            found.setdefault(language.lower(), value.text)
        if not found and element.text:
            found["en"] = element.text
        return Texts(found) if found else NO_TEXT

    def text(self, element: XmlElement, name: str, longest: int = LONGEST_TEXT) -> str:
        """The text of a mandatory child."""
        child = element.first(name)
        if child is None or not child.text:
            raise self.refuse(f"{name} is missing or empty", child.line if child else element.line)
        if len(child.text) > longest:
            raise self.refuse(f"{name} has more than {longest} characters", child.line)
        return child.text

    @staticmethod
    def optional(element: XmlElement | None, name: str) -> str:
        """The text of a child, "" when it is not there."""
        child = element.first(name) if element else None
        return child.text if child else ""

    def version(self, element: XmlElement, name: str) -> str:
        """A mandatory version."""
        text = self.text(element, name)
        try:
            version_key(text)
        except ValueError as error:
            raise self.refuse(f"{name}: {error}", line_of(element, name), "catalog.version") from None
        return text

    def uuid(self, element: XmlElement, name: str) -> str:
        """A mandatory UUID, in lower case."""
        found = package_id(self.text(element, name))
        if found is None:
            raise self.refuse(f"{name} is no UUID", line_of(element, name), "catalog.package-id")
        return found

    @staticmethod
    def listed(element: XmlElement, wrapper: str, name: str, read: Callable[[XmlElement], _T]) -> tuple[_T, ...]:
        """What stands in a list element."""
        holder = element.first(wrapper)
        return tuple(read(entry) for entry in holder.named(name)) if holder else ()

    def check_order(self, element: XmlElement, order: Sequence[str], others: Sequence[str]) -> None:
        """Refuse known children that are repeated or not in the schema's order; note unknown ones."""
        reached = -1
        for child in element.children:
            if child.namespace or child.name not in order:
                continue
            place = order.index(child.name)
            if place <= reached:
                what = "is repeated" if place == reached else f"must stand before {order[reached]}"
                raise self.refuse(f"{child.name} {what}", child.line, "catalog.order")
            reached = place
        self.note_unknown(element, (*order, *others))

    def note_unknown(self, element: XmlElement, known: Sequence[str]) -> None:
        """Note the children that mean nothing here."""
        for child in element.children:
            if child.name not in known or child.namespace:
                self.warn(f"element {child.name} is not known and was skipped", child.line, "catalog.unknown")


def line_of(element: XmlElement, name: str) -> int:
    """Where a child stands, or would."""
    child = element.first(name)
    return child.line if child else element.line
