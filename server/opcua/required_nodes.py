"""Nodes of NodeSets that this program refers to: a folder of older NodeSets is told at start, not stumbled over."""

from __future__ import annotations

from collections.abc import Mapping

from server.core.errors import ConfigurationError
from server.opcua.names import DI_URI, FDI5_URI, FDI7_URI, TYPES_URI
from server.opcua.nodes.store import NodeStore

# By the namespace: types, entry points and Methods with behaviour. A test compares them with what is asked for.
REQUIRED: Mapping[str, tuple[int, ...]] = {
    DI_URI: (
        *(1002, 1005, 5001, 6030, 6031, 6078, 6094, 6095, 6173, 6244, 6306, 6387, 6388),
        *(6393, 6396, 6398, 6400, 6526, 6527, 6529, 6531),
    ),
    FDI5_URI: (
        *(1, 2, 21, 22, 25, 28, 37, 38, 39, 43, 44, 54, 55, 58, 61, 64, 67, 70),
        *(83, 86, 89, 92, 94, 118, 119, 120, 121, 122, 196),
    ),
    FDI7_URI: (11, 75, 77, 157, 159, 300, 1742, 1913, 2050, 2133, 2200, 2203, 2213),
    TYPES_URI: (1001, 1002, 1003, 1010, 1011, 1012, 1018, 1040, 1041, 1043, 1044, 1045),
}
SHOWN = 8
"""Missing nodes that are named; the rest is counted."""


def require_nodes(store: NodeStore, indexes: Mapping[str, int]) -> None:
    """Raises ConfigurationError, with one line a namespace, when the NodeSets lack what this program needs."""
    problems = []
    for uri, numbers in REQUIRED.items():
        index = indexes.get(uri)
        missing = [number for number in numbers if index is None or store.peek(index << 32 | number) is None]
        if missing:
            named = ", ".join(f"i={number}" for number in missing[:SHOWN])
            more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
            problems.append(
                f"nodesets_dir: {uri} lacks {named}{more}: its NodeSets are older than this program; "
                "run `fieldloom nodeset build`"
            )
    if problems:
        raise ConfigurationError(problems, what="NodeSets")
