"""What LIKE and changes may cost: a short source can repeat a long construct thousands of times."""

from __future__ import annotations

from collections.abc import Sequence

from server.fdi.eddl.errors import Findings
from server.fdi.eddl.nodes import Attribute, Position

LOOKS = 16  # list entries compared in the time that a repeated node takes later


class Work:
    """Counts the nodes that inheritance repeats and the entries it looks through, over all EDDs of one resolving."""

    def __init__(self, findings: Findings, most: int) -> None:
        self.findings = findings
        self._most = most
        self._looks_left = most * LOOKS
        self._sizes: dict[int, tuple[Attribute, int]] = {}  # by id; the attribute is held so that its id stays its own

    def repeat(self, attributes: Sequence[Attribute], position: Position) -> None:
        """A construct takes over these attributes. Raises GivenUpError past the limit."""
        self.look(LOOKS * sum(map(self._size, attributes)), position)

    def look(self, entries: int, position: Position) -> None:
        """So many entries are compared or copied. Raises GivenUpError past the limit."""
        self._looks_left -= entries
        if self._looks_left < 0:
            text = f"LIKE, ADD, REDEFINE and DELETE repeat more than {self._most} parts of constructs"
            self.findings.give_up(position, "limit", text)

    def _size(self, attribute: Attribute) -> int:
        known = self._sizes.get(id(attribute))
        if known is None:
            known = self._sizes[id(attribute)] = (attribute, _nodes(attribute))
        return known[1]


def _nodes(root: object) -> int:
    """How many nodes the tree has below and with its root."""
    count = 0
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            waiting.extend(node)
        elif node is not None and not isinstance(node, str | int | float | Position):
            count += 1
            waiting.extend(getattr(node, name) for name in getattr(node, "__dataclass_fields__", ()))
    return count
