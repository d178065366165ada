"""The alarm list's filters, one action on many alarms, the journal by pages, the master alarm database."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from server.core.clock import ManualClock
from tests.kit.http import Site, make_site
from tests.kit.plant import measured

HOT, TRIP = "pump-1/Alarms/temperature", "pump-1/Alarms/Trip"


@pytest.fixture
async def site(clock: ManualClock, tmp_path: Path) -> Site:
    site = await make_site(clock, tmp_path)
    for values in ({"temperature": 90.0}, {"state": 2}, {"temperature": 110.0}):
        clock.advance(1)
        await site.pipeline.offer([measured(clock.now(), **values)])
    return site


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [TRIP, HOT]),
        ("severity=850", [TRIP]),
        ("priority=high", [HOT]),
        ("priority=high&priority=critical", [TRIP, HOT]),
        ("kind=trip", [TRIP]),
        ("class=Safety", []),
        ("class=Process", [TRIP, HOT]),
        ("hidden=true", []),
        ("text=TRIPPED", [TRIP]),
        ("text=nowhere", []),
        ("place=nowhere", []),
        ("limit=1", [TRIP]),
        ("active=false", []),
    ],
)
async def test_the_list_is_filtered(site: Site, query: str, found: list[str]) -> None:
    async with site.signed_in("viewer") as client:
        answer = await client.get(f"/api/alarms?{query}")
    assert [alarm["id"] for alarm in answer.json()] == found


async def test_a_place_is_a_beginning_of_the_path(site: Site) -> None:
    path = "/".join(next(iter(site.plant.devices.values())).path)
    async with site.signed_in("viewer") as client:
        assert len((await client.get("/api/alarms", params={"place": path})).json()) == 2


async def test_one_action_on_many_alarms_answers_for_each(site: Site) -> None:
    body = {
        "action": "acknowledge",
        "comment": "all seen",
        "alarms": [{"id": HOT}, {"id": "nowhere/Alarms/x"}, {"id": TRIP, "event_id": "00"}, {"id": HOT}],
    }
    async with site.signed_in("operator") as client:
        answers = (await client.post("/api/alarms/actions", json=body)).json()
    assert [answer["status"] for answer in answers] == [
        "Good",
        "BadNodeIdUnknown",
        "BadEventIdUnknown",
        "BadConditionBranchAlreadyAcked",
    ]
    assert (answers[0]["alarm"]["acked"], answers[0]["alarm"]["comment"]) == (True, "all seen")


@pytest.mark.parametrize(
    "body",
    [
        {"action": "acknowledge", "alarms": []},
        {"action": "acknowledge", "alarms": [{"id": HOT}] * 1_001},
        {"action": "explode", "alarms": [{"id": HOT}]},
        {"action": "acknowledge", "alarms": [{"id": HOT, "event_id": "zz"}]},
        {"action": "acknowledge", "alarms": [{"name": HOT}]},
    ],
)
async def test_many_actions_that_make_no_sense_are_refused(site: Site, body: object) -> None:
    async with site.signed_in("operator") as client:
        assert (await client.post("/api/alarms/actions", json=body)).status_code == 422


async def test_the_journal_is_read_page_by_page_while_it_grows(site: Site) -> None:
    async with site.signed_in("viewer") as client:
        first = (await client.get("/api/alarms/journal?limit=2")).json()
        site.clock.advance(1)
        await site.pipeline.offer([measured(site.clock.now(), temperature=20.0)])
        second = (await client.get("/api/alarms/journal", params={"limit": 2, "cursor": first["next"]})).json()
        oldest = (await client.get("/api/alarms/journal?oldest_first=true&limit=1")).json()
        only = (await client.get("/api/alarms/journal", params={"condition": TRIP})).json()
    assert [event["limit_state"] for event in first["events"]] == ["HighHigh", "Tripped"]
    assert [event["limit_state"] for event in second["events"]] == ["High"]
    assert second["next"] is None
    assert oldest["events"][0]["event_id"] == second["events"][0]["event_id"]
    assert [event["id"] for event in only["events"]] == [TRIP]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=1", "cursor=1.-2", "cursor=1.2.3", "start=yesterday", "limit=0"])
async def test_a_journal_page_that_cannot_be_meant_is_refused(site: Site, query: str) -> None:
    async with site.signed_in("viewer") as client:
        assert (await client.get(f"/api/alarms/journal?{query}")).status_code == 422


async def test_the_master_alarm_database_names_what_is_missing(site: Site) -> None:
    why = {"cause": "=worn", "consequence": "stops", "action": "swap", "response_s": 60, "priority": "medium"}
    rule = {"match": {}, "alarm": {"name": "temperature", **why}}
    async with site.signed_in("operator") as client:
        before = (await client.get("/api/alarms/rationalization")).json()
        await client.put("/api/alarm-rules/why", json=rule)
        after = (await client.get("/api/alarms/rationalization")).json()
        table = await client.get("/api/alarms/rationalization.csv")
    assert {entry["name"]: entry["missing"] for entry in before["alarms"]} == {
        "Trip": ["cause", "consequence", "action", "response_s"],
        "temperature": ["cause", "consequence", "action", "response_s"],
    }
    assert before["remarks"] == [
        "2 of 2 alarms are not rationalized: see `missing` of each",
        "100% of the alarms have the priority high or critical; at most 20% should",
    ]
    hot = next(entry for entry in after["alarms"] if entry["name"] == "temperature")
    assert (hot["missing"], hot["rule"], hot["severity"]) == ([], "why", {"HighHigh": 500, "High": 500, "Low": 500})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["name"], row["cause"], row["devices"]) for row in rows] == [
        ("Trip", "", "1"),
        ("temperature", "'=worn", "1"),
    ]
