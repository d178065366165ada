"""One NamespaceMetadata object for every namespace, with the rights in force as its defaults (OPC 10000-5, 6.3.14)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from server.core.clock import TimeUs, to_datetime
from server.opcua.datavalues import stack_status
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.nodes.node import Node
from server.opcua.nodes.snapshot import Model
from server.opcua.nodes.values import Encoded, encoded, put_data_value
from server.opcua.roles import SECRET, Permissions, Rights
from server.opcua.space import Space, data_value
from server.opcua.wire import Point

_ids = ua.ObjectIds
_V = ua.VariantType
_NAMESPACES = ua.NodeId(_ids.Server_Namespaces)
_METADATA_TYPE = ua.NodeId(_ids.NamespaceMetadataType)
ROOT = "Fieldloom/Namespaces"
"""Below this path stand the nodes of namespaces whose NodeSet brings none of its own."""

_NOT_READABLE = encoded(ua.DataValue(StatusCode=stack_status(int(ua.StatusCodes.BadNotReadable))))
_DYNAMIC: tuple[tuple[str, Any, ua.VariantType, int, int], ...] = (
    ("IsNamespaceSubset", False, _V.Boolean, _ids.Boolean, -1),
    ("StaticNodeIdTypes", [], _V.Int32, _ids.IdType, 1),
    ("StaticNumericNodeIdRange", [], _V.String, _ids.NumericRange, 1),
    ("StaticStringNodeIdPattern", "", _V.String, _ids.String, -1),
)
"""No NodeId of these namespaces is promised to be the same on another server."""


class NamespaceMetadata:
    """The objects below Server/Namespaces."""

    def __init__(self, space: Space, rights: Rights, version: str, date: TimeUs, models: Sequence[Model] = ()) -> None:
        self._space = space
        self._rights = rights
        self._own = (version, to_datetime(date))
        self._models = {model.uri: model for model in models}
        self._shown: set[str] = set()

    def show(self, names: Sequence[str], models: Sequence[Model] = ()) -> None:
        """Make or complete the objects of all namespaces, in the order of their indexes."""
        self._models.update({model.uri: model for model in models})
        missing = [(index, uri) for index, uri in enumerate(names) if uri not in self._shown]
        if not missing:
            return
        there = self._there()
        for index, uri in missing:
            self._shown.add(uri)
            node = there.get(uri) or self._made(index, uri)
            self._complete(index, uri, node)

    def describe(self, model: Model) -> None:
        """Another version of what a namespace holds; nothing for a namespace that is not shown."""
        self._models[model.uri] = model
        node = self._there().get(model.uri)
        if node is not None:
            version, date = self._facts(model.uri)
            store = self._space.store
            there = {store[key].name.Name: store[key] for key in store.targets(node.key, _ids.HasProperty)}
            self._put(there.get("NamespaceVersion"), version, _V.String)
            self._put(there.get("NamespacePublicationDate"), date, _V.DateTime)

    def _there(self) -> dict[str, Node]:
        store = self._space.store
        return {
            node.name.Name: node
            for key in store.targets(key_of(_NAMESPACES), _ids.HasComponent)
            if (node := store.get(key)) is not None
        }

    def _facts(self, uri: str) -> tuple[str, datetime]:
        """Version and date as the model says, each else those of this server."""
        version, date = self._own
        model = self._models.get(uri)
        if model is not None and model.version:
            version = model.version
        if model is not None and model.publication_date:
            date = datetime.fromisoformat(model.publication_date)
        return version, date if date.tzinfo else date.replace(tzinfo=UTC)

    def _made(self, index: int, uri: str) -> Node:
        version, date = self._facts(uri)
        space = self._space
        node = space.object(
            space.id(PLANT_URI, f"{ROOT}/{uri}"), ua.QualifiedName(uri, index), _METADATA_TYPE, parent=_NAMESPACES
        )
        self._property(node, uri, "NamespaceUri", data_value(uri, _V.String), _ids.String)
        self._property(node, uri, "NamespaceVersion", data_value(version, _V.String), _ids.String)
        self._property(node, uri, "NamespacePublicationDate", data_value(date, _V.DateTime), _ids.DateTime)
        for name, value, kind, data_type, rank in _DYNAMIC:
            self._property(node, uri, name, data_value(value, kind, is_array=rank == 1), data_type, rank)
        return node

    def _property(
        self, parent: Node, uri: str, name: str, value: ua.DataValue | Encoded, data_type: int, rank: int = -1
    ) -> Node:
        return self._space.property(
            self._space.id(PLANT_URI, f"{ROOT}/{uri}/{name}"),
            ua.QualifiedName(name, 0),
            value,
            ua.NodeId(data_type),
            parent=parent.id,
            rank=rank,
        )

    def _complete(self, index: int, uri: str, node: Node) -> None:
        """The defaults that every object shows, and what the standard's data leaves empty."""
        store = self._space.store
        there = {store[key].name.Name: store[key] for key in store.targets(node.key, _ids.HasProperty)}
        if index == 0:
            # Instances of features that are not offered are left out.
            self._put(there.get("IsNamespaceSubset"), True, _V.Boolean)
            self._put(there.get("StaticStringNodeIdPattern"), "", _V.String)
        roles = there.get("DefaultRolePermissions") or self._property(
            node, uri, "DefaultRolePermissions", Encoded(), _ids.RolePermissionType, 1
        )
        store.reshape(roles, permissions=SECRET)
        restrictions = there.get("DefaultAccessRestrictions") or self._property(
            node, uri, "DefaultAccessRestrictions", Encoded(), _ids.AccessRestrictionType
        )
        self._follow(index, roles.point, restrictions.point)
        user = there.get("DefaultUserRolePermissions")
        if user is not None and user.point is not None:
            # A value of its own for every session; the UserRolePermissions attribute of each node has it.
            store.reshape(user, access=0)
            user.point.put(*_NOT_READABLE)

    @staticmethod
    def _put(node: Node | None, value: Any, kind: ua.VariantType) -> None:
        if node is not None and node.point is not None:
            put_data_value(node.point, data_value(value, kind))

    def _follow(self, index: int, roles: Point | None, restrictions: Point | None) -> None:
        """Show the defaults as they are in force at the moment of reading."""
        defaults = self._rights.defaults(index)
        if roles is not None:
            shown: list[Permissions] = []

            def tell(point: Point = roles) -> None:
                if shown != [defaults.permissions]:
                    shown[:] = [defaults.permissions]
                    put_data_value(point, _role_permissions(defaults.permissions))

            roles.live = tell
            tell()
        if restrictions is not None:

            def limit(point: Point = restrictions) -> None:
                put_data_value(point, data_value(defaults.restrictions, _V.UInt16))

            restrictions.live = limit
            limit()


def _role_permissions(rows: Sequence[tuple[Key, int]]) -> ua.DataValue:
    values = [
        ua.RolePermissionType(RoleId=node_id_of(role), Permissions=ua.PermissionType(bits)) for role, bits in rows
    ]
    return data_value(values, _V.ExtensionObject, is_array=True)
