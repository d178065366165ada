"""The measures of alarm performance as they are shown: name, unit and what each says, for nodes, metrics and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.alarms.performance import Snapshot
from server.core.texts import Texts


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a Snapshot."""

    key: str  # field of Snapshot; its name in JSON and, with `fieldloom_alarms_` before it, among the metrics
    name: str  # BrowseName
    unit: str  # symbol, "" for plain numbers
    text: Texts

    def of(self, snapshot: Snapshot) -> bool | int | float:
        """The value."""
        value: bool | int | float = getattr(snapshot, self.key)
        return value


def _measure(key: str, name: str, unit: str, en: str, ru: str) -> Measure:
    return Measure(key, name, unit, Texts.of(en, ru=ru))


MEASURES: tuple[Measure, ...] = (
    _measure(
        "rate_10min",
        "CurrentRate",
        "",
        "Alarms an operator in the last 10 minutes",
        "Сигнализаций на оператора за 10 минут",
    ),
    _measure(
        "average_rate_hour", "AverageRateHour", "", "Average of an hour, in 10 minutes", "Среднее за час, на 10 минут"
    ),
    _measure(
        "average_rate_day", "AverageRateDay", "", "Average of a day, in 10 minutes", "Среднее за сутки, на 10 минут"
    ),
    _measure(
        "average_rate_week", "AverageRateWeek", "", "Average of a week, in 10 minutes", "Среднее за неделю, на 10 минут"
    ),
    _measure("peak_rate_week", "PeakRateWeek", "", "Worst 10 minutes of a week", "Худшие 10 минут за неделю"),
    _measure(
        "flood",
        "Flood",
        "",
        "More alarms than an operator can handle",
        "Больше сигнализаций, чем может обработать оператор",
    ),
    _measure(
        "flood_percent_week", "FloodPercentWeek", "%", "Time in flood, of a week", "Доля времени лавины за неделю"
    ),
    _measure("annunciated_day", "AnnunciatedDay", "", "Alarms of the last day", "Сигнализаций за сутки"),
    _measure("standing", "Standing", "", "Active now", "Активно сейчас"),
    _measure("stale", "Stale", "", "Active for longer than a day", "Активны дольше суток"),
    _measure("chattering", "Chattering", "", "Coming and going now", "Дребезжат сейчас"),
    _measure("fleeting_day", "FleetingDay", "", "Gone before anybody could act, last day", "Мимолётные за сутки"),
    _measure("unacknowledged", "Unacknowledged", "", "Not acknowledged", "Не квитировано"),
    _measure(
        "oldest_unacknowledged_s", "OldestUnacknowledged", "s", "Age of the oldest of them", "Возраст старейшей из них"
    ),
    _measure("shelved", "Shelved", "", "Shelved", "Отложено"),
    _measure("suppressed", "Suppressed", "", "Suppressed by design", "Подавлено по проекту"),
    _measure("out_of_service", "OutOfService", "", "Out of service", "Выведено из работы"),
    _measure("disabled", "Disabled", "", "Disabled", "Отключено"),
    _measure(
        "acknowledge_median_s", "AcknowledgeMedian", "s", "Time to acknowledge, median", "Время квитирования, медиана"
    ),
    _measure(
        "acknowledge_p95_s", "AcknowledgeP95", "s", "Time to acknowledge, 95 of 100", "Время квитирования, 95 из 100"
    ),
)


def as_json(snapshot: Snapshot) -> dict[str, Any]:
    """A Snapshot as one JSON object."""
    body: dict[str, Any] = {measure.key: measure.of(snapshot) for measure in MEASURES}
    body["annunciated_mix"] = dict(snapshot.annunciated_mix)
    body["standing_mix"] = dict(snapshot.standing_mix)
    body["top_ten"] = [
        {"id": busy.condition_id, "count": busy.count, "percent": busy.percent} for busy in snapshot.top_ten
    ]
    body["stale_ids"] = list(snapshot.stale_ids)
    body["chattering_ids"] = list(snapshot.chattering_ids)
    return body


def as_metrics(snapshot: Snapshot) -> dict[str, int | float]:
    """A Snapshot's numbers by the names of metrics."""
    found: dict[str, int | float] = {f"alarms_{measure.key}": measure.of(snapshot) for measure in MEASURES}
    for priority, percent in snapshot.annunciated_mix.items():
        found[f"alarms_annunciated_{priority}_percent"] = percent
    return found
