"""All kinds of conditions, found in `conditions/`; making a condition from its declaration."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from server.alarms import conditions
from server.alarms.condition import Condition, ConditionKind
from server.core.plugins import discover
from server.model.alarm_spec import AlarmSpec


@cache
def kinds() -> Mapping[str, ConditionKind]:
    """Every kind by its name.

    Raises:
        ConfigurationError: a file that does not import.
    """
    found = [kind for kind in discover(conditions, "CONDITION").values() if isinstance(kind, ConditionKind)]
    return {kind.kind: kind for kind in found}


def condition_of(spec: AlarmSpec) -> Condition:
    """The condition that a declaration describes; its kind is one of `kinds()`."""
    return kinds()[spec.kind].make(spec)
