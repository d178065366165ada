"""Non-exclusive rate-of-change alarm (OPC 10000-9, NonExclusiveRateOfChangeAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind
from server.alarms.conditions.exclusive_rate_of_change import ExclusiveRateOfChange


class NonExclusiveRateOfChange(ExclusiveRateOfChange):
    """Like the exclusive one, each limit with a state of its own."""

    kind = "non_exclusive_rate_of_change"
    exclusive = False


CONDITION = ConditionKind(kind="non_exclusive_rate_of_change", make=NonExclusiveRateOfChange)
