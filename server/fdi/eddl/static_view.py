"""Attributes as far as they are known without a device: chosen branches, constant values, texts and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from server.fdi.eddl.errors import Findings
from server.fdi.eddl.expressions import Binary, DictionaryReference, Expression, Reference, Text
from server.fdi.eddl.nodes import Attribute, Conditional, Content, Group, ItemList, ListItem, Scalar
from server.fdi.eddl.static import DynamicError, StaticError, Value, evaluate, truth
from server.fdi.eddl.strings import DEFAULT_LANGUAGE
from server.fdi.eddl.texts import NO_TEXT, Texts


class StaticView:
    """Reads attributes of one EDD; what has no constant value is named in `dynamic` of the call."""

    def __init__(
        self, findings: Findings, dictionary: Mapping[str, Mapping[str, str]] | None, *, strict: bool = True
    ) -> None:
        self.findings = findings
        self._dictionary = dictionary or {}
        self._strict = strict and dictionary is not None  # a name the dictionary lacks is then a problem

    # ---- branches

    def decided(self, choice: Conditional) -> tuple[Content, ...] | None:
        """The content of the branch a constant condition selects, () when none; None when the device decides."""
        try:
            subject = evaluate(choice.subject)
            if choice.kind == "IF":
                chosen = choice.cases[0].content if truth(subject) else choice.default
                return chosen or ()
            for case in choice.cases:
                if case.label is not None and evaluate(case.label) == subject:
                    return case.content
            return choice.default or ()
        except DynamicError:
            return None
        except StaticError as error:
            self.findings.add(choice.subject.position, "expression", str(error))
            return choice.default or ()

    def chosen(self, choice: Conditional) -> tuple[tuple[Content, ...], bool]:
        """The branch shown and whether the device decides: then the first one of an IF, the DEFAULT of a SELECT."""
        decided = self.decided(choice)
        if decided is not None:
            return decided, False
        if choice.kind == "SELECT" and choice.default is not None:
            return choice.default, True
        return (choice.cases[0].content if choice.cases else choice.default or ()), True

    def scalar(self, attribute: Attribute, dynamic: set[str]) -> Scalar | None:
        """The values of a scalar attribute in the branch shown."""
        value: object = attribute.value
        while isinstance(value, Conditional):
            content, depends = self.chosen(value)
            if depends:
                dynamic.add(attribute.name)
            value = content[0] if content else None
        return value if isinstance(value, Scalar) else None

    def all_scalars(self, attribute: Attribute, dynamic: set[str]) -> list[Scalar]:
        """The values of every branch the device may select."""
        found: list[Scalar] = []
        pending: list[object] = [attribute.value]
        while pending:
            value = pending.pop(0)
            if isinstance(value, Scalar):
                found.append(value)
            elif isinstance(value, Conditional):
                decided = self.decided(value)
                if decided is None:
                    dynamic.add(attribute.name)
                    pending.extend(part for case in value.cases for part in case.content)
                    pending.extend(value.default or ())
                else:
                    pending.extend(decided)
        return found

    def items(self, contents: Sequence[Content], conditional: bool = False) -> Iterator[tuple[Content, bool]]:
        """What a list holds, branches opened up: with each item whether the device decides about it."""
        for part in contents:
            if not isinstance(part, Conditional):
                yield part, conditional
                continue
            decided = self.decided(part)
            if decided is not None:
                yield from self.items(decided, conditional)
                continue
            for case in part.cases:
                yield from self.items(case.content, True)
            yield from self.items(part.default or (), True)

    # ---- values

    def value(self, attribute: Attribute | None, dynamic: set[str]) -> Value | None:
        """The constant value of an attribute, None when absent or known only with a device."""
        if attribute is None:
            return None
        scalar = self.scalar(attribute, dynamic)
        if scalar is None:
            return None
        try:
            return evaluate(scalar.values[0], self._default_text)
        except DynamicError:
            dynamic.add(attribute.name)
        except StaticError as error:
            self.findings.add(scalar.position, "expression", f"{attribute.name}: {error}")
        return None

    def constant(self, expression: Expression) -> Value | None:
        """The value of an expression, None when only a device can tell."""
        try:
            return evaluate(expression, self._default_text)
        except DynamicError:
            return None
        except StaticError as error:
            self.findings.add(expression.position, "expression", str(error))
            return None

    def flag(self, attribute: Attribute | None, dynamic: set[str], *, otherwise: bool) -> bool:
        """A truth value of an attribute."""
        value = self.value(attribute, dynamic)
        return otherwise if value is None or isinstance(value, str) else value != 0

    def texts(self, attribute: Attribute | None, dynamic: set[str]) -> Texts:
        """The text of an attribute by language, empty when absent or known only with a device."""
        if attribute is None:
            return NO_TEXT
        scalar = self.scalar(attribute, dynamic)
        if scalar is None:
            return NO_TEXT
        texts = self.text_of(scalar.values[0])
        if texts is None:
            dynamic.add(attribute.name)
        return texts or NO_TEXT

    def text_of(self, expression: object) -> Texts | None:
        """A string or dictionary text by language; None for anything that is no constant text."""
        match expression:
            case Text(languages=languages):
                return languages
            case DictionaryReference(name=name):
                if name in self._dictionary or not self._strict:
                    return self._dictionary.get(name) or {DEFAULT_LANGUAGE: name}
                self.findings.add(
                    expression.position,
                    "unresolved-text",
                    f"the dictionary has no text {name}; add it or correct the name",
                )
                return {DEFAULT_LANGUAGE: name}
            case Binary(operator="+"):
                value = self.constant(expression)
                return {DEFAULT_LANGUAGE: value} if isinstance(value, str) else None
        return None

    def _default_text(self, reference: DictionaryReference) -> str:
        texts = self.text_of(reference) or {}
        return texts.get(DEFAULT_LANGUAGE) or next(iter(texts.values()), "")

    def words(self, attribute: Attribute | None, dynamic: set[str], *, every_branch: bool = False) -> frozenset[str]:
        """The names of `A & B`, or of `A, B`; with `every_branch` those of all branches the device may select."""
        if attribute is None:
            return frozenset()
        if every_branch:
            scalars = self.all_scalars(attribute, dynamic)
        else:
            shown = self.scalar(attribute, dynamic)
            scalars = [shown] if shown else []
        return frozenset(word for scalar in scalars for value in scalar.values for word in names_in(value))

    def check_handling(self, attribute: Attribute | None, owner: str) -> None:
        """Note every word of a HANDLING that is neither READ nor WRITE, where it stands."""
        for word in placed_words(attribute) if attribute is not None else ():
            if word.name not in ("READ", "WRITE"):
                text = f"{owner}: HANDLING {word.name} is neither READ nor WRITE"
                self.findings.add(word.position, "handling", text)

    def word(self, attribute: Attribute | None, dynamic: set[str]) -> str | None:
        """The single name an attribute holds."""
        if attribute is None:
            return None
        scalar = self.scalar(attribute, dynamic)
        return next(iter(names_in(scalar.values[0])), None) if scalar else None


def placed_words(attribute: Attribute) -> Iterator[Reference]:
    """The plain names of `A & B`, or of `A, B`, with their places, in every branch whatever its condition."""
    pending: list[object] = [attribute.value]
    while pending:
        match pending.pop():
            case Scalar(values=values):
                pending.extend(reversed(values))
            case Conditional(cases=cases, default=default):
                pending.extend(reversed(default or ()))
                pending.extend(part for case in reversed(cases) for part in reversed(case.content))
            case Binary(operator="&" | "|") as joined:
                pending += (joined.right, joined.left)
            case Reference(steps=()) as word:
                yield word


def names_in(expression: object) -> list[str]:
    """The plain names joined by `&` or `|`."""
    match expression:
        case Reference(name=name, steps=()):
            return [name]
        case Binary(operator="&" | "|"):
            return names_in(expression.left) + names_in(expression.right)
    return []


def list_items(attribute: Attribute | None) -> tuple[Content, ...]:
    """The items of a list attribute, () when it is absent or something else."""
    return attribute.value.items if attribute is not None and isinstance(attribute.value, ItemList) else ()


def is_text(value: object) -> bool:
    """Whether a list item can only be a description."""
    return isinstance(value, Text | DictionaryReference)


def groups(items: Sequence[tuple[Content, bool]]) -> list[tuple[list[ListItem], bool]]:
    """The items of MEMBERS and its like as groups: key, reference, texts; with each whether the device decides.

    A semicolon ends a group. Where it was left out, a third item that is no text begins the next group.
    """
    found: list[tuple[list[ListItem], bool]] = []
    current: list[ListItem] = []
    for item, conditional in items:
        if not isinstance(item, ListItem):
            continue
        if isinstance(item.value, Group) and item.value.name is None and not current:
            inner = [part for part in item.value.items if isinstance(part, ListItem)]
            found.append((inner, conditional))
            continue
        if not current or current[-1].separator == ";" or (len(current) >= 2 and not is_text(item.value)):
            current = []
            found.append((current, conditional))
        current.append(item)
    return found
