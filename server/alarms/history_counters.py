"""Counters of every stage of the historian as parameters of the server's own device: the names of `/metrics`."""

from __future__ import annotations

from collections.abc import Mapping

from server.core.texts import Texts
from server.core.values import Scalar
from server.model.device_type import DataType

_COUNTERS = {
    "history_received": Texts.of("History: values taken in", ru="Архив: принято значений"),
    "history_spooled": Texts.of("History: rows written to the spool", ru="Архив: записано в буфер"),
    "history_stored": Texts.of("History: rows new in the store", ru="Архив: записано в хранилище"),
    "history_duplicates": Texts.of("History: rows already stored", ru="Архив: повторные записи"),
    "history_failures": Texts.of("History: attempts that failed", ru="Архив: неудачные попытки записи"),
    "history_refused": Texts.of("History: rows refused, not acknowledged", ru="Архив: отклонено без подтверждения"),
    "history_set_aside": Texts.of("History: rows that cannot be stored", ru="Архив: записи, отложенные с ошибкой"),
    "history_out_of_range": Texts.of("History: values out of range", ru="Архив: значения вне диапазона"),
    "history_out_of_time": Texts.of("History: rows without a place in time", ru="Архив: недопустимое время"),
    "history_left_out": Texts.of("History: values left out by deadbands", ru="Архив: отсеяно зоной нечувствительности"),
    "history_gap_markers": Texts.of("History: gap markers", ru="Архив: отметки пропусков"),
    "history_dropped": Texts.of("History: rows lost", ru="Архив: потеряно записей"),
    "history_queue_rows": Texts.of("History: rows before the spool", ru="Архив: записей перед буфером"),
    "history_spool_rows": Texts.of("History: rows in the spool", ru="Архив: записей в буфере"),
    "history_disk_low": Texts.of("History: stopped, the disk is nearly full", ru="Архив: остановлен, мало места"),
    "history_spool_bytes": Texts.of("History: size of the spool", ru="Архив: объём буфера"),
}
_AGE = Texts.of("History: age of the oldest row in the spool", ru="Архив: возраст старейшей записи буфера")
UNITS = {"history_spool_bytes": "B", "history_spool_age_s": "s"}

PARAMETERS: dict[str, tuple[Texts, DataType]] = {
    **{name: (label, DataType.UINT64) for name, label in _COUNTERS.items()},
    "history_spool_age_s": (_AGE, DataType.DOUBLE),
}


def told(counters: Mapping[str, int | float]) -> dict[str, Scalar | None]:
    """The values of all parameters; None: not counted."""
    found: dict[str, Scalar | None] = {}
    for name, (_, data_type) in PARAMETERS.items():
        value = counters.get(name)
        found[name] = value if value is None else float(value) if data_type is DataType.DOUBLE else int(value)
    return found
