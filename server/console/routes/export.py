"""Stored values as a file, written while they are read: a year of history takes no more memory than an hour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from server.console.auth import READER, Console
from server.console.context import ConsoleContext
from server.console.exports import FORMATS, Format, Row
from server.console.problems import ProblemError
from server.console.routes.devices import DeviceName
from server.console.routes.history import Moment, span
from server.core.clock import TimeUs
from server.core.errors import NotFoundError
from server.core.status import is_bad

router = APIRouter(prefix="/api/devices", tags=["history"])
PAGE = 5_000
"""Values read and written at once."""


@router.get("/{device_id}/export", dependencies=READER)
async def export(
    device_id: DeviceName,
    context: Console,
    parameter: Annotated[list[str] | None, Query(max_length=200, description="Absent: all that is measured")] = None,
    start: Moment = "",
    end: Moment = "",
    form: Annotated[str, Query(alias="format", description=", ".join(FORMATS))] = "csv",
    tz: Annotated[str, Query(max_length=64, description="Time zone of the times, such as Europe/Moscow")] = "UTC",
) -> StreamingResponse:
    """Raw values with start <= time < end, parameter by parameter, oldest first; without times: the last hour."""
    device = context.plant.device(device_id)
    names = parameter or [name for name, point in device.points.items() if point.spec.dynamic]
    for name in names:
        if name not in device.points:
            raise NotFoundError(f"{device_id} has no parameter {name!r}")
    make = FORMATS.get(form)
    if make is None:
        raise ProblemError(422, f"format: {form!r} is none of {', '.join(FORMATS)}")
    first, last = span(context, start, end)
    if first >= last:
        raise ProblemError(422, "start: must be before end")
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ProblemError(422, f"tz: {tz!r} is no time zone; write Europe/Moscow or UTC") from None
    writer = await asyncio.to_thread(make, zone)
    headers = {"Content-Disposition": f'attachment; filename="{device_id}.{writer.suffix}"'}
    body = _written(context, writer, device_id, list(dict.fromkeys(names)), first, last)
    return StreamingResponse(body, media_type=writer.media_type, headers=headers)


async def _written(
    context: ConsoleContext, writer: Format, device_id: str, names: Sequence[str], start: TimeUs, end: TimeUs
) -> AsyncIterator[bytes]:
    yield await asyncio.to_thread(writer.begin)
    points = context.plant.device(device_id).points
    for name in names:
        unit = points[name].spec.unit_symbol if name in points else ""
        resume: TimeUs | None = None
        while True:
            page = await context.history.read_raw(device_id, name, start, end, PAGE, resume=resume)
            rows = [
                Row(each.source_time, device_id, name, None if is_bad(each.status) else each.value, unit, each.status)
                for each in page.values
            ]
            if rows:
                yield await asyncio.to_thread(writer.part, rows)
            resume = page.next_time
            if resume is None:
                break
    yield await asyncio.to_thread(writer.end)
