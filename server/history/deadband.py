"""Which values of one series need not be stored: exception and compression deadband. Pure.

The last value that was left out is held. When a value comes that has to be stored, the held one is stored before it, so
that a line between stored values never runs where the values did not: it stays flat until they left the deadband.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from server.core.clock import SECOND, TimeUs
from server.core.status import GOOD
from server.history.store import HistoryRow
from server.settings import DeadbandSettings


class Deadband:
    """One series. Values come in the order of their times; one that does not is stored as it is."""

    def __init__(self, settings: DeadbandSettings, *, stepped: bool) -> None:
        """
        Args:
            stepped: no line is drawn between the values; then a compression deadband is an exception deadband.
        """
        self._longest: TimeUs = round(settings.longest_s * SECOND)
        exception, compression = settings.exception, settings.compression
        if stepped and compression is not None:
            exception, compression = max(exception or 0.0, compression), None
        self._stages: list[_Exception | _Compression] = []
        if exception is not None:
            self._stages.append(_Exception(exception))
        if compression is not None:
            self._stages.append(_Compression(compression))
        self._newest: TimeUs | None = None

    def offer(self, row: HistoryRow) -> list[HistoryRow]:
        """What is to be stored now, in order; the value itself or earlier ones."""
        if self._newest is not None and row.source_time <= self._newest:
            return [row]
        self._newest = row.source_time
        rows = [row]
        for stage in self._stages:
            rows = [stored for each in rows for stored in stage.offer(each, self._longest)]
        return rows

    def held(self) -> Iterator[HistoryRow]:
        """What is kept back now."""
        for stage in self._stages:
            if stage.held is not None:
                yield stage.held


def _number(row: HistoryRow) -> float | None:
    """What a deadband can measure; None: only whether it is the same can be told."""
    value = row.value
    if row.status != GOOD or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _same(one: HistoryRow, other: HistoryRow) -> bool:
    return one.status == other.status and type(one.value) is type(other.value) and one.value == other.value


class _Exception:
    """Values near the last stored one are held."""

    def __init__(self, deviation: float) -> None:
        self._deviation = deviation
        self._last: HistoryRow | None = None
        self.held: HistoryRow | None = None

    def offer(self, row: HistoryRow, longest: TimeUs) -> list[HistoryRow]:
        last, held = self._last, self.held
        if last is not None and row.source_time - last.source_time < longest and self._is_near(last, row):
            self.held = row
            return []
        self._last, self.held = row, None
        # What was held lies within the deadband of both ends when only the time is over.
        return [row] if held is None or last is None or self._is_near(last, row) else [held, row]

    def _is_near(self, last: HistoryRow, row: HistoryRow) -> bool:
        before, now = _number(last), _number(row)
        if before is None or now is None:
            return _same(last, row)
        return abs(now - before) <= self._deviation


class _Compression:
    """The swinging door: values are held while one line from the last stored one passes all of them closely enough."""

    def __init__(self, deviation: float) -> None:
        self._deviation = deviation
        self._last: HistoryRow | None = None
        self.held: HistoryRow | None = None
        self._low, self._high = -math.inf, math.inf  # slopes, units a µs, that pass all since the last stored one

    def offer(self, row: HistoryRow, longest: TimeUs) -> list[HistoryRow]:
        last, held = self._last, self.held
        if last is None:
            return self._store(row)
        before, now = _number(last), _number(row)
        if before is None or now is None:
            if row.source_time - last.source_time < longest and _same(last, row):
                self.held = row
                return []
            return [*([held] if held is not None else []), *self._store(row)]
        if self._holds(last, before, row, now):
            return self._store(row) if row.source_time - last.source_time >= longest else []
        if held is None:
            return self._store(row)
        # The door shuts: the line ends at what was held, and the next one begins there.
        self._store(held)
        started = _number(held)
        if started is not None and row.source_time - held.source_time < longest:
            self._holds(held, started, row, now)
            return [held]
        return [held, *self._store(row)]

    def _holds(self, last: HistoryRow, before: float, row: HistoryRow, now: float) -> bool:
        time = row.source_time - last.source_time
        if not self._low <= (now - before) / time <= self._high:
            return False
        self._low = max(self._low, (now - self._deviation - before) / time)
        self._high = min(self._high, (now + self._deviation - before) / time)
        self.held = row
        return True

    def _store(self, row: HistoryRow) -> list[HistoryRow]:
        self._last, self.held = row, None
        self._low, self._high = -math.inf, math.inf
        return [row]
