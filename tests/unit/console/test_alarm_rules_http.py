"""The rules editor's routes: versions, checks, refusals, what takes effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.core.clock import ManualClock
from tests.kit.http import Site, make_site
from tests.kit.plant import measured

URL = "/api/alarm-rules/hot"
HOT = {"match": {"types": ["pump"]}, "alarm": {"name": "temperature", "sources": {"High": 50}}, "note": "summer"}


@pytest.fixture
async def site(clock: ManualClock, tmp_path: Path) -> Site:
    site = await make_site(clock, tmp_path)
    clock.advance(1)
    await site.pipeline.offer([measured(clock.now(), temperature=60.0)])
    return site


async def test_a_rule_is_made_read_changed_and_removed(site: Site) -> None:
    async with site.signed_in("operator") as client:
        made = await client.put(URL, json=HOT, headers={"If-None-Match": "*"})
        alarms = (await client.get("/api/alarms")).json()
        shown = await client.get(URL)
        listed = await client.get("/api/alarm-rules")
        changed = await client.put(URL, json={**HOT, "note": "all year"}, headers={"If-Match": shown.headers["etag"]})
        removed = await client.delete(URL, headers={"If-Match": changed.headers["etag"]})
        after = await client.get(URL)
        left = (await client.get("/api/alarms?active=true")).json()
    assert made.status_code == 200, made.text
    assert [(alarm["id"], alarm["limits"]["High"]) for alarm in alarms] == [("pump-1/Alarms/temperature", 50.0)]
    assert shown.json()["body"] == HOT
    assert (shown.json()["devices"], shown.json()["changed_by"]) == (["pump-1"], "operator")
    assert [rule["id"] for rule in listed.json()] == ["hot"]
    assert (changed.status_code, removed.status_code, after.status_code, left) == (200, 204, 404, [])
    assert [(record[5], record[6], record[7]) for record in site.records.audits][-3:] == [
        ("put alarm rule", "hot", "Good"),
        ("put alarm rule", "hot", "Good"),
        ("remove alarm rule", "hot", "Good"),
    ]


async def test_nobody_overwrites_what_he_has_not_seen(site: Site) -> None:
    async with site.signed_in("operator") as client:
        first = await client.put(URL, json=HOT)
        await client.put(URL, json={**HOT, "note": "second"})
        stale = await client.put(URL, json=HOT, headers={"If-Match": first.headers["etag"]})
        gone = await client.delete(URL, headers={"If-Match": first.headers["etag"]})
        made_again = await client.put(URL, json=HOT, headers={"If-None-Match": "*"})
        shown = await client.get(URL)
    assert [answer.status_code for answer in (stale, gone, made_again)] == [412, 412, 412]
    assert shown.json()["body"]["note"] == "second"


@pytest.mark.parametrize("if_match", ["*", '"', '""', 'W/""', ""])
async def test_a_change_of_a_rule_that_is_not_there_makes_none(site: Site, if_match: str) -> None:
    async with site.signed_in("operator") as client:
        answer = await client.put(URL, json=HOT, headers={"If-Match": if_match})
        assert answer.status_code == 412
        assert (await client.get("/api/alarm-rules")).json() == []
        made = await client.put(URL, json=HOT)
        again = await client.put(URL, json=HOT, headers={"If-Match": if_match})
    assert made.status_code == 200
    assert again.status_code == (200 if if_match == "*" else 412)


async def test_a_check_tells_and_changes_nothing(site: Site) -> None:
    async with site.signed_in("operator") as client:
        fine = await client.post(f"{URL}/check", json=HOT)
        odd = await client.post(f"{URL}/check", json={"match": {}, "alarm": {"name": "none", "severity": 5}})
        listed = await client.get("/api/alarm-rules")
    assert fine.json() == {"devices": ["pump-1"], "problems": []}
    assert "no alarm 'none'" in odd.json()["problems"][0]
    assert listed.json() == []


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (URL, {"alarm": {"name": "a/b"}}, "alarm.name"),
        (URL, {"match": {}, "alarm": {"name": "none", "severity": 5}}, "no alarm 'none'"),
        (URL, {}, "alarm: is missing"),
        (URL, [], ""),
        ("/api/alarm-rules/a%20b", HOT, ""),
        ("/api/alarm-rules/" + "x" * 65, HOT, ""),
    ],
)
async def test_what_makes_no_sense_is_refused_and_not_kept(site: Site, path: str, body: object, told: str) -> None:
    async with site.signed_in("operator") as client:
        answer = await client.put(path, json=body)
        listed = await client.get("/api/alarm-rules")
    assert answer.status_code == 422, answer.text
    assert told in answer.text
    assert listed.json() == []
