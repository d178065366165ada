"""User interface descriptions (IEC 62769-5, UIDescriptionType): the UIElement of each FunctionalGroup made from a MENU.

The value is written when it is read: in the reader's language, with the conditions of the EDD as they stand.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from asyncua import ua

from server.core import status
from server.core.clock import to_datetime
from server.core.values import DeviceId
from server.fdi.logic.type_logic import ValueSource
from server.fdi.uid import ui_description
from server.model.device import Device
from server.model.device_type import GroupSpec, SpecChange
from server.opcua.datavalues import stack_status
from server.opcua.hot_update import DeviceUpdate
from server.opcua.names import DI_URI, FDI5_URI, PARAMETER_SET, PLANT_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.node import VARIABLE, Node
from server.opcua.nodes.on_demand import Announcement
from server.opcua.services.context import Session
from server.opcua.space import HAS_COMPONENT
from server.opcua.specs.actions import ACTION_SET
from server.opcua.specs.binding import Binding
from server.opcua.specs.budget import Budget
from server.opcua.specs.plug_ins import PLUG_INS
from server.opcua.specs.runtime import Runtime

UI_ELEMENT = "UIElement"
UI_DESCRIPTION = 1
KEPT = 2_048
"""Descriptions that are kept ready: of one device, menu and list of languages each."""
WRITING_S = 0.25
"""Of each second that descriptions may take which are not kept; one is written in about 1 ms."""
_STRING = ua.NodeId(ua.ObjectIds.String)
_Kept = tuple[str, str, tuple[str, ...]]


def bind(binding: Binding, fdi: Runtime) -> None:
    """UIElements of all devices from now on."""
    Descriptions(binding, fdi)


class Descriptions:
    """Announces, makes and fills the UIElements; a maker."""

    def __init__(self, binding: Binding, fdi: Runtime) -> None:
        self._space = space = binding.space
        self._plant = binding.plant
        self._clock = binding.clock
        self._live = fdi.live
        self._personal = binding.attributes.personal
        self._type = space.id(FDI5_URI, UI_DESCRIPTION)
        self._name = space.name(DI_URI, UI_ELEMENT)
        self._budget = Budget(binding.clock, WRITING_S)
        self._kept: OrderedDict[_Kept, ua.DataValue] = OrderedDict()
        binding.devices.parts.append(self._announce)
        binding.on_demand.makers.append(self)
        binding.device_gone.append(self._forget)
        binding.device_changed.append(self._follow)
        binding.spec_sinks.append(self._respecified)
        fdi.live.on_items.append(self._looks_different)
        fdi.actions.targets = lambda device_id: _Targets(self._plant.device(device_id))

    # -- nodes

    def _announce(self, device: Device, _root: ua.NodeId) -> None:
        space = self._space
        for path, group in _groups(device.device_type.groups, device.device_id):
            owner = space.id(PLANT_URI, path)
            if group.menu and owner in space:
                space.announce(
                    owner, HAS_COMPONENT, space.id(PLANT_URI, f"{path}/{UI_ELEMENT}"), self._name, self._type
                )

    def _follow(self, update: DeviceUpdate) -> None:
        """Another version of the device's type: other texts, groups that came, groups that no MENU describes now."""
        space, device = self._space, update.device
        self._drop(device.device_id)
        menus = {path: group.menu for path, group in _groups(device.device_type.groups, device.device_id)}
        for path in (*(path for path, _ in _groups(update.plan.old.groups, device.device_id)), *menus):
            owner, target = space.id(PLANT_URI, path), space.id(PLANT_URI, f"{path}/{UI_ELEMENT}")
            link = key_of(owner), key_of(HAS_COMPONENT), key_of(target)
            there = space.store.peek(key_of(owner)) is not None
            announced = there and space.store.linked(*link)
            if there and menus.get(path) and not announced:
                space.announce(owner, HAS_COMPONENT, target, self._name, self._type)
            elif announced and not menus.get(path):
                update.removed(space.remove([target]))
                space.store.unlink(*link)
        for key in [key for key in self._personal if space.store.peek(key) is None]:
            del self._personal[key]

    def _find(self, key: Key) -> tuple[Device, GroupSpec, str] | None:
        """(device, group, its path) of a UIElement's key."""
        if not isinstance(key, tuple) or key[0] != self._space.indexes[PLANT_URI] or not isinstance(key[1], str):
            return None
        path, _, name = key[1].rpartition("/")
        device = self._plant.devices.get(DeviceId(path.split("/", 1)[0])) if name == UI_ELEMENT else None
        if device is None:
            return None
        found = next(
            (group for other, group in _groups(device.device_type.groups, device.device_id) if other == path), None
        )
        return (device, found, path) if found is not None and found.menu else None

    def announced(self, key: Key) -> Announcement | None:
        """What Browse shows of a UIElement that is not made."""
        return (self._name, VARIABLE, key_of(self._type)) if self._find(key) is not None else None

    def make(self, key: Key) -> bool:
        """Make the UIElement with this key."""
        found = self._find(key)
        if found is None:
            return False
        device, group, path = found
        space = self._space
        owner, node_id = space.id(PLANT_URI, path), space.id(PLANT_URI, f"{path}/{UI_ELEMENT}")
        link = key_of(owner), key_of(HAS_COMPONENT), key_of(node_id)
        if space.store.peek(link[0]) is None or not space.store.linked(*link):
            return False
        node = space.variable(node_id, self._name, ua.DataValue(), _STRING, type_definition=self._type)
        node.point = None  # each session reads another value
        space.back(owner, HAS_COMPONENT, node_id)
        device_id, menu = str(device.device_id), group.menu

        def read(session: Session, _node: Node) -> ua.DataValue:
            return self._value(device_id, menu, session.locales)

        self._personal[node.key] = read
        return True

    def _forget(self, device_id: str) -> None:
        index, prefix = self._space.indexes[PLANT_URI], f"{device_id}/"
        for key in [key for key in self._personal if isinstance(key, tuple) and key[0] == index]:
            if str(key[1]).startswith(prefix):
                del self._personal[key]
        self._drop(device_id)

    # -- values

    def _value(self, device_id: str, menu: str, locales: Sequence[str]) -> ua.DataValue:
        entry = (device_id, menu, tuple(locales))
        found = self._kept.get(entry)
        if found is not None:
            self._kept.move_to_end(entry)
            return found
        if self._budget.exhausted:
            return ua.DataValue(ua.Variant(), stack_status(status.BAD_RESOURCE_UNAVAILABLE))
        with self._budget.charged():
            text = describe(self._plant.device(DeviceId(device_id)), menu, self._live.values(device_id), locales)
        if text is None:
            return ua.DataValue(ua.Variant(), stack_status(status.BAD_NOT_SUPPORTED))
        now = to_datetime(self._clock.now())
        made = ua.DataValue(ua.Variant(text, ua.VariantType.String), SourceTimestamp=now, ServerTimestamp=now)
        self._kept[entry] = made
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made

    def _drop(self, device_id: str) -> None:
        for entry in [entry for entry in self._kept if entry[0] == device_id]:
            del self._kept[entry]

    def _looks_different(self, device_id: str, _items: frozenset[str]) -> None:
        """Conditions of its MENUs and METHODs have other values."""
        if self._kept:
            self._drop(device_id)

    def _respecified(self, changes: Sequence[SpecChange]) -> None:
        """Labels, units, ranges or validity of parameters are others."""
        if self._kept:
            for device_id in {change.device_id for change in changes}:
                self._drop(device_id)


