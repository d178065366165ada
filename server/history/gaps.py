"""Where history lacks what was sent: spans without recording, and the markers that say so. Pure.

A span opens when the server was not running, or when it had to refuse values. The broker keeps what was not
acknowledged, so a span is only judged after a time of grace: a value from inside it says that they came, later and at
their own time. A series without one gets a marker, a row without value and with BadDataLost, so that no line is drawn
across the span (OPC 10000-11, 4.3: interruptions; 6.2: data is missing as collection started, stopped or was lost).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from server.core import status
from server.core.clock import TimeUs
from server.history.rows import marker_time
from server.history.store import HistoryRow

Series = tuple[str, str]  # device id, parameter
Span = tuple[TimeUs, TimeUs]  # after the first, up to the second


class Gaps:
    """The open spans, one a series at most."""

    def __init__(self, spans: Mapping[Series, Span] | None = None) -> None:
        self.spans: dict[Series, Span] = dict(spans or {})
        self.judge_at: TimeUs | None = None  # when the grace of all is over

    def refused(self, rows: Sequence[HistoryRow], judge_at: TimeUs) -> None:
        """These were not taken; whoever sent them may send them again until `judge_at`."""
        for row in rows:
            series = (row.device_id, row.parameter)
            before, until = self.spans.get(series, (row.source_time - 1, row.source_time))
            self.spans[series] = (min(before, row.source_time - 1), max(until, row.source_time))
        self.judge_at = judge_at if self.spans else None

    def come(self, rows: Sequence[HistoryRow]) -> set[Series]:
        """The series whose span these show to be bridged."""
        found: set[Series] = set()
        if self.spans:
            for row in rows:
                span = self.spans.get((row.device_id, row.parameter))
                if span is not None and span[0] < row.source_time <= span[1]:
                    found.add((row.device_id, row.parameter))
        return found

    def markers(self, now: TimeUs) -> list[HistoryRow]:
        """One for each span that nothing came for. They stay open until `close`."""
        return [
            HistoryRow(device_id, parameter, marker_time(before), now, None, status.BAD_DATA_LOST)
            for (device_id, parameter), (before, _) in self.spans.items()
        ]

    def close(self, series: Iterable[Series]) -> None:
        """The spans of these are bridged, or their markers are on disk."""
        for one in series:
            self.spans.pop(one, None)
        if not self.spans:
            self.judge_at = None
