"""The source systems' own paths, for programs that already speak them: thin, over the same functions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from server.console import shapes
from server.console.auth import Acknowledger, Console, Reader
from server.console.context import ConsoleContext
from server.console.problems import ProblemError
from server.console.routes import alarms, history
from server.console.routes.devices import DeviceName
from server.core.errors import NotFoundError
from server.core.status import is_good, is_uncertain
from server.core.values import Scalar
from server.model.device import Device

router = APIRouter(prefix="/api", tags=["source systems"])

ENGINE = "gas_engine"
LOOM = "loom_bbw"
PLANNED_POWER_KW = 1_200.0  # per engine
RUNNING = 1
LOOM_VALUES = ("bbw_value", "temperature", "vibration")
OUTER_LIMITS = ("HighHigh", "LowLow")
Limit = Annotated[int, Query(ge=1, le=history.PAGE_LIMIT)]


# -- engines


@router.get("/status")
async def engine_status(context: Console, caller: Reader) -> dict[str, Any]:
    """All engines live with a status from their limits (ok, warning, error), and the fleet's summary."""
    engines = [engine(context, device) for device in sorted_devices(context, ENGINE)]
    running = [entry for entry in engines if entry["running"]]
    power = sum(entry["power_kw"] or 0.0 for entry in engines)
    load = sum(entry["power_kw"] or 0.0 for entry in running) / (PLANNED_POWER_KW * len(running)) if running else 0.0
    return {
        "time": shapes.moment(context.clock.now()),
        "engines": engines,
        "summary": {
            "total_power_kw": round(power, 3),
            "running": len(running),
            "engines": len(engines),
            "average_load_percent": round(100.0 * load, 2),
        },
    }


def engine(context: ConsoleContext, device: Device) -> dict[str, Any]:
    """One engine as its own system showed it. Values whose quality is bad are null."""
    values = {name: shapes.scalar(live(device, name)) for name, point in device.points.items() if point.spec.dynamic}
    reported = values.pop("status", None)
    power = values.get("power_kw")
    running = reported == RUNNING if reported is not None else isinstance(power, int | float) and power > 0
    return {
        "id": device.device_id,
        "name": device.name or device.device_id,
        "model": device.attributes.get("model", ""),
        "time": shapes.moment(device.newest),
        **values,
        "running": running,
        "connection": shapes.connection(device),
        "status": judged(context, device),
    }


def judged(context: ConsoleContext, device: Device) -> str:
    """ok, warning inside an inner limit's violation, error beyond an outer one or tripped."""
    alarms_of = context.pipeline.alarms
    states = [alarms_of.state(name) for name in alarms_of.condition_ids(device.device_id)]
    active = [state for state in states if state is not None and state.active]
    if any(state.kind != "exclusive_limit" or state.limit_state in OUTER_LIMITS for state in active):
        return "error"
    return "warning" if active else "ok"


def live(device: Device, name: str) -> Scalar | None:
    """A value while its quality is good or uncertain."""
    point = device.points.get(name)
    return point.value if point is not None and (is_good(point.status) or is_uncertain(point.status)) else None


def sorted_devices(context: ConsoleContext, type_id: str) -> list[Device]:
    """Devices of one type in order of id."""
    return sorted(context.plant.devices_of(type_id), key=lambda device: device.device_id)


@router.get("/history/{device_id}")
async def device_history(
    device_id: DeviceName,
    context: Console,
    caller: Reader,
    parameter: Annotated[str, Query(max_length=128)] = "",
    start: history.Moment = "",
    end: history.Moment = "",
    limit: Limit = 1_000,
) -> dict[str, Any]:
    """History of one device: of one parameter, or of all it measures; without times the last hour."""
    device = context.plant.device(device_id)
    names = [parameter] if parameter else [name for name, point in device.points.items() if point.spec.dynamic]
    pages = {name: await history.read_page(context, device_id, name, start, end, limit, "") for name in names}
    return {"device_id": device_id, "parameters": pages}


# -- looms


