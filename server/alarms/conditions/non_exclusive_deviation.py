"""Non-exclusive deviation alarm (OPC 10000-9, NonExclusiveDeviationAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind
from server.alarms.conditions.exclusive_deviation import ExclusiveDeviation


class NonExclusiveDeviation(ExclusiveDeviation):
    """Like the exclusive one, each limit with a state of its own."""

    kind = "non_exclusive_deviation"
    exclusive = False


CONDITION = ConditionKind(kind="non_exclusive_deviation", make=NonExclusiveDeviation)
