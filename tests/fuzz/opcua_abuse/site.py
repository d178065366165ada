"""The product under attack: a process of its own with low time-outs, a bystander beside it, and its memory watched."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from asyncua import ua

from tests.kit.opcua import Identity, make_identity
from tests.kit.product import ROOT, Product, launch
from tests.kit.raw import RawChannel, RawSession, certificate_of, read_request

PLANT, LOAD = "urn:fieldloom:plant", "urn:fieldloom:load"
LIMITS = {
    "FIELDLOOM_OPCUA__ALLOW_NONE": "true",
    "FIELDLOOM_OPCUA__TEST_NODES": "true",
    "FIELDLOOM_OPCUA__LOAD_NODES": "10000",
    "FIELDLOOM_OPCUA__LOAD_PERIOD_MS": "1000",
    "FIELDLOOM_OPCUA__MAX_SESSIONS": "100",
    "FIELDLOOM_OPCUA__MIN_SESSION_TIMEOUT_MS": "1000",
    "FIELDLOOM_OPCUA__SESSION_ACTIVATION_S": "3",
    "FIELDLOOM_OPCUA__LOGIN_ATTEMPTS": "5",
    "FIELDLOOM_LIMITS__HANDSHAKE_S": "2",
    "FIELDLOOM_LIMITS__ASSEMBLY_S": "2",
    "FIELDLOOM_LIMITS__IDLE_CHANNEL_S": "6",
    "FIELDLOOM_LIMITS__CONNECTIONS": "300",
    "FIELDLOOM_LIMITS__CONNECTIONS_PER_ADDRESS": "200",
    "FIELDLOOM_LIMITS__PENDING_BYTES": str(16 * 2**20),
    "FIELDLOOM_LIMITS__UNREAD_BYTES": str(4 * 2**20),
    "FIELDLOOM_LIMITS__ITEMS": "30000",
    "FIELDLOOM_LIMITS__ITEMS_PER_SUBSCRIPTION": "10000",
    "FIELDLOOM_LIMITS__SUBSCRIPTIONS": "200",
    "FIELDLOOM_LIMITS__SUBSCRIPTIONS_PER_SESSION": "20",
}
SAMPLE_S = 0.02
SETTLE_S = 12.0
RUNAWAY_MIB = 1_500.0
FRIEND = "127.0.0.2"
"""Where decent newcomers come from: an attacker's address is capped, others are not."""


@dataclass
class Outcome:
    """What one attack did."""

    name: str
    answer: str
    seconds: float
    before_mib: float
    peak_mib: float
    after_mib: float
    bystander: dict[str, float]

    @property
    def above_mib(self) -> float:
        """Peak RSS above the baseline."""
        return self.peak_mib - self.before_mib

    @property
    def kept_mib(self) -> float:
        """RSS afterwards above the baseline."""
        return self.after_mib - self.before_mib


