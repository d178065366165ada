"""How the alarm system itself performs, by ISA-18.2: rates, floods, chattering, fleeting, stale, standing, top ten.

Fed with every alarm event in order; pure, times come with events and calls. Memory is bounded by the conditions.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from server.alarms.priority import PRIORITIES, priority_of
from server.core.clock import SECOND, TimeUs
from server.core.values import AlarmEvent

WINDOW_S = 600
"""ISA-18.2 counts annunciated alarms in 10 minutes."""
DAY_S = 86_400
KEPT_DAYS = 7
TOP = 10
LATENCIES = 1_000
"""Acknowledgements that the latency is told of, the newest."""


@dataclass(frozen=True, slots=True)
class Guide:
    """What counts as too much; the defaults are ISA-18.2's and EEMUA 191's."""

    operators: int = 1  # operator positions that share the alarms
    flood_begins: int = 10  # more alarms than this in 10 minutes, a position
    flood_ends: int = 5  # fewer than this
    chattering: int = 3  # activations of one alarm …
    chattering_s: float = 60.0  # … within so many seconds
    fleeting_s: float = 5.0  # active for less than this, gone before anybody could act
    stale_s: float = float(DAY_S)  # active for longer than this without a break


@dataclass(frozen=True, slots=True)
class Busy:
    """One of the most frequent alarms."""

    condition_id: str
    count: int
    percent: float  # of all annunciated alarms


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All measures at one moment. Rates are alarms an operator position in 10 minutes."""

    rate_10min: float = 0.0  # in the 10 minutes before now
    average_rate_hour: float = 0.0
    average_rate_day: float = 0.0
    average_rate_week: float = 0.0
    peak_rate_week: float = 0.0  # the worst 10 minutes of a clock's six an hour
    flood: bool = False
    flood_percent_week: float = 0.0  # of the 10-minute periods with more than `flood_begins`
    annunciated_day: int = 0
    standing: int = 0  # active now, those suppressed, shelved or out of service left out
    stale: int = 0
    chattering: int = 0
    fleeting_day: int = 0
    unacknowledged: int = 0
    oldest_unacknowledged_s: float = 0.0
    shelved: int = 0
    suppressed: int = 0
    out_of_service: int = 0
    disabled: int = 0
    acknowledge_median_s: float = 0.0
    acknowledge_p95_s: float = 0.0
    annunciated_mix: Mapping[str, float] = field(default_factory=dict)  # percent by priority, over the week
    standing_mix: Mapping[str, float] = field(default_factory=dict)
    top_ten: tuple[Busy, ...] = ()  # over the week
    stale_ids: tuple[str, ...] = ()
    chattering_ids: tuple[str, ...] = ()


@dataclass(slots=True)
class _Now:
    """What is remembered of one condition."""

    active: bool = False
    acked: bool = True
    since: TimeUs = 0  # when it became active
    priority: str = ""
    hidden: bool = False  # suppressed, shelved or out of service
    shelved: bool = False
    suppressed: bool = False
    out_of_service: bool = False
    enabled: bool = True
    activations: deque[TimeUs] = field(default_factory=deque)


