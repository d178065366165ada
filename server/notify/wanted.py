"""Which events a channel tells of."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from server.core.values import AlarmEvent
from server.settings.notify import Channel

TOLD: Mapping[str, str] = {
    "transition": "",  # active or inactive, as the event says
    "re-alarmed": "active",
    "acknowledged": "acknowledged",
    "confirmed": "acknowledged",
    "reset": "acknowledged",
    "commented": "commented",
    "shelved": "shelved",
    "unshelved": "shelved",
    "suppressed": "suppressed",
    "unsuppressed": "suppressed",
    "removed from service": "suppressed",
    "placed in service": "suppressed",
    "enabled": "disabled",
    "disabled": "disabled",
    "quality changed": "quality",
    "ended": "inactive",
}
"""Word of `tell` by the cause of an event; causes that are not here are told to nobody."""


def wanted(channel: Channel, event: AlarmEvent) -> bool:
    """Whether the channel tells of an event."""
    word = TOLD.get(event.cause)
    if word is None:
        return False
    word = word or ("active" if event.active else "inactive")
    return (
        word in channel.tell
        and event.severity >= channel.severity
        and (not channel.priorities or event.priority in channel.priorities)
        and (not channel.classes or event.condition_class in channel.classes)
        # Whoever is told that it is suppressed must be told of that very event.
        and (channel.suppressed or word in ("shelved", "suppressed") or not event.suppressed_or_shelved)
        and (not channel.devices or any(fnmatchcase(event.device_id, pattern) for pattern in channel.devices))
    )