def describe(device: Device, menu: str, values: ValueSource, locales: Sequence[str]) -> str | None:
    """The document of a MENU for these values; None when the device's EDD has none of this name."""
    logic = device.device_type.logic
    if logic is None or menu not in logic.model.menus:
        return None
    return ui_description(logic, menu, values, locales, _Targets(device))


def menu_at(device: Device, path: str) -> str | None:
    """The MENU that the UIElement with this identifier shows; None when it is none of the device's."""
    groups = _groups(device.device_type.groups, device.device_id)
    return next((group.menu for found, group in groups if group.menu and path == f"{found}/{UI_ELEMENT}"), None)


class _Targets:
    """Where a description's elements are in the address space of one device: NodeIds with namespace URIs."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def __call__(self, kind: str, name: str) -> str:
        device_id, device_type = self._device.device_id, self._device.device_type
        if kind == "parameter":
            return f"nsu={PLANT_URI};s={device_id}/{PARAMETER_SET}/{name}"
        if kind == "menu":
            path = next((path for path, group in _groups(device_type.groups, device_id) if group.menu == name), "")
            return f"nsu={PLANT_URI};s={path}/{UI_ELEMENT}" if path else ""
        # What is the same for all devices is the type's.
        places = {"action": f"{ACTION_SET}/{name}", "image": f"ImageSet/{name}", "plugin": f"{PLUG_INS}/{name}/0"}
        return f"nsu={device_type.namespace_uri};s={device_type.type_id}/{places[kind]}" if kind in places else ""


def _groups(groups: tuple[GroupSpec, ...], prefix: str) -> Iterator[tuple[str, GroupSpec]]:
    for group in groups:
        path = f"{prefix}/{group.name}"
        yield path, group
        yield from _groups(group.groups, path)
