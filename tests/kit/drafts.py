"""Messages for drafts, and what a draft's package makes of them: built, read back and decoded like live traffic."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bridge.codec import CodecLimits, Decoded, PayloadError
from bridge.codecs.pointer_json import CODEC
from bridge.routing import Router
from server.core.values import Measurement, RawMessage
from server.fdi.build import assemble, check_package
from server.fdi.draft.infer import infer
from server.fdi.draft.limits import DEFAULT_LIMITS, DraftLimits
from server.fdi.draft.model import DraftModel, DraftParameter, Naming
from server.fdi.draft.sample import Sample
from server.fdi.draft.write import write
from server.model.device_type import DeviceType

RECEIVED = 1_767_600_000_000_000  # 2026-01-05T08:00:00Z
NAMING = Naming(package_id="5b1f0c66-3d0b-4c0b-8f0e-6f4b9d8c2a11", name="Pump P7", manufacturer="Example Pumps")


def message(topic: str, content: Any, *, received_at: int = RECEIVED) -> RawMessage:
    """One message; bytes go as they are, everything else as JSON."""
    payload = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    return RawMessage(topic, payload, received_at)


def drafted(
    messages: Iterable[RawMessage], asked: Sequence[str] = ("#",), limits: DraftLimits = DEFAULT_LIMITS
) -> DraftModel:
    """The draft of messages that all fit."""
    sample = Sample(limits)
    sample.take(messages)
    return infer(sample, asked, NAMING)


def built(draft: DraftModel) -> DeviceType:
    """The device type of the draft's package, through everything that a build checks."""
    data, _ = assemble({name: text.encode() for name, text in write(draft).items()})
    (device_type,) = check_package(data).device_types
    return device_type


def parameters(draft: DraftModel) -> dict[str, DraftParameter]:
    return {parameter.name: parameter for parameter in draft.parameters}


def decode(device_type: DeviceType, raw: RawMessage) -> Decoded:
    """What the bridge makes of a message when only this type is installed."""
    route = Router([device_type.binding]).route(raw.topic)
    if route is None:
        found = Decoded()
        found.problems.append(PayloadError("unknown_topic"))
        return found
    return CODEC.decode(raw, route, CodecLimits())


def values(measurement: Measurement) -> Mapping[str, Any]:
    return {name: value for name, value, _ in measurement.values}
