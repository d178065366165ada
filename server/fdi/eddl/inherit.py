"""LIKE, REDEFINE, ADD and DELETE inside one EDD: declarations as written in, finished constructs out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from server.fdi.eddl.errors import Findings
from server.fdi.eddl.expressions import DictionaryReference, Integer, Reference, Text
from server.fdi.eddl.nodes import (
    Attribute,
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
    TypeSpec,
)
from server.fdi.eddl.writing import written

Finished = Construct | RelationItem
GROUPED = frozenset(
    {"MEMBERS", "ELEMENTS", "RESPONSE_CODES", "PARAMETERS", "LOCAL_PARAMETERS", "PARAMETER_LISTS", "CHARACTERISTICS"}
)  # lists whose items come as `key, reference, texts;`
LIKE_DEPTH = 64  # constructs made LIKE one that is itself made LIKE another


def finished(edd: Edd, findings: Findings) -> dict[str, Finished]:
    """Every construct of the EDD by name with LIKE and changes applied. Notes duplicates and missing targets."""
    found: dict[str, Finished] = {}
    likes: dict[str, Like] = {}
    order: list[str] = []
    for item in edd.declarations:
        if isinstance(item, Removal):
            _remove(item, found, likes, findings)
        elif item.modifier == "REDEFINE" and not isinstance(item, Like):
            _redefine(item, found, findings)
        elif item.modifier == "DELETE":
            _remove(Removal(_kind(item), item.name, item.position), found, likes, findings)
        elif item.name in found or item.name in likes:
            first = (found.get(item.name) or likes[item.name]).position
            place = f"line {first.line}" + (f" of {first.file}" if first.file != item.position.file else "")
            findings.add(item.position, "duplicate-name", f"the name {item.name} is taken since {place}")
        elif isinstance(item, Like):
            likes[item.name] = item
            order.append(item.name)
        else:
            found[item.name] = item
            order.append(item.name)
    for name in list(likes):
        _made_like(name, found, likes, findings, bool(edd.imports))
    return {name: found[name] for name in order if name in found}


def _kind(item: Item) -> str:
    return item.kind or ""


def _remove(item: Removal, found: dict[str, Finished], likes: dict[str, Like], findings: Findings) -> None:
    if item.name in likes:
        del likes[item.name]
    elif item.name not in found or (item.kind and found[item.name].kind != item.kind):
        findings.add(item.position, "missing-target", f"there is no {item.kind} {item.name} to delete")
    else:
        del found[item.name]


def _redefine(item: Construct | RelationItem, found: dict[str, Finished], findings: Findings) -> None:
    base = found.get(item.name)
    if base is None or base.kind != item.kind:
        findings.add(item.position, "missing-target", f"there is no {item.kind} {item.name} to redefine")
        return
    if isinstance(item, Construct) and isinstance(base, Construct) and any(map(_is_change, item.attributes)):
        attributes = changed(base.attributes, item.attributes, findings)
        found[item.name] = replace(base, attributes=attributes)
    else:
        found[item.name] = replace(item, modifier=None)


def _made_like(
    name: str, found: dict[str, Finished], likes: dict[str, Like], findings: Findings, imported: bool
) -> None:
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
        attributes = changed(base.attributes, like.attributes, findings)
        found[like.name] = replace(base, name=like.name, attributes=attributes, position=like.position)


def changed(base: Sequence[Attribute], changes: Sequence[Attribute], findings: Findings) -> tuple[Attribute, ...]:
    """Attributes after ADD, REDEFINE and DELETE; one without such a word replaces its namesake."""
    result = list(base)
    for change in changes:
        at = next((n for n, attribute in enumerate(result) if attribute.name == change.name), None)
        if change.modifier == "DELETE":
            if at is None:
                findings.add(change.position, "missing-target", f"there is no {change.name} to delete")
            else:
                result = [attribute for attribute in result if attribute.name != change.name]
        elif at is None:
            if change.modifier == "REDEFINE":
                findings.add(change.position, "missing-target", f"there is no {change.name} to redefine")
            result.append(replace(change, modifier=None))
        else:
            result[at] = _merged(result[at], change, findings)
    return tuple(result)


def _merged(old: Attribute, new: Attribute, findings: Findings) -> Attribute:
    if isinstance(old.value, ItemList) and isinstance(new.value, ItemList) and _has_changes(new.value.items):
        items = _changed_items(old.value.items, new.value.items, new.name in GROUPED, findings)
        return replace(old, value=replace(old.value, items=items))
    if not isinstance(old.value, TypeSpec) or not isinstance(new.value, TypeSpec):
        return replace(new, modifier=None)
    if not _has_changes(new.value.items) or old.value.reference.name != new.value.reference.name:
        return replace(new, modifier=None)
    items = _changed_items(old.value.items, new.value.items, False, findings)
    return replace(old, value=replace(old.value, items=items, size=new.value.size or old.value.size))


def _is_change(attribute: Attribute) -> bool:
    value = attribute.value
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


def _changed_items(
    old: Sequence[Content], new: Sequence[Content], grouped: bool, findings: Findings
) -> tuple[Content, ...]:
    result = _entries(old, grouped)
    for entry in _entries(new, grouped):
        first = entry[0]
        key = _key(first)
        if isinstance(first, Deletion):
            word: str | None = "DELETE"
        else:
            word = getattr(first, "modifier", None)
        at = next((n for n, known in enumerate(result) if key is not None and _key(known[0]) == key), None)
        if isinstance(first, Deletion) and at is None:
            key = ("attribute", key)  # DELETE DEFAULT_VALUE; names an attribute of the type
            at = next((n for n, known in enumerate(result) if _key(known[0]) == key), None)
        if word in ("DELETE", "REDEFINE") and at is None:
            findings.add(first.position, "missing-target", f"there is no such entry to {word.lower()}")
            continue
        if isinstance(first, ListItem | Attribute):
            entry[0] = replace(first, modifier=None)
        if word == "DELETE" and at is not None:
            del result[at]
        elif at is not None and (word == "REDEFINE" or isinstance(first, Attribute)):
            result[at] = entry
        else:
            result.append(entry)
    for entry in result[:-1]:
        last = entry[-1]
        if grouped and isinstance(last, ListItem) and last.separator != ";":
            entry[-1] = replace(last, separator=";")
    return tuple(item for entry in result for item in entry)
