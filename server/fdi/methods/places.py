"""Where a METHOD can put a value: a local, an element of a local array, a parameter, an element of a LIST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from server.fdi.logic.errors import EvaluationError
from server.fdi.methods.ctype import STRING, CArray, CType, Raw, converter

if TYPE_CHECKING:
    from server.fdi.methods.machine import Machine


class Place(Protocol):
    """Something with an address: what `&x` gives and in/out parameters hold."""

    @property
    def ctype(self) -> CType: ...

    def get(self, machine: Machine) -> Raw: ...

    def set(self, machine: Machine, value: Raw) -> None: ...


class LocalPlace:
    """A scalar local of an active METHOD."""

    __slots__ = ("_at", "_slots", "ctype", "name")

    def __init__(self, slots: list[object], at: int, ctype: CType, name: str) -> None:
        self._slots = slots
        self._at = at
        self.ctype = ctype
        self.name = name

    def get(self, machine: Machine) -> Raw:
        return self._slots[self._at]  # type: ignore[return-value]

    def set(self, machine: Machine, value: Raw) -> None:
        new = converter(self.ctype)(value)
        if isinstance(new, str):
            machine.hold_text(self._slots[self._at], new)
        self._slots[self._at] = new


class ElementPlace:
    """One element of a local array."""

    __slots__ = ("_array", "_at", "name")

    def __init__(self, array: CArray, at: int, name: str) -> None:
        self._array = array
        self._at = at
        self.name = name

    @property
    def ctype(self) -> CType:
        return self._array.ctype

    def get(self, machine: Machine) -> Raw:
        return self._array.data[self._at]

    def set(self, machine: Machine, value: Raw) -> None:
        new = converter(self._array.ctype)(value)
        if isinstance(new, str):
            machine.hold_text(self._array.data[self._at], new)
        self._array.data[self._at] = new


class CharactersPlace:
    """A whole array of char, taken as the text it holds."""

    __slots__ = ("array", "name")

    ctype = STRING

    def __init__(self, array: CArray, name: str) -> None:
        self.array = array
        self.name = name

    def get(self, machine: Machine) -> Raw:
        return self.array.text()

    def set(self, machine: Machine, value: Raw) -> None:
        if not isinstance(value, str):
            raise EvaluationError(f"a number does not fit the array {self.name}")
        self.array.set_text(value)


class ArrayPlace:
    """A whole array of numbers: builtins put a number into its first element, octets into them all."""

    __slots__ = ("array", "name")

    def __init__(self, array: CArray, name: str) -> None:
        self.array = array
        self.name = name

    @property
    def ctype(self) -> CType:
        return self.array.ctype

    def get(self, machine: Machine) -> Raw:
        return self.array.data[0]

    def set(self, machine: Machine, value: Raw) -> None:
        ElementPlace(self.array, 0, self.name).set(machine, value)


class ItemPlace:
    """A parameter or an element of a LIST, by EDD identifier."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def ctype(self) -> CType:
        return STRING  # a parameter converts by itself

    def get(self, machine: Machine) -> Raw:
        return machine.read(self.name)

    def set(self, machine: Machine, value: Raw) -> None:
        machine.write(self.name, value)
