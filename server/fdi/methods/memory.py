"""Instructions that read and write locals, arrays, parameters and places."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

from server.fdi.logic.errors import EvaluationError
from server.fdi.methods.ctype import CArray, converter
from server.fdi.methods.places import ArrayPlace, CharactersPlace, ElementPlace, ItemPlace, LocalPlace, Place
from server.fdi.methods.program import SPENT, Instruction, Local

if TYPE_CHECKING:
    from server.fdi.methods.machine import Machine

_CELLS_A_STEP = 64  # array elements that one step of the budget pays for
_READ_STEPS = 4  # what asking the host for a value costs beyond an instruction


def store(local: Local, keep: bool) -> Instruction:
    """The value on top, already of the local's type, goes into its slot; `keep` leaves it on the stack."""
    slot = local.slot

    def number(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        slots[slot] = stack.pop()

    def number_kept(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        slots[slot] = stack[-1]

    def text(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        machine.hold_text(slots[slot], stack[-1])
        slots[slot] = stack[-1] if keep else stack.pop()

    if local.ctype.is_text:
        return text
    return number_kept if keep else number


def step_local(local: Local, amount: int, keep: bool, new_value: bool) -> Instruction:
    """`++` and `--` on a numeric scalar local."""
    slot, change = local.slot, converter(local.ctype)

    def quiet(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        slots[slot] = change(slots[slot] + amount)

    def seen(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        old = slots[slot]
        slots[slot] = new = change(old + amount)
        stack.append(new if new_value else old)

    return seen if keep else quiet


def declare(local: Local, lengths: tuple[int, ...] | None) -> Instruction:
    """A declaration without initialiser: the local starts as zero or empty each time it is reached."""
    slot, zero, ctype = local.slot, local.ctype.zero, local.ctype

    def scalar(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        slots[slot] = zero

    def text(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        machine.hold_text(slots[slot], "")
        slots[slot] = zero

    if lengths is None:
        return text if ctype.is_text else scalar
    count = prod(lengths)

    def array(stack: list[Any], slots: list[Any], machine: Machine) -> int:
        machine.drop_array(slots[slot])
        machine.hold_elements(count, ctype.is_text)
        slots[slot] = CArray(ctype, lengths, [zero] * count)
        machine.extra += count // _CELLS_A_STEP
        return SPENT

    return array


def fill(slot: int, count: int) -> Instruction:
    """The topmost `count` values become the first elements of an array."""

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> int:
        array: CArray = slots[slot]
        change = converter(array.ctype)
        for at, value in enumerate(stack[len(stack) - count :]):
            new = change(value)
            if isinstance(new, str):
                machine.hold_text(array.data[at], new)
            array.data[at] = new
        del stack[len(stack) - count :]
        machine.extra += count
        return SPENT

    return run


def copy_text(slot: int, keep: bool) -> Instruction:
    """The text on top is copied into an array of char."""

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> int:
        array: CArray = slots[slot]
        array.set_text(stack[-1])
        machine.extra += len(stack[-1]) // _CELLS_A_STEP
        if not keep:
            stack.pop()
        return SPENT

    return run


def array_text(stack: list[Any], slots: list[Any], machine: Machine) -> int:
    """An array of char on top becomes the text it holds."""
    array: CArray = stack[-1]
    stack[-1] = machine.new_text(array.text(machine.limits.string_bytes))
    machine.extra += len(array.data) // _CELLS_A_STEP
    return SPENT


def _offset(array: CArray, indexes: list[int], name: str) -> int:
    """Where an element stands. The first length of an array parameter is open, so only the end bounds it."""
    lengths = array.lengths
    if len(indexes) != len(lengths):
        raise EvaluationError(f"{name} has {len(lengths)} dimensions, not {len(indexes)}")
    at = 0
    for index, length in zip(indexes, lengths, strict=True):
        if not 0 <= index < length:
            raise EvaluationError(f"{name}[{index}] lies outside its {length} elements")
        at = at * length + index
    return at


def load_element(local: Local, dimensions: int) -> Instruction:
    """The topmost indexes are replaced by the element."""
    slot, name = local.slot, local.name

    def one(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        array: CArray = slots[slot]
        index = stack[-1]
        if len(array.lengths) == 1 and 0 <= index < len(array.data):
            stack[-1] = array.data[index]
        else:
            stack[-1] = array.data[_offset(array, [index], name)]

    def several(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        array: CArray = slots[slot]
        indexes = stack[-dimensions:]
        del stack[-dimensions:]
        stack.append(array.data[_offset(array, indexes, name)])

    return one if dimensions == 1 else several


def element_place(local: Local, dimensions: int) -> Instruction:
    """The topmost indexes are replaced by the element's place."""
    slot, name = local.slot, local.name

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        array: CArray = slots[slot]
        indexes = stack[-dimensions:]
        del stack[-dimensions:]
        stack.append(ElementPlace(array, _offset(array, indexes, name), name))

    return run


def local_place(local: Local) -> Instruction:
    """The place of a local: a scalar's, or a whole array's."""
    slot, name, ctype = local.slot, local.name, local.ctype

    def scalar(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        stack.append(LocalPlace(slots, slot, ctype, name))

    def reference(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        stack.append(slots[slot])

    def array(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        held: CArray = slots[slot]
        stack.append(CharactersPlace(held, name) if held.is_characters else ArrayPlace(held, name))

    if local.lengths is not None:
        return array
    return reference if local.by_reference else scalar


def load_reference(slot: int) -> Instruction:
    """The value of an in/out parameter."""

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        place: Place = slots[slot]
        stack.append(place.get(machine))

    return run


def load_place(stack: list[Any], slots: list[Any], machine: Machine) -> None:
    """Above the place on top comes its value."""
    place: Place = stack[-1]
    stack.append(place.get(machine))


def store_place(keep: bool) -> Instruction:
    """Below the value on top lies a place: the value goes there; `keep` leaves it on the stack."""

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> int:
        value = stack.pop()
        place: Place = stack.pop()
        place.set(machine, value)
        if keep:
            stack.append(value)
        return SPENT

    return run


def load_item(name: str) -> Instruction:
    """The value of a parameter."""

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> int:
        stack.append(machine.read(name))
        machine.extra += _READ_STEPS
        return SPENT

    return run


def item_value(stack: list[Any], slots: list[Any], machine: Machine) -> int:
    """The name of a parameter on top becomes its value."""
    stack[-1] = machine.read(stack[-1])
    machine.extra += _READ_STEPS
    return SPENT


def item_place(stack: list[Any], slots: list[Any], machine: Machine) -> None:
    """The name of a parameter on top becomes its place."""
    stack[-1] = ItemPlace(stack[-1])


def step_into(find: Callable[[str, int], str | None], what: str) -> Instruction:
    """An index on top of an item's name: both are replaced by the element's name."""

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        index = stack.pop()
        found = find(stack[-1], index)
        if found is None:
            raise EvaluationError(f"{what} has no element {index}")
        stack[-1] = found

    return run
