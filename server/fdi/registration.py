"""The FDI registration certificate: what a registration authority states about device types of the package.

It is shown, not judged: what makes it believable is the package's signature.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from server.core.texts import Texts
from server.fdi import literals
from server.fdi.catalog_values import Values
from server.fdi.errors import Finding
from server.fdi.xml_reader import XmlElement, XmlLimits, read_xml

MAX_REGISTRATIONS = 1_000


@dataclass(frozen=True, slots=True)
class Registration:
    """One entry of the registration history of a device type."""

    manufacturer: str  # as a bus scan finds it
    device_model: str
    authority: str
    data: Texts


def shown(registrations: Iterable[Registration]) -> list[dict[str, Any]]:
    """Registrations as lists and reports show them. Plain JSON values."""
    return [
        {
            "manufacturer": entry.manufacturer,
            "device_model": entry.device_model,
            "authority": entry.authority,
            "data": dict(entry.data.by_language),
        }
        for entry in registrations
    ]


def read_registration(
    data: bytes, *, part: str, limits: XmlLimits
) -> tuple[tuple[Registration, ...], tuple[Finding, ...]]:
    """All registrations of a certificate document, and what was odd about it.

    Raises:
        PackageError: not a registration certificate, or more entries than anybody needs.
    """
    values = Values(part)
    root = read_xml(data, part=part, limits=limits)
    if (root.namespace, root.name) != (literals.CATALOG_NAMESPACE, literals.REGISTRATION_ROOT):
        raise values.refuse(f"the root element is not {literals.REGISTRATION_ROOT}", root.line, "registration")
    found = [
        registration
        for holder in root.named("ListOfRegDeviceTypes")
        for device_type in holder.named("RegDeviceType")
        for registration in _device_type(values, device_type)
    ]
    if not found:
        values.warn("the registration certificate holds no registration", root.line, "registration")
    if len(found) > MAX_REGISTRATIONS:
        raise values.refuse(f"more than {MAX_REGISTRATIONS} registrations", root.line, "registration")
    return tuple(found), tuple(values.findings)


def _device_type(values: Values, element: XmlElement) -> list[Registration]:
    return [
        Registration(
            values.optional(element, "Manufacturer"),
            values.optional(element, "DeviceModel"),
            values.optional(entry, "RegAuthorityIdent"),
            values.texts(entry.first("RegistrationData")),
        )
        for holder in element.named("ListOfRegistrations")
        for entry in holder.named("Registration")
    ]
