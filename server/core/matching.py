"""Which device type fits what a device says of itself: manufacturer, model and revision, never names. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from server.core.binding import DeviceIdentity

MANUFACTURER, MODEL, REVISION = "manufacturer_id", "model_id", "device_revision"
"""Facts of `attributes` in mqtt.toml that tell a device apart from others on the same topics."""


def choose(
    identities: Sequence[DeviceIdentity], manufacturer: str, model: str, revision: str = ""
) -> DeviceIdentity | None:
    """The best fit by the order of the standard's scan, or None: then somebody has to decide by hand.

    A type of this manufacturer and model that lists the exact revision; then the one with the highest revision that is
    not above the device's (a type without revisions serves all of them, a device without one takes the highest); then
    a profile, which fits any manufacturer.
    """
    known = [
        identity
        for identity in identities
        if not identity.profile and manufacturer and model and _same_device(identity, manufacturer, model)
    ]
    for identity in known:
        if revision and any(_number(each) == _number(revision) for each in identity.revisions):
            return identity
    ranked = [(rank, identity) for identity in known if (rank := _rank(identity, revision)) is not None]
    if ranked:
        return max(ranked, key=lambda entry: entry[0])[1]
    return next((identity for identity in identities if identity.profile), None)


def differ(one: DeviceIdentity, other: DeviceIdentity) -> bool:
    """True when no device could be meant for both alike."""
    if one.profile != other.profile:
        return True
    if one.profile:
        return False
    if not _same_device(one, other.manufacturer, other.model):
        return bool(one.manufacturer and one.model and other.manufacturer and other.model)
    mine, theirs = ({_number(each) for each in identity.revisions} for identity in (one, other))
    return bool(mine) and bool(theirs) and mine.isdisjoint(theirs)


def _same_device(identity: DeviceIdentity, manufacturer: str, model: str) -> bool:
    return _number(identity.manufacturer) == _number(manufacturer) and _number(identity.model) == _number(model)


def _rank(identity: DeviceIdentity, revision: str) -> tuple[int, tuple[int, str]] | None:
    """How well a type that does not list the revision fits; None: it does not. Comparable."""
    if not identity.revisions:
        return 0, (0, "")
    wanted = _number(revision) if revision else None
    fitting = [number for each in identity.revisions if (number := _number(each)) and not _above(number, wanted)]
    return (1, max(fitting)) if fitting else None


def _above(number: tuple[int, str], wanted: tuple[int, str] | None) -> bool:
    return wanted is not None and number > wanted


def _number(text: str) -> tuple[int, str]:
    """Ids come as 0x00FF, 0xff or 255; what is no number is compared as text."""
    try:
        return int(text, 0), ""
    except ValueError:
        return int(text) if text.isdecimal() else -1, "" if text.isdecimal() else text.casefold()
