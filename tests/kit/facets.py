"""A running room for conformance tests: channels and sessions on bare frames, one trusted client."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from asyncua import ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from tests.kit.opcua import PASSWORDS, Identity, OpcUaRig, make_identity
from tests.kit.raw import RawChannel, RawSession


@cache
def client_identity() -> Identity:
    """One client certificate for all modules: keys are slow to make."""
    return make_identity(Path(mkdtemp(prefix="client")))


class Room:
    """The room with what tests ask of it."""

    def __init__(self, rig: OpcUaRig, folder: Path) -> None:
        self.rig = rig
        self.url = rig.server.url
        self.folder = folder
        self.identity = client_identity()
        (folder / "certs/trusted/certs/client.der").write_bytes(self.identity.der)

    def test(self, path: str) -> ua.NodeId:
        """A test node: `Static/Double`, `Analog` ..."""
        return self.rig.node(f"Test/{path}" if path else "Test")

    def index(self, uri: str = "urn:fieldloom:plant") -> int:
        """The index of a namespace."""
        return self.rig.namespaces.names.index(uri)

    async def channel(self, policy: Any = None, mode: ua.MessageSecurityMode | None = None, **more: Any) -> RawChannel:
        """A channel; with a policy as the trusted client."""
        return await RawChannel.open(self.url, policy, mode, self.identity if policy is not None else None, **more)

    async def secure(self, mode: ua.MessageSecurityMode = ua.MessageSecurityMode.SignAndEncrypt) -> RawChannel:
        """A Basic256Sha256 channel of the trusted client."""
        return await self.channel(SecurityPolicyBasic256Sha256, mode)

    async def session(self, channel: RawChannel, user: str = "", **more: Any) -> RawSession:
        """A session of nobody or of one of the kit's users."""
        if user:
            more |= {"user": user, "password": PASSWORDS[user][1]}
        return await RawSession.create(channel, **more)
