"""System off-normal alarm: part of the system, not of the process, is not as it should be (OPC 10000-9)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind
from server.alarms.conditions.off_normal import OffNormal


class SystemOffNormal(OffNormal):
    """Like the off-normal alarm, for those who look after the system (SystemOffNormalAlarmType)."""

    kind = "system_off_normal"
    condition_class = "System"


CONDITION = ConditionKind(kind="system_off_normal", make=SystemOffNormal)
