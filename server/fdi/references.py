"""What a reference of an EDD stands for: `a`, `collection.MEMBER`, `array[2]` and chains of them, down to VARIABLEs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from server.fdi.eddl.model import EddModel

_STEP = re.compile(r"\.(?P<member>[A-Za-z_]\w*)|\[(?P<index>\d{1,9})\]")
_NAME = re.compile(r"[A-Za-z_]\w*")
_MAX_STEPS = 16
_MAX_VISITS = 4_000


def variable_of(edd: EddModel, reference: str) -> str | None:
    """The parameter a reference leads to, or None when it leads to none (or to several)."""
    found = list(variables_of(edd, reference))
    return found[0] if len(found) == 1 and _single(edd, reference) else None


def variables_of(edd: EddModel, reference: str) -> Iterator[str]:
    """Every parameter a reference leads to: one for a VARIABLE, all members of a collection, record or array."""
    left = [_MAX_VISITS]
    yield from _expand(edd, reference, 0, left)


def item_of(edd: EddModel, reference: str) -> str | None:
    """The item a reference leads to: a VARIABLE, an element `<array>_<n>`, or another construct; None when nowhere."""
    return _walk(edd, reference)


def _single(edd: EddModel, reference: str) -> bool:
    target = _walk(edd, reference)
    return target is not None and target not in edd.collections and target not in edd.arrays


def _expand(edd: EddModel, reference: str, depth: int, left: list[int]) -> Iterator[str]:
    left[0] -= 1  # every visit counts: collections of collections multiply without holding one VARIABLE
    target = _walk(edd, reference) if left[0] >= 0 and depth <= _MAX_STEPS else None
    if target is None:
        return
    collection = edd.collections.get(target)
    array = edd.arrays.get(target)
    if collection is not None:
        for member in collection.members.values():
            yield from _expand(edd, member.target, depth + 1, left)
    elif array is not None and array.kind == "value":
        for index in range(min(array.count or 0, left[0])):
            yield f"{target}_{index}"
        left[0] -= array.count or 0
    elif array is not None:
        for member in array.elements.values():
            yield from _expand(edd, member.target, depth + 1, left)
    else:
        yield target


def _walk(edd: EddModel, reference: str, depth: int = 0) -> str | None:
    """The item a reference ends at: a VARIABLE, an array element, or a whole collection or array."""
    match = _NAME.match(reference)
    if match is None or depth > _MAX_STEPS:
        return None
    target, position = match.group(), match.end()
    while position < len(reference):
        step = _STEP.match(reference, position)
        if step is None:
            return None
        position = step.end()
        if step["member"]:
            collection = edd.collections.get(target)
            member = collection.members.get(step["member"]) if collection else None
        else:
            array = edd.arrays.get(target)
            index = int(step["index"])
            if array is not None and array.kind == "value":
                if index >= (array.count or 0):
                    return None
                target = f"{target}_{index}"
                continue
            member = array.elements.get(index) if array else None
        found = _walk(edd, member.target, depth + 1) if member else None
        if found is None:
            return None
        target = found
    return target
