"""What history says in figures: aggregates, key figures of a facility, series in buckets, comparison, correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from server.console import shapes
from server.console.auth import READER, Console
from server.console.charts import Method, chart
from server.console.context import ConsoleContext
from server.console.problems import ProblemError
from server.console.routes.devices import DeviceName, ParameterName
from server.console.routes.history import Moment, span
from server.core.clock import SECOND, TimeUs, to_iso
from server.core.errors import NotFoundError
from server.core.status import is_good, name_of
from server.history.aggregates.catalogue import BY_NAME, NUMBERS_ONLY, STATUS_CODE
from server.history.aggregates.results import DEFAULTS
from server.history.reader import Buckets
from server.history.store import Bucket
from server.model.device import Device, Point

router = APIRouter(tags=["series"])

MOST_INTERVALS = 10_000
"""Intervals of one answer, of all its series together ten times as many."""
MOST_SERIES = 100
HOUR_US, MINUTE_US = 3_600 * SECOND, 60 * SECOND
Interval = Annotated[float, Query(ge=0, le=31_622_400, description="Seconds; 0: one for the whole time")]
Hours = Annotated[float, Query(ge=1, le=48)]
Facility = Annotated[str, Path(max_length=64)]


@router.get("/api/devices/{device_id}/aggregates/{parameter}", dependencies=READER)
async def aggregates(
    device_id: DeviceName,
    parameter: ParameterName,
    context: Console,
    aggregate: Annotated[list[str] | None, Query(max_length=8, description="Names of OPC 10000-13; Average")] = None,
    start: Moment = "",
    end: Moment = "",
    interval_s: Interval = 0,
) -> Response:
    """Standard aggregates of one value, one result an interval; the same as HistoryRead of processed values."""
    asked = (device_id, parameter, tuple(aggregate or ["Average"]), start, end, interval_s)
    return await context.answers.json(("aggregates", *asked), lambda: _aggregates(context, *asked))


async def _aggregates(
    context: ConsoleContext,
    device_id: str,
    parameter: str,
    names: tuple[str, ...],
    start: str,
    end: str,
    interval_s: float,
) -> dict[str, Any]:
    point = _point(context, device_id, parameter)
    first, last = span(context, start, end)
    width = _width(first, last, interval_s)
    data_type = point.spec.data_type
    found: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        wanted = BY_NAME.get(name)
        if wanted is None:
            raise ProblemError(422, f"aggregate: {name!r} is none; there are {', '.join(BY_NAME)}")
        if wanted.node_id in NUMBERS_ONLY and not (data_type.numeric or data_type.name == "BOOLEAN"):
            raise ProblemError(422, f"aggregate: {name} needs a number, {parameter} is none")
        configuration = replace(DEFAULTS, stepped=data_type.stepped)
        page = await context.history.process(
            (device_id, parameter), wanted, first, last, width, configuration, MOST_INTERVALS
        )
        is_code = wanted.data_type == STATUS_CODE
        found[name] = [
            {
                "time": shapes.moment(each.time),
                "value": name_of(int(each.value)) if is_code and each.value is not None else shapes.scalar(each.value),
                "status": name_of(each.status),
                "bits": each.status & 0x1F if each.status & 0x400 else 0,
            }
            for each in page.values
        ]
    return {
        "device_id": device_id,
        "parameter": parameter,
        "unit": point.spec.unit_symbol,
        "start": to_iso(first),
        "end": to_iso(last),
        "interval_s": interval_s,
        "tier": "raw",
        "raw_from": shapes.moment(context.history.raw_from(device_id)),
        "aggregates": found,
    }


@router.get("/api/devices/{device_id}/chart/{parameter}", dependencies=READER)
async def line(
    device_id: DeviceName,
    parameter: ParameterName,
    context: Console,
    start: Moment = "",
    end: Moment = "",
    points: Annotated[int, Query(ge=2, le=10_000, description="About so many")] = 600,
    method: Method = "minmax",
) -> Response:
    """A value as a line for a screen; null breaks it: no data, or none for longer than the device may be silent.

    `minmax` has the least and the greatest value of every part; `lttb` (largest triangle three buckets) keeps the look.
    `of_values` is false where values are over or too many: then the points are least and greatest of equal parts.
    """
    asked = (device_id, parameter, start, end, points, method)
    return await context.answers.json(("chart", *asked), lambda: _line(context, *asked))


async def _line(
    context: ConsoleContext, device_id: str, parameter: str, start: str, end: str, points: int, method: Method
) -> dict[str, Any]:
    point = _point(context, device_id, parameter)
    if not (point.spec.data_type.numeric or point.spec.data_type.name == "BOOLEAN"):
        raise ProblemError(422, f"{parameter} is no number: there is no line through it")
    first, last = span(context, start, end)
    _width(first, last, 0)
    silence_s = context.plant.device(device_id).device_type.binding.bad_after_s
    drawn = await chart(
        context.history, (device_id, parameter), first, last, points=points, silence_s=silence_s, method=method
    )
    return {
        "device_id": device_id,
        "parameter": parameter,
        "unit": point.spec.unit_symbol,
        "start": to_iso(first),
        "end": to_iso(last),
        "method": method,
        "tier": drawn.tier,
        "of_values": drawn.of_values,
        "points": [{"time": to_iso(round(moment * 1_000)), "value": value} for moment, value in drawn.samples],
    }


def _point(context: ConsoleContext, device_id: str, parameter: str) -> Point:
    point = context.plant.device(device_id).points.get(parameter)
    if point is None:
        raise NotFoundError(f"{device_id} has no parameter {parameter!r}")
    return point


def _width(first: TimeUs, last: TimeUs, interval_s: float) -> int:
    """Of an interval in microseconds; 0: one for all."""
    if first >= last:
        raise ProblemError(422, "start: must be before end")
    width = round(interval_s * SECOND)
    if width and (last - first) / width > MOST_INTERVALS:
        raise ProblemError(422, f"interval_s: more than {MOST_INTERVALS} intervals; take longer ones")
    return width


def _require_room(series: int, first: TimeUs, last: TimeUs, width: int) -> None:
    """Raises ProblemError: an answer of more intervals than are made at once."""
    if series * ((last - first) / max(width, 1)) > 10 * MOST_INTERVALS:
        raise ProblemError(
            422, f"{series} series have more than {10 * MOST_INTERVALS} intervals together; take longer ones, or fewer"
        )


def _aligned(first: TimeUs, width: int) -> TimeUs:
    """Intervals of whole minutes begin at whole multiples of their width: the figures of minutes then answer them."""
    return first if width % MINUTE_US else first // width * width


# -- facilities


def _this_second(context: ConsoleContext) -> TimeUs:
    """Where the second ends that it is: questions of one second are equal."""
    return (context.clock.now() // SECOND + 1) * SECOND


def _assets(context: ConsoleContext, facility: str) -> list[Device]:
    found = [device for device in context.plant.devices.values() if device.path and device.path[0] == facility]
    if not found and facility not in context.plant.layout.facilities:
        raise NotFoundError(f"no facility {facility!r}")
    return sorted(found, key=lambda device: device.device_id)


@router.get("/api/v1/facilities/{facility}/kpi", dependencies=READER)
async def key_figures(facility: Facility, context: Console, hours: Hours = 24) -> Response:
    """Each measured value of a facility: now, and its average, least and greatest over the last hours.

    The average is over all stored values; now is the mean of the assets that are live.
    """
    asked = (facility, hours, _this_second(context))
    return await context.answers.json(("key_figures", *asked), lambda: _key_figures(context, *asked))


async def _key_figures(context: ConsoleContext, facility: str, hours: float, end: TimeUs) -> dict[str, Any]:
    assets = _assets(context, facility)
    start = (end - round(hours * HOUR_US)) // MINUTE_US * MINUTE_US
    names: dict[str, list[Device]] = {}
    for device in assets:
        for name, point in device.points.items():
            if point.spec.dynamic and point.spec.data_type.numeric:
                names.setdefault(name, []).append(device)
    places = [(device.device_id, name) for name, having in names.items() for device in having]
    found = await context.history.buckets(places, start, end, end - start)
    return {
        "facility": facility,
        "hours": hours,
        "start": to_iso(found.choice.start),
        "end": to_iso(found.choice.end - 1),
        "tier": found.tier,
        "values": [_key_figure(name, having, found) for name, having in sorted(names.items())],
    }


def _key_figure(name: str, having: Sequence[Device], found: Buckets) -> dict[str, Any]:
    live = [_live(device, name) for device in having]
    now = [value for value in live if value is not None]
    stored = [bucket for device in having for bucket in found.get((device.device_id, name))]
    count = sum(bucket.count for bucket in stored)
    return {
        "value": name,
        "unit": having[0].points[name].spec.unit_symbol,
        "assets": len(having),
        "current": shapes.scalar(math.fsum(now) / len(now)) if now else None,
        "average": shapes.scalar(math.fsum(each.average * each.count for each in stored) / count) if count else None,
        "minimum": shapes.scalar(min(each.minimum for each in stored)) if stored else None,
        "maximum": shapes.scalar(max(each.maximum for each in stored)) if stored else None,
        "count": count,
    }


def _live(device: Device, name: str) -> float | None:
    point = device.points[name]
    value = point.value if is_good(point.status) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@router.get("/api/v1/facilities/{facility}/timeseries", dependencies=READER)
async def facility_series(
    facility: Facility,
    context: Console,
    parameter: Annotated[str, Query(max_length=128, description="EDD identifier")],
    hours: Hours = 24,
    minutes: Annotated[int, Query(ge=1, le=60, description="Width of a bucket")] = 5,
) -> Response:
    """One value of all assets of a facility in buckets that begin at whole multiples of their width."""
    asked = (facility, parameter, hours, minutes, _this_second(context))
    return await context.answers.json(("facility_series", *asked), lambda: _facility_series(context, *asked))


async def _facility_series(
    context: ConsoleContext, facility: str, parameter: str, hours: float, minutes: int, end: TimeUs
) -> dict[str, Any]:
    assets = [device for device in _assets(context, facility) if parameter in device.points]
    if not assets:
        raise NotFoundError(f"no asset of {facility!r} has a parameter {parameter!r}")
    width = minutes * MINUTE_US
    start = (end - round(hours * HOUR_US)) // width * width
    _require_room(len(assets), start, end, width)
    found = await context.history.buckets([(each.device_id, parameter) for each in assets], start, end, width)
    return {
        "facility": facility,
        "parameter": parameter,
        "unit": assets[0].points[parameter].spec.unit_symbol,
        "minutes": found.choice.width // MINUTE_US,
        "tier": found.tier,
        "series": [
            {
                "device_id": each.device_id,
                "name": each.name or each.device_id,
                "points": _points(found, each, parameter),
            }
            for each in assets
        ],
    }


def _summary(buckets: Sequence[Bucket]) -> dict[str, Any] | None:
    """The figures of intervals together."""
    count = sum(bucket.count for bucket in buckets)
    if not count:
        return None
    return {
        "time": shapes.moment(buckets[0].time),
        "average": shapes.scalar(math.fsum(bucket.average * bucket.count for bucket in buckets) / count),
        "minimum": shapes.scalar(min(bucket.minimum for bucket in buckets)),
        "maximum": shapes.scalar(max(bucket.maximum for bucket in buckets)),
        "count": count,
    }


def _points(found: Buckets, device: Device, parameter: str) -> list[dict[str, Any]]:
    return [
        {
            "time": shapes.moment(bucket.time),
            "average": shapes.scalar(bucket.average),
            "minimum": shapes.scalar(bucket.minimum),
            "maximum": shapes.scalar(bucket.maximum),
            "count": bucket.count,
        }
        for bucket in found.get((device.device_id, parameter))
    ]


# -- comparison and correlation


@router.get("/api/compare", dependencies=READER)
async def compare(
    context: Console,
    device: Annotated[list[str], Query(min_length=1, max_length=MOST_SERIES, description="Devices")],
    parameter: Annotated[str, Query(max_length=128, description="EDD identifier")],
    start: Moment = "",
    end: Moment = "",
    interval_s: Annotated[float, Query(gt=0, le=31_622_400)] = 300,
) -> Response:
    """One value of several devices over the same intervals, and each one's figures for the whole time.

    Intervals of whole minutes begin at whole multiples of their width, the first of them at or before the start.
    """
    asked = (tuple(device), parameter, start, end, interval_s)
    return await context.answers.json(("compare", *asked), lambda: _compare(context, *asked))


async def _compare(
    context: ConsoleContext, names: tuple[str, ...], parameter: str, start: str, end: str, interval_s: float
) -> dict[str, Any]:
    devices = [context.plant.device(each) for each in dict.fromkeys(names)]
    for each in devices:
        _point(context, each.device_id, parameter)
    first, last = span(context, start, end)
    width = max(_width(first, last, interval_s), 1)
    places = [(each.device_id, parameter) for each in devices]
    _require_room(len(places), first, last, width)
    found = await context.history.buckets(places, _aligned(first, width), last, width)
    return {
        "parameter": parameter,
        "start": to_iso(found.choice.start),
        "end": to_iso(found.choice.end),
        "interval_s": found.choice.width / SECOND,
        "tier": found.tier,
        "devices": [
            {
                "device_id": each.device_id,
                "name": each.name or each.device_id,
                "unit": each.points[parameter].spec.unit_symbol,
                "summary": _summary(found.get((each.device_id, parameter))),
                "points": _points(found, each, parameter),
            }
            for each in devices
        ],
    }


@router.get("/api/devices/{device_id}/correlation", dependencies=READER)
async def correlation(
    device_id: DeviceName,
    context: Console,
    x: Annotated[str, Query(max_length=128, description="EDD identifier")],
    y: Annotated[str, Query(max_length=128, description="EDD identifier")],
    start: Moment = "",
    end: Moment = "",
    interval_s: Annotated[float, Query(gt=0, le=31_622_400)] = 60,
) -> Response:
    """How two values of one device go together: the correlation of their averages over the same intervals (Pearson's
    r, -1 to 1, null where one of them does not move), the line through them, and the pairs.
    """
    asked = (device_id, x, y, start, end, interval_s)
    return await context.answers.json(("correlation", *asked), lambda: _correlation(context, *asked))


async def _correlation(
    context: ConsoleContext, device_id: str, x: str, y: str, start: str, end: str, interval_s: float
) -> dict[str, Any]:
    for name in (x, y):
        _point(context, device_id, name)
    first, last = span(context, start, end)
    width = max(_width(first, last, interval_s), 1)
    found = await context.history.buckets([(device_id, x), (device_id, y)], _aligned(first, width), last, width)
    ys = {bucket.time: bucket.average for bucket in found.get((device_id, y))}
    pairs = [
        (bucket.time, bucket.average, ys[bucket.time]) for bucket in found.get((device_id, x)) if bucket.time in ys
    ]
    r, slope, intercept = _fit([(one, other) for _, one, other in pairs])
    return {
        "device_id": device_id,
        "x": x,
        "y": y,
        "interval_s": found.choice.width / SECOND,
        "tier": found.tier,
        "intervals": len(pairs),
        "r": shapes.scalar(r),
        "slope": shapes.scalar(slope),
        "intercept": shapes.scalar(intercept),
        "points": [
            {"time": shapes.moment(time), "x": shapes.scalar(one), "y": shapes.scalar(other)}
            for time, one, other in pairs
        ],
    }


def _fit(pairs: Sequence[tuple[float, float]]) -> tuple[float | None, float | None, float | None]:
    """(Pearson's r, slope, intercept) of the least squares line; None where they do not exist."""
    if len(pairs) < 2:
        return None, None, None
    mean_x = math.fsum(x for x, _ in pairs) / len(pairs)
    mean_y = math.fsum(y for _, y in pairs) / len(pairs)
    xx = math.fsum((x - mean_x) ** 2 for x, _ in pairs)
    yy = math.fsum((y - mean_y) ** 2 for _, y in pairs)
    xy = math.fsum((x - mean_x) * (y - mean_y) for x, y in pairs)
    if xx == 0:
        return None, None, None
    slope = xy / xx
    r = xy / math.sqrt(xx * yy) if yy else None
    return (None if r is None else max(-1.0, min(1.0, r))), slope, mean_y - slope * mean_x
