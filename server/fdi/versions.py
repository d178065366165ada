"""Which version of a package is in use: pure rules (reference: update, side by side, roll back, removal)."""

from __future__ import annotations

from collections.abc import Iterable

from server.fdi.catalog import version_key


def highest(versions: Iterable[str]) -> str:
    """The highest version; "" of none."""
    return max(versions, key=version_key, default="")


def after_install(current: str, installed: str) -> str:
    """A version higher than the one in use takes over; a lower one is installed beside it and waits."""
    return installed if not current or version_key(installed) > version_key(current) else current


def before(current: str, versions: Iterable[str]) -> str:
    """The highest version below the one in use: what a roll back goes to; "" when there is none."""
    return highest(version for version in versions if version_key(version) < version_key(current))


def after_removal(current: str, left: Iterable[str]) -> str:
    """What is in use when versions are gone: the same if it is left, else the next lower, else the highest; "" none."""
    remaining = list(left)
    if current in remaining:
        return current
    return before(current, remaining) or highest(remaining)
