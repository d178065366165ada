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
    severity_critical: int = Field(default=900, ge=801, le=1000)
    """Severity of alarms of priority critical."""
    severity_high: int = Field(default=700, ge=601, le=800)
    """Severity of alarms of priority high."""
    severity_medium: int = Field(default=500, ge=401, le=600)
    """Severity of alarms of priority medium."""
    severity_low: int = Field(default=300, ge=1, le=400)
    """Severity of alarms of priority low."""
    operators: int = Field(default=1, ge=1, le=1_000)
    """Operator positions that share the alarms: rates are told for each."""
    flood_begins: int = Field(default=10, ge=1, le=100_000)
    """An alarm flood begins with more alarms than this in 10 minutes, an operator position."""
    flood_ends: int = Field(default=5, ge=1, le=100_000)
    """It ends with fewer than this."""
    chattering: int = Field(default=3, ge=2, le=1_000)
    """An alarm chatters that becomes active so often …"""
    chattering_s: float = Field(default=60.0, gt=0, le=86_400)
    """… within so many seconds."""
    fleeting_s: float = Field(default=5.0, ge=0, le=86_400)
    """An alarm is fleeting that was active for fewer seconds and is gone unacknowledged."""
    stale_s: float = Field(default=86_400.0, gt=0, le=31_536_000)
    """An alarm is stale that has been active for more seconds."""
    journal_days: int = Field(default=365, ge=1, le=36_500)
    """Days that events of alarms are kept in the journal."""

    @property
    def severities(self) -> dict[str, int]:
        """Severity by priority."""
        return {
            "critical": self.severity_critical,
            "high": self.severity_high,
            "medium": self.severity_medium,
            "low": self.severity_low,
        }
