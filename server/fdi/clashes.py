"""What two packages may not both have: a type id, or a topic whose messages could be meant for either."""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.fdi.errors import PackageError
from server.model.device_type import DeviceType

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


def require_no_clash(ours: Iterable[DeviceType], theirs: Iterable[DeviceType], owner: str) -> None:
    """Pass when the types of a package can live beside those of the package `owner`.

    Raises:
        PackageError: naming the type or topic.
    """
    others = list(theirs)
    for mine in ours:
        for other in others:
            if mine.type_id == other.type_id:
                raise PackageError(f"type {mine.type_id!r} belongs to package {owner} already", rule="store.type-clash")
            topic = shared_topic(mine, other)
            if topic:
                raise PackageError(
                    f"topic {topic} is taken by type {other.type_id!r} of package {owner}", rule="store.topic-clash"
                )


def shared_topic(ours: DeviceType, theirs: DeviceType) -> str:
    """A topic of ours that some topic of theirs overlaps; "" when there is none."""
    for mine in _topics(ours):
        for other in _topics(theirs):
            if _overlap(mine.split("/"), other.split("/")):
                return mine
    return ""


def _topics(device_type: DeviceType) -> Iterable[str]:
    binding = device_type.binding
    yield from (row.topic for row in binding.rows)
    if binding.response_topic:
        yield binding.response_topic


def _overlap(one: list[str], other: list[str]) -> bool:
    """True when some topic fits both; a named part fits any level."""
    if len(one) != len(other):
        return False
    return all(
        a == b or _PLACEHOLDER.fullmatch(a) is not None or _PLACEHOLDER.fullmatch(b) is not None
        for a, b in zip(one, other, strict=True)
    )
