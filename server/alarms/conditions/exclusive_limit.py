"""Exclusive limit alarm: a value is beyond at most one of its limits (OPC 10000-9, ExclusiveLevelAlarmType)."""

from __future__ import annotations

from server.alarms.condition import ConditionKind
from server.alarms.limits import Limits


class ExclusiveLimit(Limits):
    """Judges one numeric parameter against up to four limits."""

    kind = "exclusive_limit"


CONDITION = ConditionKind(kind="exclusive_limit", make=ExclusiveLimit)
