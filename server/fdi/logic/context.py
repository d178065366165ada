"""One evaluation: the values it reads, attributes worked out on the way, and the guard against circles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from server.core.texts import Texts
from server.core.values import Scalar
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import Kind, Number, of_kind
from server.model.device_type import DataType, ParameterSpec

Value: TypeAlias = Number | Texts
Key: TypeAlias = tuple[str, ...]
"""(item, attribute), or the name of a set of values that an index chooses from."""
Dependency: TypeAlias = str | Key
"""What a result was made from: the value of a parameter by name, or a Key."""
Run: TypeAlias = "Callable[[Context], Any]"

MAX_DEPTH: Final = 250
"""Operators, indexes and attribute references inside one another while something is evaluated."""
_STEP: Final = 3
"""What passing from one attribute to another counts, in operators: it is as deep for the interpreter's stack."""

KINDS: Final[Mapping[DataType, Kind]] = {
    DataType.BOOLEAN: Kind.INT32,
    DataType.SBYTE: Kind.INT32,
    DataType.BYTE: Kind.INT32,
    DataType.INT16: Kind.INT32,
    DataType.UINT16: Kind.INT32,
    DataType.INT32: Kind.INT32,
    DataType.UINT32: Kind.UINT32,
    DataType.INT64: Kind.INT64,
    DataType.UINT64: Kind.UINT64,
    DataType.FLOAT: Kind.FLOAT,
    DataType.DOUBLE: Kind.DOUBLE,
    DataType.DURATION: Kind.DOUBLE,
    DataType.DATETIME: Kind.INT64,
}
"""The kind of number that a value of each type counts as in expressions and METHODs."""


class ValueSource(Protocol):
    """Values that expressions read: the device's, an offline data set or an edit context."""

    def value(self, name: str) -> Scalar | None:
        """The value of a parameter by EDD identifier (`<array>_<n>` for an array's element), private and local ones
        included; None while it is not known.
        """


class UnknownValueError(EvaluationError):
    """A value that is not known (yet), so nothing can be said."""


class Compiled(NamedTuple):
    """Something ready to run, how deep it is nested, and what it depends on."""

    run: Run
    depth: int
    reads: frozenset[Dependency]


class Attributes(Protocol):
    """Attributes of items by name, compiled when first asked for."""

    def compiled(self, key: Key) -> Compiled | None:
        """None: the item has no such attribute."""


def kind_of(data_type: DataType) -> Kind | None:
    """The kind that values of a parameter have in expressions (C's promotions); None for texts and octets."""
    return KINDS.get(data_type)


class Context:
    """Values of one device at one moment. Attributes are worked out once each."""

    __slots__ = ("_active", "_attributes", "_depth", "_memo", "_source", "_specs", "this")

    def __init__(
        self,
        attributes: Attributes,
        specs: Mapping[str, ParameterSpec],
        source: ValueSource,
        this: Scalar | None = None,
    ) -> None:
        self._attributes = attributes
        self._specs = specs
        self._source = source
        self._memo: dict[Key, Any] = {}
        self._active: set[Key] = set()
        self._depth = 0
        self.this = this

    def value(self, name: str) -> Value:
        """The value of a parameter. Raises UnknownValueError while there is none, EvaluationError for octets."""
        raw = self._source.value(name)
        if raw is None:
            raise UnknownValueError(f"{name} has no value yet")
        spec = self._specs.get(name)
        return value_of(raw, spec.data_type if spec is not None else None)

    def kind(self, name: str) -> Kind | None:
        """The kind that the values of a parameter have; None for a text, octets and what is no parameter."""
        spec = self._specs.get(name)
        return kind_of(spec.data_type) if spec is not None else None

    def known(self, name: str) -> bool:
        """Whether a parameter has a value."""
        return self._source.value(name) is not None

    def run(self, compiled: Compiled) -> Any:
        """The result of something compiled, inside what is running already."""
        depth = compiled.depth + _STEP
        if self._depth + depth > MAX_DEPTH:
            raise EvaluationError(f"attributes refer to one another more than {MAX_DEPTH} operators deep")
        self._depth += depth
        try:
            return compiled.run(self)
        finally:
            self._depth -= depth

    def attribute(self, key: Key) -> Any:
        """The value of an attribute of an item.

        Raises:
            UnknownValueError: the item has none, or it depends on a value that is not known.
            EvaluationError: it depends on itself.
        """
        if key in self._memo:
            return self._memo[key]
        compiled = self._attributes.compiled(key)
        if compiled is None:
            raise UnknownValueError(f"{key[0]} has no {key[1]}")
        if key in self._active:
            raise EvaluationError(f"{key[0]}.{key[1]} depends on itself")
        self._active.add(key)
        try:
            result = self._memo[key] = self.run(compiled)
        finally:
            self._active.discard(key)
        return result


def value_of(raw: Scalar, data_type: DataType | None = None) -> Value:
    """A parameter's value as expressions have it. Raises EvaluationError for octets."""
    if isinstance(raw, str):
        return Texts.of(raw)
    if isinstance(raw, bytes):
        raise EvaluationError("octets have no value in an expression")
    kind = KINDS.get(data_type) if data_type is not None else None
    if kind is None:
        kind = Kind.DOUBLE if isinstance(raw, float) else Kind.INT32 if -(2**31) <= raw < 2**31 else Kind.INT64
    return of_kind(kind, raw)


def number(value: Value) -> Number:
    """The number in a value. Raises EvaluationError for a text."""
    if isinstance(value, Texts):
        raise EvaluationError("a text stands where a number belongs")
    return value


def scalar_of(value: Value) -> Scalar:
    """A value as it goes to others: a number, or the default language of a text."""
    return value.default if isinstance(value, Texts) else value.value
