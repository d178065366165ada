"""Objects/Fieldloom/AlarmPerformance: the measures of ISA-18.2 as Variables, brought up to date every second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asyncua import ua

from server.alarms.measures import MEASURES
from server.alarms.performance import Snapshot
from server.alarms.priority import PRIORITIES
from server.core.clock import to_datetime
from server.core.texts import Texts
from server.core.units import EUInformation, unit_of
from server.opcua.names import PLANT_URI
from server.opcua.nodes.values import put_data_value
from server.opcua.space import FOLDER_TYPE, HAS_COMPONENT, Space, data_value, localized
from server.opcua.specs.binding import Binding

ROOT = "Fieldloom/AlarmPerformance"
_V = ua.VariantType
_TYPES = {bool: _V.Boolean, int: _V.UInt32, float: _V.Double}
Content = dict[str, ua.Variant]


def bind(binding: Binding, _fdi: Any) -> None:
    """Show the measures where somebody takes them."""
    if binding.performance is not None:
        PerformanceNodes(binding, binding.performance)


class PerformanceNodes:
    """The folder and its Variables."""

    def __init__(self, binding: Binding, performance: Callable[[], Snapshot]) -> None:
        self._binding = binding
        self._performance = performance
        self._space: Space = binding.space
        self._shown: Snapshot | None = None
        self._build(Snapshot())
        binding.ticks.append(self.tick)

    def _build(self, empty: Snapshot) -> None:
        space = self._space
        root = space.id(PLANT_URI, ROOT)
        space.object(
            root,
            space.name(PLANT_URI, "AlarmPerformance"),
            FOLDER_TYPE,
            parent=space.id(PLANT_URI, "Fieldloom"),
            reference=HAS_COMPONENT,
            display=Texts.of("Alarm performance", ru="Работа системы сигнализаций"),
        )
        for name, value in self._content(empty).items():
            space.variable(
                space.id(PLANT_URI, f"{ROOT}/{name}"),
                space.name(PLANT_URI, name),
                ua.DataValue(value),
                ua.NodeId(value.VariantType.value),
                parent=root,
                rank=1 if value.is_array else -1,
                description=next((measure.text for measure in MEASURES if measure.name == name), ""),
            )
        for measure in MEASURES:
            if measure.unit:
                self._unit(f"{ROOT}/{measure.name}", unit_of(measure.unit))

    def _unit(self, path: str, unit: EUInformation) -> None:
        space = self._space
        value = ua.EUInformation(
            NamespaceUri=unit.namespace_uri,
            UnitId=unit.unit_id,
            DisplayName=localized(unit.display_name),
            Description=localized(unit.description),
        )
        space.property(
            space.id(PLANT_URI, f"{path}/EngineeringUnits"),
            ua.QualifiedName("EngineeringUnits", 0),
            data_value(value, _V.ExtensionObject),
            ua.NodeId(ua.ObjectIds.EUInformation),
            parent=space.id(PLANT_URI, path),
        )

    def _content(self, snapshot: Snapshot) -> Content:
        found: Content = {}
        for measure in MEASURES:
            value = measure.of(snapshot)
            found[measure.name] = ua.Variant(value, _TYPES[type(value)])
        for priority in PRIORITIES:
            name = f"{priority.capitalize()}Percent"
            found[f"Annunciated{name}"] = ua.Variant(snapshot.annunciated_mix.get(priority, 0.0), _V.Double)
            found[f"Standing{name}"] = ua.Variant(snapshot.standing_mix.get(priority, 0.0), _V.Double)
        top = snapshot.top_ten
        found["TopTenConditions"] = self._ids([busy.condition_id for busy in top])
        found["TopTenCounts"] = ua.Variant([busy.count for busy in top], _V.UInt32, is_array=True)
        found["TopTenPercent"] = ua.Variant([busy.percent for busy in top], _V.Double, is_array=True)
        found["StaleConditions"] = self._ids(snapshot.stale_ids)
        found["ChatteringConditions"] = self._ids(snapshot.chattering_ids)
        return found

    def _ids(self, condition_ids: Any) -> ua.Variant:
        ids = [self._space.id(PLANT_URI, condition_id) for condition_id in condition_ids]
        return ua.Variant(ids, _V.NodeId, is_array=True)

    def tick(self) -> None:
        """Show what has changed."""
        snapshot = self._performance()
        if snapshot == self._shown:
            return
        before = self._content(self._shown) if self._shown is not None else {}
        now = to_datetime(self._binding.clock.now())
        for name, value in self._content(snapshot).items():
            if before.get(name) != value:
                point = self._space.point(self._space.id(PLANT_URI, f"{ROOT}/{name}"))
                put_data_value(point, ua.DataValue(value, SourceTimestamp=now, ServerTimestamp=now))
        self._shown = snapshot
