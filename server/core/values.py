"""The arrows of the flow: what one room hands to the next. Nobody downstream changes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NewType

from server.core import status
from server.core.clock import TimeUs
from server.core.status import StatusCode

DeviceId = NewType("DeviceId", str)
Scalar = bool | int | float | str | bytes
"""What a parameter's value is in Python; the ParameterSpec says which UA type it has on the wire."""


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One message as a source received it."""

    topic: str
    payload: bytes
    received_at: TimeUs
    retained: bool = False
    correlation: bytes | None = None
    token: object | None = None  # what the source needs to acknowledge it; None when nothing is to be acknowledged


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One message for a source to send, QoS 1."""

    topic: str
    payload: bytes
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """Values of one device at one time, as a codec read them from one message (or one row of it)."""

    type_id: str  # DeviceType.type_id of the package whose binding matched the topic
    device_id: DeviceId
    values: tuple[tuple[str, Scalar | None, StatusCode], ...]  # (EDD identifier, value, StatusCode)
    source_time: TimeUs
    received_at: TimeUs
    retained: bool = False  # came as a retained message: never raises a new alarm by itself
    facility: str | None = None  # plant assets: where it stands
    attributes: Mapping[str, str] = field(
        default_factory=dict
    )  # model, firmware …: nameplate facts the payload carries


class UpdateKind(Enum):
    """Where a PointUpdate stands against the live value."""

    LIVE = "live"  # becomes the live value and goes to history
    LATE = "late"  # older than the live value: history only
    STALE = "stale"  # silence: status changes, value and source time stay; live only, plus a history marker


@dataclass(frozen=True, slots=True)
class PointUpdate:
    """One accepted value of one parameter."""

    device_id: DeviceId
    parameter: str
    value: Scalar | None
    status: StatusCode
    source_time: TimeUs
    server_time: TimeUs
    kind: UpdateKind = UpdateKind.LIVE
    retained: bool = False


class ChangeKind(Enum):
    """What a ModelChange did."""

    TYPE_ADDED = "type_added"
    TYPE_REMOVED = "type_removed"
    DEVICE_ADDED = "device_added"
    DEVICE_REMOVED = "device_removed"
    TYPE_CHANGED = "type_changed"  # another version of a type took over; its devices follow as DEVICE_CHANGED
    DEVICE_CHANGED = "device_changed"  # the same device under another version of its type: NodeIds stay


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A device type or device that came or went; travels through the same sinks as values."""

    kind: ChangeKind
    type_id: str
    device_id: DeviceId | None = None
    removed: tuple[str, ...] = ()  # DEVICE_CHANGED: parameters that the device has no longer


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, from which door."""

    user: str  # "anonymous" when nobody signed in
    role: str  # viewer, operator, engineer, admin; "anonymous" has none
    door: str  # "opcua", "http", "cli", "internal"
    address: str = ""
    session: str = ""
    application: str = ""  # ApplicationUri of an OPC UA client: with the user, who owns a lock


INTERNAL = Caller(user="fieldloom", role="admin", door="internal")


@dataclass(frozen=True, slots=True)
class Command:
    """A wish for a device. It changes nothing here; the device's echo does."""

    device_id: DeviceId
    name: str  # name in the binding's command table, as on the wire: "trip", "set_threshold"
    params: Mapping[str, Scalar]
    caller: Caller


