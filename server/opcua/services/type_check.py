"""Does a value fit a Variable: data type, rank and dimensions (OPC 10000-3, 5.6.2; OPC 10000-4, 5.11.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from asyncua import ua

from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.store import HAS_SUBTYPE_KEY, NodeStore

_V = ua.VariantType
BYTE, INT32, BYTE_STRING, EXTENSION_OBJECT, VARIANT = 3, 6, 15, 22, 24
NUMBER, INTEGER, UINTEGER, ENUMERATION, DECIMAL = 26, 27, 28, 29, 50
"""DataTypes of namespace 0 that are no built-in types of their own."""
_FIRST_OF_OTHERS = 30
_ABSTRACT: dict[int, frozenset[int]] = {
    NUMBER: frozenset(range(2, 12)),
    INTEGER: frozenset((2, 4, 6, 8)),
    UINTEGER: frozenset((3, 5, 7, 9)),
    ENUMERATION: frozenset((INT32,)),
    DECIMAL: frozenset((EXTENSION_OBJECT,)),
}
_ANYTHING = frozenset(range(1, 32))
_DEEPEST = 64
_HAS_ENCODING = 38


def built_in(store: NodeStore, data_type: Key | None) -> int:
    """The built-in type or abstract standard type that a DataType comes from; BaseDataType when nothing tells."""
    current: Key | None = data_type
    for _ in range(_DEEPEST):
        if not current:
            break
        if isinstance(current, int) and (current < _FIRST_OF_OTHERS or current == DECIMAL):
            return current
        above = store.targets(current, HAS_SUBTYPE_KEY, forward=False)
        current = above[0] if above else None
    return VARIANT


def carried(store: NodeStore, data_type: Key | None) -> frozenset[int]:
    """The types that Variants of a DataType may have, as VariantType numbers."""
    base = built_in(store, data_type)
    if base == VARIANT:
        return _ANYTHING
    return _ABSTRACT.get(base) or frozenset((base,))


def rank_fits(rank: int, dimensions: int) -> bool:
    """True when a ValueRank allows so many dimensions (0: scalar)."""
    if rank >= 1:
        return dimensions == rank
    if rank == 0:
        return dimensions >= 1
    if rank == -1:
        return dimensions == 0
    return rank == -2 or dimensions <= 1


def shape_of(value: ua.Variant) -> tuple[int, ...] | None:
    """Lengths of the array's dimensions, () for a scalar, None when the value is no regular array."""
    if not value.is_array:
        return ()
    content = value.Value if value.Value is not None else []
    if value.Dimensions is None:
        return (len(content),)
    lengths = tuple(int(length) for length in value.Dimensions)
    if not lengths or any(length < 0 for length in lengths):
        return None
    return lengths if _regular(content, lengths) else None


def _regular(content: Any, lengths: Sequence[int]) -> bool:
    # A dimension of length 0 leaves nothing to look at: the stack gives an empty list then.
    if math.prod(lengths) == 0:
        return isinstance(content, list | tuple) and not ua.uatypes.flatten(list(content))
    if not isinstance(content, list | tuple) or len(content) != lengths[0]:
        return False
    if len(lengths) == 1:
        return not any(isinstance(item, list | tuple) for item in content)
    return all(_regular(item, lengths[1:]) for item in content)


def _structures_fit(store: NodeStore, data_type: Key | None, value: ua.Variant) -> bool:
    """True when every structure in it is of the DataType or of a subtype; a null structure is of any."""
    if not data_type or data_type == EXTENSION_OBJECT:
        return True
    for item in _elements(value):
        if isinstance(item, ua.ExtensionObject):
            if not _encoding_fits(store, data_type, item.TypeId):
                return False
        elif item is not None and not store.is_a(key_of(type(item).data_type), data_type):
            return False
    return True


def _elements(value: ua.Variant) -> Sequence[Any]:
    content = value.Value
    if isinstance(content, list | tuple):
        return ua.uatypes.flatten(list(content)) or ()
    return [content]


def _each_in(value: ua.Variant, allowed: frozenset[int]) -> bool:
    """An array of an abstract number type travels as an array of Variants."""
    return bool(value.is_array) and all(item.VariantType.value in allowed for item in _elements(value))


def _encoding_fits(store: NodeStore, data_type: Key, type_id: ua.NodeId) -> bool:
    """An encoded structure names its encoding node, which HasEncoding leads back to its DataType."""
    encoding = key_of(type_id)
    if not encoding:
        return True
    return any(store.is_a(owner, data_type) for owner in store.targets(encoding, _HAS_ENCODING, forward=False))


def fitted(
    store: NodeStore, data_type: Key | None, rank: int, most: Sequence[int] | None, value: ua.Variant
) -> ua.Variant | None:
    """The value as it is to be stored, or None: BadTypeMismatch. `most` are ArrayDimensions, 0 is no limit.

    A ByteString is taken for an array of Byte (OPC 10000-4, 5.11.4).
    """
    kind = int(value.VariantType.value)
    allowed = carried(store, data_type)
    if kind == 0:
        return value if allowed is _ANYTHING and not value.is_array else None
    if kind == BYTE_STRING and BYTE in allowed and BYTE_STRING not in allowed and not value.is_array:
        value = ua.Variant(list(value.Value or b""), _V.Byte, is_array=True)
        kind = BYTE
    if kind not in allowed and not (kind == VARIANT and len(allowed) > 1 and _each_in(value, allowed)):
        return None
    lengths = shape_of(value)
    if lengths is None or not rank_fits(rank, len(lengths)):
        return None
    if most and any(0 < limit < length for limit, length in zip(most, lengths, strict=False)):
        return None
    if kind == EXTENSION_OBJECT and allowed is not _ANYTHING and not _structures_fit(store, data_type, value):
        return None
    return value
