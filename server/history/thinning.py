"""The deadbands of all series: what of a batch is stored, and what is held back until later. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from server.history.deadband import Deadband
from server.history.gaps import Series
from server.history.store import HistoryRow
from server.settings import DeadbandSettings

DeadbandOf = Callable[[str, str], tuple[DeadbandSettings, bool] | None]
"""(device id, parameter) -> its settings and whether its values are stepped; None: all its values are stored."""


@dataclass(slots=True)
class Kept:
    """What one commit has to put on disk besides the rows."""

    held: dict[Series, list[HistoryRow]] = field(default_factory=dict)  # empty: nothing of it is held any more
    released: list[HistoryRow] = field(default_factory=list)  # of the rows, those that an earlier commit held

    def rows(self) -> Iterator[HistoryRow]:
        """All that is held."""
        return (row for rows in self.held.values() for row in rows)


class Thinning:
    """Values are acknowledged when what is held of them is on disk; what is released again is as good as acknowledged.

    So after a commit that failed, `failed` gives back what nobody will send again.
    """

    def __init__(self, deadband_of: DeadbandOf | None) -> None:
        self._deadband_of = deadband_of
        self._deadbands: dict[str, dict[str, Deadband | None]] = {}  # by device and parameter
        self._kept = Kept()
        self.left_out = 0  # values that are not stored; those held now are not among them

    def take(self, rows: list[HistoryRow]) -> list[HistoryRow]:
        """What is to be stored now."""
        if self._deadband_of is None:
            return rows
        found: list[HistoryRow] = []
        for row in rows:
            deadband = self._of(row)
            if deadband is None:
                found.append(row)
                continue
            before = sum(1 for _ in deadband.held())
            stored, held = deadband.offer(row), list(deadband.held())
            found += stored
            self.left_out += before + 1 - len(stored) - len(held)
            self._kept.released += [each for each in stored if each is not row]
            self._kept.held[row.device_id, row.parameter] = held
        return found

    def _of(self, row: HistoryRow) -> Deadband | None:
        known = self._deadbands.setdefault(row.device_id, {})
        if row.parameter not in known:
            found = self._deadband_of(row.device_id, row.parameter) if self._deadband_of is not None else None
            known[row.parameter] = None if found is None else Deadband(found[0], stepped=found[1])
        return known[row.parameter]

    def forget(self, device_id: str) -> list[HistoryRow]:
        """Its type changed, or it is gone: how it is thinned is asked for again. What was held of it."""
        found: list[HistoryRow] = []
        for parameter, deadband in self._deadbands.pop(device_id, {}).items():
            if deadband is not None:
                found += deadband.held()
                self._kept.held[device_id, parameter] = []
        self._kept.released += found
        return found

    def restart(self, rows: Iterable[HistoryRow]) -> list[HistoryRow]:
        """Their series have a gap: the next value is stored however near it is to the last. What was held of them."""
        found: list[HistoryRow] = []
        for series in {(row.device_id, row.parameter) for row in rows}:
            deadband = self._deadbands.get(series[0], {}).pop(series[1], None)
            if deadband is not None:
                found += deadband.held()
                self._kept.held[series] = []
        self._kept.released += found
        return found

    def to_keep(self) -> Kept:
        """What has to go to disk with the next commit; it is then forgotten here."""
        kept, self._kept = self._kept, Kept()
        return kept

    def failed(self, kept: Kept) -> list[HistoryRow]:
        """A commit did not come about: what it should have kept is kept by the next. The rows that are still owed.

        They are owed until a commit does come about: of every further one that fails they are returned again.
        """
        self._kept.held = {**kept.held, **self._kept.held}
        self._kept.released = [*kept.released, *self._kept.released]
        return kept.released


def deadband_of(
    settings: Mapping[str, DeadbandSettings],
    type_of: Callable[[str], str | None],
    is_stepped: Callable[[str, str], bool],
) -> DeadbandOf | None:
    """The deadbands by the settings of types and their parameters; None when there are none."""
    if not settings:
        return None

    def found(device_id: str, parameter: str) -> tuple[DeadbandSettings, bool] | None:
        known = settings.get(f"{type_of(device_id)}/{parameter}")
        return None if known is None else (known, is_stepped(device_id, parameter))

    return found
