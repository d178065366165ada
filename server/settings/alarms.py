"""Settings of alarms."""

from __future__ import annotations

from pydantic import Field

from server.settings.section import Section


class AlarmSettings(Section):
    """How alarms live, unless their package or a rule says otherwise."""

    max_time_shelved_s: float = Field(default=28_800.0, ge=1, le=31_536_000)
    """An operator may shelve an alarm for so many seconds (MaxTimeShelved)."""
    branches: int = Field(default=0, ge=0, le=100)
    """Earlier unacknowledged states of one alarm kept beside the current one; 0: the newest replaces them."""
