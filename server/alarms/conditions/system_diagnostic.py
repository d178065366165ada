"""System diagnostic alarm: the control system reports a fault of its own (OPC 10000-9, SystemDiagnosticAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind
from server.alarms.conditions.instrument_diagnostic import InstrumentDiagnostic


class SystemDiagnostic(InstrumentDiagnostic):
    """Like the instrument's, for those who look after the system."""

    kind = "system_diagnostic"
    condition_class = "System"


CONDITION = ConditionKind(kind="system_diagnostic", make=SystemDiagnostic)
