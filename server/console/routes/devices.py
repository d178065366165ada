"""Devices, their live values, commands and parameter writes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from server.console import shapes
from server.console.auth import READER, Commander, Console, PackageKeeper, Writer
from server.console.context import Assignments, ConsoleContext
from server.console.problems import ProblemError, require_done
from server.core.errors import NotFoundError
from server.core.values import Command, DeviceId

router = APIRouter(prefix="/api/devices", tags=["devices"])

DeviceName = Annotated[str, Path(max_length=64, description="Device id")]
ParameterName = Annotated[str, Path(max_length=128, description="EDD identifier")]


Whole = Annotated[int, Field(ge=-(1 << 63), lt=1 << 64)]  # what Int64 and UInt64 hold
Value = bool | Whole | float | Annotated[str, Field(max_length=4096)]


class CommandBody(BaseModel):
    """Arguments of a command by their names."""

    model_config = ConfigDict(extra="forbid")

    params: dict[Annotated[str, Field(max_length=64)], Value] = Field(default_factory=dict, max_length=32)


class ValueBody(BaseModel):
    """A value for a parameter."""

    model_config = ConfigDict(extra="forbid")

    value: Value


@router.get("", dependencies=READER)
async def list_devices(
    context: Console,
    response: Response,
    kind: Annotated[str, Query(alias="type", max_length=64, description="Device type id")] = "",
    facility: Annotated[str, Query(max_length=64, description="First part of the place in the plant")] = "",
    search: Annotated[str, Query(max_length=64, description="Part of id or name")] = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> list[dict[str, Any]]:
    """Devices with their live values, in order of id; `X-Total-Count` says how many match."""
    wanted = search.lower()
    found = [
        device
        for device in context.plant.devices.values()
        if (not kind or device.device_type.type_id == kind)
        and (not facility or device.path[:1] == (facility,))
        and (not wanted or wanted in device.device_id.lower() or wanted in device.name.lower())
    ]
    found.sort(key=lambda device: device.device_id)
    response.headers["X-Total-Count"] = str(len(found))
    return [shapes.device_summary(device) for device in found[offset : offset + limit]]


@router.get("/{device_id}", dependencies=READER)
async def device_details(device_id: DeviceName, context: Console) -> dict[str, Any]:
    """All of one device: nameplate, values with unit, quality and time, commands, its alarms."""
    device = context.plant.device(device_id)
    alarms = context.pipeline.alarms
    states = [alarms.state(condition_id) for condition_id in alarms.condition_ids(device_id)]
    return shapes.device_details(device) | {"alarms": [shapes.alarm(state) for state in states if state is not None]}


@router.get("/{device_id}/values", dependencies=READER)
async def device_values(device_id: DeviceName, context: Console) -> list[dict[str, Any]]:
    """Every live value of one device."""
    return [shapes.point(name, point) for name, point in context.plant.device(device_id).points.items()]


@router.get("/{device_id}/values/{parameter}", dependencies=READER)
async def device_value(device_id: DeviceName, parameter: ParameterName, context: Console) -> dict[str, Any]:
    """One live value."""
    point = context.plant.device(device_id).points.get(parameter)
    if point is None:
        raise NotFoundError(f"{device_id} has no parameter {parameter!r}")
    return shapes.point(parameter, point)


@router.put("/{device_id}/values/{parameter}")
async def write_value(
    device_id: DeviceName, parameter: ParameterName, body: ValueBody, context: Console, caller: Writer
) -> dict[str, Any]:
    """Send a parameter to the device; answers when the device has confirmed it, and changes nothing before."""
    return require_done(await context.pipeline.write_parameter(DeviceId(device_id), parameter, body.value, caller))


@router.post("/{device_id}/commands/{name}")
async def run_command(
    device_id: DeviceName,
    name: ParameterName,
    context: Console,
    caller: Commander,
    body: CommandBody | None = None,
) -> dict[str, Any]:
    """Send a command to the device; answers when the device has carried it out, with the values it changed.

    409 when the device rejects it, 502 when it fails there, 503 for a silent device, 504 without an answer in time.
    """
    params = body.params if body is not None else {}
    return require_done(await context.pipeline.submit(Command(DeviceId(device_id), name, params, caller)))


class TypeBody(BaseModel):
    """The type that a device is to have."""

    model_config = ConfigDict(extra="forbid")

    type_id: Annotated[str, Field(min_length=1, max_length=64)]


def _assignments(context: ConsoleContext) -> Assignments:
    if context.assignments is None:
        raise ProblemError(404, "types are not chosen by hand here")
    return context.assignments


@router.get("/{device_id}/type", dependencies=READER)
async def device_type(device_id: DeviceName, context: Console) -> dict[str, Any]:
    """The type of a device as it is now, and the one chosen for it by hand; null for what there is not."""
    return _type_of(device_id, context)


@router.put("/{device_id}/type")
async def assign_type(device_id: DeviceName, body: TypeBody, context: Console, caller: PackageKeeper) -> dict[str, Any]:
    """Choose the type of a device by hand, where types share its topic; also before it is known.

    A device of another type goes with its values and is there again under the same id at once; its history stays.
    """
    await _assignments(context).assign(device_id, body.type_id, caller)
    return _type_of(device_id, context)


@router.delete("/{device_id}/type", status_code=204)
async def release_type(device_id: DeviceName, context: Console, caller: PackageKeeper) -> None:
    """Let a device be again what it says itself: it goes, and its next message brings it back."""
    await _assignments(context).release(device_id, caller)


def _type_of(device_id: str, context: ConsoleContext) -> dict[str, Any]:
    device = context.plant.devices.get(DeviceId(device_id))
    chosen = context.assignments.types.get(device_id) if context.assignments is not None else None
    if device is None and chosen is None:
        raise NotFoundError(f"no device {device_id!r}")
    return {"id": device_id, "type": device.device_type.type_id if device is not None else None, "chosen": chosen}