@dataclass(frozen=True, slots=True)
class CommandResponse:
    """The device's answer as decoded from the response topic."""

    command_id: str
    outcome: str  # "done", "rejected", "failed"
    reason: str
    values: Mapping[str, Scalar]
    received_at: TimeUs
    device_id: DeviceId | None = None  # the device whose topic carried it, when the topic names one


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended, after its echo has passed the normal way in."""

    status: StatusCode
    reason: str = ""
    values: Mapping[str, Scalar] = field(default_factory=dict)
    argument_status: tuple[StatusCode, ...] = ()  # per argument, when status is BAD_INVALID_ARGUMENT

    @property
    def ok(self) -> bool:
        return status.is_good(self.status)


@dataclass(frozen=True, slots=True)
class EnteredEvent:
    """An event that came into the journal from outside (OPC 10000-11, 6.9.4): no condition stands behind it."""

    event_id: bytes
    notifier: str  # identifier of the device or place it was entered at; "": the Server
    time: TimeUs
    severity: int  # 1..1000
    fields: Mapping[str, bytes]  # by browse path, as Variants of OPC 10000-6


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One state of one condition, as its last transition left it. All doors show exactly this."""

    condition_id: str  # "<device_id>/Alarms/<name>", also the NodeId string
    device_id: DeviceId
    name: str  # ConditionName: parameter, or "Trip"
    kind: str  # a file of server/alarms/conditions: "exclusive_limit", "trip" …
    event_id: bytes  # 16 bytes, unique across restarts
    time: TimeUs  # when it happened at the source
    receive_time: TimeUs  # when the server saw it
    message: str
    severity: int  # 1..1000
    active: bool
    acked: bool
    retain: bool
    enabled: bool = True
    limit_state: str = ""  # level: "" normal, "HighHigh" … ; several joined by ", " for a non-exclusive limit
    active_time: TimeUs | None = None  # when it last became active
    annunciated: TimeUs | None = None  # when it last asked for attention: re-alarms count from it
    level_time: TimeUs | None = None  # when `limit_state` last changed
    acked_time: TimeUs | None = None
    comment: str = ""
    comment_user: str = ""  # who wrote the comment, ClientUserId
    user: str = ""  # who acted, when this event is of an action
    quality: StatusCode = status.GOOD
    last_severity: int = 0
    value: Scalar | None = None  # of the input that caused it
    input_parameter: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)  # HighHigh, High, Low, LowLow as judged
    cause: str = "transition"  # what made this event: a word of CAUSES
    branch_id: str = ""  # "": the current state; else an earlier one that still has to be acknowledged or confirmed
    has_confirm: bool = False  # ConfirmedState exists
    confirmed: bool = True
    confirmed_time: TimeUs | None = None
    comment_time: TimeUs | None = None
    inactive_time: TimeUs | None = None  # last time it became inactive
    enabled_time: TimeUs | None = None  # last time it was enabled or disabled
    severity_time: TimeUs | None = None  # last time Severity changed: of LastSeverity
    quality_time: TimeUs | None = None
    shelving: str = "Unshelved"  # "Unshelved", "TimedShelved", "OneShotShelved"
    shelved_time: TimeUs | None = None  # last change of `shelving`
    unshelve_time: TimeUs | None = None  # when it ends by itself
    suppressed: bool = False  # by design
    suppressed_time: TimeUs | None = None
    suppressed_by: tuple[str, ...] = ()  # "operator" and names of suppression groups, sorted
    out_of_service: bool = False
    out_of_service_time: TimeUs | None = None
    has_silence: bool = False  # SilenceState exists: the alarm is audible
    silenced: bool = False
    silenced_time: TimeUs | None = None
    has_latch: bool = False  # LatchedState exists
    latched: bool = False
    latched_time: TimeUs | None = None
    re_alarms: int = 0  # ReAlarmRepeatCount
    first_in_group: bool = False  # FirstInGroupFlag
    priority: str = ""  # "critical", "high", "medium", "low"
    condition_class: str = "Process"  # a name of model.alarm_spec.CLASSES
    earlier_ids: tuple[bytes, ...] = ()  # EventIds that named this state before, oldest first: they still count

    @property
    def suppressed_or_shelved(self) -> bool:
        """SuppressedOrShelved (OPC 10000-9, 5.8.2): not to be shown to operators now."""
        return self.suppressed or self.out_of_service or self.shelving != "Unshelved"


CAUSES = (
    "transition",  # became active, inactive, or its level changed
    "acknowledged",
    "confirmed",
    "commented",
    "enabled",
    "disabled",
    "shelved",
    "unshelved",
    "suppressed",
    "unsuppressed",
    "removed from service",
    "placed in service",
    "silenced",
    "latched",
    "reset",
    "re-alarmed",
    "branched",  # the state before this activation became a branch
    "quality changed",  # of the input, while the condition is retained
    "ended",  # the condition no longer exists
)
