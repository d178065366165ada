"""What a client registers: a parameter or a group's UIElement, by the NodeId of a Variable or a path of BrowseNames."""

from __future__ import annotations

from asyncua import ua

from server.core.values import DeviceId
from server.model.plant import Plant
from server.opcua.names import PARAMETER_SET, PLANT_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.on_demand import OnDemand
from server.opcua.roles import Audience
from server.opcua.services.sight import Sight
from server.opcua.space import Space
from server.opcua.specs.ui import menu_at

ELEMENTS = 16
"""Steps of a path at most."""
_HIERARCHICAL = 33
_SIDES = ("Online", "Offline")
NOTHING = ""
"""No parameter has this name."""
MENU = "menu:"
"""Stands before the name of a MENU; EDD identifiers have no colon."""


class Registration:
    """Finds EDD identifiers for RegisterNodesById and RegisterNodesByRelativePath."""

    def __init__(self, space: Space, plant: Plant, on_demand: OnDemand) -> None:
        self._space = space
        self._plant = plant
        self._sight = Sight(space.store, space.rights, on_demand.announced)

    def by_id(self, device_id: str, path: ua.RelativePath) -> str:
        """The parameter of a path with one element, whose target name is the text of a NodeId."""
        elements = (path.Elements if path is not None else None) or []
        if len(elements) != 1 or elements[0].TargetName is None:
            return NOTHING
        try:
            node_id = ua.NodeId.from_string(elements[0].TargetName.Name or "")
        except (ua.UaError, ValueError):
            return NOTHING
        return self._name(device_id, key_of(node_id))

    def by_path(self, device_id: str, path: ua.RelativePath, audience: Audience) -> str:
        """The parameter that a path from the device leads to; ambiguous ones lead nowhere."""
        elements = (path.Elements if path is not None else None) or []
        if not 1 <= len(elements) <= ELEMENTS:
            return NOTHING
        current: Key = key_of(self._space.id(PLANT_URI, device_id))
        for element in elements:
            targets = self._step(current, element, audience)
            if len(targets) != 1:
                return NOTHING
            (current,) = targets
        return self._name(device_id, current)

    def _step(self, key: Key, element: ua.RelativePathElement, audience: Audience) -> set[Key]:
        store = self._space.store
        node = store.get(key)
        if node is None or element.IsInverse or element.TargetName is None:
            return set()
        kind = key_of(element.ReferenceTypeId) or _HIERARCHICAL
        kinds = store.below(kind) if element.IncludeSubtypes or kind == _HIERARCHICAL else {kind}
        codes = {store.code(each) for each in kinds}
        wanted = (element.TargetName.Name, element.TargetName.NamespaceIndex)
        found = set()
        for code, target in node.pairs():
            if code in codes:
                # What is only announced is made when the path goes on below it.
                other = self._sight.target(target, audience)
                if other is not None and (other.name.Name, other.name.NamespaceIndex) == wanted:
                    found.add(target)
        return found

    def _name(self, device_id: str, key: Key) -> str:
        """The parameter that a Variable of the device shows, in whatever data set or context; a UIElement's MENU."""
        if not isinstance(key, tuple) or key[0] != self._space.indexes[PLANT_URI] or not isinstance(key[1], str):
            return NOTHING
        pieces = key[1].split("/")
        if pieces[0] != device_id:
            return NOTHING
        inner = pieces[1:]
        if inner and inner[0] in _SIDES:
            inner = inner[1:]
        if len(inner) == 2 and inner[0] == PARAMETER_SET:
            return _identifier(inner[1])
        if len(inner) == 4 and inner[0] == "EditContext" and inner[2] in _SIDES:
            return _identifier(inner[3])
        menu = menu_at(self._plant.device(DeviceId(device_id)), key[1])
        return f"{MENU}{menu}" if menu is not None else NOTHING


def _identifier(name: str) -> str:
    return name if name.isidentifier() else NOTHING
