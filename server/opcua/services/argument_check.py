"""Input arguments of a call against the Method's InputArguments (OPC 10000-4 v1.05 §5.12.2)."""

from __future__ import annotations

from collections.abc import Sequence

from asyncua import ua

from server.opcua.nodes.keys import key_of
from server.opcua.nodes.node import Node
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import variant_of
from server.opcua.services.type_check import carried, fitted

_S = ua.StatusCodes
_V = ua.VariantType
HAS_PROPERTY_KEY = 46
_ARGUMENT = ua.uaprotocol_auto.Argument
"""What the stack's decoder makes; its `ua.Argument` is a subclass."""
_NULLABLE = frozenset(
    int(kind)
    for kind in (
        _V.String,
        _V.DateTime,
        _V.ByteString,
        _V.XmlElement,
        _V.NodeId,
        _V.ExpandedNodeId,
        _V.QualifiedName,
        _V.LocalizedText,
        _V.ExtensionObject,
    )
)
"""Built-in types that have a null value (OPC 10000-6, 5.1.2)."""


def declared_inputs(store: NodeStore, method: Node) -> list[ua.Argument] | None:
    """The arguments that a Method declares; None when it has no InputArguments property."""
    for key in store.targets(method.key, HAS_PROPERTY_KEY):
        node = store.peek(key)
        if node is not None and node.name.Name == "InputArguments" and node.point is not None:
            return [each for each in variant_of(node.point).Value or () if isinstance(each, _ARGUMENT)]
    return None


def check_count(given: int, wanted: int) -> int:
    """BadArgumentsMissing, BadTooManyArguments or Good."""
    if given < wanted:
        return int(_S.BadArgumentsMissing)
    return int(_S.BadTooManyArguments if given > wanted else _S.Good)


def check_types(store: NodeStore, arguments: Sequence[ua.Variant], declared: Sequence[ua.Argument]) -> list[int]:
    """One StatusCode per argument: Good or BadTypeMismatch."""
    return [
        int(_S.Good if _fits(store, argument, wanted) else _S.BadTypeMismatch)
        for argument, wanted in zip(arguments, declared, strict=True)
    ]


def _fits(store: NodeStore, argument: ua.Variant, wanted: ua.Argument) -> bool:
    data_type = key_of(wanted.DataType)
    if argument.VariantType == _V.Null and not argument.is_array:
        # A null Variant is the null value of every type that has one; of an array too.
        return int(wanted.ValueRank) >= 0 or bool(carried(store, data_type) & _NULLABLE)
    return fitted(store, data_type, int(wanted.ValueRank), wanted.ArrayDimensions, argument) is not None
