"""Drafts and dry runs as plain values for JSON, and as lines for a terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from server.core.clock import to_iso
from server.core.rehearsal import Rehearsed
from server.core.status import name_of
from server.core.values import Measurement, Scalar
from server.fdi.draft.model import DraftModel
from server.fdi.draft.names import printable
from server.model.device_type import DeviceType

LARGEST_EXACT = 2**53
"""Larger whole numbers go as texts: not every JSON reader keeps them."""


def plain(draft: DraftModel) -> dict[str, Any]:
    """Everything that was learned."""
    return dataclasses.asdict(draft)


def rehearsed(entries: Sequence[Rehearsed], device_type: DeviceType) -> list[dict[str, Any]]:
    """What each message would become: devices with values, statuses and times, and what would be refused."""
    return [
        {
            "topic": entry.message.topic,
            "message": entry.pattern,
            "counted_only": entry.counted_only,
            "measurements": [_measurement(found, device_type) for found in entry.measurements],
            "refused": [dataclasses.asdict(problem) for problem in entry.problems],
            "unit_mismatches": entry.unit_mismatches,
            "rows_without_values": entry.without_values,
        }
        for entry in entries
    ]


def _measurement(found: Measurement, device_type: DeviceType) -> dict[str, Any]:
    specs = device_type.parameters
    return {
        "device_id": found.device_id,
        "time": to_iso(found.source_time),
        "attributes": dict(found.attributes),
        "values": [
            {
                "parameter": name,
                "value": _value(value),
                "unit": specs[name].unit_symbol if name in specs else "",
                "status": name_of(code),
            }
            for name, value, code in found.values
        ],
    }


def _value(value: Scalar | None) -> Scalar | None:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_EXACT:
        return str(value)
    return value


def lines(draft: DraftModel) -> Iterator[str]:
    """A draft for a terminal; texts from outside lose what does not print."""
    yield f"{draft.heard} messages heard, {draft.kept} kept; device id {draft.device_id}"
    for message in draft.messages:
        time = message.time or "time of receipt"
        yield printable(f"  {message.topic}: {message.messages} messages of {message.devices} devices, time {time}")
        for note in message.notes:
            yield printable(f"    note: {note}")
    for parameter in draft.parameters:
        unit = f" {parameter.unit}" if parameter.unit else ""
        yield printable(f"  {parameter.name}: {parameter.edd_type}{unit}, observed {parameter.observed}")
    for note in draft.notes:
        yield printable(f"  note: {note}")
    for refused in draft.refused:
        yield printable(f"  left out: {refused.reason}: {refused.count} ({', '.join(refused.examples[:3])})")
