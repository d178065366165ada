"""What alarms did, and why they are there: the journal page by page, the master alarm database."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from server.alarms import rationalization
from server.alarms.measures import as_json
from server.console import shapes
from server.console.auth import READER, Console
from server.console.problems import ProblemError
from server.console.routes.history import Cursor, Moment, moment_of
from server.core.clock import TimeUs

router = APIRouter(prefix="/api/alarms", tags=["alarms"])

PAGE_LIMIT = 1_000


@router.get("/performance", dependencies=READER)
async def performance(context: Console) -> dict[str, Any]:
    """How the alarm system itself performs, by ISA-18.2: rates, floods, chattering, stale, the ten most frequent."""
    return as_json(context.performance())


@router.get("/journal", dependencies=READER)
async def journal(
    context: Console,
    start: Moment = "",
    end: Moment = "",
    condition: Annotated[str, Query(max_length=256, description="Condition id")] = "",
    device: Annotated[str, Query(max_length=64)] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 100,
    oldest_first: bool = False,
    cursor: Cursor = "",
) -> dict[str, Any]:
    """Events with start <= time < end, the newest first; `next` is the cursor of the following page, null on the last.

    New events do not move the pages that follow.
    """
    found = await asyncio.to_thread(
        lambda: context.journal.journal_page(
            start=moment_of(start, "start") if start else None,
            end=moment_of(end, "end") if end else None,
            condition_id=condition or None,
            device_id=device or None,
            limit=limit + 1,
            after=_place(cursor) if cursor else None,
            backward=not oldest_first,
        )
    )
    page, more = found[:limit], len(found) > limit
    return {
        "events": [shapes.alarm(entry.event) for entry in page],
        "next": "{}.{}".format(*page[-1].place) if more else None,
    }


@router.get("/rationalization", dependencies=READER)
async def master_database(context: Console) -> dict[str, Any]:
    """Every alarm as packages and rules declare it, with its rationale, what is missing, and what to look at."""
    found = _entries(context)
    return {"alarms": [entry.as_json() for entry in found], "remarks": list(rationalization.check(found))}


@router.get("/rationalization.csv", dependencies=READER)
async def master_table(context: Console) -> Response:
    """The same as a table for spreadsheets, texts in English."""
    return Response(
        rationalization.as_csv(_entries(context)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="alarms.csv"'},
    )


def _entries(context: Console) -> list[rationalization.Entry]:
    return rationalization.entries(context.plant.devices.values(), context.pipeline.alarms.specs_of, context.severities)


def _place(cursor: str) -> tuple[TimeUs, int]:
    time, _, entry = cursor.partition(".")
    if not (time.isdecimal() and entry.isdecimal() and len(time) <= 18 and len(entry) <= 18 and cursor.isascii()):
        raise ProblemError(422, "cursor: take `next` of the page before as it is")
    return int(time), int(entry)
