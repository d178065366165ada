"""Paths that the users of the source systems know, over the same functions: engines, looms, facilities, alerts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from server.console import shapes
from server.console.auth import READER, Acknowledger, Console
from server.console.context import ConsoleContext
from server.console.routes.alarms import ConditionId, Remark, acknowledge, standing
from server.console.routes.devices import DeviceName
from server.console.routes.history import PAGE_LIMIT, Cursor, Moment, read_page, span
from server.core.clock import TimeUs, to_iso
from server.core.errors import NotFoundError
from server.core.status import StatusCode, is_bad, is_good
from server.core.values import Scalar
from server.history.store import StoredValue
from server.model.device import Device

router = APIRouter(tags=["source systems"])

ENGINE = "gas_engine"
ENGINE_VALUES = ("power_kw", "temp_exhaust", "gas_consumption", "vibration", "gas_pressure", "total_hours")
LOOM = "loom_bbw"
ASSET = "plant_asset"
PLANNED_POWER_KW = 1_200.0  # of one engine
RUNNING = 1  # of the engine's `status`
GRAVE = 800  # severity from which an engine's status is an error
LOOM_VALUES = ("bbw_value", "temperature", "vibration")


def _of_type(context: ConsoleContext, type_id: str) -> list[Device]:
    return sorted(context.plant.devices_of(type_id), key=lambda device: device.device_id)


def _good(device: Device, name: str) -> Scalar | None:
    point = device.points.get(name)
    return point.value if point is not None and is_good(point.status) else None


def _number(device: Device, name: str) -> float | None:
    value = _good(device, name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _device(context: ConsoleContext, device_id: str, type_id: str) -> Device:
    device = context.plant.device(device_id)
    if device.device_type.type_id != type_id:
        raise NotFoundError(f"{device_id} is no {type_id}")
    return device


# -- engines


@router.get("/api/status", dependencies=READER)
async def engines(context: Console) -> dict[str, Any]:
    """Gas engines with live values, a status derived from their alarms, and the fleet in figures."""
    gravest: dict[str, int] = {}
    for event in standing(context):
        if event.active:
            gravest[event.device_id] = max(event.severity, gravest.get(event.device_id, 0))
    fleet = _of_type(context, ENGINE)
    powers = [power for device in fleet if (power := _number(device, "power_kw")) is not None]
    return {
        "timestamp": to_iso(context.clock.now()),
        "engines": [
            shapes.device_summary(device)
            | {name: _number(device, name) for name in ENGINE_VALUES}
            | {"status": _engine_status(device, gravest.get(device.device_id, 0)), "running": _running(device)}
            for device in fleet
        ],
        "summary": {
            "count": len(fleet),
            "running": sum(_running(device) for device in fleet),
            "total_power_kw": round(sum(powers), 3),
            "average_load_percent": round(100 * sum(powers) / len(powers) / PLANNED_POWER_KW, 2) if powers else None,
        },
    }


def _engine_status(device: Device, severity: int) -> str:
    if severity >= GRAVE:
        return "error"
    return "warning" if severity or shapes.connection(device) != "live" else "ok"


def _running(device: Device) -> bool:
    state = _number(device, "status")
    return (_number(device, "power_kw") or 0.0) > 0 if state is None else state == RUNNING


@router.get("/api/history/{device_id}", dependencies=READER)
async def engine_history(
    device_id: DeviceName,
    context: Console,
    parameter: Annotated[str, Query(max_length=128, description="EDD identifier; absent: all it measures")] = "",
    start: Moment = "",
    end: Moment = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 1_000,
    cursor: Cursor = "",
) -> dict[str, Any]:
    """History of one value, as `/api/devices/{id}/history/{parameter}`; without `parameter` a page of each value."""
    if parameter:
        return await read_page(context, device_id, parameter, start, end, limit, cursor)
    points = context.plant.device(device_id).points
    names = [name for name, point in points.items() if point.spec.dynamic]
    pages = {name: await read_page(context, device_id, name, start, end, limit, "") for name in names}
    return {"device_id": device_id, "parameters": pages}


# -- looms


@router.get("/api/v1/looms", dependencies=READER)
async def looms(context: Console) -> list[dict[str, Any]]:
    """Looms with their latest row."""
    return [_loom(device) for device in _of_type(context, LOOM)]


@router.get("/api/v1/looms/{device_id}", dependencies=READER)
async def loom(device_id: DeviceName, context: Console) -> dict[str, Any]:
    """One loom with its latest row."""
    return _loom(_device(context, device_id, LOOM))


def _loom(device: Device) -> dict[str, Any]:
    points = [device.points[name] for name in LOOM_VALUES if name in device.points]
    newest = max((point.source_time for point in points), default=0)
    return {
        "loom_id": device.device_id,
        "name": device.name or device.device_id,
        "status": shapes.connection(device),
        "last_communication": shapes.moment(device.last_heard),
        "firmware": device.attributes.get("firmware"),
        "latest": _row(
            device.device_id,
            newest,
            {point.spec.name: (point.value, point.status) for point in points if point.source_time == newest},
        )
        if newest
        else None,
    }


def _row(loom_id: str, time: TimeUs, values: dict[str, tuple[Scalar | None, StatusCode]]) -> dict[str, Any]:
    return {
        "time": to_iso(time),
        "loom_id": loom_id,
        **{name: shapes.scalar(values[name][0]) if name in values else None for name in LOOM_VALUES},
        "quality_flag": max((_flag(code) for _, code in values.values()), default=2),
    }


def _flag(code: StatusCode) -> int:
    return 0 if is_good(code) else 2 if is_bad(code) else 1


@router.get("/api/v1/looms/{device_id}/measurements", dependencies=READER)
async def loom_measurements(
    device_id: DeviceName,
    context: Console,
    start: Moment = "",
    end: Moment = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 1_000,
) -> dict[str, Any]:
    """Rows with start <= time < end, oldest first; `next` is the `start` of the following page, null on the last one.

    Without times: the last hour.
    """
    _device(context, device_id, LOOM)
    first, last = span(context, start, end)
    pages = {name: await context.history.read_raw(device_id, name, first, last, limit) for name in LOOM_VALUES}
    # A page of one value may end before that of another: rows are whole only up to the earliest end.
    following = min((page.next_time for page in pages.values() if page.next_time is not None), default=None)
    rows: dict[TimeUs, dict[str, tuple[Scalar | None, StatusCode]]] = {}
    for name, page in pages.items():
        for value in _before(page.values, following):
            rows.setdefault(value.source_time, {})[name] = (value.value, value.status)
    return {
        "loom_id": device_id,
        "measurements": [_row(device_id, time, rows[time]) for time in sorted(rows)],
        "next": shapes.moment(following),
    }


def _before(values: Iterable[StoredValue], end: TimeUs | None) -> Iterable[StoredValue]:
    return (value for value in values if end is None or value.source_time < end)


@router.get("/api/v1/alerts", dependencies=READER)
async def alerts(context: Console) -> list[dict[str, Any]]:
    """Alarms of looms that are active or not acknowledged."""
    mine = {device.device_id for device in context.plant.devices_of(LOOM)}
    return [shapes.alarm(event) for event in standing(context) if event.device_id in mine]


@router.post("/api/v1/alerts/{condition_id:path}/acknowledge")
async def acknowledge_alert(
    condition_id: ConditionId, context: Console, caller: Acknowledger, body: Remark | None = None
) -> dict[str, Any]:
    """The same as `/api/alarms/{id}/acknowledge`."""
    return await acknowledge(condition_id, context, caller, body)


# -- facilities


@router.get("/api/v1/facilities", dependencies=READER)
async def facilities(context: Console) -> list[dict[str, Any]]:
    """Facilities with location, type and how many assets stand there."""
    counts: dict[str, int] = {}
    for device in context.plant.devices_of(ASSET):
        counts[device.path[0]] = counts.get(device.path[0], 0) + 1
    known = context.plant.layout.facilities
    return [
        {
            "id": name,
            "name": known[name].name.default if name in known else name,
            "location": known[name].location if name in known else "",
            "type": known[name].kind if name in known else "",
            "assets": counts.get(name, 0),
        }
        for name in sorted(known.keys() | counts.keys())
    ]


@router.get("/api/v1/facilities/{facility}/assets", dependencies=READER)
async def facility_assets(facility: Annotated[str, Path(max_length=64)], context: Console) -> list[dict[str, Any]]:
    """Assets of a facility: each live value with the range it should keep."""
    assets = [device for device in _of_type(context, ASSET) if device.path[0] == facility]
    if not assets and facility not in context.plant.layout.facilities:
        raise NotFoundError(f"no facility {facility!r}")
    return [
        shapes.device_summary(device)
        | {
            "ranges": {
                name: {"min": device.limit_value(f"{name}_min"), "max": device.limit_value(f"{name}_max")}
                for name in device.points
                if f"{name}_min" in device.points and f"{name}_max" in device.points
            }
        }
        for device in assets
    ]
