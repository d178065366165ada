"""User Interface Plug-ins and files of a package as nodes of its type (IEC 62769-5): opaque bytes for clients."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from asyncua import ua

from server.core.texts import Texts
from server.model.device import Device
from server.model.device_type import Attachment, DeviceType, GroupSpec, UipSpec, UipVariant
from server.opcua.hot_update import DeviceUpdate
from server.opcua.names import DI_URI, FDI5_URI, PLANT_URI
from server.opcua.nodes.values import Encoded
from server.opcua.space import FOLDER_TYPE, OPTIONAL, ORGANIZES, Space, data_value
from server.opcua.specs.binding import Binding
from server.opcua.specs.linking import link_once
from server.opcua.specs.runtime import Runtime

UI_PLUG_IN, STYLE_TYPE = 2, 196
PLUG_INS = "UIPlugIns"
_BYTES = b"\x83"  # a Variant with an array of Byte
_COUNT = struct.Struct("<i")
_VALUE = 1
_BYTE = ua.NodeId(ua.ObjectIds.Byte)


def bind(binding: Binding, _fdi: Runtime) -> None:
    """Plug-ins and folders of every type, references to plug-ins from the groups of every device."""
    space = binding.space

    def add(device_type: DeviceType, root: ua.NodeId) -> None:
        _plug_ins(space, device_type, root)
        _folder(space, device_type, root, "ProtocolSupport", device_type.protocol_support, ua.ObjectIds.ByteString)
        _folder(space, device_type, root, "ImageSet", device_type.images, ua.ObjectIds.Image)
        _refer(space, device_type, root)

    def refer(device: Device, root: ua.NodeId) -> None:
        if device.device_type.uips:
            _refer(space, device.device_type, root)

    binding.type_parts.append(add)

    def follow(update: DeviceUpdate) -> None:
        # The plug-ins of the type were made anew: what referred to the former ones is gone.
        refer(update.device, space.id(PLANT_URI, update.device.device_id))

    binding.devices.parts.append(refer)
    binding.device_changed.append(follow)


def variable_path(type_id_: str, uip: UipSpec, number: int) -> str:
    """Identifier of a variant's Variable in the namespace of its package."""
    return f"{type_id_}/{PLUG_INS}/{uip.uip_id}/{number}"


def _plug_ins(space: Space, device_type: DeviceType, root: ua.NodeId) -> None:
    if not device_type.uips:
        return
    uri = device_type.namespace_uri
    holder = space.id(uri, f"{root.Identifier}/{PLUG_INS}")
    space.object(holder, space.name(uri, PLUG_INS), FOLDER_TYPE, parent=root, rule=OPTIONAL)
    for uip in device_type.uips:
        for number, variant in enumerate(uip.variants):
            _variant(space, device_type, holder, uip, number, variant)


def _variant(
    space: Space, device_type: DeviceType, holder: ua.NodeId, uip: UipSpec, number: int, variant: UipVariant
) -> None:
    uri = device_type.namespace_uri
    node_id = space.id(uri, variable_path(device_type.type_id, uip, number))
    space.variable(
        node_id,
        space.name(uri, f"{uip.uip_id}_{number}" if number else uip.uip_id),
        Encoded(_VALUE, _BYTES + _COUNT.pack(len(variant.data)) + variant.data),
        _BYTE,
        type_definition=space.id(FDI5_URI, UI_PLUG_IN),
        parent=holder,
        display=uip.name,
        description=uip.description,
        rank=1,
        rule=OPTIONAL,
    )
    for name, value in (
        ("UIPVariantVersion", variant.version),
        ("FDITechnologyVersion", variant.fdi_version),
        ("RuntimeId", variant.runtime),
        ("CpuInformation", variant.cpu),
        ("PlatformId", variant.platform),
        ("StartElementName", uip.start_element),
    ):
        space.property(
            ua.NodeId(f"{node_id.Identifier}/{name}", node_id.NamespaceIndex),
            space.name(FDI5_URI, name),
            data_value(value, ua.VariantType.String),
            ua.NodeId(ua.ObjectIds.String),
            parent=node_id,
        )
    space.property(
        ua.NodeId(f"{node_id.Identifier}/Style", node_id.NamespaceIndex),
        space.name(FDI5_URI, "Style"),
        data_value(uip.style, ua.VariantType.Int32),
        space.id(FDI5_URI, STYLE_TYPE),
        parent=node_id,
    )
    if uip.documents:
        documents = ua.NodeId(f"{node_id.Identifier}/Documentation", node_id.NamespaceIndex)
        space.object(documents, space.name(FDI5_URI, "Documentation"), FOLDER_TYPE, parent=node_id)
        _files(space, uri, documents, uip.documents, ua.ObjectIds.ByteString, None)


def _folder(
    space: Space,
    device_type: DeviceType,
    root: ua.NodeId,
    name: str,
    entries: tuple[Attachment, ...],
    data_type: int,
) -> None:
    if entries:
        uri = device_type.namespace_uri
        folder = space.id(uri, f"{root.Identifier}/{name}")
        space.object(folder, space.name(DI_URI, name), FOLDER_TYPE, parent=root, rule=OPTIONAL)
        _files(space, uri, folder, entries, data_type, OPTIONAL)


def _files(
    space: Space,
    uri: str,
    folder: ua.NodeId,
    entries: tuple[Attachment, ...],
    data_type: int,
    rule: ua.NodeId | None,
) -> None:
    for entry in entries:
        kind = ua.ObjectIds.ImagePNG if entry.content_type == "image/png" else data_type
        space.variable(
            ua.NodeId(f"{folder.Identifier}/{entry.name}", folder.NamespaceIndex),
            space.name(uri, entry.name),
            data_value(entry.data, ua.VariantType.ByteString),
            ua.NodeId(kind),
            parent=folder,
            display=entry.title or Texts.of(entry.name),
            rule=rule,
        )


def _refer(space: Space, device_type: DeviceType, root: ua.NodeId) -> None:
    """Groups organize the plug-ins that their menus start; the Variables are the type's, whoever shows them."""
    uips = {uip.uip_id: uip for uip in device_type.uips}
    for path, group in _groups(device_type.groups, str(root.Identifier)):
        group_id = ua.NodeId(path, root.NamespaceIndex)
        for uip_id in group.uips:
            uip = uips.get(uip_id)
            if uip is None or group_id not in space:
                continue
            for number in range(len(uip.variants)):
                target = space.id(device_type.namespace_uri, variable_path(device_type.type_id, uip, number))
                if target in space:
                    link_once(space, group_id, ORGANIZES, target)


def _groups(groups: tuple[GroupSpec, ...], prefix: str) -> Iterator[tuple[str, GroupSpec]]:
    for group in groups:
        path = f"{prefix}/{group.name}"
        yield path, group
        yield from _groups(group.groups, path)
