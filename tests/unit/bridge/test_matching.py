"""Several device types on one topic: what a device says of itself decides (resolution order of the FDI reference)."""

from __future__ import annotations

import pytest

from server.core.binding import DeviceIdentity
from server.core.matching import choose, differ

OLD = DeviceIdentity("0x00FF", "0x3039", ("1", "2"))
NEW = DeviceIdentity("0x00FF", "0x3039", ("3", "5"))
ALL = DeviceIdentity("0x00FF", "0x3039")
OTHER = DeviceIdentity("0x00FF", "0x4000", ("1",))
PROFILE = DeviceIdentity(profile=True)


@pytest.mark.parametrize(
    ("installed", "told", "fits"),
    [
        ([OLD, NEW, PROFILE], ("0x00FF", "0x3039", "2"), OLD),  # the exact revision
        ([OLD, NEW, PROFILE], ("0x00FF", "0x3039", "3"), NEW),
        ([OLD, NEW, PROFILE], ("0x00FF", "0x3039", "4"), NEW),  # the highest that is not above it
        ([OLD, NEW, PROFILE], ("0x00FF", "0x3039", "9"), NEW),
        ([OLD, NEW], ("0x00FF", "0x3039", ""), NEW),  # not told: the highest there is
        ([NEW, PROFILE], ("0x00FF", "0x3039", "1"), PROFILE),  # older than all that is known
        ([NEW], ("0x00FF", "0x3039", "1"), None),
        ([ALL, NEW], ("0x00FF", "0x3039", "1"), ALL),  # serves every revision
        ([ALL, NEW], ("0x00FF", "0x3039", "4"), NEW),  # a listed one is closer
        ([OLD, OTHER], ("0x00ff", "16384", "1"), OTHER),  # ids are numbers, however written
        ([OLD, OTHER], ("255", "12345", "1"), OLD),
        ([OLD, PROFILE], ("0x0001", "0x3039", "1"), PROFILE),  # another manufacturer
        ([OLD], ("0x0001", "0x3039", "1"), None),
        ([OLD, PROFILE], ("", "", ""), PROFILE),  # says nothing of itself
        ([OLD], ("", "", ""), None),
        ([OLD], ("acme", "boiler", ""), None),
        ([DeviceIdentity("ACME", "Boiler")], ("acme", "boiler", ""), DeviceIdentity("ACME", "Boiler")),
    ],
)
def test_the_closest_type_is_chosen(
    installed: list[DeviceIdentity], told: tuple[str, str, str], fits: DeviceIdentity | None
) -> None:
    assert choose(installed, *told) == fits
    assert choose(installed[::-1], *told) == fits  # whatever order packages were installed in


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        (OLD, NEW, True),
        (OLD, OTHER, True),
        (OLD, PROFILE, True),
        (OLD, ALL, False),  # revision 1 would fit both
        (OLD, DeviceIdentity("255", "12345", ("2", "7")), False),
        (PROFILE, PROFILE, False),
        (OLD, DeviceIdentity(), False),  # says nothing: nobody can tell
        (OLD, OLD, False),
    ],
)
def test_types_are_told_apart_when_no_device_fits_both(one: DeviceIdentity, other: DeviceIdentity, apart: bool) -> None:
    assert differ(one, other) is apart
    assert differ(other, one) is apart
