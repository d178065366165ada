"""One thing told on one channel: the event, and what its reader has to know of the alarm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.core.clock import TimeUs, to_iso
from server.core.texts import NO_TEXT, Texts
from server.core.values import AlarmEvent
from server.database import alarm_rows
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device

TEST = "test"
"""Cause of a message that somebody sends to try a channel."""


class SendError(Exception):
    """A message could not be handed over.

    Attributes:
        permanent: it never will be: the other side has refused this very message.
    """

    def __init__(self, text: str, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Message:
    """What is kept in the outbox and handed to a channel."""

    message_id: str  # "<channel>:<EventId in hex>": the same at every try
    event: AlarmEvent
    label: Texts = NO_TEXT
    place: tuple[str, ...] = ()
    cause: Texts = NO_TEXT
    consequence: Texts = NO_TEXT
    action: Texts = NO_TEXT
    response_s: float = 0.0

    @property
    def key(self) -> str:
        """What the receiver knows a second delivery by: the EventId."""
        return self.message_id.partition(":")[2]

    def as_json(self) -> dict[str, Any]:
        """The document that webhooks get."""
        event = self.event
        return {
            "type": "alarm.test" if event.cause == TEST else "alarm.event",
            "timestamp": to_iso(event.time),
            "data": {
                "id": event.condition_id,
                "event_id": event.event_id.hex(),
                "branch_id": event.branch_id or None,
                "device_id": event.device_id,
                "place": list(self.place),
                "name": event.name,
                "label": dict(self.label.by_language),
                "kind": event.kind,
                "cause": event.cause,
                "message": event.message,
                "severity": event.severity,
                "priority": event.priority,
                "class": event.condition_class,
                "active": event.active,
                "acked": event.acked,
                "confirmed": event.confirmed,
                "retain": event.retain,
                "level": event.limit_state,
                "receive_time": to_iso(event.receive_time),
                "comment": event.comment,
                "user": event.user or event.comment_user,
                "consequence": dict(self.consequence.by_language),
                "action": dict(self.action.by_language),
                "response_s": self.response_s or None,
            },
        }


def message_of(channel: str, event: AlarmEvent, spec: AlarmSpec | None, device: Device | None) -> Message:
    """The message of an event for a channel."""
    why = spec.rationale if spec is not None else None
    return Message(
        f"{channel}:{event.event_id.hex()}",
        event,
        spec.label if spec is not None else NO_TEXT,
        device.path if device is not None else (),
        why.cause if why else NO_TEXT,
        why.consequence if why else NO_TEXT,
        why.action if why else NO_TEXT,
        why.response_s if why else 0.0,
    )


def to_text(message: Message) -> str:
    """A message as it is kept."""
    texts = {name: dict(getattr(message, name).by_language) for name in ("label", "cause", "consequence", "action")}
    body = {"event": alarm_rows.to_text(message.event), "place": message.place, "response_s": message.response_s}
    return json.dumps({**body, **{name: value for name, value in texts.items() if value}})


def from_text(message_id: str, text: str) -> Message:
    """The message that `to_text` wrote."""
    body: Mapping[str, Any] = json.loads(text)
    return Message(
        message_id,
        alarm_rows.from_text(body["event"]),
        Texts(body.get("label", {})),
        tuple(body.get("place", ())),
        Texts(body.get("cause", {})),
        Texts(body.get("consequence", {})),
        Texts(body.get("action", {})),
        float(body.get("response_s", 0.0)),
    )


def trial_event(now: TimeUs, event_id: bytes, user: str) -> AlarmEvent:
    """An event that is none, to try a channel."""
    return AlarmEvent(
        condition_id="Fieldloom/Alarms/Test",
        device_id="Fieldloom",  # type: ignore[arg-type]
        name="Test",
        kind="test",
        event_id=event_id,
        time=now,
        receive_time=now,
        message=f"This is a test of the notification channel, asked for by {user}",
        severity=100,
        active=False,
        acked=True,
        retain=False,
        cause=TEST,
        priority="low",
    )
