"""What two packages may not both have: a type id, or a topic whose messages could be meant for either."""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.fdi.errors import PackageError
from server.fdi.matching import tells, told_apart
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
    """A topic of ours that some topic of theirs overlaps, with nothing to tell the devices apart; "" for none."""
    apart = told_apart(ours, theirs)
    any_tells = False
    for mine in ours.binding.rows:
        for other in theirs.binding.rows:
            if _meet(mine.topic, other.topic):
                if not (apart and tells(mine, other)):
                    return mine.topic
                any_tells = True
    answers, others = ours.binding.response_topic, theirs.binding.response_topic
    # Whose answer it is, is known by the device: it has told its type with its values.
    if answers and others and _meet(answers, others) and not any_tells:
        return answers
    if answers and any(_meet(answers, row.topic) for row in theirs.binding.rows):
        return answers
    return next((row.topic for row in ours.binding.rows if others and _meet(row.topic, others)), "")


def _meet(one: str, other: str) -> bool:
    return _overlap(one.split("/"), other.split("/"))


def _overlap(one: list[str], other: list[str]) -> bool:
    """True when some topic fits both; a named part fits any level."""
    if len(one) != len(other):
        return False
    return all(
        a == b or _PLACEHOLDER.fullmatch(a) is not None or _PLACEHOLDER.fullmatch(b) is not None
        for a, b in zip(one, other, strict=True)
    )
