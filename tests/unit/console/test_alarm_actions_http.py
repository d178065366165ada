"""What operators and engineers do to alarms over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.core.clock import ManualClock
from tests.kit.http import Site, make_site
from tests.kit.plant import measured

URL = "/api/alarms/pump-1/Alarms/temperature"


@pytest.fixture
async def site(clock: ManualClock, tmp_path: Path) -> Site:
    site = await make_site(clock, tmp_path)
    clock.advance(1)
    await site.pipeline.offer([measured(clock.now(), temperature=90.0)])
    return site


async def test_an_operator_shelves_and_unshelves(site: Site) -> None:
    async with site.signed_in("operator") as client:
        shelved = await client.post(f"{URL}/shelve", json={"duration_s": 60, "comment": "filter change"})
        again = await client.post(f"{URL}/shelve", json={"duration_s": 60})
        back = await client.post(f"{URL}/unshelve")
        longest = await client.post(f"{URL}/shelve", json={"duration_s": 28_801})
    assert (shelved.status_code, shelved.json()["shelving"], shelved.json()["comment"]) == (
        200,
        "TimedShelved",
        "filter change",
    )
    assert again.status_code == 409
    assert "shelved already" in again.text
    assert (back.status_code, back.json()["shelving"]) == (200, "Unshelved")
    assert longest.status_code == 422


@pytest.mark.parametrize(("role", "code"), [("anonymous", 401), ("viewer", 403), ("operator", 403), ("engineer", 200)])
async def test_engineers_suppress(site: Site, role: str, code: int) -> None:
    async with site.signed_in(role) as client:
        answer = await client.post(f"{URL}/suppress")
        assert answer.status_code == code
    state = site.pipeline.alarms.state("pump-1/Alarms/temperature")
    assert state is not None
    assert state.suppressed is (code == 200)


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (f"{URL}/explode", None, 422),
        ("/api/alarms/pump-1/Alarms/none/unshelve", None, 404),
        (f"{URL}/confirm", None, 404),  # this alarm has nothing to confirm with
        (f"{URL}/shelve", {"duration_s": "long"}, 422),
        (f"{URL}/shelve", {"duration": 5}, 422),
        (f"{URL}/shelve", None, 422),
        (f"{URL}/unshelve", None, 409),
    ],
)
async def test_what_makes_no_sense_is_refused(site: Site, path: str, body: object, code: int) -> None:
    async with site.signed_in("engineer") as client:
        answer = await client.post(path, json=body) if body is not None else await client.post(path)
    assert answer.status_code == code
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_performance_is_one_object(site: Site) -> None:
    async with site.signed_in("viewer") as client:
        found = (await client.get("/api/alarms/performance")).json()
    assert found["standing"] == 0  # nobody counts in this site
    assert {"rate_10min", "flood", "stale", "top_ten", "annunciated_mix"} <= set(found)
