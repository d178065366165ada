"""Installed packages as lists and details show them, over every door alike. Plain JSON values."""

from __future__ import annotations

from typing import Any

from server.core.clock import TimeUs, to_iso
from server.fdi.registration import shown
from server.fdi.signature.result import SignatureReport
from server.fdi.store import InstalledPackage
from server.model.device_type import DeviceType, ParameterSpec


def summary(entry: InstalledPackage, *, current: bool) -> dict[str, Any]:
    """What a list shows of a package. `current`: it is the version in use."""
    return {
        "package_id": entry.package_id,
        "version": entry.version,
        "current": current,
        "builtin": entry.builtin,
        "package_type": entry.catalog.package_type,
        "manufacturer": entry.catalog.manufacturer,
        "device_types": [
            {"type_id": device_type.type_id, "name": dict(device_type.label.by_language)}
            for device_type in entry.device_types
        ],
        "size_bytes": entry.size_bytes,
        "digest": entry.digest,
        "signature": _signature(entry.signature),
        "registration": shown(entry.registration),
        "warnings": list(entry.warnings),
    }


def _signature(report: SignatureReport) -> dict[str, Any]:
    return {
        "state": report.state.value,
        "rule": report.rule,
        "reason": report.reason,
        "signatures": [
            {
                "state": result.state.value,
                "signer": result.signer,
                "signing_time": _moment(result.signing_time),
                "time_stamp": _moment(result.time_stamp),
                "algorithm": result.algorithm,
                "reason": result.reason,
            }
            for result in report.signatures
        ],
    }


def _moment(time: TimeUs | None) -> str | None:
    return to_iso(time) if time is not None else None


def type_details(device_type: DeviceType) -> dict[str, Any]:
    return {
        "type_id": device_type.type_id,
        "name": dict(device_type.label.by_language),
        "parameters": [_parameter(spec) for spec in device_type.parameters.values()],
        "commands": [
            {
                "name": command.name,
                "method": command.method,
                "description": dict(command.description),
                "role": command.role,
                "arguments": [
                    {"name": argument.param, "type": argument.data_type, "description": dict(argument.description)}
                    for argument in command.arguments
                ],
            }
            for command in device_type.binding.commands
        ],
        "documents": [
            {"name": document.name, "title": dict(document.title.by_language), "content_type": document.content_type}
            for document in device_type.documents
        ],
        "alarms": [spec.name for spec in device_type.alarms],
    }


def _parameter(spec: ParameterSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "label": dict(spec.label.by_language),
        "help": dict(spec.help.by_language),
        "data_type": spec.data_type.name,
        "unit": spec.unit_symbol,
        "range": list(spec.eu_range) if spec.eu_range is not None else None,
        "writable": spec.writable,
        "enumeration": {str(entry.value): dict(entry.text.by_language) for entry in spec.enum_values},
    }
