"""Figures from history over HTTP: aggregates, key figures, series in buckets, comparison, correlation, files."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from server.console import charts
from server.core import status
from server.core.clock import SECOND, ManualClock, from_iso, to_iso
from server.settings import DeadbandSettings
from tests.kit.http import Site, make_site

START = from_iso("2026-01-05T08:00:00Z")
SPAN = {"start": to_iso(START), "end": to_iso(START + 100 * SECOND)}


@pytest.fixture
async def site(clock: ManualClock, tmp_path: Path) -> Site:
    site = await make_site(clock, tmp_path)
    await site.feed(temperature=20.0, state=1, note="a")
    await site.feed(device="pump-2", temperature=40.0, state=1)
    # The series of tests/unit/history/aggregates/test_aggregate_tables.py.
    codes = {40: status.BAD_SENSOR_FAILURE, 70: status.UNCERTAIN_LAST_USABLE_VALUE}
    for time in range(10, 100, 10):
        site.history.put("pump-1", "temperature", START + time * SECOND, float(time), codes.get(time, 0))
        site.history.put("pump-1", "limit_high", START + time * SECOND, 2.0 * time + 5)
        site.history.put("pump-2", "temperature", START + time * SECOND, 100.0 + time)
    site.history.put("pump-1", "note", START + 10 * SECOND, "=1+1")
    return site


async def get(site: Site, path: str, **params: Any) -> Any:
    async with site.signed_in("viewer") as client:
        answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(site: Site, path: str, **params: Any) -> str:
    async with site.signed_in("viewer") as client:
        answer = await client.get(path, params=params)
    assert answer.status_code in (404, 422), answer.text
    return str(answer.json()["detail"])


async def test_a_chart_has_every_peak_in_few_points(site: Site) -> None:
    for number in range(5_000):
        at = START + 1_000 * SECOND + number * SECOND
        site.history.put("pump-1", "temperature", at, 77.0 if number == 1_234 else 20.0)
    asked = {"start": to_iso(START + 1_000 * SECOND), "end": to_iso(START + 6_000 * SECOND), "points": 50}
    for method in ("minmax", "lttb"):
        found = await get(site, "/api/devices/pump-1/chart/temperature", method=method, **asked)
        assert (found["tier"], found["of_values"], found["unit"]) == ("raw", True, "°C")
        assert len(found["points"]) <= 50
        assert {"time": to_iso(START + 2_234 * SECOND), "value": 77.0} in found["points"]


async def test_a_chart_breaks_where_nothing_came(site: Site) -> None:
    found = await get(site, "/api/devices/pump-1/chart/temperature", **SPAN)
    values = [each["value"] for each in found["points"]]
    assert values[values.index(30.0) + 1] is None, "40 is Bad"
    assert values.count(70.0) == 1, "Uncertain values are drawn"


async def test_what_a_deadband_left_out_is_no_silence(site: Site) -> None:
    # The pump may be silent for 30 s; its values stand 400 s apart because the others are near them.
    at = START + 1_000 * SECOND
    for number in range(3):
        site.history.put("pump-1", "temperature", at + 400 * number * SECOND, 20.0 + number)
    asked = {"start": to_iso(at), "end": to_iso(at + 1_000 * SECOND)}
    found = await get(site, "/api/devices/pump-1/chart/temperature", **asked)
    assert [each["value"] for each in found["points"]] == [20.0, None, 21.0, None, 22.0]
    site.history._deadband_of = lambda *_: (DeadbandSettings(exception=0.5), False)
    found = await get(site, "/api/devices/pump-1/chart/temperature", **asked)
    assert [each["value"] for each in found["points"]] == [20.0, 21.0, 22.0]


async def test_a_chart_of_more_than_fits_is_drawn_of_figures(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "MOST_VALUES", 4)
    monkeypatch.setattr(charts, "PAGE", 2)
    found = await get(site, "/api/devices/pump-2/chart/temperature", points=4, **SPAN)
    assert (found["tier"], found["of_values"]) == ("raw", False)
    assert [each["value"] for each in found["points"]] == [110.0, 140.0, 150.0, 190.0]


async def test_more_intervals_than_an_answer_holds_are_refused(site: Site) -> None:
    asked = {"start": to_iso(START), "end": to_iso(START + 9_000 * SECOND), "parameter": "temperature"}
    devices = [site.context.plant.device(name).device_id for name in ("pump-1", "pump-2")]
    assert len(devices) == 2
    message = await refused(site, "/api/compare", device=devices, interval_s=0.1, **asked)
    assert "intervals" in message


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_an_end_beyond_the_calendar_is_refused(site: Site, end: str) -> None:
    for path in ("history", "chart", "aggregates"):
        assert "end" in await refused(site, f"/api/devices/pump-1/{path}/temperature", start="24h", end=end)


async def test_a_chart_that_makes_no_sense_is_refused(site: Site) -> None:
    assert "no number" in await refused(site, "/api/devices/pump-1/chart/note", **SPAN)
    assert "before end" in await refused(
        site, "/api/devices/pump-1/chart/temperature", start=SPAN["end"], end=SPAN["start"]
    )
    async with site.signed_in("viewer") as client:
        for wrong in ({"points": 1}, {"points": 10_001}, {"method": "mean"}):
            answer = await client.get("/api/devices/pump-1/chart/temperature", params={**SPAN, **wrong})
            assert answer.status_code == 422


async def test_aggregates_are_those_of_history_read(site: Site) -> None:
    found = await get(
        site,
        "/api/devices/pump-1/aggregates/temperature",
        aggregate=["Average", "WorstQuality"],
        interval_s=20,
        **SPAN,
    )
    assert found["unit"] == "°C"
    assert [(each["value"], each["status"], each["bits"]) for each in found["aggregates"]["Average"]] == [
        (10.0, "Good", 1),
        (25.0, "Good", 1),
        (50.0, "UncertainDataSubNormal", 1),
        (60.0, "UncertainDataSubNormal", 1),
        (85.0, "Good", 1),
    ]
    assert [each["value"] for each in found["aggregates"]["WorstQuality"]] == [
        "Good",
        "Good",
        "BadSensorFailure",
        "UncertainLastUsableValue",
        "Good",
    ]
    assert found["aggregates"]["Average"][1]["time"] == to_iso(START + 20 * SECOND)
    whole = await get(site, "/api/devices/pump-1/aggregates/temperature", aggregate="Count", **SPAN)
    assert [each["value"] for each in whole["aggregates"]["Count"]] == [7]


@pytest.mark.parametrize(
    ("path", "params", "told"),
    [
        ("/api/devices/pump-1/aggregates/temperature", {"aggregate": "Mean"}, "'Mean' is none"),
        ("/api/devices/pump-1/aggregates/note", {"aggregate": "Average"}, "needs a number"),
        ("/api/devices/pump-1/aggregates/none", {}, "no parameter 'none'"),
        ("/api/devices/none/aggregates/temperature", {}, "none"),
        ("/api/devices/pump-1/aggregates/temperature", {"interval_s": 0.001}, "more than 10000 intervals"),
        ("/api/devices/pump-1/aggregates/temperature", {"interval_s": -1}, "interval_s"),
        ("/api/devices/pump-1/aggregates/temperature", {"start": SPAN["end"], "end": SPAN["start"]}, "before end"),
        ("/api/compare", {"device": "pump-1", "parameter": "none"}, "no parameter"),
        ("/api/compare", {"device": "none", "parameter": "temperature"}, "none"),
        ("/api/devices/pump-1/correlation", {"x": "temperature", "y": "none"}, "no parameter"),
        ("/api/v1/facilities/nowhere/kpi", {}, "no facility"),
        ("/api/v1/facilities/unassigned/kpi", {"hours": 49}, "hours"),
        ("/api/v1/facilities/unassigned/timeseries", {"parameter": "none"}, "no asset"),
        ("/api/v1/facilities/unassigned/timeseries", {"parameter": "temperature", "minutes": 61}, "minutes"),
        ("/api/devices/pump-1/export", {"format": "xls"}, "none of csv"),
        ("/api/devices/pump-1/export", {"tz": "Mars/Olympus"}, "no time zone"),
        ("/api/devices/pump-1/export", {"tz": "../../etc/passwd"}, "no time zone"),
        ("/api/devices/pump-1/export", {"parameter": "none"}, "no parameter"),
    ],
)
async def test_what_cannot_be_asked_is_refused(site: Site, path: str, params: dict[str, Any], told: str) -> None:
    assert told in await refused(site, path, **params)


@pytest.mark.parametrize(("word", "hours"), [("1h", 1), ("6h", 6), ("24h", 24), ("7d", 168), ("30d", 720)])
async def test_a_start_may_be_so_long_before_the_end(clock: ManualClock, site: Site, word: str, hours: int) -> None:
    now = clock.now()
    ages = [minutes * 60 * SECOND for minutes in (30, 5 * 60, 23 * 60, 6 * 1440, 29 * 1440)]
    for age in ages:
        site.history.put("pump-1", "temperature", now - age, 1.0)
    found = await get(site, "/api/devices/pump-1/history/temperature", start=word)
    assert len(found["values"]) == sum(age <= hours * 3600 * SECOND for age in ages)
    # Before another end than now: only what lies there.
    found = await get(site, "/api/devices/pump-1/history/temperature", start=word, end=to_iso(now - ages[-1] + 1))
    assert len(found["values"]) == 1
    for wrong in ("0h", "1w", "-1h", "99999h", "h"):
        assert "write a time" in await refused(site, "/api/devices/pump-1/history/temperature", start=wrong)


async def test_key_figures_of_a_facility(clock: ManualClock, site: Site) -> None:
    now = clock.now()
    for ago, one, other in ((30, 10.0, 30.0), (90, 20.0, 40.0), (200, 999.0, 999.0)):
        site.history.put("pump-1", "state", now - ago * 60 * SECOND, one)
        site.history.put("pump-2", "state", now - ago * 60 * SECOND, other)
    facility = site.plant.devices["pump-1"].path[0]  # type: ignore[index]
    found = await get(site, f"/api/v1/facilities/{facility}/kpi", hours=2)
    figures = {each["value"]: each for each in found["values"]}
    assert set(figures) == {"temperature", "state"}
    assert figures["temperature"] == {
        "value": "temperature",
        "unit": "°C",
        "assets": 2,
        "current": 30.0,  # (20 + 40) / 2
        "average": None,
        "minimum": None,
        "maximum": None,
        "count": 0,
    }
    # Within two hours: 10, 20, 30, 40; what is older is left out.
    assert (figures["state"]["average"], figures["state"]["minimum"], figures["state"]["maximum"]) == (25.0, 10.0, 40.0)
    assert figures["state"]["count"] == 4


async def test_series_of_a_facility_in_buckets(clock: ManualClock, site: Site) -> None:
    width = 5 * 60 * SECOND
    bucket = (clock.now() - 600 * SECOND) // width * width
    for offset, value in ((0, 1.0), (10, 3.0), (299, 5.0), (300, 7.0)):
        site.history.put("pump-2", "temperature", bucket + offset * SECOND, value)
    facility = site.plant.devices["pump-1"].path[0]  # type: ignore[index]
    found = await get(site, f"/api/v1/facilities/{facility}/timeseries", parameter="temperature", hours=1, minutes=5)
    assert [each["device_id"] for each in found["series"]] == ["pump-1", "pump-2"]
    points = found["series"][1]["points"]
    assert [(each["average"], each["minimum"], each["maximum"], each["count"]) for each in points] == [
        (3.0, 1.0, 5.0, 3),
        (7.0, 7.0, 7.0, 1),
    ]
    assert points[0]["time"] == to_iso(bucket)


async def test_devices_are_compared_over_the_same_intervals(site: Site) -> None:
    found = await get(
        site, "/api/compare", device=["pump-1", "pump-2", "pump-1"], parameter="temperature", interval_s=50, **SPAN
    )
    assert [each["device_id"] for each in found["devices"]] == ["pump-1", "pump-2"]
    one, other = found["devices"]
    assert [(each["average"], each["count"]) for each in one["points"]] == [(20.0, 3), (70.0, 4)]
    assert [(each["average"], each["count"]) for each in other["points"]] == [(125.0, 4), (170.0, 5)]
    assert other["summary"]["average"] == 150.0


async def test_two_values_that_go_together_say_so(site: Site) -> None:
    asked = {"x": "temperature", "y": "limit_high", "interval_s": 10, **SPAN}
    found = await get(site, "/api/devices/pump-1/correlation", **asked)
    assert found["intervals"] == 7  # where both are Good
    assert found["r"] == pytest.approx(1.0)
    assert (found["slope"], found["intercept"]) == (pytest.approx(2.0), pytest.approx(5.0))
    assert found["points"][0] == {"time": to_iso(START + 10 * SECOND), "x": 10.0, "y": 25.0}
    alone = await get(site, "/api/devices/pump-1/correlation", **(asked | {"y": "note"}))
    assert (alone["intervals"], alone["r"]) == (0, None)
    for number in range(1, 10):
        site.history.put("pump-1", "state", START + number * 10 * SECOND, 1)
    flat = await get(site, "/api/devices/pump-1/correlation", **(asked | {"y": "state"}))
    assert (flat["r"], flat["slope"]) == (None, 0.0)


async def exported(site: Site, form: str, **params: Any) -> tuple[bytes, str, str]:
    async with site.signed_in("viewer") as client:
        answer = await client.get("/api/devices/pump-1/export", params={"format": form, **SPAN, **params})
    assert answer.status_code == 200, answer.text
    return answer.content, answer.headers["content-type"], answer.headers["content-disposition"]


async def test_csv_with_the_offset_of_the_zone_and_no_formulas(site: Site) -> None:
    body, kind, name = await exported(site, "csv", parameter=["temperature", "note"], tz="Europe/Moscow")
    assert (kind, name) == ("text/csv; charset=utf-8", 'attachment; filename="pump-1.csv"')
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))
    assert len(rows) == 10
    assert rows[0] == {
        "time": "2026-01-05T11:00:10.000000+03:00",
        "device": "pump-1",
        "parameter": "temperature",
        "value": "10.0",
        "unit": "°C",
        "status": "Good",
    }
    assert (rows[3]["value"], rows[3]["status"]) == ("", "BadSensorFailure")
    assert (rows[9]["parameter"], rows[9]["value"]) == ("note", "'=1+1")


async def test_a_zone_with_summer_time_has_the_offset_of_each_time(site: Site) -> None:
    summer = from_iso("2026-07-01T12:00:00Z")
    site.history.put("pump-1", "note", summer, "x")
    found = [
        json.loads((await exported(site, "json", parameter="note", tz="Europe/Berlin", **span))[0])
        for span in ({}, {"start": to_iso(summer), "end": to_iso(summer + 1)})
    ]
    assert [rows[0]["time"][-6:] for rows in found] == ["+01:00", "+02:00"]
    assert datetime.fromisoformat(found[1][0]["time"]) == datetime.fromisoformat("2026-07-01T12:00:00+00:00")


async def test_json_and_text_have_every_value(site: Site) -> None:
    body, _, _ = await exported(site, "json", parameter="temperature")
    rows = json.loads(body)
    assert [(row["value"], row["status"]) for row in rows][:4] == [
        (10.0, "Good"),
        (20.0, "Good"),
        (30.0, "Good"),
        (None, "BadSensorFailure"),
    ]
    site.history.put("pump-1", "note", START + 20 * SECOND, "tab\there\nand there")
    body, _, _ = await exported(site, "text", parameter="note")
    lines = body.decode().splitlines()
    assert [line.split("\t")[3] for line in lines] == ["value", "=1+1", "tab here and there"]
    empty, _, _ = await exported(site, "json", parameter="state")
    assert json.loads(empty) == []


async def test_parquet_keeps_types_and_digits(site: Site) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for number, value in enumerate((True, 2**53 + 1, "text", b"\x01", math.inf)):
        site.history.put("pump-1", "state", START + number * SECOND, value)
    body, kind, _ = await exported(site, "parquet", parameter=["temperature", "state"], tz="Europe/Moscow")
    assert kind == "application/vnd.apache.parquet"
    table = parquet.read_table(io.BytesIO(body))
    assert table.num_rows == 14
    rows = table.to_pylist()
    assert rows[0]["time"].isoformat() == "2026-01-05T11:00:10+03:00"
    assert [row["value"] for row in rows[:4]] == [10.0, 20.0, 30.0, None]
    assert rows[3]["status"] == status.BAD_SENSOR_FAILURE
    assert [(row["value"], row["text"]) for row in rows[9:]] == [
        (1.0, None),
        (2.0**53, str(2**53 + 1)),
        (None, "text"),
        (None, "01"),
        (math.inf, None),
    ]


async def test_a_large_export_comes_part_by_part(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.console.routes.export.PAGE", 7)
    for number in range(100):
        site.history.put("pump-1", "state", START + number * SECOND, number)
    body, _, _ = await exported(site, "csv", parameter="state")
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))
    assert [int(row["value"]) for row in rows] == list(range(100))
    body, _, _ = await exported(site, "json", parameter="state")
    assert [row["value"] for row in json.loads(body)] == list(range(100))
