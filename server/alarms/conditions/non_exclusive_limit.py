"""Non-exclusive limit alarm: each limit has a state of its own (OPC 10000-9, NonExclusiveLevelAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind
from server.alarms.limits import Limits


class NonExclusiveLimit(Limits):
    """Judges one numeric parameter; HighHigh implies High, LowLow implies Low."""

    kind = "non_exclusive_limit"
    exclusive = False


CONDITION = ConditionKind(kind="non_exclusive_limit", make=NonExclusiveLimit)
