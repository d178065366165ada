"""Objects/Fieldloom/AlarmPerformance/AlarmMetrics: an AlarmMetricsType of all alarms (OPC 10000-9, 8)."""

from __future__ import annotations

from typing import Any

from asyncua import ua

from server.alarms.metrics import RATE_MINUTES, AlarmMetrics, Reading
from server.core import status
from server.core.clock import to_datetime
from server.opcua.method_calls import result
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.values import put_data_value
from server.opcua.roles import ENGINEERS_CALL
from server.opcua.services.context import Request
from server.opcua.space import HAS_COMPONENT, data_value
from server.opcua.specs.alarm_performance import ROOT
from server.opcua.specs.binding import Binding
from server.opcua.specs.calls import allow, caller_of

NAME = "AlarmMetrics"
_IDS = ua.ObjectIds
_V = ua.VariantType
_RATES = ("CurrentAlarmRate", "MaximumAlarmRate", "AverageAlarmRate")
_UA = "http://opcfoundation.org/UA/"


def bind(binding: Binding, _fdi: Any) -> None:
    """Show them where somebody counts."""
    if binding.metrics is not None:
        MetricsNodes(binding, binding.metrics)


class MetricsNodes:
    """The Object, its Variables and Reset, which engineers call."""

    def __init__(self, binding: Binding, metrics: AlarmMetrics) -> None:
        self._binding = binding
        self._metrics = metrics
        self._shown: dict[str, ua.Variant] = {}
        space = binding.space
        self._root = space.id(PLANT_URI, f"{ROOT}/{NAME}")
        space.object(
            self._root,
            space.name(PLANT_URI, NAME),
            ua.NodeId(_IDS.AlarmMetricsType),
            parent=space.id(PLANT_URI, ROOT),
            reference=HAS_COMPONENT,
        )
        for name, value in _content(metrics.read(binding.clock.now())).items():
            self._variable(name, value)
        method = ua.NodeId(_IDS.AlarmMetricsType_Reset)
        space.link(self._root, HAS_COMPONENT, method, inverse=False)
        allow(space, _UA, (_IDS.AlarmMetricsType_Reset,), ENGINEERS_CALL)
        binding.handlers.typed[key_of(method)] = self._reset
        binding.ticks.append(self.tick)

    def _variable(self, name: str, value: ua.Variant) -> None:
        space, rate = self._binding.space, name in _RATES
        node_id = space.id(PLANT_URI, f"{ROOT}/{NAME}/{name}")
        durations = ("MaximumActiveState", "MaximumUnAck")
        data_type = _IDS.Duration if name in durations else value.VariantType.value
        if name == "StartTime":
            data_type = _IDS.UtcTime
        space.variable(
            node_id,
            ua.QualifiedName(name, 0),
            ua.DataValue(value),
            ua.NodeId(data_type),
            type_definition=ua.NodeId(_IDS.AlarmRateVariableType if rate else _IDS.BaseDataVariableType),
            parent=self._root,
            reference=HAS_COMPONENT,
        )
        if rate:
            space.property(
                space.id(PLANT_URI, f"{ROOT}/{NAME}/{name}/Rate"),
                ua.QualifiedName("Rate", 0),
                data_value(RATE_MINUTES, _V.UInt16),
                ua.NodeId(_IDS.UInt16),
                parent=node_id,
            )

    def tick(self) -> None:
        """Show what has changed."""
        now = self._binding.clock.now()
        stamp = to_datetime(now)
        for name, value in _content(self._metrics.read(now)).items():
            if self._shown.get(name) != value:
                self._shown[name] = value
                point = self._binding.space.point(self._binding.space.id(PLANT_URI, f"{ROOT}/{NAME}/{name}"))
                put_data_value(point, ua.DataValue(value, SourceTimestamp=stamp, ServerTimestamp=stamp))

    def _reset(
        self, request: Request, object_key: Key, _method: Key, _arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        if object_key != key_of(self._root):
            return result(status.BAD_METHOD_INVALID)
        self._metrics.reset(self._binding.clock.now())
        self._binding.audit.note(caller_of(request), "reset alarm metrics", "Fieldloom", "Good")
        self.tick()
        return result(status.GOOD)


def _content(reading: Reading) -> dict[str, ua.Variant]:
    return {
        "AlarmCount": ua.Variant(reading.count, _V.UInt32),
        "StartTime": ua.Variant(to_datetime(reading.start), _V.DateTime),
        "MaximumActiveState": ua.Variant(reading.longest_active_s * 1000, _V.Double),
        "MaximumUnAck": ua.Variant(reading.longest_unacked_s * 1000, _V.Double),
        "CurrentAlarmRate": ua.Variant(reading.current_rate, _V.Double),
        "MaximumAlarmRate": ua.Variant(reading.highest_rate, _V.Double),
        "MaximumReAlarmCount": ua.Variant(reading.most_re_alarms, _V.UInt32),
        "AverageAlarmRate": ua.Variant(reading.average_rate, _V.Double),
    }
