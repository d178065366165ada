"""LIKE, REDEFINE, ADD and DELETE inside one EDD: declarations as written in, finished constructs out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from server.fdi.eddl.expressions import DictionaryReference, Integer, Reference, Text
from server.fdi.eddl.inherit_work import Work
from server.fdi.eddl.nodes import (
    Attribute,
    Conditional,
    Construct,
    Content,
    Deletion,
    Edd,
    Group,
    Item,
    ItemList,
    Like,
    ListItem,
    RelationItem,
    Removal,
    Transaction,
    TypeSpec,
)
from server.fdi.eddl.writing import written

Finished = Construct | RelationItem
GROUPED = frozenset(
    {"MEMBERS", "ELEMENTS", "RESPONSE_CODES", "PARAMETERS", "LOCAL_PARAMETERS", "PARAMETER_LISTS", "CHARACTERISTICS"}
)  # lists whose items come as `key, reference, texts;`
LIKE_DEPTH = 64  # constructs made LIKE one that is itself made LIKE another


class Inheritance:
    """Applies declarations one after the other to constructs that may already be there, from an IMPORT."""

    def __init__(self, work: Work, given: Mapping[str, Finished] | None = None) -> None:
        self._work = work
        self._findings = work.findings
        self._found: dict[str, Finished] = dict(given or {})
        self._likes: dict[str, Like] = {}
        self._order: list[str] = list(self._found)

    def declare(self, item: Item) -> None:
        """A declaration of an EDD."""
        if isinstance(item, Removal):
            self._remove(item)
        elif item.modifier == "REDEFINE" and not isinstance(item, Like):
            self._redefine(item)
        elif item.modifier == "DELETE":
            self._remove(Removal(item.kind or "", item.name, item.position))
        elif item.name in self._found or item.name in self._likes:
            first = (self._found.get(item.name) or self._likes[item.name]).position
            place = f"line {first.line}" + (f" of {first.file}" if first.file != item.position.file else "")
            self._findings.add(item.position, "duplicate-name", f"the name {item.name} is taken since {place}")
        else:
            if isinstance(item, Like):
                self._likes[item.name] = item
            else:
                self._found[item.name] = replace(item, modifier=None) if item.modifier else item
            self._order.append(item.name)

    def redefine(self, item: Item) -> None:
        """A declaration inside REDEFINITIONS: one without ADD, REDEFINE or DELETE changes its namesake."""
        if isinstance(item, Construct | RelationItem) and item.modifier is None:
            self._redefine(item)
        else:
            self.declare(item)

    def finish(self, *, lenient: bool) -> dict[str, Finished]:
        """All constructs by name; with `lenient` what LIKE cannot find may come from an IMPORT that is not here."""
        for name in list(self._likes):
            _made_like(name, self._found, self._likes, self._work, lenient)
        return {name: self._found[name] for name in self._order if name in self._found}

    def _remove(self, item: Removal) -> None:
        if item.name in self._likes:
            del self._likes[item.name]
        elif item.name not in self._found or (item.kind and self._found[item.name].kind != item.kind):
            self._findings.add(item.position, "missing-target", f"there is no {item.kind} {item.name} to delete")
        else:
            del self._found[item.name]
        if item.name in self._order:
            self._order.remove(item.name)

    def _redefine(self, item: Construct | RelationItem) -> None:
        base = self._found.get(item.name)
        if base is None or base.kind != item.kind:
            text = f"there is no {item.kind} {item.name} to redefine"
            self._findings.add(item.position, "missing-target", text)
            return
        if isinstance(item, Construct) and isinstance(base, Construct) and any(map(_is_change, item.attributes)):
            attributes = changed(base.attributes, item.attributes, self._work)
            self._found[item.name] = replace(base, attributes=attributes)
        else:
            self._found[item.name] = replace(item, modifier=None)


def finished(
    edd: Edd, work: Work, given: Mapping[str, Finished] | None = None, *, lenient: bool
) -> dict[str, Finished]:
    """Every construct of the EDD by name with LIKE and changes applied; `given` came by IMPORT and may be changed.

    Notes duplicates and missing targets.
    """
    made = Inheritance(work, given)
    for item in edd.declarations:
        made.declare(item)
    return made.finish(lenient=lenient)


def _made_like(name: str, found: dict[str, Finished], likes: dict[str, Like], work: Work, imported: bool) -> None:
    findings = work.findings
    chain: list[Like] = []
    seen: set[str] = set()
    while name in likes and name not in found:
        if name in seen or len(chain) > LIKE_DEPTH:
            findings.add(likes[name].position, "missing-target", f"{name} is made LIKE itself or in too many steps")
            for part in chain:
                likes.pop(part.name, None)
            return
        seen.add(name)
        chain.append(likes[name])
        name = likes[name].base
    for like in reversed(chain):
        base = found.get(like.base)
        if not isinstance(base, Construct) or (like.kind is not None and base.kind != like.kind):
            if not imported:
                kind = like.kind or "construct"
                findings.add(
                    like.position, "missing-target", f"{like.name} is LIKE {kind} {like.base}, which is not here"
                )
            continue
        work.repeat(base.attributes, like.position)
        attributes = changed(base.attributes, like.attributes, work)
        found[like.name] = replace(base, name=like.name, attributes=attributes, position=like.position)


def changed(base: Sequence[Attribute], changes: Sequence[Attribute], work: Work) -> tuple[Attribute, ...]:
    """Attributes after ADD, REDEFINE and DELETE; one without such a word replaces its namesake."""
    findings = work.findings
    result = list(base)
    for change in changes:
        cost = 16 if isinstance(change.value, Transaction) else 1  # their numbers are compared, too
        work.look(cost * len(result), change.position)
        at = next((n for n, attribute in enumerate(result) if _same_attribute(attribute, change)), None)
        if change.modifier == "DELETE":
            if at is None:
                findings.add(change.position, "missing-target", f"there is no {change.name} to delete")
            else:
                result = [attribute for attribute in result if not _same_attribute(attribute, change)]
        elif at is None:
            if change.modifier == "REDEFINE":
                findings.add(change.position, "missing-target", f"there is no {change.name} to redefine")
            result.append(replace(change, modifier=None))
        else:
            result[at] = _merged(result[at], change, work)
    return tuple(result)


def _same_attribute(one: Attribute, other: Attribute) -> bool:
    """Whether they go by the same name; TRANSACTIONs go by their number too, unless all are meant."""
    if one.name != other.name:
        return False
    if not isinstance(one.value, Transaction) or not isinstance(other.value, Transaction):
        return True
    return _number_of(one.value) == _number_of(other.value)


def _number_of(transaction: Transaction) -> object:
    """The number of a TRANSACTION; one without is number 0."""
    return 0 if transaction.number is None else _key_of(transaction.number)


def _merged(old: Attribute, new: Attribute, work: Work) -> Attribute:
    if isinstance(old.value, ItemList) and isinstance(new.value, ItemList) and _has_changes(new.value.items):
        items = _changed_items(old.value.items, new.value.items, new.name in GROUPED, work)
        return replace(old, value=replace(old.value, items=items))
    if isinstance(old.value, Transaction) and isinstance(new.value, Transaction):
        if not any(map(_is_change, new.value.attributes)):
            return replace(new, modifier=None)
        attributes = changed(old.value.attributes, new.value.attributes, work)
        return replace(old, value=replace(old.value, attributes=attributes))
    if not isinstance(old.value, TypeSpec) or not isinstance(new.value, TypeSpec):
        return replace(new, modifier=None)
    if not _has_changes(new.value.items) or old.value.reference.name != new.value.reference.name:
        return replace(new, modifier=None)
    items = _changed_items(old.value.items, new.value.items, False, work)
    return replace(old, value=replace(old.value, items=items, size=new.value.size or old.value.size))


def _is_change(attribute: Attribute) -> bool:
    value = attribute.value
    if isinstance(value, Transaction):
        return attribute.modifier is not None or any(map(_is_change, value.attributes))
    return attribute.modifier is not None or (isinstance(value, ItemList | TypeSpec) and _has_changes(value.items))


def _has_changes(items: Sequence[Content]) -> bool:
    return any(isinstance(item, Deletion) or getattr(item, "modifier", None) for item in items)


def _key(item: Content) -> object:
    """What a list entry is known by: its number, its name or its text."""
    match item:
        case Attribute(name=name):
            return ("attribute", name)
        case Deletion(value=value):
            return _key_of(value)
        case ListItem(value=Group(items=(ListItem() as first, *_))):
            return _key_of(first.value)
        case ListItem(value=value):
            return _key_of(value)
    return None


def _key_of(value: object) -> object:
    match value:
        case Integer():
            return value.value
        case Reference():
            return written(value)
        case Text():
            return ("text", value.raw)
        case DictionaryReference():
            return ("text", value.name)
    return None


def _entries(items: Sequence[Content], grouped: bool) -> list[list[Content]]:
    entries: list[list[Content]] = []
    open_entry = False
    for item in items:
        if grouped and open_entry and isinstance(item, ListItem) and not item.modifier:
            entries[-1].append(item)
        else:
            entries.append([item])
        open_entry = isinstance(item, ListItem) and item.separator != ";"
    return entries


class _Entries:
    """Entries of a list in order, found by key in the time of one, however many there are."""

    def __init__(self, entries: Sequence[list[Content]]) -> None:
        self._entries: list[list[Content] | None] = []  # None: deleted
        self._places: dict[object, list[int]] = {}
        for entry in entries:
            self.append(entry)

    def find(self, key: object) -> int | None:
        """Where the first entry of this key stands."""
        places = self._places.get(key) if key is not None else None
        while places and self._entries[places[0]] is None:
            del places[0]
        return places[0] if places else None

    def append(self, entry: list[Content]) -> None:
        self._places.setdefault(_key(entry[0]), []).append(len(self._entries))
        self._entries.append(entry)

    def put(self, at: int, entry: list[Content] | None) -> None:
        """Another entry of the same key in the place of one, or none."""
        self._entries[at] = entry

    def left(self) -> list[list[Content]]:
        """The entries that are there."""
        return [entry for entry in self._entries if entry is not None]


def _changed_items(old: Sequence[Content], new: Sequence[Content], grouped: bool, work: Work) -> tuple[Content, ...]:
    entries = _Entries(_entries(old, grouped))
    if new:
        work.look(16 * (len(old) + len(new)), new[0].position)
    for entry in _entries(new, grouped):
        first = entry[0]
        key = own_key = _key(first)
        if isinstance(first, Deletion):
            word: str | None = "DELETE"
        else:
            word = getattr(first, "modifier", None)
        at = entries.find(key)
        if isinstance(first, Deletion) and at is None:
            key = ("attribute", key)  # DELETE DEFAULT_VALUE; names an attribute of the type
            at = entries.find(key)
        if word in ("DELETE", "REDEFINE") and at is None:
            if isinstance(first, ListItem | Attribute):
                entry[0] = replace(first, modifier=None)
            inner = entry if word == "REDEFINE" else []
            if _changed_inside(entries.left(), own_key, inner, grouped, work):
                continue
            work.findings.add(first.position, "missing-target", f"there is no such entry to {word.lower()}")
            continue
        if isinstance(first, ListItem | Attribute):
            entry[0] = replace(first, modifier=None)
        if word == "DELETE" and at is not None:
            entries.put(at, None)
        elif at is not None and (word == "REDEFINE" or isinstance(first, Attribute)):
            entries.put(at, entry)
        else:
            entries.append(entry)
    result = entries.left()
    for entry in result[:-1]:
        last = entry[-1]
        if grouped and isinstance(last, ListItem) and last.separator != ";":
            entry[-1] = replace(last, separator=";")
    return tuple(item for entry in result for item in entry)


def _changed_inside(
    entries: list[list[Content]], key: object, new: Sequence[Content], grouped: bool, work: Work
) -> bool:
    """Put `new` in the place of the entry that stands in a branch of a conditional; tells whether there is one."""
    for entry in entries:
        work.look(4 * len(entry), entry[0].position)
        for at, part in enumerate(entry):
            if isinstance(part, Conditional) and key is not None:
                branches = [_replaced(case.content, key, new, grouped, work) for case in part.cases]
                default = None if part.default is None else _replaced(part.default, key, new, grouped, work)
                if any(branch is not None for branch in (*branches, default)):
                    cases = tuple(
                        case if branch is None else replace(case, content=branch)
                        for case, branch in zip(part.cases, branches, strict=True)
                    )
                    entry[at] = replace(part, cases=cases, default=part.default if default is None else default)
                    return True
    return False


def _replaced(
    content: Sequence[Content], key: object, new: Sequence[Content], grouped: bool, work: Work
) -> tuple[Content, ...] | None:
    if content:
        work.look(16 * len(content), content[0].position)
    entries = _entries(content, grouped)
    at = next((n for n, known in enumerate(entries) if _key(known[0]) == key), None)
    if at is not None:
        entries[at] = list(new)
    elif not _changed_inside(entries, key, new, grouped, work):
        return None
    return tuple(item for entry in entries for item in entry)
