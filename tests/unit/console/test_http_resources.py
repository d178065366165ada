"""What routes answer: devices, writes, commands, alarms, history page by page, packages, source systems' paths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.core import status
from server.core.clock import SECOND, ManualClock, to_iso
from server.core.texts import Texts
from server.model.layout import Facility, PlantLayout
from tests.kit.http import PACKAGE, Site, make_site
from tests.kit.plant import measured, parameter, pump_type

ALARM = "pump-1/Alarms/temperature"


@pytest.fixture
async def site(clock: ManualClock, tmp_path: Path) -> Site:
    return await make_site(clock, tmp_path)


# -- devices


async def test_a_device_shows_its_values_with_unit_quality_and_time(site: Site, clock: ManualClock) -> None:
    await site.feed(temperature=42.5, state=1)
    async with site.signed_in("viewer") as client:
        details = (await client.get("/api/devices/pump-1")).json()
        value = (await client.get("/api/devices/pump-1/values/temperature")).json()
        silent = (await client.get("/api/devices/pump-1/values/note")).json()
    assert (details["id"], details["type"], details["connection"]) == ("pump-1", "pump", "live")
    assert value in details["values"]
    assert (value["value"], value["unit"], value["status"]) == (42.5, "°C", "Good")
    assert value["source_time"] == to_iso(clock.now())
    assert (silent["value"], silent["status"], silent["source_time"]) == (None, "BadWaitingForInitialData", None)
    assert [command["name"] for command in details["commands"]] == ["trip", "set_threshold"]
    assert {alarm["id"] for alarm in details["alarms"]} == {ALARM, "pump-1/Alarms/Trip"}


async def test_silence_is_told_by_status_and_keeps_the_value_only_where_quality_stands_beside_it(
    site: Site, clock: ManualClock
) -> None:
    await site.feed(temperature=42.5)
    clock.advance(31)
    await site.pipeline.tick()
    async with site.signed_in("viewer") as client:
        row = (await client.get("/api/devices")).json()[0]
        value = (await client.get("/api/devices/pump-1/values/temperature")).json()
    assert (row["connection"], row["values"]["temperature"]) == ("silent", None)
    assert (value["value"], value["status"]) == (42.5, "BadNoCommunication")


async def test_the_fleet_can_be_searched_and_paged(site: Site) -> None:
    for number in range(1, 8):
        await site.feed(device=f"pump-{number}", temperature=20.0)
    async with site.signed_in("viewer") as client:
        page = await client.get("/api/devices", params={"limit": 3, "offset": 3})
        assert [row["id"] for row in page.json()] == ["pump-4", "pump-5", "pump-6"]
        assert page.headers["x-total-count"] == "7"
        assert [row["id"] for row in (await client.get("/api/devices?search=MP-7")).json()] == ["pump-7"]
        assert (await client.get("/api/devices?type=loom_bbw")).json() == []
        assert len((await client.get("/api/devices?facility=unassigned")).json()) == 7


@pytest.mark.parametrize(
    "path",
    [
        "/api/devices/pump-9",
        "/api/devices/pump-9/values",
        "/api/devices/pump-1/values/pressure",
        "/api/devices/pump-1/history/pressure",
        "/api/devices/pump-9/history/temperature",
        "/api/alarms/pump-1/Alarms/pressure",
        "/api/packages/nothing",
        "/api/v1/looms/pump-1",
        "/api/v1/facilities/nowhere/assets",
        "/api/nothing",
        "/nothing",
        "/api/devices/../../etc/passwd",
        "/api/devices/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    ],
)
async def test_what_does_not_exist_is_a_problem_document(site: Site, path: str) -> None:
    await site.feed(temperature=20.0)
    async with site.signed_in("admin") as client:
        answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404
    assert answer.json()["detail"]


# -- commands and writes


async def test_a_command_answers_with_what_the_device_confirmed(site: Site) -> None:
    await site.feed(temperature=20.0, state=1)
    site.sender.values = {"state": 2}
    async with site.signed_in("operator") as client:
        answer = await client.post("/api/devices/pump-1/commands/trip")
        assert (answer.status_code, answer.json()["values"]) == (200, {"state": 2})
        assert (await client.get("/api/devices/pump-1/values/state")).json()["value"] == 2
        assert [alarm["id"] for alarm in (await client.get("/api/alarms")).json()] == ["pump-1/Alarms/Trip"]
    (record,) = [record for record in site.records.audits if record[5] == "command"]
    assert record[1:5] == ("operator", "operator", "http", "127.0.0.1")
    assert record[6:8] == ("pump-1/trip", "Good")


async def test_a_write_reaches_the_device_and_shows_only_what_it_confirmed(site: Site) -> None:
    await site.feed(temperature=20.0)
    path = "/api/devices/pump-1/values/limit_high"
    async with site.signed_in("operator") as client:
        site.sender.silent = True
        assert (await client.put(path, json={"value": 70.0})).status_code == 504
        assert (await client.get(path)).json()["value"] is None
        site.sender.silent, site.sender.values = False, {"limit_high": 69.5}
        assert (await client.put(path, json={"value": 70.0})).status_code == 200
        assert (await client.get(path)).json()["value"] == 69.5
    assert site.sender.sent[-1][3:] == ("set_threshold", {"name": "limit_high", "value": 70.0})


@pytest.mark.parametrize(
    ("outcome", "code", "name"), [("rejected", 409, "BadInvalidState"), ("failed", 502, "BadDeviceFailure")]
)
async def test_what_the_device_refuses_is_told_with_its_reason(site: Site, outcome: str, code: int, name: str) -> None:
    await site.feed(temperature=20.0)
    site.sender.outcome = outcome
    async with site.signed_in("operator") as client:
        answer = await client.post("/api/devices/pump-1/commands/trip", json={"params": {}})
    assert (answer.status_code, answer.json()["status_code"]) == (code, name)
    assert answer.json()["detail"] == "told by the device"


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "name"),
    [
        ("POST", "commands/explode", {}, 404, "BadMethodInvalid"),
        ("POST", "commands/set_threshold", {"params": {"name": "limit_high"}}, 422, "BadArgumentsMissing"),
        ("POST", "commands/trip", {"params": {"now": True}}, 422, "BadTooManyArguments"),
        ("POST", "commands/set_threshold", {"params": {"name": "no", "value": 1.0}}, 422, "BadInvalidArgument"),
        ("PUT", "values/limit_high", {"value": "hot"}, 422, "BadTypeMismatch"),
        ("PUT", "values/limit_high", {"value": 151.0}, 422, "BadOutOfRange"),
        ("PUT", "values/temperature", {"value": 1.0}, 409, "BadNotWritable"),
        ("PUT", "values/pressure", {"value": 1.0}, 404, "BadNodeIdUnknown"),
    ],
)
async def test_a_wrong_wish_never_reaches_the_device(
    site: Site, method: str, path: str, body: object, code: int, name: str
) -> None:
    await site.feed(temperature=20.0)
    async with site.signed_in("operator") as client:
        answer = await client.request(method, f"/api/devices/pump-1/{path}", json=body)
    assert (answer.status_code, answer.json()["status_code"]) == (code, name)
    assert site.sender.sent == []


async def test_a_silent_device_is_not_asked(site: Site, clock: ManualClock) -> None:
    await site.feed(temperature=20.0)
    clock.advance(31)
    await site.pipeline.tick()
    async with site.signed_in("operator") as client:
        answer = await client.post("/api/devices/pump-1/commands/trip")
    assert (answer.status_code, answer.json()["status_code"]) == (503, "BadNoCommunication")


async def test_an_answer_that_json_cannot_carry_is_no_failure_of_ours(site: Site) -> None:
    await site.feed(temperature=20.0)
    site.sender.values = {"temperature": float("inf"), "note": b"\xff"}
    async with site.signed_in("operator") as client:
        answer = await client.post("/api/devices/pump-1/commands/trip")
    assert (answer.status_code, answer.json()["values"]) == (200, {"temperature": None, "note": "/w=="})


# -- alarms


async def test_an_alarm_is_acknowledged_once_by_the_state_the_operator_saw(site: Site) -> None:
    await site.feed(temperature=90.0)
    async with site.signed_in("operator") as client:
        (alarm,) = (await client.get("/api/alarms")).json()
        assert (alarm["id"], alarm["limit_state"], alarm["active"], alarm["acked"]) == (ALARM, "High", True, False)
        path = f"/api/alarms/{ALARM}/acknowledge"
        foreign = await client.post(path, json={"event_id": "00" * 16})
        assert (foreign.status_code, foreign.json()["status_code"]) == (409, "BadEventIdUnknown")
        done = await client.post(path, json={"event_id": alarm["event_id"], "comment": "fan is on"})
        assert (done.status_code, done.json()["acked"], done.json()["comment"]) == (200, True, "fan is on")
        assert done.json()["comment_user"] == "operator"
        again = await client.post(path)
        assert (again.status_code, again.json()["status_code"]) == (409, "BadConditionBranchAlreadyAcked")
        commented = await client.post(f"/api/alarms/{ALARM}/comment", json={"comment": "ordered a bearing"})
        assert commented.json()["comment"] == "ordered a bearing"
        assert (await client.post(path, json={"event_id": "no hex"})).status_code == 422


async def test_alarms_are_listed_gravest_first_and_by_what_is_asked(site: Site) -> None:
    await site.feed(device="pump-1", temperature=90.0)
    await site.feed(device="pump-2", temperature=120.0)
    await site.feed(device="pump-3", temperature=90.0)
    await site.feed(device="pump-3", temperature=50.0, ago_s=-1)
    async with site.signed_in("operator") as client:
        await client.post(f"/api/alarms/{ALARM}/acknowledge")

        async def listed(query: str) -> list[str]:
            return [alarm["device_id"] for alarm in (await client.get(f"/api/alarms{query}")).json()]

        assert await listed("") == ["pump-2", "pump-1", "pump-3"]
        assert await listed("?active=true") == ["pump-2", "pump-1"]
        assert await listed("?acked=false") == ["pump-2", "pump-3"]
        assert await listed("?device=pump-3") == ["pump-3"]
        assert len(await listed("?device=pump-3&all=true")) == 2


# -- history


async def test_history_is_read_page_by_page_without_loss_or_double(site: Site, clock: ManualClock) -> None:
    await site.feed(temperature=20.0)
    start = clock.now() - 100 * SECOND
    for number in range(100):
        site.history.put("pump-1", "temperature", start + number * SECOND, float(number))
    seen: list[float] = []
    pages = 0
    params: dict[str, Any] = {"start": to_iso(start), "end": to_iso(clock.now()), "limit": 7}
    async with site.signed_in("viewer") as client:
        while True:
            body = (await client.get("/api/devices/pump-1/history/temperature", params=params)).json()
            pages += 1
            seen += [value["value"] for value in body["values"]]
            if body["next"] is None:
                break
            params = {"limit": 7, "cursor": body["next"]}
    assert seen == [float(number) for number in range(100)]
    assert (pages, body["unit"]) == (15, "°C")


@pytest.mark.parametrize(
    "query",
    [
        "start=yesterday",
        "start=2026-01-05",
        "end=2026-01-05T08:00:00",
        "start=99999999999999999999",
        "limit=0",
        "limit=10001",
        "limit=x",
        "cursor=x",
        "cursor=MS4y",
        "cursor=" + "A" * 500,
        "start=" + "1" * 500,
    ],
)
async def test_a_query_that_cannot_be_read_is_refused_with_its_name(site: Site, query: str) -> None:
    await site.feed(temperature=20.0)
    async with site.signed_in("viewer") as client:
        answer = await client.get(f"/api/devices/pump-1/history/temperature?{query}")
    assert answer.status_code == 422
    assert query.split("=")[0] in answer.json()["detail"]
    assert "A" * 100 not in answer.text


# -- packages


async def test_a_package_is_uploaded_as_it_is_or_in_a_form(site: Site) -> None:
    async with site.signed_in("engineer") as client:
        octets = {"Content-Type": "application/octet-stream"}
        assert (await client.post("/api/packages", content=PACKAGE, headers=octets)).status_code == 201
        assert (await client.post("/api/packages", files={"file": ("pump.fdix", PACKAGE)})).status_code == 201
        assert site.packages.installed == {"pump": PACKAGE}
        assert (await client.get("/api/packages")).json() == [{"package_id": "pump", "version": "1.0.0"}]
        assert (await client.delete("/api/packages/pump")).status_code == 204
        assert (await client.delete("/api/packages/pump")).status_code == 404


async def test_a_package_is_rolled_back_to_a_version_or_the_next_lower_one(site: Site) -> None:
    site.packages.installed["pump"] = PACKAGE
    async with site.signed_in("engineer") as client:
        assert (await client.post("/api/packages/pump/rollback")).json()["version"] == "0.9.0"
        assert (await client.post("/api/packages/pump/rollback?version=0.5.0")).json()["version"] == "0.5.0"
        assert (await client.post("/api/packages/none/rollback")).status_code == 404
        assert (await client.post("/api/packages/pump/rollback?version=" + "9" * 99)).status_code == 422


async def test_a_document_of_a_package_never_runs_as_a_page_of_ours(site: Site) -> None:
    site.packages.installed["pump"] = PACKAGE
    async with site.signed_in("viewer") as client:
        answer = await client.get("/api/packages/pump/documents/manual.html")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


# -- health, metrics, documents


async def test_health_is_503_while_a_dependency_is_away_and_facts_are_for_those_signed_in(site: Site) -> None:
    site.health["mqtt"] = {"ok": True, "broker": "10.1.2.3:1883"}
    async with site.client() as stranger, site.signed_in("viewer") as viewer:
        well = await stranger.get("/health")
        assert (well.status_code, well.json()["dependencies"]["mqtt"]) == (200, {"ok": True})
        assert (await viewer.get("/health")).json()["dependencies"]["mqtt"]["broker"] == "10.1.2.3:1883"
        site.health["mqtt"] = {"ok": False, "broker": "10.1.2.3:1883"}
        away = await stranger.get("/health")
    assert (away.status_code, away.json()["status"]) == (503, "degraded")
    assert away.json()["dependencies"] == {"mqtt": {"ok": False}, "history": {"ok": True}}


async def test_metrics_count_values_and_requests_by_route_not_by_what_is_asked_for(site: Site) -> None:
    await site.feed(temperature=20.0)
    async with site.signed_in("viewer") as client:
        for number in range(5):
            await client.get(f"/api/devices/pump-{number}")
            await client.get(f"/made/up/{number}")
        text = (await client.get("/metrics")).text
    assert "fieldloom_values_total 1.0" in text
    assert "fieldloom_devices 1.0" in text
    assert 'fieldloom_http_requests_total{method="GET",route="/api/devices/{device_id}",status="404"} 4.0' in text
    assert "made/up" not in text


async def test_the_documents_of_the_api_need_nothing_from_elsewhere(site: Site) -> None:
    async with site.client() as client:
        page = await client.get("/docs")
        assert page.status_code == 200
        assert "http://" not in page.text
        assert "https://" not in page.text
        assert "//cdn" not in page.text
        document = (await client.get("/openapi.json")).json()
    assert {"/api/login", "/api/devices", "/api/alarms", "/api/packages", "/api/events"} <= set(document["paths"])


# -- the source systems' paths


async def test_engines_show_their_status_and_the_fleet_in_figures(site: Site) -> None:
    kind = replace(pump_type("gas_engine"), parameters=pump_type().parameters | {"power_kw": parameter("power_kw")})
    await site.pipeline.install(kind)
    now = site.clock.now()
    rows = (("gpu-1", 900.0, 50.0), ("gpu-2", 600.0, 90.0), ("gpu-3", 0.0, 120.0))
    for name, power, temperature in rows:
        await site.pipeline.offer([measured(now, name, type_id="gas_engine", power_kw=power, temperature=temperature)])
    async with site.signed_in("viewer") as client:
        body = (await client.get("/api/status")).json()
    assert [(engine["id"], engine["status"]) for engine in body["engines"]] == [
        ("gpu-1", "ok"),
        ("gpu-2", "warning"),
        ("gpu-3", "error"),
    ]
    # 1500 kW of three engines at 1200 kW planned each
    assert body["summary"] == {"count": 3, "running": 2, "total_power_kw": 1500.0, "average_load_percent": 41.67}


async def test_looms_show_rows_whole_and_page_by_page(site: Site) -> None:
    names = ("bbw_value", "temperature", "vibration")
    kind = replace(pump_type("loom_bbw"), parameters={name: parameter(name) for name in names}, alarms=())
    await site.pipeline.install(kind)
    now = site.clock.now()
    values = {"bbw_value": 1500.0, "temperature": 27.0, "vibration": 1.0}
    await site.pipeline.offer([measured(now, "loom-1", type_id="loom_bbw", **values)])
    start = now - 50 * SECOND
    for number in range(50):
        for name in names:
            if name != "vibration" or number % 2:
                code = status.UNCERTAIN if number == 3 else status.GOOD
                site.history.put("loom-1", name, start + number * SECOND, float(number), code)
    rows: list[dict[str, Any]] = []
    following: str | None = to_iso(start)
    async with site.signed_in("viewer") as client:
        latest = (await client.get("/api/v1/looms/loom-1")).json()["latest"]
        while following is not None:
            query = {"start": following, "end": to_iso(now), "limit": 8}
            body = (await client.get("/api/v1/looms/loom-1/measurements", params=query)).json()
            rows += body["measurements"]
            following = body["next"]
    assert latest == {"time": to_iso(now), "loom_id": "loom-1", **values, "quality_flag": 0}
    assert [row["time"] for row in rows] == [to_iso(start + number * SECOND) for number in range(50)]
    assert [row["vibration"] for row in rows[:4]] == [None, 1.0, None, 3.0]
    assert [row["quality_flag"] for row in rows[:5]] == [0, 0, 0, 1, 0]


async def test_facilities_count_their_assets_and_show_ranges(clock: ManualClock, tmp_path: Path) -> None:
    layout = PlantLayout({"alpha": Facility("alpha", Texts.of("Power station Alpha"), "Kazan", "power")})
    site = await make_site(clock, tmp_path)
    site.plant._layout = layout
    kind = replace(
        pump_type("plant_asset"),
        parameters=pump_type().parameters
        | {
            "temperature_min": parameter("temperature_min", dynamic=False, default_value=60.0),
            "temperature_max": parameter("temperature_max", dynamic=False, default_value=120.0),
        },
    )
    await site.pipeline.install(kind)
    message = measured(clock.now(), "alpha.turbine-a", type_id="plant_asset", temperature=92.1)
    await site.pipeline.offer([replace(message, facility="alpha")])
    async with site.signed_in("viewer") as client:
        listed = (await client.get("/api/v1/facilities")).json()
        assets = (await client.get("/api/v1/facilities/alpha/assets")).json()
    assert listed == [{"id": "alpha", "name": "Power station Alpha", "location": "Kazan", "type": "power", "assets": 1}]
    assert assets[0]["values"]["temperature"] == 92.1
    assert assets[0]["ranges"] == {"temperature": {"min": 60.0, "max": 120.0}}


# -- types chosen by hand


async def test_an_engineer_chooses_the_type_of_a_device_and_lets_it_go(site: Site) -> None:
    await site.feed(temperature=20.0)
    await site.pipeline.install(pump_type("twin"))
    path = "/api/devices/pump-1/type"
    async with site.signed_in("engineer") as client:
        assert (await client.get(path)).json() == {"id": "pump-1", "type": "pump", "chosen": None}
        answer = await client.put(path, json={"type_id": "twin"})
        assert (answer.status_code, answer.json()) == (200, {"id": "pump-1", "type": "twin", "chosen": "twin"})
        assert (await client.get("/api/devices/pump-1")).json()["type"] == "twin"
        unknown = await client.put("/api/devices/pump-9/type", json={"type_id": "twin"})
        assert unknown.json() == {"id": "pump-9", "type": None, "chosen": "twin"}
        assert (await client.delete(path)).status_code == 204
        assert (await client.get("/api/devices/pump-1")).status_code == 404
        assert (await client.delete(path)).status_code == 404


@pytest.mark.parametrize(
    ("device", "body", "code"),
    [
        ("pump-1", {"type_id": "nobody"}, 404),
        ("pump-1", {"type_id": ""}, 422),
        ("pump-1", {"type_id": "x" * 65}, 422),
        ("pump-1", {"type_id": 5}, 422),
        ("pump-1", {}, 422),
        ("Plant", {"type_id": "pump"}, 422),
        ("a b", {"type_id": "pump"}, 422),
    ],
    ids=["type", "empty", "long", "number", "nothing", "reserved", "blank"],
)
async def test_a_wrong_choice_is_a_problem_and_changes_nothing(
    site: Site, device: str, body: object, code: int
) -> None:
    await site.feed(temperature=20.0)
    async with site.signed_in("engineer") as client:
        answer = await client.put(f"/api/devices/{device}/type", json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (code, "application/problem+json")
        assert (await client.get("/api/devices/pump-1")).json()["type"] == "pump"
