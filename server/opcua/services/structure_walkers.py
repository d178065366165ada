"""Walkers of structures, each made once from the field types by which the stack decodes it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum, IntFlag
from typing import Any

from asyncua import ua
from asyncua.ua import uatypes
from asyncua.ua.ua_binary import get_safe_type_hints

from server.opcua.nodes.keys import Key, node_id_of
from server.opcua.services.walkers import (
    BUILT_IN,
    FIXED,
    LEAST,
    Walk,
    Walker,
    broken,
    count_at,
    walk_extension_object,
)

_OBJECT, _FIELD, _NUMBER, _PLACE = 200, 60, 48, 16
"""Cost (see `DecodeLimits.cost`) of an object, of each field, of a number in a list, of another place in a list."""
_OTHER_NAMES = {"Bytes": 15, "CharArray": 12, "Char": 3}
_ENUM_BYTES = 4
_REFUSING = ("Invalid", "Unspecified")
"""Members by which an enumeration itself says that a value is none; services answer it with the right StatusCode."""

_walkers: dict[type, Walker] = {}
_known: dict[Key, Walker | None] = {}
_known_from = 0
"""How many structures the stack knew when `_known` was made."""


def structure_of(key: Key) -> Walker | None:
    """The walker of the structure with this encoding NodeId; None when the stack does not know it."""
    global _known_from
    types = ua.extension_objects_by_typeid
    if len(types) != _known_from:
        _known.clear()
        _known_from = len(types)
    if key in _known:
        return _known[key]
    kind = types.get(node_id_of(key))
    if kind is None:
        return None
    found = _known[key] = walker_of(kind)
    return found


def walker_of(kind: type) -> Walker:
    """The walker of a structure.

    Raises:
        MessageError: the stack itself cannot decode it.
    """
    found = _walkers.get(kind)
    if found is None:
        try:
            found = _walkers[kind] = _made(kind)
        except (AttributeError, NameError, TypeError, ValueError) as error:
            raise broken(f"{kind.__name__}: {error}") from None
    return found


def _later(kind: type) -> Walker:
    """For fields: structures that hold each other are made when they are met."""

    def walk(state: Walk, at: int) -> int:
        return walker_of(kind)(state, at)

    return walk


def _made(kind: type) -> Walker:
    if issubclass(kind, ua.UaUnion):
        return _union(kind)
    hints = get_safe_type_hints(kind, {"ua": ua})
    parts: list[tuple[int, Walker | int, bool]] = []  # optional bit, walker or size, is the encoding mask
    bits = 0
    for field in fields(kind):
        hint, bit = hints[field.name], 0
        if uatypes.type_is_optional(hint):
            bit = 1 << bits
            bits += 1
            hint = uatypes.type_from_optional(hint)
        parts.append((bit, _part(hint)[0], field.name == "Encoding"))
    cost = _OBJECT + _FIELD * len(parts)
    if bits:
        return _with_mask(parts, cost)
    return _plain([part for _, part, _ in parts], cost)


def _plain(parts: list[Walker | int], cost: int) -> Walker:
    """Fields of fixed size are stepped over together."""
    steps: list[tuple[int, Walker]] = []
    gap = 0
    for part in parts:
        if isinstance(part, int):
            gap += part
        else:
            steps.append((gap, part))
            gap = 0
    tail = gap

    def walk(state: Walk, at: int) -> int:
        state.charge(cost)
        for skip, step in steps:
            at = step(state, at + skip)
        return at + tail

    return walk


def _with_mask(parts: list[tuple[int, Walker | int, bool]], cost: int) -> Walker:
    """A structure with optional fields: its Encoding field tells which are there."""

    def walk(state: Walk, at: int) -> int:
        state.charge(cost)
        mask = 0
        for bit, part, is_mask in parts:
            if bit and not mask & bit:
                continue
            if not isinstance(part, int):
                at = part(state, at)
                continue
            if is_mask:
                mask = int.from_bytes(state.data[at : at + part], "little")
            at += part
        return at

    return walk


def _union(kind: Any) -> Walker:
    choices = [_part(hint)[0] for hint in kind._union_types]

    def walk(state: Walk, at: int) -> int:
        state.charge(_OBJECT + 2 * _FIELD)
        chosen = int.from_bytes(state.data[at : at + 4], "little")
        at += 4
        if not 1 <= chosen <= len(choices):
            return at
        choice = choices[chosen - 1]
        return at + choice if isinstance(choice, int) else choice(state, at)

    return walk


def _part(hint: Any) -> tuple[Walker | int, int]:
    """(walker, or the size when it is fixed; least size) of a field's type, as the stack reads it."""
    if uatypes.type_is_union(hint):
        is_list, hint = uatypes.types_or_list_from_union(hint)
        if not is_list:
            return _part(hint)
    if uatypes.type_is_list(hint):
        return _list(uatypes.type_from_list(hint)), 4
    if uatypes.type_allow_subclass(hint):
        return walk_extension_object, LEAST[22]
    if isinstance(hint, str):
        hint = getattr(ua, hint.removeprefix("ua."))
    name = hint.__name__
    base = int(ua.VariantType[name]) if name in ua.VariantType.__members__ else _OTHER_NAMES.get(name)
    if base is not None:
        size = FIXED.get(base)
        return (size, size) if size is not None else (BUILT_IN[base], LEAST.get(base, 4))
    if issubclass(hint, Enum):
        return _enum(hint)
    if not isinstance(hint, type) or not is_dataclass(hint):
        raise TypeError(f"no structure: {name}")
    return _later(hint), _least(hint, set())


