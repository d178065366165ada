"""Nodes put straight into the stack's address space: its own services search every reference of a parent per node.

One object knows the namespace indexes. Everything that builds nodes goes through `Space`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData

from server.core.texts import Texts

A = ua.AttributeIds
HAS_COMPONENT = ua.NodeId(ua.ObjectIds.HasComponent)
HAS_PROPERTY = ua.NodeId(ua.ObjectIds.HasProperty)
HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)
HAS_TYPE_DEFINITION = ua.NodeId(ua.ObjectIds.HasTypeDefinition)
HAS_MODELLING_RULE = ua.NodeId(ua.ObjectIds.HasModellingRule)
HAS_NOTIFIER = ua.NodeId(ua.ObjectIds.HasNotifier)
HAS_EVENT_SOURCE = ua.NodeId(ua.ObjectIds.HasEventSource)
HAS_CONDITION = ua.NodeId(ua.ObjectIds.HasCondition)
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


def localized(texts: Texts | str) -> ua.LocalizedText:
    """The default language of a text, as the wire has it."""
    if isinstance(texts, str):
        return ua.LocalizedText(texts) if texts else ua.LocalizedText(None)
    language, text = texts.best()
    return ua.LocalizedText(text, language) if text else ua.LocalizedText(None)


def data_value(value: Any, variant_type: ua.VariantType, *, is_array: bool | None = None) -> ua.DataValue:
    """A Good value without time stamps."""
    return ua.DataValue(ua.Variant(value, variant_type, is_array=is_array))


def _key(value: Any) -> Any:
    if isinstance(value, ua.QualifiedName):
        return value.Name, value.NamespaceIndex
    if isinstance(value, ua.LocalizedText):
        return value.Text, value.Locale
    return value


class Space:
    """The address space under construction and at run time."""

    def __init__(self, aspace: AddressSpace, indexes: Mapping[str, int]) -> None:
        self.aspace = aspace
        self.indexes = indexes  # namespace URI -> index
        # Attributes that are the same on thousands of nodes are kept once: nobody writes them.
        self._shared: dict[tuple[ua.AttributeIds, Any], AttributeValue] = {}
        self.property_values: dict[tuple[str, int], tuple[object, ua.DataValue]] = {}  # per specification, see users
        self._translations: dict[str, Texts] = {}  # by what is shown in the default language

    # -- ids

    def id(self, uri: str, identifier: int | str) -> ua.NodeId:
        """The NodeId of an identifier in a namespace."""
        return ua.NodeId(identifier, self.indexes[uri])

    def name(self, uri: str, text: str) -> ua.QualifiedName:
        """The QualifiedName of a text in a namespace."""
        return ua.QualifiedName(text, self.indexes[uri])

    def __contains__(self, node_id: ua.NodeId) -> bool:
        return node_id in self.aspace

    # -- texts

    def _localized(self, texts: Texts | str) -> ua.LocalizedText:
        shown = localized(texts)
        if isinstance(texts, Texts) and len(texts.by_language) > 1:
            self._translations[shown.Text or ""] = texts
        return shown

    def translated(self, shown: ua.LocalizedText, locales: Iterable[str]) -> ua.LocalizedText:
        """A name or description in the first locale that it exists in, else as it is."""
        texts = self._translations.get(shown.Text or "")
        if texts is None:
            return shown
        language, text = texts.best(locales)
        return shown if language == shown.Locale else ua.LocalizedText(text, language)

    # -- nodes

    def shared(self, attribute: ua.AttributeIds, value: Any, variant_type: ua.VariantType) -> AttributeValue:
        """One AttributeValue for all nodes that have this constant."""
        key = (attribute, _key(value))
        found = self._shared.get(key)
        if found is None:
            found = self._shared[key] = AttributeValue(data_value(value, variant_type))
        return found

    def _node(
        self,
        node_id: ua.NodeId,
        node_class: ua.NodeClass,
        name: ua.QualifiedName,
        display: Texts | str,
        help_: Texts | str,
    ) -> NodeData:
        node = NodeData(node_id)
        shown = self._localized(display or name.Name)
        node.attributes = {
            A.NodeId: AttributeValue(data_value(node_id, ua.VariantType.NodeId)),
            A.NodeClass: self.shared(A.NodeClass, node_class, ua.VariantType.Int32),
            A.BrowseName: self.shared(A.BrowseName, name, ua.VariantType.QualifiedName),
            A.DisplayName: self.shared(A.DisplayName, shown, ua.VariantType.LocalizedText),
            A.WriteMask: self.shared(A.WriteMask, 0, ua.VariantType.UInt32),
            A.UserWriteMask: self.shared(A.UserWriteMask, 0, ua.VariantType.UInt32),
        }
        if help_:
            node.attributes[A.Description] = self.shared(
                A.Description, self._localized(help_), ua.VariantType.LocalizedText
            )
        self.aspace[node_id] = node
        return node

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
    ) -> NodeData:
        """An Object below a parent."""
        node = self._node(node_id, ua.NodeClass.Object, name, display, description)
        node.attributes[A.EventNotifier] = self.shared(A.EventNotifier, notifier, ua.VariantType.Byte)
        self._place(node_id, type_definition, parent, reference, rule)
        return node

    def variable(
        self,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        value: ua.DataValue,
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
    ) -> NodeData:
        """A Variable below a parent."""
        node = self._node(node_id, ua.NodeClass.Variable, name, display, description)
        node.attributes |= {
            A.Value: AttributeValue(value),
            A.DataType: self.shared(A.DataType, data_type, ua.VariantType.NodeId),
            A.ValueRank: self.shared(A.ValueRank, rank, ua.VariantType.Int32),
            A.AccessLevel: self.shared(A.AccessLevel, access, ua.VariantType.Byte),
            A.UserAccessLevel: self.shared(A.UserAccessLevel, access, ua.VariantType.Byte),
            A.Historizing: self.shared(A.Historizing, historizing, ua.VariantType.Boolean),
            A.MinimumSamplingInterval: self.shared(A.MinimumSamplingInterval, 0.0, ua.VariantType.Double),
        }
        if rank == 1:
            node.attributes[A.ArrayDimensions] = AttributeValue(data_value([0], ua.VariantType.UInt32, is_array=True))
        self._place(node_id, type_definition, parent, reference, rule)
        return node

    def property(
        self,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        value: ua.DataValue,
        data_type: ua.NodeId,
        *,
        parent: ua.NodeId,
        rank: int = -1,
        access: int = READ,
        rule: ua.NodeId | None = None,
    ) -> NodeData:
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
        )

    def method(
        self,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        *,
        parent: ua.NodeId,
        inputs: list[ua.Argument],
        outputs: list[ua.Argument],
        call: Any = None,
        display: Texts | str = "",
        description: Texts | str = "",
        rule: ua.NodeId | None = None,
    ) -> NodeData:
        """A Method with its InputArguments and OutputArguments."""
        node = self._node(node_id, ua.NodeClass.Method, name, display, description)
        node.attributes[A.Executable] = self.shared(A.Executable, True, ua.VariantType.Boolean)
        node.attributes[A.UserExecutable] = self.shared(A.UserExecutable, True, ua.VariantType.Boolean)
        node.call = call
        self.link(parent, HAS_COMPONENT, node_id)
        if rule is not None:
            self.link(node_id, HAS_MODELLING_RULE, rule, inverse=False)
        for part, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            if arguments:
                self.property(
                    ua.NodeId(f"{node_id.Identifier}/{part}", node_id.NamespaceIndex),
                    ua.QualifiedName(part, 0),
                    data_value(arguments, ua.VariantType.ExtensionObject, is_array=True),
                    ua.NodeId(ua.ObjectIds.Argument),
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
    ) -> NodeData:
        """A concrete ObjectType below its supertype."""
        node = self._node(node_id, ua.NodeClass.ObjectType, name, display, description)
        node.attributes[A.IsAbstract] = self.shared(A.IsAbstract, False, ua.VariantType.Boolean)
        self.link(supertype, HAS_SUBTYPE, node_id)
        return node

    def _place(
        self,
        node_id: ua.NodeId,
        type_definition: ua.NodeId,
        parent: ua.NodeId | None,
        reference: ua.NodeId,
        rule: ua.NodeId | None,
    ) -> None:
        # The type's side of HasTypeDefinition is left out: with thousands of instances nobody wants to browse it.
        self.link(node_id, HAS_TYPE_DEFINITION, type_definition, inverse=False)
        if rule is not None:
            self.link(node_id, HAS_MODELLING_RULE, rule, inverse=False)
        if parent is not None:
            self.link(parent, reference, node_id)

    # -- references

    def link(self, source: ua.NodeId, reference: ua.NodeId, target: ua.NodeId, *, inverse: bool = True) -> None:
        """A reference and, unless told otherwise, its inverse. The caller knows that it is new."""
        self.aspace[source].references.append(self._description(reference, target, forward=True))
        if inverse:
            self.aspace[target].references.append(self._description(reference, source, forward=False))

    def announce(
        self,
        source: ua.NodeId,
        reference: ua.NodeId,
        target: ua.NodeId,
        name: ua.QualifiedName,
        type_definition: ua.NodeId,
    ) -> None:
        """A forward reference to an Object that is made only when somebody looks at it."""
        self.aspace[source].references.append(
            ua.ReferenceDescription(
                ReferenceTypeId=reference,
                IsForward=True,
                NodeId=target,
                BrowseName=name,
                DisplayName=ua.LocalizedText(name.Name),
                NodeClass=ua.NodeClass.Object,
                TypeDefinition=type_definition,
            )
        )

    def back(self, source: ua.NodeId, reference: ua.NodeId, target: ua.NodeId) -> None:
        """The inverse reference alone: `target` gets one back to `source`."""
        self.aspace[target].references.append(self._description(reference, source, forward=False))

    def _description(self, reference: ua.NodeId, target: ua.NodeId, *, forward: bool) -> ua.ReferenceDescription:
        node = self.aspace[target]
        attributes = node.attributes
        type_definition = ua.NodeId()
        for known in node.references:
            if known.IsForward and known.ReferenceTypeId == HAS_TYPE_DEFINITION:
                type_definition = known.NodeId
                break
        return ua.ReferenceDescription(
            ReferenceTypeId=reference,
            IsForward=forward,
            NodeId=target,
            BrowseName=attributes[A.BrowseName].value.Value.Value,
            DisplayName=attributes[A.DisplayName].value.Value.Value,
            NodeClass=attributes[A.NodeClass].value.Value.Value,
            TypeDefinition=type_definition,
        )

    def remove(self, node_ids: Iterable[ua.NodeId]) -> list[NodeData]:
        """Take nodes out, and every reference that others have to them; returns what went."""
        gone = {node_id for node_id in node_ids if node_id in self.aspace}
        nodes = [self.aspace[node_id] for node_id in gone]
        neighbours = {ref.NodeId for node_id in gone for ref in self.aspace[node_id].references} - gone
        for node_id in neighbours:
            node = self.aspace.get(node_id)
            if node is not None:
                node.references[:] = [ref for ref in node.references if ref.NodeId not in gone]
        for node_id in gone:
            del self.aspace[node_id]
        return nodes

    def subtree(self, root: ua.NodeId, prefix: str) -> list[ua.NodeId]:
        """A node and everything below it whose identifier starts with a prefix."""
        found = [root]
        seen = {root}
        for node_id in found:
            for ref in self.aspace[node_id].references:
                below = ref.NodeId
                if (
                    ref.IsForward
                    and below not in seen
                    and below.NamespaceIndex == root.NamespaceIndex
                    and isinstance(below.Identifier, str)
                    and below.Identifier.startswith(prefix)
                    and below in self.aspace
                ):
                    seen.add(below)
                    found.append(below)
        return found

    def value(self, node_id: ua.NodeId) -> ua.DataValue:
        """The Value attribute as it stands."""
        return self.aspace[node_id].attributes[A.Value].value
