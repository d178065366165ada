"""Attributes of one construct as plain values, for the views of all kinds; notes which depend on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypedDict

from server.fdi.eddl.expressions import Call, Floating, Integer, Reference, Text, Unary
from server.fdi.eddl.inherit import Finished
from server.fdi.eddl.nodes import Attribute, Construct, Content, Group, ListItem, Position, Scalar
from server.fdi.eddl.references import member, reference_of
from server.fdi.eddl.static_view import StaticView, groups, list_items
from server.fdi.eddl.texts import NO_TEXT, Assigned, Member, Texts
from server.fdi.eddl.writing import written


class Common(TypedDict):
    """The fields of `Described`."""

    name: str
    label: Texts
    help: Texts
    conditional: frozenset[str]
    position: Position | None


def conditional_attributes(construct: Construct, view: StaticView, dynamic: set[str]) -> frozenset[str]:
    """`dynamic` with what every construct may have: flags, and lists with branches the device selects."""
    for name in ("VALIDITY", "VISIBILITY", "PRIVATE"):
        view.value(construct.attribute(name), dynamic)
    for attribute in construct.attributes:
        if any(conditional for _, conditional in view.items(list_items(attribute))):
            dynamic.add(attribute.name)
    return frozenset(dynamic)


class Reader:
    """One construct; what is asked of it adds to `dynamic` when it depends on the device."""

    def __init__(self, construct: Construct, view: StaticView, items: Mapping[str, Finished]) -> None:
        self.construct = construct
        self.view = view
        self.items = items
        self.dynamic: set[str] = set()

    @property
    def owner(self) -> str:
        """The construct in messages."""
        return f"{self.construct.kind} {self.construct.name}"

    def common(self) -> Common:
        """Name, texts and what is conditional; call it last."""
        label, help_text = self.texts("LABEL"), self.texts("HELP")
        return Common(
            name=self.construct.name,
            label=label,
            help=help_text,
            conditional=conditional_attributes(self.construct, self.view, self.dynamic),
            position=self.construct.position,
        )

    # ---- single values

    def attribute(self, name: str) -> Attribute | None:
        """The attribute as it stands."""
        return self.construct.attribute(name)

    def texts(self, name: str) -> Texts:
        """A text by language."""
        return self.view.texts(self.attribute(name), self.dynamic)

    def string(self, name: str) -> str | None:
        """A constant text in the default language, or a single name."""
        value = self._scalar(name)
        if isinstance(value, Reference | Call):
            return self.reference(name)
        found = self.view.value(self.attribute(name), self.dynamic)
        return None if found is None else str(found)

    def word(self, name: str) -> str | None:
        """A single word."""
        return self.view.word(self.attribute(name), self.dynamic)

    def number(self, name: str) -> float | None:
        """A constant number."""
        value = self.view.value(self.attribute(name), self.dynamic)
        return value if isinstance(value, int | float) else None

    def whole(self, name: str) -> int | None:
        """A constant whole number; notes a constant that is none."""
        attribute = self.attribute(name)
        value = self.view.value(attribute, self.dynamic)
        if value is None or isinstance(value, int):
            return value
        if attribute is not None:
            self.view.findings.add(attribute.position, "number", f"{self.owner}: {name} is not a whole number")
        return None

    def flag(self, name: str, *, otherwise: bool) -> bool:
        """A constant truth value."""
        return self.view.flag(self.attribute(name), self.dynamic, otherwise=otherwise)

    def reference(self, name: str) -> str | None:
        """A reference as written."""
        value = self._scalar(name)
        if isinstance(value, Call):
            value = value.target
        return written(value) if isinstance(value, Reference) else None

    def access(self) -> tuple[bool, bool]:
        """Whether HANDLING lets the host read, and write."""
        attribute = self.attribute("HANDLING")
        if attribute is None:
            return True, True
        words = self.view.words(attribute, self.dynamic, every_branch=True)
        self.view.check_handling(attribute, self.owner)
        return "READ" in words, "WRITE" in words

    def _scalar(self, name: str) -> object:
        attribute = self.attribute(name)
        scalar = self.view.scalar(attribute, self.dynamic) if attribute is not None else None
        return scalar.values[0] if isinstance(scalar, Scalar) else None

    # ---- lists

    def listed(self, name: str) -> Iterator[tuple[ListItem, bool]]:
        """The items of a list attribute, branches opened up, each with whether the device decides about it."""
        yield from self._opened(list_items(self.attribute(name)))

    def _opened(self, items: tuple[Content, ...]) -> Iterator[tuple[ListItem, bool]]:
        for item, conditional in self.view.items(items):
            if isinstance(item, ListItem):
                yield item, conditional

    def members(self, name: str = "MEMBERS") -> Mapping[str, Member]:
        """Entries `NAME, reference, description, help;` by name; two of one name are noted."""
        found: dict[str, Member] = {}
        always: set[str] = set()
        for group, conditional in groups(list(self.view.items(list_items(self.attribute(name))))):
            key, reference = member(group)
            if key is None or reference is None:
                continue
            if key.name in always and not conditional:
                text = f"{self.owner} has two members {key.name}"
                self.view.findings.add(key.position, "duplicate-name", text)
                continue
            if not conditional:
                always.add(key.name)
            texts = [self.view.text_of(part.value) or NO_TEXT for part in group[2:4]]
            found.setdefault(key.name, Member(written(reference), *texts))
        return found

    def references(self, name: str) -> tuple[str, ...]:
        """The references of a list, as written."""
        return tuple(shown for item, _ in self.listed(name) if (reference_of(item)) and (shown := plain(item)))

    def values(self, name: str, inside: tuple[Content, ...] | None = None) -> tuple[str, ...]:
        """References and constants of a list, as written; with `inside` those of that list."""
        items = self.listed(name) if inside is None else self._opened(inside)
        return tuple(shown for item, _ in items if (shown := plain(item)) is not None)

    def group(self, name: str, inner: str) -> tuple[Content, ...]:
        """What stands in `inner { … }` of a list attribute."""
        for item, _ in self.listed(name):
            if isinstance(item.value, Group) and item.value.name == inner:
                return item.value.items
        return ()

    def assigned(self, name: str) -> tuple[Assigned, ...]:
        """Entries `reference = value`."""
        found: list[Assigned] = []
        for item, _ in self.listed(name):
            reference = reference_of(item)
            if reference is None or item.assigned is None:
                text = f"{self.owner}: an entry of {name} needs a reference and a value"
                self.view.findings.add(item.position, "member", text)
            else:
                found.append(Assigned(written(reference), self.view.constant(item.assigned)))
        return tuple(found)


def plain(item: ListItem) -> str | None:
    """A reference, a number or a text as written; None for anything else."""
    match item.value:
        case Reference():
            return written(item.value)
        case Call(target=target):
            return written(target)
        case Integer(value=value) | Floating(value=value):
            return str(value)
        case Unary(operator="-", operand=Integer(value=value) | Floating(value=value)):
            return str(-value)
        case Text(raw=raw):
            return raw
    return None
