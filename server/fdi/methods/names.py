"""Items of an EDD as METHODs name them: steps of references, and the numbers that ITEM_ID and MEMBER_ID stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from server.fdi.eddl.model import EddModel, Member
from server.model.device_type import ParameterSpec

MEMBER_IDS: Final = 0x4000_0000  # member numbers start here, so that no item has the same one
ROOTS: Final = frozenset({"PARAM", "LOCAL", "PARAM_LIST", "LOCAL_PARAM_LIST", "CHARACTERISTICS", "BLOCK", "SELF"})
_STEP = re.compile(r"\.(?P<member>[A-Za-z_]\w*)|\[(?P<index>\d{1,9})\]")
_NAME = re.compile(r"[A-Za-z_]\w*")
_DEPTH = 16  # references through references


class Names:
    """Looks up the items of one device type; an item's name is a parameter's, a construct's, or `list[n]`."""

    def __init__(self, model: EddModel, parameters: Mapping[str, ParameterSpec]) -> None:
        self._model = model
        self._parameters = parameters
        items = dict.fromkeys((*model.constructs, *model.variables, *model.methods, *model.arrays, *parameters))
        self._item_names = tuple(items)
        self._item_ids = {name: number for number, name in enumerate(items, start=1)}
        holders: list[Mapping[str, Member]] = [found.members for found in model.collections.values()]
        holders += [found.members for found in model.files.values()]
        for block in model.blocks.values():
            holders += [block.parameters, block.local_parameters, block.parameter_lists]
        members = dict.fromkeys(name for holder in holders for name in holder)
        self._member_names = tuple(members)
        self._member_ids = {name: MEMBER_IDS + number for number, name in enumerate(members)}
        self._text_names = tuple(model.dictionary)
        self._text_ids = {name: number for number, name in enumerate(self._text_names, start=1)}

    # ---- what there is

    def is_parameter(self, name: str) -> bool:
        return name in self._parameters

    def kind(self, name: str) -> str | None:
        """The construct's word (VARIABLE for every parameter), None when there is no such item."""
        if name in self._parameters:
            return "VARIABLE"
        if "[" in name:
            return "ELEMENT"
        model = self._model
        for word, found in (
            ("METHOD", model.methods),
            ("MENU", model.menus),
            ("COLLECTION", model.collections),
            ("ARRAY", model.arrays),
            ("LIST", model.lists),
            ("FILE", model.files),
            ("COMMAND", model.commands),
        ):
            if name in found:
                return word
        if name in model.variables:
            return "TEMPLATE VARIABLE"  # serves as the type of arrays or lists only
        construct = model.constructs.get(name)
        return construct.kind if construct is not None else None

    def elements(self, name: str) -> int:
        """How many elements an array has; a LIST tells its CAPACITY; 0 for anything else."""
        array = self._model.arrays.get(name)
        if array is not None:
            return (array.count or 0) if array.kind == "value" else len(array.elements)
        found = self._model.lists.get(name)
        return (found.capacity or 0) if found is not None else 0

    # ---- steps

    def member(self, item: str, name: str) -> str | None:
        """The item a member stands for, None when there is none."""
        if item in ROOTS:
            return self.block_member(name)
        holder = self._model.collections.get(item) or self._model.files.get(item)
        return self._followed(holder.members.get(name), 0) if holder is not None else None

    def element(self, item: str, index: int) -> str | None:
        """The item an element is, None when there is none of that number."""
        array = self._model.arrays.get(item)
        if array is None:
            return f"{item}[{index}]" if item in self._model.lists and index >= 0 else None
        if array.kind == "value":
            return f"{item}_{index}" if 0 <= index < (array.count or 0) else None
        return self._followed(array.elements.get(index), 0)

    def some_element(self, item: str) -> str | None:
        """The first element of an array that is a parameter: its type stands for all of them."""
        array = self._model.arrays.get(item)
        if array is None or array.kind == "value":
            return self.element(item, 0)
        return next((found for index in array.elements if (found := self.element(item, index))), None)

    def block_member(self, name: str) -> str | None:
        """What PARAM.name and its like stand for: a block's parameter, else the item of that name."""
        for block in self._model.blocks.values():
            found = block.parameters.get(name) or block.local_parameters.get(name) or block.parameter_lists.get(name)
            if found is not None:
                return self._followed(found, 0)
        return name if self.kind(name) else None

    def written(self, reference: str) -> str | None:
        """The item of a reference in a text, such as `collection.MEMBER` or `array[2]`; None when there is none."""
        return self._followed(Member(reference), 0)

    def _followed(self, member: Member | None, depth: int) -> str | None:
        """The item a written reference ends at."""
        match = _NAME.match(member.target) if member is not None and depth < _DEPTH else None
        if match is None or member is None:
            return None
        found: str | None = match.group()
        at = match.end()
        while found is not None and at < len(member.target):
            step = _STEP.match(member.target, at)
            if step is None:
                return None
            at = step.end()
            found = self._step(found, step["member"], step["index"], depth)
        return found if found is not None and self.kind(found) else None

    def _step(self, item: str, member: str | None, index: str | None, depth: int) -> str | None:
        if member is not None:
            holder = self._model.collections.get(item) or self._model.files.get(item)
            return self._followed(holder.members.get(member), depth + 1) if holder is not None else None
        array = self._model.arrays.get(item)
        if array is not None and array.kind == "reference":
            return self._followed(array.elements.get(int(index or 0)), depth + 1)
        return self.element(item, int(index or 0))

    # ---- numbers

    def item_id(self, name: str) -> int:
        """The number of an item; 0 for one that has none."""
        return self._item_ids.get(name, 0)

    def item_of(self, number: int) -> str:
        """The item of a number, "" when there is none."""
        return self._item_names[number - 1] if 1 <= number <= len(self._item_names) else ""

    def member_id(self, name: str) -> int:
        """The number of a member's name; 0 when no construct has such a member."""
        return self._member_ids.get(name, 0)

    def member_of(self, item: str, number: int) -> str | None:
        """What (item, member) of the builtins means: the item itself for 0, a member by its number, an element."""
        at = number - MEMBER_IDS
        if 0 <= at < len(self._member_names):
            return self.member(item, self._member_names[at])
        if self.kind(item) in ("ARRAY", "LIST"):
            return self.element(item, number)
        return item if number == 0 and item else None

    def member_name(self, number: int) -> str:
        """The name of a member's number, "" when there is none."""
        at = number - MEMBER_IDS
        return self._member_names[at] if 0 <= at < len(self._member_names) else ""

    def text_id(self, name: str) -> int:
        """The number of a text of the dictionary; 0 when there is none."""
        return self._text_ids.get(name, 0)

    def text_name(self, number: int) -> str:
        """The identifier of a text of the dictionary, "" when there is none."""
        return self._text_names[number - 1] if 1 <= number <= len(self._text_names) else ""