class AlarmPerformance:
    """Keeps count."""

    def __init__(self, guide: Guide | None = None) -> None:
        self._guide = guide or Guide()
        self._now: dict[str, _Now] = {}
        self._seconds: deque[list[int]] = deque()  # [second, annunciated] of the last 10 minutes
        self._in_window = 0
        self._periods: dict[int, int] = {}  # annunciated by 10-minute period
        self._by_alarm: dict[int, Counter[str]] = {}  # by day
        self._by_priority: dict[int, Counter[str]] = {}
        self._fleeting: deque[TimeUs] = deque()
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._first: TimeUs = 0
        self.flood = False

    # -- in

    def seed(self, states: Iterable[AlarmEvent]) -> None:
        """How conditions stand, without counting anything: after a restart."""
        for event in states:
            if not event.branch_id:
                self._take(event, self._now.setdefault(event.condition_id, _Now()))

    def observe(self, events: Sequence[AlarmEvent]) -> None:
        """Events in the order in which they happened."""
        for event in events:
            if not event.branch_id:
                self._observe(event)

    def _observe(self, event: AlarmEvent) -> None:
        known = self._now.get(event.condition_id)
        if known is None:
            known = self._now[event.condition_id] = _Now()
        began = event.active and not known.active and event.cause == "transition"
        if (began or event.cause == "re-alarmed") and not event.suppressed_or_shelved:
            self._annunciated(event)
        if began:
            known.activations.append(event.time)
            while len(known.activations) > self._guide.chattering:
                known.activations.popleft()
        over = known.active and not event.active and event.cause == "transition"
        if over and not event.acked and event.time - known.since < self._guide.fleeting_s * SECOND:
            self._fleeting.append(event.time)
        if event.cause == "acknowledged" and event.acked_time is not None and event.active_time is not None:
            self._latencies.append(max(event.acked_time - event.active_time, 0) / SECOND)
        self._take(event, known)
        if event.cause == "ended":
            del self._now[event.condition_id]

    @staticmethod
    def _take(event: AlarmEvent, known: _Now) -> None:
        known.active, known.acked = event.active and event.enabled, event.acked or not event.enabled
        known.since = event.active_time or event.time
        known.priority = event.priority or priority_of(event.severity)
        known.hidden, known.enabled = event.suppressed_or_shelved, event.enabled
        known.shelved, known.suppressed = event.shelving != "Unshelved", event.suppressed
        known.out_of_service = event.out_of_service

    def _annunciated(self, event: AlarmEvent) -> None:
        second = event.time // SECOND
        self._first = self._first or event.time
        if self._seconds and self._seconds[-1][0] >= second:
            self._seconds[-1][1] += 1
        else:
            self._seconds.append([second, 1])
        self._in_window += 1
        self._forget(second)
        period, day = second // WINDOW_S, second // DAY_S
        self._periods[period] = self._periods.get(period, 0) + 1
        self._by_alarm.setdefault(day, Counter())[event.condition_id] += 1
        self._by_priority.setdefault(day, Counter())[event.priority or priority_of(event.severity)] += 1
        guide = self._guide
        if self._in_window > guide.flood_begins * guide.operators:
            self.flood = True

    def _forget(self, second: int) -> None:
        """Drop what is older than what is told."""
        while self._seconds and self._seconds[0][0] <= second - WINDOW_S:
            self._in_window -= self._seconds.popleft()[1]
        oldest_day = second // DAY_S - KEPT_DAYS
        for by_day in (self._by_alarm, self._by_priority):
            for day in [day for day in by_day if day <= oldest_day]:
                del by_day[day]
        if len(self._periods) > KEPT_DAYS * DAY_S // WINDOW_S:
            oldest = second // WINDOW_S - KEPT_DAYS * DAY_S // WINDOW_S
            self._periods = {period: count for period, count in self._periods.items() if period > oldest}
        while self._fleeting and self._fleeting[0] <= (second - DAY_S) * SECOND:
            self._fleeting.popleft()

    # -- out

    def snapshot(self, now: TimeUs) -> Snapshot:
        """Every measure as it is now."""
        guide, second = self._guide, now // SECOND
        self._forget(second)
        if self.flood and self._in_window < guide.flood_ends * guide.operators:
            self.flood = False
        positions = max(guide.operators, 1)
        week, periods = self._recent(second, KEPT_DAYS * DAY_S)
        day, _ = self._recent(second, DAY_S)
        hour, _ = self._recent(second, 3_600)
        over = sum(count > guide.flood_begins * positions for count in week)
        shown = {name: known for name, known in self._now.items() if known.active and not known.hidden}
        stale = tuple(sorted(name for name, known in shown.items() if now - known.since > guide.stale_s * SECOND))
        chattering = tuple(sorted(name for name, known in self._now.items() if self._is_chattering(known, now)))
        waiting = [known.since for known in self._now.values() if not known.acked and not known.hidden]
        by_alarm: Counter[str] = sum(self._by_alarm.values(), Counter())
        by_priority: Counter[str] = sum(self._by_priority.values(), Counter())
        total = by_alarm.total()
        latencies = sorted(self._latencies)
        return Snapshot(
            rate_10min=self._in_window / positions,
            average_rate_hour=sum(hour) / positions / 6,
            average_rate_day=sum(day) / positions / 144,
            average_rate_week=sum(week) / positions / max(periods, 1),
            peak_rate_week=max(week, default=0) / positions,
            flood=self.flood,
            flood_percent_week=100.0 * over / max(periods, 1),
            annunciated_day=sum(day),
            standing=len(shown),
            stale=len(stale),
            chattering=len(chattering),
            fleeting_day=len(self._fleeting),
            unacknowledged=len(waiting),
            oldest_unacknowledged_s=(now - min(waiting)) / SECOND if waiting else 0.0,
            shelved=sum(known.shelved for known in self._now.values()),
            suppressed=sum(known.suppressed for known in self._now.values()),
            out_of_service=sum(known.out_of_service for known in self._now.values()),
            disabled=sum(not known.enabled for known in self._now.values()),
            acknowledge_median_s=_part(latencies, 0.5),
            acknowledge_p95_s=_part(latencies, 0.95),
            annunciated_mix=_mix(by_priority),
            standing_mix=_mix(Counter(known.priority for known in shown.values())),
            top_ten=tuple(
                Busy(name, count, 100.0 * count / total)
                for name, count in sorted(by_alarm.items(), key=lambda entry: (-entry[1], entry[0]))[:TOP]
            ),
            stale_ids=stale,
            chattering_ids=chattering,
        )

    def _recent(self, second: int, length_s: int) -> tuple[list[int], int]:
        """Annunciated alarms of each 10-minute period that had some; how many periods there were since the first."""
        oldest = (second - length_s) // WINDOW_S
        found = [count for period, count in self._periods.items() if period > oldest]
        if not self._first:
            return found, 0
        first = max(self._first // SECOND // WINDOW_S, oldest + 1)
        return found, second // WINDOW_S - first + 1

    def _is_chattering(self, known: _Now, now: TimeUs) -> bool:
        guide = self._guide
        within = guide.chattering_s * SECOND
        times = known.activations
        return (
            len(times) >= guide.chattering
            and times[-1] - times[-guide.chattering] <= within
            and now - times[-1] <= within
        )


def _part(values: Sequence[float], part: float) -> float:
    """The smallest value that so large a part of all does not exceed; 0 without any."""
    return values[max(math.ceil(len(values) * part), 1) - 1] if values else 0.0


def _mix(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: 100.0 * counts.get(name, 0) / total if total else 0.0 for name in PRIORITIES}
