"""The METHODs that an EDD runs around reading, writing and editing: PRE_WRITE_ACTIONS and its like."""

from __future__ import annotations

from dataclasses import dataclass

from server.fdi.eddl.expressions import Call, Expression, Reference
from server.fdi.eddl.nodes import Construct, Content, Group, ListItem
from server.fdi.eddl.statements import Block
from server.fdi.eddl.static_view import list_items
from server.fdi.logic.branches import items
from server.fdi.logic.context import Context
from server.fdi.logic.expressions import Compiler


@dataclass(frozen=True, slots=True)
class ActionCall:
    """One action: a METHOD with its arguments, or a program written in place."""

    method: str | None = None
    arguments: tuple[Expression, ...] = ()
    definition: Block | None = None


def actions_of(construct: Construct, kind: str, compiler: Compiler, context: Context) -> tuple[ActionCall, ...]:
    """The actions of a kind in order, conditions decided.

    Raises:
        EvaluationError: a condition is wrong or needs a value that is not known.
    """
    return tuple(items(compiler, list_items(construct.attribute(kind)), _action)(context))


def _action(part: Content) -> ActionCall | None:
    if not isinstance(part, ListItem):
        return None
    match part.value:
        case Block():
            return ActionCall(definition=part.value)
        case Reference(name=name, steps=()):
            return ActionCall(name)
        case Call(target=Reference(name=name, steps=()), arguments=arguments):
            return ActionCall(name, tuple(value for value in arguments if not isinstance(value, Group)))
    return None
