"""Changes of what a value means: EURange, EngineeringUnits and the like (OPC 10000-4, 7.39.1; OPC 10000-8, 5.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from asyncua import ua

from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import Node
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import variant_of
from server.opcua.services.monitored_item import REPORTING, DataItem
from server.opcua.wire import Group, Item, Ready
from server.opcua.wire.points import NEITHER

HAS_PROPERTY = 46
PROPERTIES = frozenset({"EURange", "EngineeringUnits", "EnumStrings", "EnumValues", "TrueState", "FalseState"})
"""Properties whose change sets the SemanticsChanged bit."""
SEMANTICS_CHANGED = 0x4000


class Watch:
    """The properties of one variable, and the data items that its values go to."""

    __slots__ = ("items", "key", "watchers")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.items: dict[DataItem, None] = {}
        self.watchers: list[Item] = []


class Semantics:
    """Watches properties as monitored items of our own; changes are looked at before anything is sampled or sent."""

    def __init__(self, store: NodeStore, changed: Callable[[list[tuple[Key, Key]]], None]) -> None:
        self._store = store
        self._changed = changed
        self._group = Group()
        self._ready = Ready()
        self._watches: dict[Key, Watch] = {}
        self._of: dict[Item, Watch] = {}
        self._told: set[Key] = set()

    def _property(self, node: Node, names: Iterable[str]) -> list[Node]:
        code = self._store.code(HAS_PROPERTY)
        refs = node.refs
        found = []
        for position in range(0, len(refs), 2):
            if refs[position] == code:
                # What is only announced (Annotations) has no meaning for values: it is not made for that.
                child = self._store.peek(refs[position + 1])
                if child is not None and child.name.Name in names and child.name.NamespaceIndex == 0:
                    found.append(child)
        return found

    def span(self, node: Node) -> float | None:
        """High - low of the node's EURange; None when it has none that makes sense."""
        for child in self._property(node, ("EURange",)):
            value = variant_of(child.point).Value if child.point is not None else None
            if isinstance(value, ua.Range):
                span = value.High - value.Low
                if math.isfinite(span) and span > 0:
                    return float(span)
        return None

    def watch(self, item: DataItem) -> None:
        """Tell a data item of its variable's changes."""
        watch = self._watches.get(item.key)
        if watch is None:
            points = [child.point for child in self._property(item.node, PROPERTIES) if child.point is not None]
            if not points:
                return
            watch = self._watches[item.key] = Watch(item.key)
            for point in points:
                watcher = Item(point, self._ready, 0, NEITHER)
                watcher.group = self._group
                watcher.set_mode(REPORTING)
                watcher.sample(0)
                watcher.attach()
                watch.watchers.append(watcher)
                self._of[watcher] = watch
            self._ready.take(0)
        watch.items[item] = None

    def forget(self, item: DataItem) -> None:
        """The data item is gone."""
        watch = self._watches.get(item.key)
        if watch is None or item not in watch.items:
            return
        del watch.items[item]
        if watch.items:
            return
        del self._watches[item.key]
        for watcher in watch.watchers:
            del self._of[watcher]
            watcher.drop()

    def rewatch(self, item: DataItem, now: int) -> None:
        """Properties of the item's variable came or went: watch those there are, and mark the item."""
        self.forget(item)
        self.watch(item)
        item.range_changed()
        if not item.refused:
            item.item.mark(SEMANTICS_CHANGED, now)

    def tell(self, changes: Sequence[tuple[Key, Key]]) -> None:
        """One event for nodes whose Properties were just changed; `look` then only marks the items."""
        self._told |= {key for key, _ in changes if key in self._watches}
        self._changed(list(changes))

    def look(self, now: int) -> None:
        """Mark the items of variables whose properties changed; `now` in ticks."""
        dirty = self._group.dirty
        if not dirty:
            self._told.clear()
            return
        touched = list(dirty)
        self._group.tick(now)
        changed = {self._of[watcher].key: self._of[watcher] for watcher in touched if watcher.has_values()}
        self._ready.take(0)
        for watch in changed.values():
            for item in watch.items:
                item.range_changed()
                if not item.refused:
                    item.item.mark(SEMANTICS_CHANGED, now)
        nodes = [(key, self._store.get(key)) for key in changed if key not in self._told]
        self._told.clear()
        if nodes:
            self._changed([(key, self._store.type_definition(node)) for key, node in nodes if node is not None])
