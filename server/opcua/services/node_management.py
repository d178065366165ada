"""NodeManagement service set: clients add and delete Objects, Variables and references (OPC 10000-4 v1.05 §5.8).

What clients add lives until the server is restarted. Nodes and references of the server itself stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from asyncua import ua

from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import Key, key_of, namespace_of, node_id_of
from server.opcua.nodes.node import OBJECT, OBJECT_TYPE, REFERENCE_TYPE, VARIABLE, VARIABLE_TYPE, Node
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import ADD_NODE, ADD_REFERENCE, BROWSE, DELETE_NODE, REMOVE_REFERENCE, Audience, Rights
from server.opcua.services.added_nodes import AddedNodes, AttributesError
from server.opcua.services.context import Request
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.fault import ServiceFault
from server.opcua.services.limits import OperationLimits, require_count

_S = ua.StatusCodes
HIERARCHICAL_KEY, HAS_SUBTYPE_KEY, HAS_PROPERTY_KEY, HAS_COMPONENT_KEY = 33, 45, 46, 47
ORGANIZES_KEY, PROPERTY_TYPE_KEY = 35, 68
_OF_TYPES: tuple[Key, ...] = (HAS_SUBTYPE_KEY, 37, 38, 39, 40)
"""HasSubtype, HasModellingRule, HasEncoding, HasDescription and HasTypeDefinition: what types are made of."""
_NAME_LETTERS = 512
"""Letters of a BrowseName at most (OPC 10000-3, 8.3)."""
_URI_FLAGS = (None, "")


class Refused(Exception):  # noqa: N818  (no error of the program)
    """One operation is refused; `code` is its result."""

    def __init__(self, code: int) -> None:
        super().__init__(f"0x{code:08X}")
        self.code = int(code)


class NodeAudit(Protocol):
    """Who writes AuditNodeManagementEvents."""

    def node_management(self, request: Request, kind: str, items: Sequence[Any], codes: Sequence[int]) -> None: ...


class ModelEvents(Protocol):
    """Who tells that the address space has changed."""

    def model_changed(self, node: Key, type_definition: Key, *, added: bool) -> None: ...


class NodeManagementService:
    """AddNodes, AddReferences, DeleteNodes, DeleteReferences.

    `index` is the namespace that clients' NodeIds are in, `most` how many nodes they may have added at a time,
    mandatory children included; references are limited to twice as many. `namespaces` gives the NamespaceArray.
    """

    def __init__(
        self,
        store: NodeStore,
        rights: Rights,
        limits: OperationLimits,
        audit: NodeAudit,
        events: ModelEvents,
        namespaces: Callable[[], Sequence[str]],
        *,
        index: int,
        most: int = 10_000,
    ) -> None:
        self._store = store
        self._rights = rights
        self._limits = limits
        self._audit = audit
        self._events = events
        self._namespaces = namespaces
        self._index = index
        self._most = most
        self._added = AddedNodes(store, index)
        self.on_removed: list[Callable[[list[Key]], None]] = []
        """Told of nodes that are gone, so that monitored items report it."""
        self._references: set[tuple[Key, Key, Key]] = set()  # source, type, target of those that clients added

    @property
    def added(self) -> int:
        """Nodes that clients have added and not deleted."""
        return len(self._added.keys)

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer the four services."""
        dispatcher.register("AddNodes", self.add_nodes)
        dispatcher.register("AddReferences", self.add_references)
        dispatcher.register("DeleteNodes", self.delete_nodes)
        dispatcher.register("DeleteReferences", self.delete_references)

    # -- AddNodes

    def add_nodes(self, request: Request, params: ua.AddNodesParameters) -> ua.AddNodesResponse:
        """One AddNodesResult per item."""
        audience = self._begun(request, params.NodesToAdd)
        results = []
        for item in params.NodesToAdd:
            try:
                results.append(ua.AddNodesResult(stack_status(_S.Good), node_id_of(self._add(item, audience))))
            except Refused as refused:
                results.append(ua.AddNodesResult(stack_status(refused.code)))
        codes = [result.StatusCode.value for result in results]
        self._audit.node_management(request, "AddNodes", params.NodesToAdd, codes)
        response = ua.AddNodesResponse()
        response.Results = results
        return response

    def _add(self, item: ua.AddNodesItem, audience: Audience) -> Key:
        parent = self._node(item.ParentNodeId, _S.BadParentNodeIdInvalid, audience)
        defaults = self._rights.defaults(self._index).permissions
        if not audience.bits_of(defaults) & ADD_NODE or not audience.has(parent, ADD_REFERENCE):
            raise Refused(_S.BadUserAccessDenied)
        reference = self._reference_type(item.ReferenceTypeId)
        node_class = int(item.NodeClass)
        if node_class not in (OBJECT, VARIABLE):
            raise Refused(_S.BadNodeClassInvalid)
        if not self._store.is_a(reference.key, HIERARCHICAL_KEY):
            raise Refused(_S.BadReferenceNotAllowed)
        key = self._new_key(item.RequestedNewNodeId)
        self._name(item.BrowseName, parent, reference.key)
        type_node = self._type(item.TypeDefinition, node_class)
        self._allowed(parent, reference, node_class)
        if self._store.is_a(reference.key, HAS_PROPERTY_KEY) != (type_node.key == PROPERTY_TYPE_KEY):
            raise Refused(_S.BadReferenceNotAllowed)
        owners = (type_node.key,)
        if self.added + 1 + self._added.children_count(owners, self._most) > self._most:
            raise Refused(_S.BadResourceUnavailable)
        try:
            node = self._added.node(key, node_class, item.BrowseName, item.NodeAttributes, type_node)
        except AttributesError:
            raise Refused(_S.BadNodeAttributesInvalid) from None
        self._added.place(node, type_node.key, parent.key, reference.key)
        self._added.grow(key, owners)
        self._events.model_changed(key, type_node.key, added=True)
        return key

    def _new_key(self, requested: ua.ExpandedNodeId) -> Key:
        if requested.is_null():
            return self._added.new_key()
        key = self._key(requested, _S.BadNodeIdRejected)
        if namespace_of(key) != self._index:
            raise Refused(_S.BadNodeIdRejected)
        if requested.has_null_identifier():
            # Only the namespace is asked for: asyncua's add_variable(index, name, value) does so.
            return self._added.new_key()
        if self._store.get(key) is not None:
            raise Refused(_S.BadNodeIdExists)
        return key

    def _name(self, name: ua.QualifiedName, parent: Node, reference: Key) -> None:
        if not name.Name or len(name.Name) > _NAME_LETTERS or not 0 <= name.NamespaceIndex < len(self._namespaces()):
            raise Refused(_S.BadBrowseNameInvalid)
        for target in self._store.targets(parent.key, reference):
            other = self._store.peek(target)
            if other is not None and other.name == name:
                raise Refused(_S.BadBrowseNameDuplicated)

    def _type(self, wanted: ua.ExpandedNodeId, node_class: int) -> Node:
        node = self._store.get(self._key(wanted, _S.BadTypeDefinitionInvalid))
        expected = OBJECT_TYPE if node_class == OBJECT else VARIABLE_TYPE
        if node is None or node.shape.node_class != expected or node.shape.abstract:
            raise Refused(_S.BadTypeDefinitionInvalid)
        return node

    # -- AddReferences

    def add_references(self, request: Request, params: ua.AddReferencesParameters) -> ua.AddReferencesResponse:
        """One StatusCode per item."""
        audience = self._begun(request, params.ReferencesToAdd)
        codes = [_outcome(self._refer, item, audience) for item in params.ReferencesToAdd]
        self._audit.node_management(request, "AddReferences", params.ReferencesToAdd, codes)
        response = ua.AddReferencesResponse()
        response.Results = [stack_status(code) for code in codes]
        return response

    def _refer(self, item: ua.AddReferencesItem, audience: Audience) -> None:
        source = self._node(item.SourceNodeId, _S.BadSourceNodeIdInvalid, audience)
        reference = self._reference_type(item.ReferenceTypeId)
        if item.TargetServerUri:
            raise Refused(_S.BadServerUriInvalid)
        target = self._node(item.TargetNodeId, _S.BadTargetNodeIdInvalid, audience)
        if int(item.TargetNodeClass) != target.shape.node_class:
            raise Refused(_S.BadNodeClassInvalid)
        if not audience.has(source, ADD_REFERENCE) or not audience.has(target, ADD_REFERENCE):
            raise Refused(_S.BadUserAccessDenied)
        if source is target:
            raise Refused(_S.BadInvalidSelfReference)
        first, second = (source, target) if item.IsForward else (target, source)
        if any(self._store.is_a(reference.key, kind) for kind in _OF_TYPES):
            raise Refused(_S.BadReferenceNotAllowed)
        if source.key not in self._added.keys and target.key not in self._added.keys:
            # Nodes of the server are connected as their specifications say.
            raise Refused(_S.BadReferenceNotAllowed)
        self._allowed(first, reference, second.shape.node_class)
        if self._store.linked(first.key, reference.key, second.key):
            raise Refused(_S.BadDuplicateReferenceNotAllowed)
        if len(self._references) >= 2 * self._most:
            raise Refused(_S.BadResourceUnavailable)
        self._store.link(first.key, reference.key, second.key)
        self._references.add((first.key, reference.key, second.key))

    # -- DeleteNodes

    def delete_nodes(self, request: Request, params: ua.DeleteNodesParameters) -> ua.DeleteNodesResponse:
        """One StatusCode per item. References to a node go with it, whether asked for or not, and its children too."""
        audience = self._begun(request, params.NodesToDelete)
        codes = [_outcome(self._delete, item, audience) for item in params.NodesToDelete]
        left = self._added.keys
        self._references = {
            entry
            for entry in self._references
            if (entry[0] in left or entry[2] in left) and self._store.peek(entry[0]) and self._store.peek(entry[2])
        }
        self._audit.node_management(request, "DeleteNodes", params.NodesToDelete, codes)
        response = ua.DeleteNodesResponse()
        response.Results = [stack_status(code) for code in codes]
        return response

    def _delete(self, item: ua.DeleteNodesItem, audience: Audience) -> None:
        node = self._node(item.NodeId, _S.BadNodeIdUnknown, audience)
        if not audience.has(node, DELETE_NODE):
            raise Refused(_S.BadUserAccessDenied)
        if node.key not in self._added.keys:
            raise Refused(_S.BadNoDeleteRights)
        type_key = self._store.type_definition(node)
        gone = self._added.below(node.key)
        self._store.remove(gone)
        self._added.keys.difference_update(gone)
        for listener in self.on_removed:
            listener(gone)
        self._events.model_changed(node.key, type_key, added=False)

    # -- DeleteReferences

    def delete_references(self, request: Request, params: ua.DeleteReferencesParameters) -> ua.DeleteReferencesResponse:
        """One StatusCode per item; only references that were added by AddReferences go."""
        audience = self._begun(request, params.ReferencesToDelete)
        codes = [_outcome(self._unlink, item, audience) for item in params.ReferencesToDelete]
        self._audit.node_management(request, "DeleteReferences", params.ReferencesToDelete, codes)
        response = ua.DeleteReferencesResponse()
        response.Parameters.Results = [stack_status(code) for code in codes]
        return response

    def _unlink(self, item: ua.DeleteReferencesItem, audience: Audience) -> None:
        source = self._node(item.SourceNodeId, _S.BadSourceNodeIdInvalid, audience)
        reference = self._reference_type(item.ReferenceTypeId)
        if getattr(item.TargetNodeId, "ServerIndex", 0):
            raise Refused(_S.BadServerIndexInvalid)
        target = self._node(item.TargetNodeId, _S.BadTargetNodeIdInvalid, audience)
        if not audience.has(source, REMOVE_REFERENCE) or not audience.has(target, REMOVE_REFERENCE):
            raise Refused(_S.BadUserAccessDenied)
        forward = bool(item.IsForward)
        if not self._store.linked(source.key, reference.key, target.key, forward=forward):
            raise Refused(_S.BadNotFound)
        first, second = (source.key, target.key) if forward else (target.key, source.key)
        entry = (first, reference.key, second)
        if entry not in self._references:
            raise Refused(_S.BadNoDeleteRights)
        self._store.unlink(source.key, reference.key, target.key, forward=forward)
        if item.DeleteBidirectional:
            self._store.unlink(target.key, reference.key, source.key, forward=not forward)
        if not self._store.linked(target.key, reference.key, source.key, forward=not forward):
            self._references.discard(entry)

    # -- checks that several services make

    def _begun(self, request: Request, operations: list[Any]) -> Audience:
        require_count(operations, self._limits.node_management)
        if request.session is None:
            raise ServiceFault(_S.BadSessionIdInvalid)
        return request.session.audience

    def _key(self, node_id: ua.NodeId, code: int) -> Key:
        """The key of an ExpandedNodeId of this server. Raises Refused with the code."""
        uri = getattr(node_id, "NamespaceUri", None)
        if getattr(node_id, "ServerIndex", 0) or node_id.is_null():
            raise Refused(code)
        if uri in _URI_FLAGS:
            return key_of(node_id)
        namespaces = list(self._namespaces())
        if uri not in namespaces:
            raise Refused(code)
        return key_of(ua.NodeId(node_id.Identifier, namespaces.index(uri)))

    def _node(self, node_id: ua.NodeId, code: int, audience: Audience) -> Node:
        """An existing node that the audience may see. Raises Refused."""
        node = self._store.get(self._key(node_id, code))
        if node is None:
            raise Refused(code)
        if audience.insecure(node):
            raise Refused(_S.BadSecurityModeInsufficient)
        if not audience.has(node, BROWSE):
            raise Refused(_S.BadUserAccessDenied)
        return node

    def _reference_type(self, node_id: ua.NodeId) -> Node:
        node = self._store.find(node_id)
        if node is None or node.shape.node_class != REFERENCE_TYPE:
            raise Refused(_S.BadReferenceTypeIdInvalid)
        if node.shape.abstract:
            raise Refused(_S.BadReferenceNotAllowed)
        return node

    def _allowed(self, source: Node, reference: Node, target_class: int) -> None:
        """Which NodeClasses a reference type joins (OPC 10000-3, 7). Raises Refused."""
        is_a = self._store.is_a
        source_class = source.shape.node_class
        allowed = True
        if is_a(reference.key, HAS_SUBTYPE_KEY):
            allowed = False
        elif is_a(reference.key, HAS_PROPERTY_KEY):
            # A Property has no Properties of its own (OPC 10000-3, 4.4.2).
            owner_is_property = self._store.type_definition(source) == PROPERTY_TYPE_KEY
            allowed = target_class == VARIABLE and not owner_is_property
        elif is_a(reference.key, HAS_COMPONENT_KEY):
            allowed = target_class == VARIABLE or source_class in (OBJECT, OBJECT_TYPE)
        elif is_a(reference.key, ORGANIZES_KEY) or is_a(reference.key, HIERARCHICAL_KEY):
            allowed = source_class == OBJECT
        if not allowed:
            raise Refused(_S.BadReferenceNotAllowed)


def _outcome(operation: Callable[[Any, Audience], None], item: Any, audience: Audience) -> int:
    try:
        operation(item, audience)
    except Refused as refused:
        return refused.code
    return int(_S.Good)
