"""What keeps the METHODs and inline actions of an EDD from running, for the author of its package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from server.fdi.eddl.errors import Problem
from server.fdi.eddl.nodes import Conditional, Construct, Content, ItemList, ListItem, Position
from server.fdi.eddl.statements import Block
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.methods.compile import compile_block, compile_method
from server.fdi.methods.errors import MethodError
from server.fdi.methods.program import Program

ODD = "method-prompt"
"""The rule of what is only odd: a prompt that names what is not declared shows the name as written."""


def check_methods(logic: TypeLogic) -> list[Problem]:
    """The problems of each METHOD and of each DEFINITION written in an action; everything is compiled after it.

    It takes about a second for 150,000 instructions, so a server calls it beside its event loop.
    """
    found: dict[tuple[Position, str], Problem] = {}

    def note(at: Position, rule: str, text: str) -> None:
        found.setdefault((at, text), Problem(at.file, at.line, at.column, rule, text))

    def noted(program: Program) -> None:
        for position, text in program.warnings:
            note(position, ODD, text)

    def refused(error: MethodError) -> None:
        for each in error.all():
            note(each.position, each.rule, each.reason)

    for name in logic.model.methods:
        try:
            noted(compile_method(logic, name))
        except MethodError as error:
            refused(error)
    for block in _definitions(logic):
        try:
            noted(compile_block(logic, block))
        except MethodError as error:
            refused(error)
    return list(found.values())


def _definitions(logic: TypeLogic) -> Iterator[Block]:
    """The programs written in lists of actions, in every branch."""
    for construct in logic.model.constructs.values():
        if not isinstance(construct, Construct):
            continue
        for attribute in construct.attributes:
            if attribute.name.endswith("_ACTIONS") and isinstance(attribute.value, ItemList):
                yield from _blocks(attribute.value.items)


def _blocks(contents: Iterable[Content]) -> Iterator[Block]:
    for part in contents:
        if isinstance(part, ListItem) and isinstance(part.value, Block):
            yield part.value
        elif isinstance(part, Conditional):
            for case in part.cases:
                yield from _blocks(case.content)
            yield from _blocks(part.default or ())
