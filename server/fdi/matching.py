"""Device types and the devices they are for: what the catalog says, and whether two types can share a topic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from server.core.binding import DeviceIdentity, RowBinding
from server.core.matching import MANUFACTURER, MODEL, REVISION, differ
from server.model.device_type import DeviceType

TELLING = (MANUFACTURER, MODEL, REVISION)


def identified(device_types: Iterable[DeviceType], package_type: str) -> tuple[DeviceType, ...]:
    """The types of a package with bindings that know which devices they are for."""
    profile = package_type.casefold() == "profile"
    return tuple(
        replace(kind, binding=replace(kind.binding, identity=_identity(kind, profile=profile))) for kind in device_types
    )


def _identity(kind: DeviceType, *, profile: bool) -> DeviceIdentity:
    return DeviceIdentity(kind.manufacturer_id, kind.model_id, kind.revisions, profile)


def told_apart(ours: DeviceType, theirs: DeviceType) -> bool:
    """True when the catalogs differ in manufacturer, model or revision: a message that tells them can decide."""
    return differ(ours.binding.identity, theirs.binding.identity)


def tells(ours: RowBinding, theirs: RowBinding) -> bool:
    """True when messages of a shared topic tell who sent them, in the same places for both types."""
    mine, other = ({name: row.attributes[name] for name in TELLING if name in row.attributes} for row in (ours, theirs))
    return mine == other and MANUFACTURER in mine and MODEL in mine
