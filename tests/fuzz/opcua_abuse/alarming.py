"""Attacks on events and alarms: refreshes without end, filters with too much of everything, a thousand event items."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from asyncua import ua

from server.core.clock import SystemClock, to_iso
from tests.fuzz.opcua_abuse.site import Site
from tests.fuzz.opcua_abuse.subscribing import subscribe
from tests.fuzz.opcua_abuse.wire import leave, name, said
from tests.kit.publisher import Publisher
from tests.kit.raw import RawSession, ServiceFaultError
from tests.kit.until import until

IDS = ua.ObjectIds
ENGINES = 200
FIELDS = ("EventId", "EventType", "SourceName", "Time", "Message", "Severity", "ConditionName", "Retain", "Comment")


def clause(path: str) -> ua.SimpleAttributeOperand:
    """One select clause."""
    names = [ua.QualifiedName(part) for part in path.split("/")]
    return ua.SimpleAttributeOperand(ua.NodeId(IDS.BaseEventType), names, ua.AttributeIds.Value, None)


def listening(count: int, selects: list[ua.SimpleAttributeOperand], where: list[Any] | None = None) -> Any:
    """Event items on Server."""
    wanted = ua.EventFilter(selects, ua.ContentFilter(where or []))
    return [
        ua.MonitoredItemCreateRequest(
            ua.ReadValueId(ua.NodeId(IDS.Server), ua.AttributeIds.EventNotifier),
            ua.MonitoringMode.Reporting,
            ua.MonitoringParameters(number, 0.0, wanted, 10, True),
        )
        for number in range(count)
    ]


async def create(session: RawSession, subscription_id: int, items: list[Any]) -> list[str]:
    """CreateMonitoredItems; the name of each result, or of the fault."""
    made = ua.CreateMonitoredItemsRequest()
    made.Parameters = ua.CreateMonitoredItemsParameters(subscription_id, ua.TimestampsToReturn.Both, items)
    try:
        return [name(result.StatusCode.value) for result in (await session.call(made)).Results]
    except ServiceFaultError as error:
        return [name(error.code)]


async def raise_alarms(site: Site) -> None:
    """Two alarms of each of some hundred engines; once for all attacks."""
    now = to_iso(SystemClock().now() // 1000 * 1000)
    with Publisher(site.product.mqtt_url) as publisher:
        for number in range(ENGINES):
            values = {
                "engine_id": f"abused-{number}",
                "model": "J420",
                "time": now,
                "temp_exhaust": 600,
                "vibration": 40,
            }
            publisher.send(f"engines/abused-{number}/telemetry", json.dumps(values), wait=False)
        publisher.send(
            "engines/abused-0/telemetry",
            json.dumps({"engine_id": "abused-0", "model": "J420", "time": now, "status": 2}),
        )


async def refresh(session: RawSession, subscription_id: int, times: int) -> list[str]:
    """So many ConditionRefresh calls in one request."""
    call = ua.CallMethodRequest(
        ua.NodeId(IDS.ConditionType),
        ua.NodeId(IDS.ConditionType_ConditionRefresh),
        [ua.Variant(subscription_id, ua.VariantType.UInt32)],
    )
    request = ua.CallRequest()
    request.Parameters = ua.CallParameters([call] * times)
    try:
        return [name(result.StatusCode.value) for result in (await session.call(request)).Results]
    except ServiceFaultError as error:
        return [name(error.code)]


async def refresh_flood(site: Site) -> str:
    """Refreshes asked for again and again by clients of which some never read: one at a time in a subscription."""
    await raise_alarms(site)
    answers: list[str] = []
    sessions: list[RawSession] = []
    for _ in range(5):
        session = await site.session(site.address())
        sessions.append(session)
        subscription_id = await subscribe(session, 100.0)
        answers += [f"item {code}" for code in set(await create(session, subscription_id, listening(20, _selects())))]
        for _ in range(20 * site.scale):
            answers += [f"refresh {code}" for code in await refresh(session, subscription_id, 20)]
    good = sum(answer == "refresh Good" for answer in answers)
    # Nobody has published: the first refresh of each subscription still waits.
    assert good == len(sessions), said(answers)
    await leave(*sessions)
    return said(answers)


def _selects() -> list[ua.SimpleAttributeOperand]:
    return [clause(path) for path in FIELDS]


async def select_bombs(site: Site) -> str:
    """Ten thousand select clauses, a thousand of them, a where clause of a hundred elements before each event."""
    session = await site.session(site.address())
    subscription_id = await subscribe(session, 100.0)
    unknown = [clause(f"Field{number}") for number in range(10_000)]
    deep = [clause("/".join(["EnabledState"] * 100))]
    known = (_selects() * 200)[:1_000]
    levels = [ua.ContentFilterElement(ua.FilterOperator.Not, [ua.ElementOperand(place + 1)]) for place in range(99)] + [
        ua.ContentFilterElement(ua.FilterOperator.OfType, [ua.LiteralOperand(ua.Variant(ua.NodeId(2041)))])
    ]
    answers = []
    for label, selects, where in (
        ("10000 unknown", unknown, []),
        ("10000 known", (_selects() * 2_000)[:10_000], []),
        ("1000 known", known, []),
        ("deep path", deep, []),
        ("no clause", [], []),
        ("99 Nots", _selects(), levels),
    ):
        answers += [f"{label}: {code}" for code in await create(session, subscription_id, listening(1, selects, where))]
    refused = [answer for answer in answers if answer.startswith(("10000", "deep", "no clause"))]
    assert all(answer.endswith(("BadEncodingLimitsExceeded", "BadEventFilterInvalid")) for answer in refused), answers
    assert len(refused) == 4 and "99 Nots: Good" in answers, said(answers)
    await session.close()
    await leave(session)
    return said(answers)


async def thousand_event_items(site: Site) -> str:
    """A thousand event items in one session, half of them alike, while alarms come and go and nobody publishes."""
    session = await site.session(site.address())
    subscription_id = await subscribe(session, 100.0)
    answers: list[str] = []
    for number in range(10):
        selects = _selects() if number % 2 else [*_selects(), *([clause("SourceNode")] * number)]
        answers += [f"item {code}" for code in await create(session, subscription_id, listening(100, selects))]
    began = time.monotonic()
    with Publisher(site.product.mqtt_url) as publisher:
        for turn in range(20 * site.scale):
            now = to_iso(SystemClock().now() // 1000 * 1000)
            for engine in range(20):
                hot = 600 if turn % 2 else 300
                values = {"engine_id": f"abused-{engine}", "model": "J420", "time": now, "temp_exhaust": hot}
                publisher.send(f"engines/abused-{engine}/telemetry", json.dumps(values), wait=False)
            await asyncio.sleep(0.05)
    answers.append(await _still_answers(site))
    await session.close()
    await leave(session)
    return f"{said(answers)}; {20 * 20 * site.scale} transitions in {time.monotonic() - began:.1f} s"


async def _still_answers(site: Site) -> str:
    async def works() -> bool:
        await site.newcomer_works()
        return True

    await until(works, "a newcomer's session")
    return "newcomer served"


ATTACKS = (refresh_flood, select_bombs, thousand_event_items)
