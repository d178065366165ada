"""A package's DeviceType as an ObjectType below DI's DeviceType, with its members as instance declarations."""

from __future__ import annotations

from asyncua import ua

from server.model.device_type import ArgumentSpec, Attachment, DeviceType, GroupSpec, MethodSpec
from server.opcua.datavalues import text
from server.opcua.names import DI_URI, METHOD_SET, PARAMETER_SET
from server.opcua.nodes.node import Node
from server.opcua.parameter_nodes import add_parameter, data_type_id
from server.opcua.roles import ADMINS_CALL, ENGINEERS_CALL, Permissions
from server.opcua.space import FOLDER_TYPE, MANDATORY, OPTIONAL, ORGANIZES, Space, data_value

BASE_OBJECT = ua.NodeId(ua.ObjectIds.BaseObjectType)
CALLERS: dict[str, Permissions | None] = {
    "viewer": None,
    "operator": None,
    "engineer": ENGINEERS_CALL,
    "admin": ADMINS_CALL,
}
"""RolePermissions of a Method by the least role that its package lets call it; None: those of the namespace, where
operators are the first to command devices."""
DEVICE_TYPE = 1002
FUNCTIONAL_GROUP = 1005


def type_id(space: Space, device_type: DeviceType) -> ua.NodeId:
    """NodeId of the installed version of a type."""
    return space.id(device_type.namespace_uri, device_type.type_id)


def version_id(space: Space, device_type: DeviceType) -> ua.NodeId:
    """NodeId of a type out of an installed version that is not in use."""
    return space.id(device_type.namespace_uri, f"{device_type.type_id}/{device_type.version}")


def add_type(space: Space, device_type: DeviceType, root: ua.NodeId | None = None) -> None:
    """The type with ParameterSet, MethodSet, groups and attachments; `root` where it is not the version in use."""
    uri = device_type.namespace_uri
    root = type_id(space, device_type) if root is None else root
    prefix = str(root.Identifier)
    space.type_node(
        root,
        space.name(uri, device_type.type_id),
        supertype=space.id(DI_URI, DEVICE_TYPE),
        display=device_type.label,
        description=device_type.description,
    )
    parameters = space.id(uri, f"{prefix}/{PARAMETER_SET}")
    space.object(parameters, space.name(DI_URI, PARAMETER_SET), BASE_OBJECT, parent=root, rule=OPTIONAL)
    for spec in device_type.parameters.values():
        add_parameter(space, spec, space.id(uri, f"{prefix}/{PARAMETER_SET}/{spec.name}"), uri, parameters, MANDATORY)
    if device_type.methods:
        methods = space.id(uri, f"{prefix}/{METHOD_SET}")
        space.object(methods, space.name(DI_URI, METHOD_SET), BASE_OBJECT, parent=root, rule=OPTIONAL)
        for method in device_type.methods:
            add_method(space, method, space.id(uri, f"{prefix}/{METHOD_SET}/{method.name}"), uri, methods, MANDATORY)
    for group in device_type.groups:
        add_group(space, group, uri, uri, prefix, root, OPTIONAL, owner=prefix)
    add_attachments(space, device_type, uri, prefix, root)


def remove_type(space: Space, namespace_index: int, type_name: str) -> list[Node]:
    """Take a type and its members out; returns what went."""
    root = ua.NodeId(type_name, namespace_index)
    return space.remove(space.subtree(root, f"{type_name}/")) if root in space else []


def arguments(specs: tuple[ArgumentSpec, ...]) -> list[ua.Argument]:
    """Argument structures with names, types and descriptions."""
    return [
        ua.Argument(
            Name=spec.name, DataType=data_type_id(spec.data_type), ValueRank=-1, Description=text(spec.description)
        )
        for spec in specs
    ]


def add_method(
    space: Space, method: MethodSpec, node_id: ua.NodeId, uri: str, parent: ua.NodeId, rule: ua.NodeId | None = None
) -> None:
    """One Method; a role that nobody knows leaves it to administrators."""
    space.method(
        node_id,
        space.name(uri, method.name),
        parent=parent,
        inputs=arguments(method.inputs),
        outputs=arguments(method.outputs),
        display=method.label or method.name,
        description=method.description,
        rule=rule,
        permissions=CALLERS.get(method.role, ADMINS_CALL),
    )


def add_group(
    space: Space,
    group: GroupSpec,
    uri: str,
    names_uri: str,
    prefix: str,
    parent: ua.NodeId,
    rule: ua.NodeId | None = None,
    *,
    owner: str = "",
) -> None:
    """A FunctionalGroup that organizes parameters and methods of the same device or type (OPC 10000-100).

    `owner`: identifier of that device or type; without it, the first part of `prefix`.
    """
    path = f"{prefix}/{group.name}"
    node_id = space.id(uri, path)
    if node_id in space:
        return
    space.object(
        node_id,
        space.name(DI_URI if group.standard else names_uri, group.name),
        space.id(DI_URI, FUNCTIONAL_GROUP),
        parent=parent,
        display=group.label,
        description=group.help,
        rule=rule,
    )
    root = owner or prefix.split("/", 1)[0]
    members = [f"{root}/{PARAMETER_SET}/{name}" for name in group.parameters]
    members += [f"{root}/{METHOD_SET}/{name}" for name in group.methods]
    for member in members:
        target = space.id(uri, member)
        if target in space:
            space.link(node_id, ORGANIZES, target)
    for inner in group.groups:
        add_group(space, inner, uri, names_uri, path, node_id, rule, owner=root)


def add_attachments(space: Space, device_type: DeviceType, uri: str, prefix: str, parent: ua.NodeId) -> None:
    """Documents and images of the package, held once at the type (IEC 62769-5: Documentation, DeviceTypeImage)."""
    _attached(space, "Documentation", device_type.documents, uri, prefix, parent, ua.NodeId(ua.ObjectIds.ByteString))
    _attached(space, "DeviceTypeImage", device_type.images, uri, prefix, parent, ua.NodeId(ua.ObjectIds.Image))


def _attached(
    space: Space,
    folder: str,
    entries: tuple[Attachment, ...],
    uri: str,
    prefix: str,
    parent: ua.NodeId,
    data_type: ua.NodeId,
) -> None:
    if not entries:
        return
    node_id = space.id(uri, f"{prefix}/{folder}")
    space.object(node_id, space.name(DI_URI, folder), FOLDER_TYPE, parent=parent, rule=OPTIONAL)
    for entry in entries:
        space.variable(
            space.id(uri, f"{prefix}/{folder}/{entry.name}"),
            space.name(uri, entry.name),
            data_value(entry.data, ua.VariantType.ByteString),
            ua.NodeId(ua.ObjectIds.ImagePNG) if entry.content_type == "image/png" else data_type,
            parent=node_id,
            display=entry.title,
            rule=OPTIONAL,
        )
