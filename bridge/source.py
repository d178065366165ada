"""What a transport can do: hand messages over in batches, take some to send, acknowledge what is durable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from server.core.values import OutboundMessage, RawMessage

Deliver = Callable[[Sequence[RawMessage]], Awaitable[None]]


class Source(Protocol):
    """One connection to a world of topics."""

    async def run(self, deliver: Deliver) -> None:
        """Connect, stay connected and hand over batches in order of receipt, until cancelled."""

    def subscribe(self, topics: Sequence[str]) -> None:
        """The topic filters wanted from now on; new ones are asked for at once."""

    async def send(self, message: OutboundMessage) -> None:
        """Publish at QoS 1.

        Raises:
            RemoteError: not connected, or refused.
        """

    def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        """These are durable: the sender may forget them. In order of receipt."""

    def renounce(self, reason: str) -> None:
        """What was handed over and not acknowledged must come again: give the connection up and take a new one."""

    def health(self) -> Mapping[str, object]:
        """connected, broker, reconnects and counters."""
