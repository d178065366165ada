"""IF and SELECT made ready to run: around one value, around the items of a list, around attributes of a TYPE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from server.core.texts import Texts
from server.fdi.eddl.nodes import Attribute, Conditional, Content, Scalar
from server.fdi.logic.context import Context, Run, UnknownValueError, Value, number
from server.fdi.logic.expressions import Compiler, failing
from server.fdi.logic.numbers import compare, is_true

T = TypeVar("T")
Choice = Callable[[Context], int]
"""The branch taken: its index, -1 for ELSE or DEFAULT."""


def choice(compiler: Compiler, conditional: Conditional) -> Choice:
    """Which branch a conditional takes. The first CASE that equals the subject wins."""
    subject = compiler.run(conditional.subject)
    if conditional.kind == "IF":
        return lambda context: 0 if is_true(number(subject(context))) else -1
    labels = [compiler.run(case.label) if case.label is not None else None for case in conditional.cases]

    def select(context: Context) -> int:
        wanted = subject(context)
        for index, label in enumerate(labels):
            if label is not None and _equal(wanted, label(context)):
                return index
        return -1

    return select


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left, Texts) and isinstance(right, Texts):
        return left.default == right.default
    return is_true(compare("==", number(left), number(right)))


def scalar(compiler: Compiler, value: object, leaf: Callable[[Scalar], Run]) -> Run:
    """The value of a scalar attribute; unknown in a branch that gives none."""
    if isinstance(value, Scalar):
        return leaf(value)
    if not isinstance(value, Conditional):
        return failing("this attribute has no single value")
    select = choice(compiler, value)
    branches = [scalar(compiler, case.content[0], leaf) if case.content else _nothing for case in value.cases]
    branches.append(scalar(compiler, value.default[0], leaf) if value.default else _nothing)
    return _branch(select, branches)


def attribute_in(
    compiler: Compiler, contents: Sequence[Content], name: str, leaf: Callable[[Scalar], Run]
) -> Run | None:
    """An attribute that stands among the items of a TYPE, perhaps only in some branches; None when in none."""
    for part in contents:
        if isinstance(part, Attribute) and part.name == name:
            return scalar(compiler, part.value, leaf)
        if not isinstance(part, Conditional):
            continue
        found = [attribute_in(compiler, case.content, name, leaf) for case in part.cases]
        found.append(attribute_in(compiler, part.default or (), name, leaf))
        if any(run is not None for run in found):
            return _branch(choice(compiler, part), [run or _nothing for run in found])
    return None


def _branch(select: Choice, branches: Sequence[Run]) -> Run:
    def run(context: Context) -> Any:
        return branches[select(context)](context)

    return run


def _nothing(_context: Context) -> Value:
    raise UnknownValueError("no branch gives a value")


def items(
    compiler: Compiler, contents: Sequence[Content], item: Callable[[Content], T | None], *, everything: bool = False
) -> Callable[[Context], list[T]]:
    """The items of a list that are there now; `everything`: all branches while a condition is not known."""
    parts: list[Callable[[Context], list[T]]] = []
    for part in contents:
        if isinstance(part, Conditional):
            lists = [items(compiler, case.content, item, everything=everything) for case in part.cases]
            lists.append(items(compiler, part.default or (), item, everything=everything))
            parts.append(_listed(choice(compiler, part), lists, everything))
        else:
            made = item(part)
            if made is not None:
                parts.append(_always(made))
    return lambda context: [entry for part in parts for entry in part(context)]


def _always(entry: T) -> Callable[[Context], list[T]]:
    alone = [entry]
    return lambda _context: alone


def _listed(
    select: Choice, lists: Sequence[Callable[[Context], list[T]]], everything: bool
) -> Callable[[Context], list[T]]:
    def run(context: Context) -> list[T]:
        try:
            chosen = select(context)
        except UnknownValueError:
            if not everything:
                raise
            return [entry for found in lists for entry in found(context)]
        return lists[chosen](context)

    return run
