"""The builder's face of the node store: Objects, Variables, Methods and types placed below their parents.

One object knows the namespace indexes and the rights. Everything that builds nodes goes through `Space`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from asyncua import ua

from server.core.texts import Texts
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.node import METHOD, OBJECT, OBJECT_TYPE, VARIABLE, A, Node, Shape
from server.opcua.nodes.store import HAS_MODELLING_RULE_KEY, HAS_TYPE_DEFINITION_KEY, NodeStore
from server.opcua.nodes.values import Encoded, new_point
from server.opcua.nodes.values import data_value as shown_value
from server.opcua.roles import Permissions, Rights
from server.opcua.wire import Point
from server.settings import DeadbandSettings

__all__ = ["A", "Space", "data_value", "localized"]

HAS_COMPONENT = ua.NodeId(ua.ObjectIds.HasComponent)
HAS_PROPERTY = ua.NodeId(ua.ObjectIds.HasProperty)
HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)
HAS_TYPE_DEFINITION = ua.NodeId(ua.ObjectIds.HasTypeDefinition)
HAS_MODELLING_RULE = ua.NodeId(ua.ObjectIds.HasModellingRule)
HAS_NOTIFIER = ua.NodeId(ua.ObjectIds.HasNotifier)
HAS_EVENT_SOURCE = ua.NodeId(ua.ObjectIds.HasEventSource)
HAS_CONDITION = ua.NodeId(ua.ObjectIds.HasCondition)
EVENTS_AND_HISTORY = 13
"""EventNotifier of what has events now and earlier ones: SubscribeToEvents, HistoryRead, HistoryWrite."""
ORGANIZES = ua.NodeId(ua.ObjectIds.Organizes)
MANDATORY = ua.NodeId(ua.ObjectIds.ModellingRule_Mandatory)
OPTIONAL = ua.NodeId(ua.ObjectIds.ModellingRule_Optional)
PROPERTY_TYPE = ua.NodeId(ua.ObjectIds.PropertyType)
BASE_DATA_VARIABLE_TYPE = ua.NodeId(ua.ObjectIds.BaseDataVariableType)
FOLDER_TYPE = ua.NodeId(ua.ObjectIds.FolderType)
OBJECTS = ua.NodeId(ua.ObjectIds.ObjectsFolder)
SERVER = ua.NodeId(ua.ObjectIds.Server)

READ = 1
WRITE = 2
HISTORY_READ = 4
HISTORY_WRITE = 8
STATUS_WRITE = 32
TIMESTAMP_WRITE = 64
"""Bits of AccessLevel (OPC 10000-3, 8.57)."""

SHARED_TEXTS = 20_000
"""Names and texts kept once for all nodes that have them; later ones stand at their node."""
_ANY_LENGTH = ua.Variant([0], ua.VariantType.UInt32, is_array=True)
_ARGUMENT = ua.NodeId(ua.ObjectIds.Argument)


def localized(texts: Texts | str) -> ua.LocalizedText:
    """The default language of a text, as the wire has it."""
    if isinstance(texts, str):
        return ua.LocalizedText(texts) if texts else ua.LocalizedText(None)
    language, text = texts.best()
    return ua.LocalizedText(text, language) if text else ua.LocalizedText(None)


def data_value(value: Any, variant_type: ua.VariantType, *, is_array: bool | None = None) -> ua.DataValue:
    """A Good value without time stamps."""
    return ua.DataValue(ua.Variant(value, variant_type, is_array=is_array))


class Space:
    """The address space under construction and at run time."""

    def __init__(self, store: Any, indexes: Mapping[str, int], rights: Rights | None = None) -> None:
        if not isinstance(store, NodeStore):
            # The address space of another stack: what is built is shown there. Only comparisons ask for that.
            from server.opcua.nodes.foreign import ForeignStore

            store = ForeignStore(store)
        self.store: NodeStore = store
        self.indexes = indexes  # namespace URI -> index
        self.rights = rights if rights is not None else Rights()
        self.property_values: dict[tuple[str, int], tuple[object, Encoded]] = {}  # per specification, see users
        self.deadbands: Mapping[str, DeadbandSettings] = {}  # by "type/parameter"
        self._names: dict[tuple[str, int], ua.QualifiedName] = {}
        self._texts: dict[tuple[str | None, str | None], ua.LocalizedText] = {}
        self._translations: dict[str, Texts] = {}  # by what is shown in the default language

    @property
    def aspace(self) -> Any:
        """The same nodes as the stack's own server keeps them, for comparisons with it."""
        from server.opcua.nodes.foreign import stack_nodes

        return stack_nodes(self.store)

    # -- ids

    def id(self, uri: str, identifier: int | str) -> ua.NodeId:
        """The NodeId of an identifier in a namespace."""
        return ua.NodeId(identifier, self.indexes[uri])

    def name(self, uri: str, text: str) -> ua.QualifiedName:
        """The QualifiedName of a text in a namespace."""
        return ua.QualifiedName(text, self.indexes[uri])

    def __contains__(self, node_id: ua.NodeId) -> bool:
        return key_of(node_id) in self.store

    def node(self, node_id: ua.NodeId) -> Node:
        """A node. Raises KeyError when there is none."""
        return self.store[key_of(node_id)]

    def point(self, node_id: ua.NodeId) -> Point:
        """The Point of a Variable. Raises KeyError when there is none."""
        point = self.store[key_of(node_id)].point
        if point is None:
            raise KeyError(node_id)
        return point

    def value(self, node_id: ua.NodeId) -> ua.DataValue:
        """The Value attribute as it stands. Raises KeyError when there is none."""
        return shown_value(self.point(node_id))

    # -- texts

    def _localized(self, texts: Texts | str) -> ua.LocalizedText:
        shown = localized(texts)
        if isinstance(texts, Texts) and len(texts.by_language) > 1:
            self._translations[shown.Text or ""] = texts
        found = self._texts.get((shown.Text, shown.Locale))
        if found is None:
            found = shown
            if len(self._texts) < SHARED_TEXTS:
                self._texts[shown.Text, shown.Locale] = shown
        return found

    def _named(self, name: ua.QualifiedName) -> ua.QualifiedName:
        found = self._names.get((name.Name, name.NamespaceIndex))
        if found is None:
            found = name
            if len(self._names) < SHARED_TEXTS:
                self._names[name.Name, name.NamespaceIndex] = name
        return found

    def translated(self, shown: ua.LocalizedText, locales: Iterable[str]) -> ua.LocalizedText:
        """A name or description in the first locale that it exists in, else as it is."""
        texts = self._translations.get(shown.Text or "")
        if texts is None:
            return shown
        language, text = texts.best(locales)
        return shown if language == shown.Locale else ua.LocalizedText(text, language)

    def know_texts(self, other: Space) -> None:
        """Take over the languages of names and descriptions that were made elsewhere and will be shown here."""
        self._translations.update(other._translations)

    def describe(self, node: Node, display: Texts | str, help_: Texts | str) -> None:
        """Another DisplayName and Description of a node."""
        node.display = self._localized(display) if display and display != node.name.Name else None
        node.description = self._localized(help_) if help_ else None
        self.store.changed()

    # -- nodes

    def _node(
        self, node_id: ua.NodeId, shape: Shape, name: ua.QualifiedName, display: Texts | str, help_: Texts | str
    ) -> Node:
        """A node that is not in the store yet."""
        node = Node(key_of(node_id), self.store.shape(shape), self._named(name))
        if display and display != name.Name:
            node.display = self._localized(display)
        if help_:
            node.description = self._localized(help_)
        return node

    def rename(self, node_id: ua.NodeId, display: Texts) -> None:
        """Give a node another DisplayName. Raises KeyError."""
        self.node(node_id).display = self._localized(display)
        self.store.changed()

    def object(
        self,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        type_definition: ua.NodeId,
        *,
        parent: ua.NodeId | None = None,
        reference: ua.NodeId = HAS_COMPONENT,
        display: Texts | str = "",
        description: Texts | str = "",
        notifier: int = 0,
        rule: ua.NodeId | None = None,
        permissions: Permissions | None = None,
    ) -> Node:
        """An Object below a parent; `permissions` None are those of its namespace."""
        shape = Shape(OBJECT, notifier=notifier, permissions=permissions)
        node = self.store.add(self._node(node_id, shape, name, display, description))
        self._place(node, type_definition, parent, reference, rule)
        return node

    def variable(
        self,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        value: ua.DataValue | Encoded,
        data_type: ua.NodeId,
        *,
        type_definition: ua.NodeId = BASE_DATA_VARIABLE_TYPE,
        parent: ua.NodeId | None = None,
        reference: ua.NodeId = HAS_COMPONENT,
        display: Texts | str = "",
        description: Texts | str = "",
        access: int = READ,
        rank: int = -1,
        historizing: bool = False,
        rule: ua.NodeId | None = None,
        permissions: Permissions | None = None,
        direct: bool = False,
    ) -> Node:
        """A Variable below a parent; `direct` ones take a client's Write at once. Raises ValueEncodingError."""
        shape = Shape(
            VARIABLE,
            data_type=key_of(data_type),
            rank=rank,
            access=access,
            historizing=historizing,
            permissions=permissions,
            direct=direct,
        )
        node = self._node(node_id, shape, name, display, description)
        node.point = new_point(value)
        if rank == 1:
            node.extra = {A.ArrayDimensions: _ANY_LENGTH}
        self.store.add(node)
        self._place(node, type_definition, parent, reference, rule)
        return node

    def property(
        self,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        value: ua.DataValue | Encoded,
        data_type: ua.NodeId,
        *,
        parent: ua.NodeId,
        rank: int = -1,
        access: int = READ,
        rule: ua.NodeId | None = None,
        permissions: Permissions | None = None,
    ) -> Node:
        """A Property of a parent."""
        return self.variable(
            node_id,
            name,
            value,
            data_type,
            type_definition=PROPERTY_TYPE,
            parent=parent,
            reference=HAS_PROPERTY,
            rank=rank,
            access=access,
            rule=rule,
            permissions=permissions,
        )

    def method(
        self,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        *,
        parent: ua.NodeId,
        inputs: list[ua.Argument],
        outputs: list[ua.Argument],
        display: Texts | str = "",
        description: Texts | str = "",
        rule: ua.NodeId | None = None,
        permissions: Permissions | None = None,
    ) -> Node:
        """A Method with its InputArguments and OutputArguments."""
        node = self.store.add(self._node(node_id, Shape(METHOD, permissions=permissions), name, display, description))
        self.link(parent, HAS_COMPONENT, node_id)
        if rule is not None:
            self.link(node_id, HAS_MODELLING_RULE, rule, inverse=False)
        for part, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            if arguments:
                self.property(
                    ua.NodeId(f"{node_id.Identifier}/{part}", node_id.NamespaceIndex),
                    ua.QualifiedName(part, 0),
                    data_value(arguments, ua.VariantType.ExtensionObject, is_array=True),
                    _ARGUMENT,
                    parent=node_id,
                    rank=1,
                    rule=rule,
                )
        return node

    def type_node(
        self,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        *,
        supertype: ua.NodeId,
        display: Texts | str = "",
        description: Texts | str = "",
    ) -> Node:
        """A concrete ObjectType below its supertype."""
        node = self.store.add(self._node(node_id, Shape(OBJECT_TYPE), name, display, description))
        self.link(supertype, HAS_SUBTYPE, node_id)
        return node

    def _place(
        self,
        node: Node,
        type_definition: ua.NodeId,
        parent: ua.NodeId | None,
        reference: ua.NodeId,
        rule: ua.NodeId | None,
    ) -> None:
        # The type's side of HasTypeDefinition is left out: with thousands of instances nobody wants to browse it.
        link, key = self.store.link, node.key
        link(key, HAS_TYPE_DEFINITION_KEY, key_of(type_definition), inverse=False)
        if rule is not None:
            link(key, HAS_MODELLING_RULE_KEY, key_of(rule), inverse=False)
        if parent is not None:
            link(key_of(parent), key_of(reference), key)

    # -- references

    def link(self, source: ua.NodeId, reference: ua.NodeId, target: ua.NodeId, *, inverse: bool = True) -> None:
        """A reference and, unless told otherwise, its inverse. The caller knows that it is new.

        Raises:
            KeyError: the source (or, for the inverse, the target) does not exist.
        """
        self.store.link(key_of(source), key_of(reference), key_of(target), inverse=inverse)

    def announce(
        self,
        source: ua.NodeId,
        reference: ua.NodeId,
        target: ua.NodeId,
        name: ua.QualifiedName,
        type_definition: ua.NodeId,
    ) -> None:
        """A forward reference to an Object that is made only when somebody looks at it."""
        self.store.announce(key_of(source), key_of(reference), key_of(target))

    def back(self, source: ua.NodeId, reference: ua.NodeId, target: ua.NodeId) -> None:
        """The inverse reference alone: `target` gets one back to `source`."""
        self.store.back(key_of(source), key_of(reference), key_of(target))

    def remove(self, node_ids: Iterable[ua.NodeId]) -> list[Node]:
        """Take nodes out, and every reference that others have to them; returns what went."""
        return self.store.remove(key_of(node_id) for node_id in node_ids)

    def subtree(self, root: ua.NodeId, prefix: str) -> list[ua.NodeId]:
        """A node and everything made below it whose identifier starts with a prefix."""
        store, namespace = self.store, root.NamespaceIndex
        found: list[Key] = [key_of(root)]
        seen = set(found)
        for key in found:
            node = store.peek(key)
            if node is None:
                continue
            for code, below in node.pairs():
                if (
                    code & 1 == 0
                    and below not in seen
                    and isinstance(below, tuple)
                    and below[0] == namespace
                    and isinstance(below[1], str)
                    and below[1].startswith(prefix)
                ):
                    seen.add(below)
                    if store.peek(below) is not None:
                        found.append(below)
        return [root, *(ua.NodeId(key[1], key[0]) for key in found[1:] if isinstance(key, tuple))]