def _list(hint: Any) -> Walker:
    part: list[tuple[Walker | int, int]] = []

    def walk(state: Walk, at: int) -> int:
        if not part:
            if uatypes.type_allow_subclass(hint):
                # An assertion of the stack fails on such a list.
                raise broken("list of structures of several types")
            part.append(_part(hint))
        each, least = part[0]
        count = count_at(state, at, max(least, 1))
        at += 4
        if count <= 0:
            return at
        if isinstance(each, int):
            state.charge(_NUMBER * count)
            return at + each * count
        state.charge(16 * count)
        for _ in range(count):
            at = each(state, at)
        return at

    return walk


def _enum(kind: Any) -> tuple[Walker | int, int]:
    """An enumeration: 4 bytes, other sizes only for sets of flags."""
    if issubclass(kind, IntFlag):
        base = ua.VariantType[kind.datatype()] if hasattr(kind, "datatype") else ua.VariantType.UInt32
        return FIXED[int(base)], FIXED[int(base)]
    refusing = next((kind[name] for name in _REFUSING if name in kind.__members__), None)
    if refusing is None:
        return _ENUM_BYTES, _ENUM_BYTES
    members = frozenset(int(member) for member in kind)
    instead = int(refusing).to_bytes(_ENUM_BYTES, "little", signed=True)

    def walk(state: Walk, at: int) -> int:
        value = int.from_bytes(state.data[at : at + _ENUM_BYTES], "little", signed=True)
        if value not in members:
            state.patches.append((at, instead))
        return at + _ENUM_BYTES

    return walk, _ENUM_BYTES


def _least(kind: Any, inside: set[type]) -> int:
    """Least bytes of a structure; a structure in itself counts once."""
    if kind in inside:
        return 0
    if issubclass(kind, ua.UaUnion):
        return 4
    hints = get_safe_type_hints(kind, {"ua": ua})
    total = 0
    for field in fields(kind):
        hint = hints[field.name]
        if not uatypes.type_is_optional(hint):
            total += _least_of(hint, inside | {kind})
    return total


def _least_of(hint: Any, inside: set[type]) -> int:
    name = getattr(hint, "__name__", "")
    nested = is_dataclass(hint) and name not in ua.VariantType.__members__ and not uatypes.type_allow_subclass(hint)
    return _least(hint, inside) if nested else _part(hint)[1]
