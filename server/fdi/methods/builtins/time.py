"""Builtins for dates and times, all UTC: seconds since 1970, and DATEs packed into one number (see variables.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.table import Arg, Builtin, builtin
from server.fdi.methods.machine import Machine
from server.fdi.methods.program import Site
from server.fdi.methods.variables import packed_date, unpacked_date

FAMILY: Final = "time"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_S: Final = 253_402_300_799  # 9999-12-31T23:59:59
_MAX_YEARS: Final = 9_999
_SECOND_US: Final = 1_000_000


def _day(packed: int) -> date:
    found = unpacked_date(packed)
    if found is None:
        raise EvaluationError(f"{packed} is no DATE")
    return found


def _moment(seconds: int) -> datetime:
    if not 0 <= seconds <= _LAST_S:
        raise EvaluationError(f"{seconds} is no time from 1970 to 9999")
    return _EPOCH + timedelta(seconds=seconds)


def _seconds(day: date, hour: int = 0, minute: int = 0, second: int = 0, summer: int = 0) -> int:
    """Hours, minutes and seconds may lie outside their ranges, as with C's mktime; summer time takes an hour off."""
    days = (day - _EPOCH.date()).days
    return days * 86_400 + hour * 3_600 + minute * 60 + second - (3_600 if summer > 0 else 0)


def _date_of(year: int, month: int, day: int) -> date:
    """A day from its parts; months past 12 and days past the month's end carry over, as with C's mktime."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    if not 1 <= year <= _MAX_YEARS or abs(day) > 4_000_000:
        raise EvaluationError(f"there is no year {year}")
    try:
        return date(year, month, 1) + timedelta(days=day - 1)
    except OverflowError as error:
        raise EvaluationError("a day outside the calendar") from error


def _run(act: Callable[..., int]) -> Callable[..., int]:
    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
        return act(*arguments)

    return run


def _now(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    return machine.host.now_us() // _SECOND_US


def _make_time(year: int, month: int, day: int, hour: int, minute: int, second: int, summer: int = 0) -> int:
    return _seconds(_date_of(year, month, day), hour, minute, second, summer)


def _to_time(packed: int, hour: int, minute: int, second: int, summer: int = 0) -> int:
    return _seconds(_day(packed), hour, minute, second, summer)


def _add(seconds: int, more: int) -> int:
    return seconds + more


def _difference(machine: Machine, arguments: Sequence[Any], site: Site) -> float:
    return float(arguments[0] - arguments[1])


_PARTS: Final = (Arg.INT,) * 7

BUILTINS: Final[Mapping[str, Builtin]] = {
    "Date_to_Year": builtin(FAMILY, Kind.INT32, _run(lambda packed: _day(packed).year), Arg.WIDE),
    "Date_to_Month": builtin(FAMILY, Kind.INT32, _run(lambda packed: _day(packed).month), Arg.WIDE),
    "Date_to_DayOfMonth": builtin(FAMILY, Kind.INT32, _run(lambda packed: _day(packed).day), Arg.WIDE),
    "GetCurrentTime": builtin(FAMILY, Kind.INT64, _now),
    "Make_Time": builtin(FAMILY, Kind.INT64, _run(_make_time), *_PARTS, least=6),
    "To_Time": builtin(FAMILY, Kind.INT64, _run(_to_time), Arg.WIDE, *_PARTS[:4], least=4),
    "Date_To_Time": builtin(FAMILY, Kind.INT64, _run(lambda packed: _seconds(_day(packed))), Arg.WIDE),
    "To_Date": builtin(
        FAMILY, Kind.INT32, _run(lambda year, month, day: packed_date(_date_of(year, month, day))), *_PARTS[:3]
    ),
    "Time_To_Date": builtin(FAMILY, Kind.INT32, _run(lambda seconds: packed_date(_moment(seconds).date())), Arg.WIDE),
    "DiffTime": builtin(FAMILY, Kind.DOUBLE, _difference, Arg.WIDE, Arg.WIDE),
    "AddTime": builtin(FAMILY, Kind.INT64, _run(_add), Arg.WIDE, Arg.WIDE),
}
