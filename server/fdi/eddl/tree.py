"""Grammar callbacks for constructs, attributes and lists; with the two modules beside it, the whole tree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from server.fdi.eddl.expression_tree import BuildError, ExpressionTree
from server.fdi.eddl.expressions import Call, Expression, Reference
from server.fdi.eddl.nodes import (
    Attribute,
    Case,
    Conditional,
    Construct,
    Content,
    Deletion,
    Group,
    HeaderEntry,
    Import,
    ItemList,
    Like,
    ListItem,
    Parameter,
    Position,
    RelationItem,
    Removal,
    Scalar,
    Selection,
    Transaction,
    TypeSpec,
)
from server.fdi.eddl.statement_depth import MOST, too_deep
from server.fdi.eddl.statement_tree import StatementTree
from server.fdi.eddl.statements import Block
from server.fdi.eddl.tokens import Token

# Words that qualify a list item; anything else in brackets after a reference are arguments of a call.
QUALIFIERS = frozenset(
    {"READ_ONLY", "DISPLAY_VALUE", "REVIEW", "HIDDEN", "NO_LABEL", "NO_UNIT", "INLINE", "INFO", "INDEX"}
)


class _Draft:
    """A list item before its separator is known."""

    __slots__ = ("assigned", "mask", "modifier", "position", "qualifiers", "value")

    def __init__(self, value: Any, position: Position) -> None:
        self.value = value
        self.position = position
        self.mask: int | None = None
        self.qualifiers: tuple[str, ...] = ()
        self.assigned: Expression | None = None
        self.modifier: str | None = None

    def finished(self, separator: str) -> ListItem:
        return ListItem(self.value, self.mask, self.qualifiers, self.assigned, self.modifier, separator, self.position)


class _Branch(tuple[Any, ...]):
    """The content of one branch of an IF."""

    __slots__ = ()


class _Size:
    """The number in brackets after a type word."""

    __slots__ = ("value",)

    def __init__(self, value: Expression) -> None:
        self.value = value


def contents(parts: list[Any]) -> tuple[Content, ...]:
    """What stands in a list: items with the separator that follows each, separators alone fall away."""
    found: list[Any] = []
    draft: _Draft | None = None
    separator = ""
    for part in parts:
        if isinstance(part, Token):
            if part.type in ("COMMA", "SEMI", "COLON") and (not separator or part.text == ";"):
                separator = part.text
            continue
        if draft is not None:
            found.append(draft.finished(separator))
            draft = None
        separator = ""
        if isinstance(part, _Draft):
            draft = part
        else:
            found.append(part)
    if draft is not None:
        found.append(draft.finished(separator))
    return tuple(found)


def _plain_names(arguments: tuple[Any, ...]) -> tuple[str, ...] | None:
    if arguments and all(isinstance(part, Reference) and not part.steps for part in arguments):
        return tuple(part.name for part in arguments)
    return None


class Tree(ExpressionTree, StatementTree):
    """One callback per rule of the grammar; keeps no state, so one parser serves all threads."""

    # ---- top level

    def header(self, c: list[Any]) -> tuple[HeaderEntry, ...]:
        return tuple(part for part in c if not isinstance(part, Token))

    def hdr_entry(self, c: list[Any]) -> HeaderEntry:
        return HeaderEntry(c[0].text, c[1].value, c[0].position)

    def toplevel(self, c: list[Any]) -> Any:
        return c[0]

    item = toplevel
    attr = toplevel

    def import_(self, c: list[Any]) -> Import:
        selections: list[Selection] = []
        redefinitions: list[Any] = []
        for part in c[2:]:
            if isinstance(part, Selection):
                selections.append(part)
            elif isinstance(part, list):
                redefinitions.extend(part)
        return Import(c[1], tuple(selections), tuple(redefinitions), c[0].position)

    def import_all(self, c: list[Any]) -> Selection:
        return Selection(c[0].text, None, c[0].position)

    def import_one(self, c: list[Any]) -> Selection:
        return Selection(c[0].text, c[1].text, c[0].position)

    def redefinitions(self, c: list[Any]) -> list[Any]:
        return [part for part in c if not isinstance(part, Token)]

    def modified(self, c: list[Any]) -> Any:
        return replace(c[1], modifier=c[0].text)

    def removal(self, c: list[Any]) -> Removal:
        return Removal(c[1].text, c[2].text, c[0].position)

    def like(self, c: list[Any]) -> Like:
        kind = c[1].text if len(c) == 4 else None
        return Like(c[0].text, kind, c[-2].text, c[-1], None, c[0].position)

    def construct(self, c: list[Any]) -> Construct:
        parameters = c[2] if len(c) == 4 else None
        return Construct(c[0].text, c[1].text, None, parameters, c[-1], None, c[0].position)

    def construct_of(self, c: list[Any]) -> Construct:
        parameters = c[3] if len(c) == 5 else None
        return Construct(c[0].text, c[2].text, c[1].text, parameters, c[-1], None, c[0].position)

    def code_table(self, c: list[Any]) -> Construct:
        codes = Attribute(c[0].text, ItemList(contents(c[3:]), c[2].position), None, c[0].position)
        return Construct(c[0].text, c[1].text, None, None, (codes,), None, c[0].position)

    def relation(self, c: list[Any]) -> RelationItem:
        sides = [part for part in c if not isinstance(part, Token)]
        return RelationItem(c[0].text, c[1].text, sides[0], sides[1] if len(sides) > 1 else (), None, c[0].position)

    def refs(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(part for part in c if not isinstance(part, Token))

    def params(self, c: list[Any]) -> tuple[Parameter, ...]:
        return tuple(part for part in c if not isinstance(part, Token))

    def ptype(self, c: list[Any]) -> str:
        return " ".join(token.text for token in c)

    def param_plain(self, c: list[Any]) -> Parameter:
        return Parameter(c[0], c[1].text, False, False, c[1].position)

    def param_array(self, c: list[Any]) -> Parameter:
        return Parameter(c[0], c[1].text, False, True, c[1].position)

    def param_reference(self, c: list[Any]) -> Parameter:
        return _by_reference(c, is_array=False)

    def param_reference_array(self, c: list[Any]) -> Parameter:
        return _by_reference(c, is_array=True)

    # ---- attributes

    def body(self, c: list[Any]) -> tuple[Attribute, ...]:
        return tuple(part for part in c if not isinstance(part, Token))

    def scalar(self, c: list[Any]) -> Scalar:
        values = tuple(part for part in c if not isinstance(part, Token))
        return Scalar(values, values[0].position)

    def scalar_attr(self, c: list[Any]) -> Attribute:
        return Attribute(c[0].text, c[1], None, c[0].position)

    def list_attr(self, c: list[Any]) -> Attribute:
        return Attribute(c[0].text, ItemList(contents(c[2:]), c[1].position), None, c[0].position)

    def attr_removal(self, c: list[Any]) -> Attribute:
        return Attribute(c[1].text, None, "DELETE", c[0].position)

    def tsize(self, c: list[Any]) -> _Size:
        return _Size(c[1])

    def type_attr(self, c: list[Any]) -> Attribute:
        size: Expression | None = None
        target: Reference | None = None
        at = 2
        if isinstance(c[at], _Size):
            size = c[at].value
            at += 1
        if isinstance(c[at], Reference):
            target = c[at]
            at += 1
        spec = TypeSpec(c[1], size, target, contents(c[at + 1 :]), c[0].position)
        return Attribute("TYPE", spec, None, c[0].position)

    def transaction(self, c: list[Any]) -> Attribute:
        number = c[1] if len(c) == 3 else None
        return Attribute("TRANSACTION", Transaction(number, c[-1], c[0].position), None, c[0].position)

    def definition(self, c: list[Any]) -> Attribute:
        return Attribute("DEFINITION", _bounded(c[1]), None, c[0].position)

    def cond(self, c: list[Any]) -> Conditional:
        start = c[0].position
        default = tuple(c[4]) if len(c) > 4 else None
        return Conditional("IF", c[2], (Case(None, tuple(c[3]), start),), default, start)

    def branch(self, c: list[Any]) -> _Branch:
        return _Branch(contents(c[1:]))

    def else_part(self, c: list[Any]) -> _Branch:
        return c[0] if isinstance(c[0], _Branch) else _Branch((c[0],))

    def select(self, c: list[Any]) -> Conditional:
        cases: list[Case] = []
        default: tuple[Any, ...] | None = None
        for part in c[4:]:
            if isinstance(part, Case):
                cases.append(part)
            elif default is not None:
                raise BuildError(c[0].position, "this SELECT has more than one DEFAULT")
            else:
                default = tuple(part)
        return Conditional("SELECT", c[2], tuple(cases), default, c[0].position)

    def case(self, c: list[Any]) -> Case:
        return Case(c[1], contents(c[3:]), c[0].position)

    def default(self, c: list[Any]) -> _Branch:
        return _Branch(contents(c[2:]))

    # ---- lists

    def list_item(self, c: list[Any]) -> _Draft:
        value = c[0]
        if isinstance(value, _Draft):
            return value
        draft = _Draft(value, value.position)
        if isinstance(value, Call):
            words = _plain_names(value.arguments)
            if words and QUALIFIERS.issuperset(words):
                draft.value, draft.qualifiers = value.target, words
        return draft

    def modified_item(self, c: list[Any]) -> _Draft:
        draft = self.list_item(c[1:])
        draft.modifier = c[0].text
        return draft

    def masked(self, c: list[Any]) -> _Draft:
        draft = _Draft(c[0], c[0].position)
        draft.mask = c[1].value
        if len(c) > 2:
            draft.qualifiers = _words(c[3], c[2])
        return draft

    def qualified(self, c: list[Any]) -> _Draft:
        draft = _Draft(c[0], c[0].position)
        draft.qualifiers = _words(c[2], c[1])
        return draft

    def assigned(self, c: list[Any]) -> _Draft:
        draft = _Draft(c[0], c[0].position)
        draft.assigned = c[2]
        return draft

    def group(self, c: list[Any]) -> Group:
        return Group(None, contents(c[1:]), c[0].position)

    def named_group(self, c: list[Any]) -> Group:
        return Group(c[0].text, contents(c[2:]), c[0].position)

    def list_definition(self, c: list[Any]) -> Block:
        return _bounded(c[1])

    def enumerator(self, c: list[Any]) -> _Draft:
        return _Draft(c[0], c[0].position)

    def modified_enumerator(self, c: list[Any]) -> _Draft:
        draft = _Draft(c[1], c[0].position)
        draft.modifier = c[0].text
        return draft

    def deletion(self, c: list[Any]) -> Deletion:
        return Deletion(c[1], c[0].position)

    def plain_titem(self, c: list[Any]) -> Any:
        return c[0]

    modified_titem = modified


def _bounded(program: Block) -> Block:
    deep = too_deep(program)
    if deep is not None:
        raise BuildError(deep.position, f"statements stand more than {MOST} deep in each other")
    return program


def _words(arguments: tuple[Any, ...], at: Token) -> tuple[str, ...]:
    words = _plain_names(arguments)
    if words is None:
        raise BuildError(at.position, "what stands in brackets after this item are no qualifier words")
    return words


def _by_reference(c: list[Any], *, is_array: bool) -> Parameter:
    if c[1].text != "&":
        raise BuildError(c[1].position, f"'{c[1].text}' has no meaning in a parameter; '&' makes it in/out")
    return Parameter(c[0], c[2].text, True, is_array, c[2].position)
