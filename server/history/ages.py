"""How long the history of each device is kept, by the settings of its type."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from server.history.tiers import DAY, Ages
from server.settings import HistorySettings

TypeOf = Callable[[str], str | None]
"""Device id -> id of its type; None: no such device any more."""


class AgeBook:
    """The ages of devices; a device that is not there any more is kept like one of a type without own settings."""

    def __init__(self, settings: HistorySettings, type_of: TypeOf) -> None:
        self._default = _ages(settings.raw_days, settings.minutes_days, settings.hours_days)
        self._of_types = {
            name: _ages(
                settings.raw_days if each.raw_days is None else each.raw_days,
                settings.minutes_days if each.minutes_days is None else each.minutes_days,
                settings.hours_days if each.hours_days is None else each.hours_days,
            )
            for name, each in settings.retention_of.items()
        }
        self._type_of = type_of

    def of(self, device_id: str) -> Ages:
        """The ages of one device."""
        if not self._of_types:
            return self._default
        return self._of_types.get(self._type_of(device_id) or "", self._default)

    def shortest(self, device_ids: Iterable[str]) -> Ages:
        """What is kept of all of these devices."""
        found = {self.of(device_id) for device_id in device_ids} or {self._default}
        return Ages(
            raw=_least(each.raw for each in found),
            minutes=_least(each.minutes for each in found),
            hours=_least(each.hours for each in found),
        )


def _ages(raw_days: float, minutes_days: float, hours_days: float) -> Ages:
    """Figures stay at least as long as what they were made of: questions are answered from them."""
    raw = _days(raw_days)
    minutes = _longest(raw, _days(minutes_days))
    return Ages(raw, minutes, _longest(minutes, _days(hours_days)))


def _longest(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def _days(days: float) -> int | None:
    return round(days * DAY) if days else None


def _least(ages: Iterable[int | None]) -> int | None:
    return min((age for age in ages if age is not None), default=None)
