"""Stored values of one parameter, page by page."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from server.console import shapes
from server.console.auth import READER, Console
from server.console.context import ConsoleContext
from server.console.problems import ProblemError
from server.console.routes.devices import DeviceName, ParameterName
from server.core.clock import SECOND, TimeUs, from_iso
from server.core.errors import NotFoundError

router = APIRouter(prefix="/api/devices", tags=["history"])

PAGE_LIMIT = 10_000
DEFAULT_SPAN_US = 3_600 * SECOND
Moment = Annotated[str, Query(max_length=40, description="ISO 8601 with zone; a start also as 1h, 6h, 24h, 7d, 30d")]
_EARLIEST, _LATEST = from_iso("0100-01-01T00:00:00Z"), from_iso("9900-01-01T00:00:00Z")
_AGO = re.compile(r"([1-9]\d{0,3})([hd])")
_UNITS_US = {"h": 3_600 * SECOND, "d": 86_400 * SECOND}
Cursor = Annotated[str, Query(max_length=128, description="`next` of the page before")]


@router.get("/{device_id}/history/{parameter}", dependencies=READER)
async def read_history(
    device_id: DeviceName,
    parameter: ParameterName,
    context: Console,
    start: Moment = "",
    end: Moment = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 1_000,
    cursor: Cursor = "",
) -> Response:
    """Raw values with start <= time < end, oldest first; start after end reads backwards.

    Without times: the last hour. `next` is the cursor of the following page, null on the last one; the cursor carries
    the times, so nothing is lost or doubled while new values arrive. Values from before `raw_from` are over; figures
    of minutes and hours are left of them, which the chart and the series have.
    """
    asked = (device_id, parameter, start, end, limit, cursor)
    return await context.answers.json(("history", *asked), lambda: read_page(context, *asked))


async def read_page(
    context: ConsoleContext, device_id: str, parameter: str, start: str, end: str, limit: int, cursor: str
) -> dict[str, Any]:
    """One page of one parameter.

    Raises:
        NotFoundError: no such device or parameter.
        ProblemError: 422 for a time or cursor that cannot be read.
    """
    if parameter not in context.plant.device(device_id).points:
        raise NotFoundError(f"{device_id} has no parameter {parameter!r}")
    first, last, resume = _from_cursor(cursor) if cursor else (*span(context, start, end), None)
    page = await context.history.read_raw(device_id, parameter, first, last, limit, resume=resume)
    following = None if page.next_time is None else _to_cursor(first, last, page.next_time)
    return {
        "device_id": device_id,
        "parameter": parameter,
        "unit": context.plant.device(device_id).points[parameter].spec.unit_symbol,
        "tier": "raw",
        "raw_from": shapes.moment(context.history.raw_from(device_id)),
        "values": [shapes.stored(value) for value in page.values],
        "next": following,
    }


def span(context: ConsoleContext, start: str, end: str) -> tuple[TimeUs, TimeUs]:
    """(start, end) of a request; what is missing is an hour before the end, or now; `24h` is that long before the end.

    Raises:
        ProblemError: 422 for a text that is no time with a zone.
    """
    last = moment_of(end, "end") if end else context.clock.now() + 1
    if not _EARLIEST <= last <= _LATEST:
        raise ProblemError(422, "end: take a time between the years 100 and 9900")
    if ago := _AGO.fullmatch(start):
        return last - int(ago[1]) * _UNITS_US[ago[2]], last
    return (moment_of(start, "start") if start else last - DEFAULT_SPAN_US), last


def moment_of(text: str, name: str) -> TimeUs:
    """The time that a text says; ProblemError names the field when it is none."""
    try:
        # A "+" that nobody escaped arrives as a blank.
        return from_iso(text.replace(" ", "+") if text[-6:-5] == " " else text)
    except (ValueError, OverflowError):
        raise ProblemError(422, f"{name}: write a time as 2026-01-05T08:00:00Z") from None


def _to_cursor(start: TimeUs, end: TimeUs, resume: TimeUs) -> str:
    return base64.urlsafe_b64encode(f"{start}.{end}.{resume}".encode("ascii")).decode("ascii").rstrip("=")


def _from_cursor(cursor: str) -> tuple[TimeUs, TimeUs, TimeUs]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        start, end, resume = (int(part) for part in text.split("."))
    except (ValueError, binascii.Error):
        raise ProblemError(422, "cursor: take `next` of the page before as it is") from None
    if any(abs(part) >= 1 << 58 for part in (start, end, resume)):
        raise ProblemError(422, "cursor: take `next` of the page before as it is")
    return start, end, resume
