"""How values, devices and alarms look in JSON: one shape for routes, streams and pages."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import msgspec

from server.core.clock import TimeUs, to_iso
from server.core.status import is_good, name_of
from server.core.values import AlarmEvent, Scalar
from server.history.store import StoredValue
from server.model.device import Device, Point

STAGES = ("live", "uncertain", "silent")


def encoded(payload: object) -> bytes:
    """A large answer as JSON at once: the framework would walk through every value of it before it writes it."""
    try:
        return msgspec.json.encode(payload)
    except UnicodeEncodeError:
        return json.dumps(payload, allow_nan=False).encode("ascii")  # a text of a device may hold a lone surrogate


def scalar(value: Scalar | None) -> bool | int | float | str | None:
    """A value as JSON can carry it: bytes as base64, what is no finite number as null."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def moment(time_us: TimeUs | None) -> str | None:
    """ISO 8601 with Z; None for never."""
    return to_iso(time_us) if time_us else None


def point(name: str, found: Point) -> dict[str, Any]:
    """One live value."""
    return {
        "parameter": name,
        "value": scalar(found.value),
        "unit": found.spec.unit_symbol,
        "status": name_of(found.status),
        "source_time": moment(found.source_time),
        "server_time": moment(found.server_time),
        "writable": found.spec.writable,
    }


def connection(device: Device) -> str:
    """live, uncertain, silent, or waiting for its first message of this run."""
    return "waiting" if device.last_heard == 0 else STAGES[device.stage]


def device_summary(device: Device) -> dict[str, Any]:
    """A device with the values it measures: one row of the fleet."""
    return {
        "id": device.device_id,
        "name": device.name or device.device_id,
        "type": device.device_type.type_id,
        "type_name": device.device_type.label.default,
        "path": list(device.path),
        "connection": connection(device),
        "last_communication": moment(device.last_heard),
        "values": {
            name: scalar(found.value) if is_good(found.status) else None
            for name, found in device.points.items()
            if found.spec.dynamic
        },
    }


def device_details(device: Device) -> dict[str, Any]:
    """All of a device: nameplate, every value with unit, quality and time, and what it can be told."""
    kind = device.device_type
    return device_summary(device) | {
        "manufacturer": kind.manufacturer.default,
        "model": kind.model.default,
        "package": {"package_id": kind.package_id, "version": kind.version},
        "attributes": dict(device.attributes),
        "created_at": moment(device.created_at),
        "values": [point(name, found) for name, found in device.points.items()],
        "commands": [
            {
                "name": command.name,
                "method": command.method,
                "role": command.role,
                "arguments": [{"name": entry.param, "type": entry.data_type} for entry in command.arguments],
            }
            for command in kind.binding.commands
        ],
    }


def alarm(event: AlarmEvent) -> dict[str, Any]:
    """One state of one condition."""
    return {
        "id": event.condition_id,
        "device_id": event.device_id,
        "name": event.name,
        "kind": event.kind,
        "event_id": event.event_id.hex(),
        "time": moment(event.time),
        "receive_time": moment(event.receive_time),
        "message": event.message,
        "severity": event.severity,
        "active": event.active,
        "acked": event.acked,
        "retain": event.retain,
        "limit_state": event.limit_state,
        "active_time": moment(event.active_time),
        "acked_time": moment(event.acked_time),
        "comment": event.comment,
        "comment_user": event.comment_user,
        "user": event.user,
        "status": name_of(event.quality),
        "value": scalar(event.value),
        "parameter": event.input_parameter,
        "limits": {name: scalar(limit) for name, limit in event.limits.items()},
        "cause": event.cause,
        "branch_id": event.branch_id,
        "priority": event.priority,
        "class": event.condition_class,
        "enabled": event.enabled,
        "confirmed": event.confirmed,
        "to_confirm": event.has_confirm,
        "shelving": event.shelving,
        "unshelve_time": moment(event.unshelve_time),
        "suppressed": event.suppressed,
        "suppressed_by": list(event.suppressed_by),
        "out_of_service": event.out_of_service,
        "silenced": event.silenced,
        "latched": event.latched,
        "re_alarms": event.re_alarms,
        "first_in_group": event.first_in_group,
    }


def stored(found: StoredValue) -> dict[str, Any]:
    """One value of history."""
    return {
        "time": to_iso(found.source_time),
        "server_time": to_iso(found.server_time),
        "value": scalar(found.value),
        "status": name_of(found.status),
    }
