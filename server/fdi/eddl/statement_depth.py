"""How deep statements stand in each other, found without recursion."""

from __future__ import annotations

from typing import Final

from server.fdi.eddl.statements import Block, For, If, Statement, Switch, While

MOST: Final = 100  # statements inside one another; whoever walks them may recurse that deep


def too_deep(program: Block) -> Statement | None:
    """A statement that stands more than MOST deep; a chain of `else if` counts as one step."""
    pending: list[tuple[Statement, int]] = [(program, 1)]
    while pending:
        node, depth = pending.pop()
        if depth > MOST:
            return node
        match node:
            case Block(statements=statements):
                pending.extend((each, depth + 1) for each in statements)
            case If(then=then, otherwise=otherwise):
                pending.append((then, depth + 1))
                if otherwise is not None:
                    pending.append((otherwise, depth if isinstance(otherwise, If) else depth + 1))
            case While(body=body) | For(body=body):
                pending.append((body, depth + 1))
            case Switch(body=parts):
                pending.extend((each, depth + 1) for each in parts if isinstance(each, Statement))
            case _:
                pass
    return None
