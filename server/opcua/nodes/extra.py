"""Rare attributes of a node that stay encoded until somebody asks for them."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, ValuesView
from typing import Any

from asyncua import ua

from server.opcua.nodes.values import decode_variant, encode_variant


class Extra(dict[int, ua.Variant]):
    """`Node.extra` of nodes that came from a snapshot: most of their definitions are never read."""

    def __init__(self, encoded: dict[int, bytes]) -> None:
        super().__init__(encoded)

    def __getitem__(self, attribute: int) -> ua.Variant:
        found: Any = super().__getitem__(attribute)
        if isinstance(found, bytes):
            found = decode_variant(found)
            super().__setitem__(attribute, found)
        return found

    def get(self, attribute: int, default: Any = None) -> Any:
        found: Any = super().get(attribute, default)
        return self[attribute] if isinstance(found, bytes) else found

    def __iter__(self) -> Iterator[int]:
        # An own iterator makes dict(…) and {**…} copy through __getitem__, so that no copy holds encoded values.
        return super().__iter__()

    def items(self) -> ItemsView[int, ua.Variant]:  # type: ignore[override]
        return {attribute: self[attribute] for attribute in self}.items()

    def values(self) -> ValuesView[ua.Variant]:  # type: ignore[override]
        return {attribute: self[attribute] for attribute in self}.values()

    def encoded(self) -> dict[int, bytes]:
        """Everything encoded."""
        raw: Iterator[tuple[int, Any]] = super().items().__iter__()
        return {attribute: found if isinstance(found, bytes) else encode_variant(found) for attribute, found in raw}
