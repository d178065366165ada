"""What the transport tells the layer above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from server.opcua.transport.channel import SecureChannel


class Receiver(Protocol):
    """The layer above: sessions and services. None of its methods may raise or block."""

    def message(self, channel: SecureChannel, request_id: int, body: bytes) -> None:
        """One whole request, checked and decrypted; it begins with the NodeId of its encoding."""

    def channel_opened(self, channel: SecureChannel, renewed: bool) -> None:
        """A channel was opened, or got a new token."""

    def channel_refused(self, address: str, code: int, reason: str, certificate: bytes | None, policy_uri: str) -> None:
        """An OPN, or a message of a secured channel, was refused: the true code and reason, for the audit trail.

        `certificate` is what the peer presented, unchecked; None when it presented none.
        """

    def channel_closed(self, channel: SecureChannel) -> None:
        """A channel that was opened is gone: by CLO, by a lost connection, by a time-out or by an error."""
