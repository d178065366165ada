"""Drafts of the plant's own messages say what the hand-written packages say; expected values are the sheet's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit.drafts import RECEIVED, built, decode, drafted, message, parameters, values

ENGINE = {
    "engine_id": "gpu-1", "model": "J420", "time": "2026-01-05T07:59:00.120Z", "power_kw": 1180.0,
    "temp_exhaust": 470.2, "gas_consumption": 301.5, "vibration": 6.2, "gas_pressure": 2.1, "total_hours": 15324,
}  # fmt: skip
ASSET = {
    "facility": "power-station-alpha", "asset": "turbine-a", "type": "turbine", "timestamp": "2026-01-05T07:59:00Z",
    "readings": [
        {"metric": "temperature", "value": 92.1, "unit": "°C"},
        {"metric": "pressure", "value": 5.2, "unit": "bar"},
        {"metric": "power_consumption", "value": 310.4, "unit": "kW"},
        {"metric": "production_output", "value": 128.0, "unit": "units/h"},
    ],
}  # fmt: skip
LOOM = {
    "loom_id": "loom-01", "sensor_id": "bbw-1", "time": "2026-01-05T07:59:00.000Z", "bbw_value": 1523.4,
    "temperature": 27.1, "vibration": 1.2, "quality_flag": 0, "metadata": {"firmware": "1.4.2"},
}  # fmt: skip


def test_engines() -> None:
    topics = [f"engines/gpu-{number}/telemetry" for number in (1, 2)]
    draft = drafted(message(topic, {**ENGINE, "engine_id": topic.split("/")[1]}) for topic in topics)
    (sent,) = draft.messages
    assert (sent.topic, sent.device, sent.time) == ("engines/{device}/telemetry", "/engine_id", "/time")
    assert dict(sent.attributes) == {"model": "/model"}
    (measurement,) = decode(built(draft), message(topics[0], ENGINE)).measurements
    assert (measurement.device_id, measurement.source_time) == ("gpu-1", RECEIVED - 59_880_000)
    assert values(measurement) == {
        "power_kw": 1180.0, "temp_exhaust": 470.2, "gas_consumption": 301.5, "vibration": 6.2, "gas_pressure": 2.1,
        "total_hours": 15324.0,
    }  # fmt: skip
    found = parameters(draft)
    assert (found["power_kw"].unit, found["total_hours"].unit, found["total_hours"].edd_type) == ("kW", "h", "DOUBLE")


def test_plant_assets_of_several_facilities() -> None:
    """Two facilities may have an asset of the same name: the facility is part of the id."""
    places = [(site, asset) for site in ("power-station-alpha", "chemical-beta") for asset in ("turbine-a", "boiler-b")]
    draft = drafted(
        message(f"plant/{site}/{asset}/readings", {**ASSET, "facility": site, "asset": asset}) for site, asset in places
    )
    (sent,) = draft.messages
    assert (sent.topic, draft.device_id) == ("plant/{site}/{device}/readings", "{site}.{device}")
    (measurement,) = decode(built(draft), message("plant/chemical-beta/boiler-b/readings", ASSET)).measurements
    assert measurement.device_id == "chemical-beta.boiler-b"
    numbers = {name: value for name, value in values(measurement).items() if isinstance(value, float)}
    assert numbers == {"temperature": 92.1, "pressure": 5.2, "power_consumption": 310.4, "production_output": 128.0}
    assert parameters(draft)["production_output"].unit == "units/h"


@pytest.mark.parametrize("content", [LOOM, [LOOM, {**LOOM, "bbw_value": 1520.0}]], ids=["row", "rows"])
def test_looms(content: Any) -> None:
    draft = drafted(message(f"kaldor/loom/loom-01/bbw/{kind}", content) for kind in ("raw", "processed"))
    assert [entry.topic for entry in draft.messages] == [
        "kaldor/loom/{device}/bbw/raw", "kaldor/loom/{device}/bbw/processed",
    ]  # fmt: skip
    assert draft.messages[0].quality == "/quality_flag"
    found = decode(built(draft), message("kaldor/loom/loom-01/bbw/raw", json.loads(json.dumps(content)))).measurements
    assert values(found[0]) == {"sensor_id": "bbw-1", "bbw_value": 1523.4, "temperature": 27.1, "vibration": 1.2}
    assert dict(found[0].attributes) == {"firmware": "1.4.2"}
