"""A secure channel without keys or sockets: services answer on it, tests look at what they said."""

from __future__ import annotations

from server.opcua.roles import MODE_SIGN_AND_ENCRYPT


class FakeChannel:
    """Keeps what was sent, with the request ids."""

    policy_uri = ""
    address = "127.0.0.1"
    peer_certificate: bytes | None = None
    peer_chain: bytes | None = None
    own_certificate = b""
    signature_uri = ""
    max_response_bytes = 0
    opened = True
    activated = True
    congested = False

    def __init__(self, channel_id: int = 1, mode: int = MODE_SIGN_AND_ENCRYPT) -> None:
        self.channel_id = channel_id
        self.mode = mode
        self.sent: list[tuple[int, bytes]] = []

    def send(self, request_id: int, body: bytes) -> None:
        """Keep an answer."""
        self.sent.append((request_id, body))

    def sign_with_own_key(self, data: bytes) -> bytes:
        """There is no key."""
        return b""

    def verify_with_peer_key(self, data: bytes, signature: bytes) -> bool:
        """There is no key."""
        return False