@dataclass
class Site:
    """A running product."""

    product: Product
    identity: Identity  # trusted
    folder: Path
    scale: int = 1  # the benchmark attacks harder than the tests
    _bystander: subprocess.Popen[bytes] | None = None
    _log_at: int = 0
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @classmethod
    async def start(cls, folder: Path, scale: int = 1) -> Site:
        """Launch it and its bystander."""
        identity = make_identity(folder / "client")
        trusted = folder / "data" / "certs" / "trusted" / "certs"
        trusted.mkdir(parents=True)
        shutil.copy(identity.certificate_file, trusted)
        site = cls(await launch(folder, "run", (), LIMITS), identity, folder, scale)
        site._begin_bystander()
        return site

    async def stop(self) -> None:
        """End both."""
        self._end_bystander()
        await self.product.stop()

    @property
    def url(self) -> str:
        """The endpoint."""
        return self.product.opcua_url

    # -- the bystander

    def _begin_bystander(self) -> None:
        self._bystander = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.opcua_abuse.bystander", self.url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._bystander.stdout is not None
        assert self._bystander.stdout.readline(), "the bystander did not come up"

    def _end_bystander(self) -> None:
        found, self._bystander = self._bystander, None
        if found is None:
            return
        assert found.stdin is not None and found.stdout is not None
        found.stdin.close()
        try:
            found.wait(10)
        except subprocess.TimeoutExpired:
            found.kill()
            found.wait()
        found.stdout.close()

    async def asked_bystander(self) -> dict[str, float]:
        """What the bystander saw since it was asked before."""
        found = self._bystander
        assert found is not None and found.stdin is not None and found.stdout is not None
        found.stdin.write(b"\n")
        found.stdin.flush()
        line = await asyncio.to_thread(found.stdout.readline)
        assert line, "the bystander was thrown out"
        return dict(json.loads(line))

    # -- the server's state

    def rss_mib(self) -> float:
        """Resident memory now."""
        return float(psutil.Process(self.product.process.pid).memory_info().rss) / 2**20

    def new_errors(self) -> list[str]:
        """Lines of the log since asked before that no attack may cause."""
        with self.product.log.open("rb") as log:
            log.seek(self._log_at)
            text = log.read()
        self._log_at += len(text)
        words = ('"error"', '"critical"', "Traceback", "Error:")
        lines = text.decode(errors="replace").splitlines()
        return [line[:400] for line in lines if any(word in line for word in words)]

    # -- an attack

    async def attack(self, attack: Attack, *, kept_mib: float = 0.0) -> Outcome:
        """Run one, then wait until memory is back within `kept_mib` of the baseline, for SETTLE_S at most."""
        self.new_errors()
        await self.asked_bystander()
        before = peak = self.rss_mib()
        begun = time.monotonic()
        task = asyncio.create_task(attack(self))  # type: ignore[arg-type]
        while not task.done():
            peak = max(peak, self.rss_mib())
            if peak - before > RUNAWAY_MIB:
                await self.product.kill()  # before it takes the machine's memory
                await asyncio.wait([task], timeout=30)
                raise AssertionError(f"{attack.__name__}: memory grew by {peak - before:.0f} MiB")
            await asyncio.wait([task], timeout=SAMPLE_S)
        answer = await task
        seconds = time.monotonic() - begun
        bystander = await self.asked_bystander()
        after = self.rss_mib()
        settled = time.monotonic() + SETTLE_S
        while after - before > kept_mib and time.monotonic() < settled:
            await asyncio.sleep(0.25)
            after = min(after, self.rss_mib())
        return Outcome(attack.__name__, answer, seconds, before, max(peak, after), after, bystander)

    # -- clients

    async def channel(self, local: str | None = None, *, secured: bool = False) -> RawChannel:
        """A channel."""
        if not secured:
            return await RawChannel.open(self.url, local=local)
        from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

        certificate = await certificate_of(self.url)
        return await RawChannel.open(
            self.url,
            SecurityPolicyBasic256Sha256,
            ua.MessageSecurityMode.SignAndEncrypt,
            self.identity,
            server_certificate=certificate,
            local=local,
        )

    async def session(
        self, local: str | None = None, *, user: str | None = None, secured: bool = False, **more: object
    ) -> RawSession:
        """An activated session, anonymous unless told otherwise; `user` is a demo account."""
        channel = await self.channel(local, secured=secured)
        password = self.product.password(user) if user else ""
        try:
            # A session that an attack leaves behind is soon gone.
            options: dict[str, Any] = {"timeout_ms": 8_000, **more}
            return await RawSession.create(channel, user=user, password=password, **options)
        except BaseException:
            await channel.close()
            raise

    def address(self) -> str:
        """Another loopback address each time: 127.0.1.1 onwards."""
        number = next(self._numbers)
        return f"127.0.{1 + number // 250 % 250}.{1 + number % 250}"

    async def index(self, session: RawSession, uri: str) -> int:
        """Index of a namespace."""
        request = read_request(ua.NodeId(ua.ObjectIds.Server_NamespaceArray))
        return int((await session.call(request)).Results[0].Value.Value.index(uri))

    async def newcomer_works(self) -> None:
        """A fresh client from elsewhere gets in, reads and leaves."""
        session = await self.session(FRIEND)
        try:
            answer = await session.call(read_request(ua.NodeId(ua.ObjectIds.Server_ServerStatus_State)))
            assert answer.Results[0].Value.Value == 0, answer.Results
            await session.close()
        finally:
            await session.channel.close()


Attack = Callable[[Site], Awaitable[str]]