@router.get("/v1/looms")
async def looms(context: Console, caller: Reader) -> list[dict[str, Any]]:
    """All looms and their further sensors with live values."""
    return [loom_summary(device) for device in sorted_devices(context, LOOM)]


@router.get("/v1/looms/{loom_id}")
async def loom(loom_id: DeviceName, context: Console, caller: Reader) -> dict[str, Any]:
    """One loom with every value."""
    return loom_summary(_loom(context, loom_id)) | {"details": shapes.device_details(_loom(context, loom_id))}


def loom_summary(device: Device) -> dict[str, Any]:
    """One loom as its own system showed it."""
    return {
        "loom_id": device.device_id,
        "name": device.name or device.device_id,
        "time": shapes.moment(device.newest),
        "connection": shapes.connection(device),
        **{name: shapes.scalar(live(device, name)) for name in LOOM_VALUES},
        "quality_flag": max(
            (_flag(device.points[name].status) for name in LOOM_VALUES if name in device.points), default=2
        ),
    }


@router.get("/v1/looms/{loom_id}/measurements")
async def loom_measurements(
    loom_id: DeviceName,
    context: Console,
    caller: Reader,
    start: history.Moment = "",
    end: history.Moment = "",
    limit: Limit = 1_000,
) -> dict[str, Any]:
    """Stored rows of one loom, oldest first; `next_start` is where the next page begins, null on the last one."""
    _loom(context, loom_id)
    first, last = history.span(context, start, end)
    if first > last:
        raise ProblemError(422, "start: must not be after end")
    rows: dict[int, dict[str, Any]] = {}
    ends: list[int] = []
    for name in LOOM_VALUES:
        page = await context.history.read_raw(loom_id, name, first, last, limit)
        if page.next_time is not None:
            ends.append(page.next_time)
        for value in page.values:
            row = rows.setdefault(value.source_time, {"loom_id": loom_id, "quality_flag": 0})
            row["time"] = shapes.moment(value.source_time)
            row[name] = shapes.scalar(value.value)
            row["quality_flag"] = max(row["quality_flag"], _flag(value.status))
    # Rows beyond the shortest page are incomplete: they belong to the next one.
    until = min(ends, default=None)
    found = [rows[moment] for moment in sorted(rows) if until is None or moment < until]
    return {"loom_id": loom_id, "measurements": found, "next_start": shapes.moment(until)}


def _loom(context: ConsoleContext, loom_id: str) -> Device:
    device = context.plant.device(loom_id)
    if device.device_type.type_id != LOOM:
        raise NotFoundError(f"no loom {loom_id!r}")
    return device


def _flag(code: int) -> int:
    return 0 if is_good(code) else 1 if is_uncertain(code) else 2


# -- alerts


@router.get("/v1/alerts")
async def alerts(context: Console, caller: Reader) -> list[dict[str, Any]]:
    """Alarms that stand, the gravest and newest first."""
    return [shapes.alarm(event) for event in alarms.standing(context)]


@router.post("/v1/alerts/{condition_id:path}/acknowledge")
async def acknowledge_alert(
    condition_id: Annotated[str, Path(max_length=256)],
    context: Console,
    caller: Acknowledger,
    body: alarms.Remark | None = None,
) -> dict[str, Any]:
    """Acknowledge one; as `/api/alarms/{id}/acknowledge`."""
    return await alarms.acknowledge(condition_id, context, caller, body)


# -- plant


@router.get("/v1/facilities")
async def facilities(context: Console, caller: Reader) -> list[dict[str, Any]]:
    """The plant's facilities with place, kind and number of devices."""
    counts: dict[str, int] = {}
    for device in context.plant.devices.values():
        counts[device.path[0]] = counts.get(device.path[0], 0) + 1
    known = context.plant.layout.facilities
    return [
        {
            "id": name,
            "name": known[name].name.default if name in known else name,
            "location": known[name].location if name in known else "",
            "type": known[name].kind if name in known else "",
            "devices": counts.get(name, 0),
        }
        for name in sorted(known.keys() | counts.keys())
    ]
