"""One client of a soak run: a session with one subscription, that can leave, vanish, move or be taken over."""

from __future__ import annotations

import os
import random
import struct
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary

from tests.bench.opcua import bodies
from tests.bench.opcua.link import CLIENT_URI, BrokenError, Link, ticks
from tests.bench.opcua.notifications import Counters, take
from tests.kit.raw_keys import SUITES, encrypt_for

SESSION_TIMEOUT_MS = 20_000.0
LIFETIME, KEEP_ALIVE = 20, 5  # publishing intervals: an orphan is gone soon
OUTSTANDING = 3
BATCH = 1_000
_HEADER = 28


@dataclass(frozen=True)
class Load:
    """What every member does."""

    url: str
    items: int
    nodes: int
    publishing_ms: float
    user: str
    password: str


class SoakLink(Link):
    """A connection whose sessions end soon when nobody uses them, and may have a user."""

    def sign_in(self, user: str = "", password: str = "", timeout_ms: float = SESSION_TIMEOUT_MS) -> None:
        """CreateSession and ActivateSession; the password encrypted for the server."""
        create = ua.CreateSessionRequest()
        create.Parameters = ua.CreateSessionParameters(
            ua.ApplicationDescription(
                ApplicationUri=CLIENT_URI,
                ApplicationName=ua.LocalizedText("soak"),
                ApplicationType=ua.ApplicationType.Client,
            ),
            None,
            self.url,
            "soak",
            os.urandom(32),
            None,
            timeout_ms,
            0,
        )
        created = self.call(create).Parameters
        self.token = nodeid_to_binary(created.AuthenticationToken)
        self.endpoint = next(e for e in created.ServerEndpoints if e.SecurityPolicyUri == self.uri)
        self.nonce: bytes = created.ServerNonce
        self.server_certificate = self.endpoint.ServerCertificate or created.ServerCertificate
        self.activate(self, user, password)

    def activate(self, on: Link, user: str, password: str) -> None:
        """ActivateSession of our session on a channel, which may be another."""
        kind = ua.UserTokenType.UserName if user else ua.UserTokenType.Anonymous
        offered = next(policy for policy in self.endpoint.UserIdentityTokens if policy.TokenType == kind)
        request = ua.ActivateSessionRequest()
        if user:
            uri = offered.SecurityPolicyUri
            secret = password.encode()
            plain = struct.pack("<I", len(secret) + len(self.nonce)) + secret + self.nonce
            request.Parameters.UserIdentityToken = ua.UserNameIdentityToken(
                offered.PolicyId,
                user,
                encrypt_for(self.server_certificate, uri, plain),
                SUITES[uri].policy.AsymmetricEncryptionURI,
            )
        else:
            request.Parameters.UserIdentityToken = ua.AnonymousIdentityToken(offered.PolicyId)
        self.nonce = on.call(request).Parameters.ServerNonce


@dataclass
class Totals:
    """Sums over all members, those that left included."""

    notifications: int = 0
    lost: int = 0
    repeated: int = 0
    sequence_gaps: int = 0
    opened: int = 0
    closed: int = 0
    vanished: int = 0
    transferred: int = 0
    moved: int = 0
    errors: list[str] = field(default_factory=list)
    ages: dict[float, int] = field(default_factory=dict)  # ms, since the last report


class Member:
    """A session with a subscription of `load.items` items from node `first` on."""

    def __init__(self, load: Load, first: int, totals: Totals, *, named: bool) -> None:
        self.load, self.totals, self.named = load, totals, named
        self.counters = Counters(load.items)
        self.sequence: int | None = None
        self.subscription_id = 0
        self.first = first
        self.link = self._connected()
        try:
            self._subscribe()
        except BaseException:
            self.link.socket.close()
            raise
        totals.opened += 1
        self.begin()

    def _connected(self) -> SoakLink:
        link = SoakLink(self.load.url)
        try:
            if self.named:
                link.sign_in(self.load.user, self.load.password)
            else:
                link.sign_in()
        except BaseException:
            link.socket.close()
            raise
        return link

    def _subscribe(self) -> None:
        load, link = self.load, self.link
        index = link.index()
        tail = struct.pack("<dIIIBB", load.publishing_ms, LIFETIME, KEEP_ALIVE, 0, 1, 0)
        made = link.one(bodies.Bodies(bodies.CREATE_SUBSCRIPTION, link.token, [tail]))
        self.subscription_id = made.Parameters.SubscriptionId
        for start in range(0, load.items, BATCH):
            handles = range(start, min(start + BATCH, load.items))
            numbers = [bodies.FIRST_NODE + (self.first + handle) % load.nodes for handle in handles]
            sampling_ms = random.choice((0.0, load.publishing_ms / 4))
            request = bodies.items(link.token, index, self.subscription_id, numbers, start, sampling_ms)
            for result in link.one(request).Results:
                if result.StatusCode.value:
                    raise BrokenError(f"item refused: {result.StatusCode.name}")

    def begin(self) -> None:
        """Send the first Publish requests."""
        self.link.socket.sendall(b"".join(self._publish(None) for _ in range(OUTSTANDING)))

    def _publish(self, acknowledged: tuple[int, int] | None) -> bytes:
        made = bodies.publish(self.link.token, acknowledged)
        return self.link.frame(made.next(ticks(), self.link.request_id + 1))

    def receive(self, *, again: bool = True) -> None:
        """Take what is there and, unless told otherwise, publish again for each response. Raises BrokenError."""
        frames = []
        for chunk in self.link.arrived():
            message = self.link.message(chunk)
            if message is None:
                continue
            answer = self._take(message[1])
            if answer is not None and again:
                frames.append(self._publish(answer if answer[1] else None))
        if frames:
            self.link.socket.sendall(b"".join(frames))

    def _take(self, body: bytes) -> tuple[int, int] | None:
        """Count one Publish response in; (subscription id, sequence number or 0)."""
        counters, totals = self.counters, self.totals
        before = counters.notifications, counters.lost, counters.repeated
        now = ticks()
        taken = take(body, counters)
        if taken is None:
            return None
        subscription_id, sequence, data = taken
        totals.notifications += counters.notifications - before[0]
        totals.lost += counters.lost - before[1]
        totals.repeated += counters.repeated - before[2]
        if self.sequence is not None and sequence != self.sequence + 1:
            totals.sequence_gaps += 1
        self.sequence = sequence if data else sequence - 1
        if before[0] >= self.load.items:
            # The first values are as old as their nodes' last change.
            for stamp, count in counters.ages.items():
                age = float((now - stamp) // 10_000)
                totals.ages[age] = totals.ages.get(age, 0) + count
        return subscription_id, sequence if data else 0

    # -- the churn

    def leave(self) -> None:
        """CloseSession, CLO, close."""
        self.link.close()
        self.totals.closed += 1

    def vanish(self) -> None:
        """Drop the connection: the session and its subscription have to end by themselves."""
        self.link.socket.close()
        self.totals.vanished += 1

    def taken_over(self) -> None:
        """Another session of the same user takes the subscription; the old one hears of it and closes."""
        new = self._connected()
        request = ua.TransferSubscriptionsRequest()
        request.Parameters.SubscriptionIds = [self.subscription_id]
        request.Parameters.SendInitialValues = False
        result: Any = new.call(request).Parameters.Results[0]
        if result.StatusCode.value:
            new.socket.close()
            raise BrokenError(f"transfer: {result.StatusCode.name}")
        old = self.link
        # Those sent before may all be answered by now, and the notice needs one to come with.
        old.socket.sendall(self._publish(None))
        self._drain()
        old.close()
        self.link = new
        self.totals.transferred += 1
        self.begin()

    def _drain(self) -> None:
        """Count in what the old connection still brings, up to the notice that the subscription has gone."""
        try:
            while True:
                self.receive(again=False)
        except BrokenError as error:
            if "ended" not in str(error) and "0x80790000" not in str(error):  # BadNoSubscription
                raise

    def moved(self) -> None:
        """The session goes on over another channel."""
        new = SoakLink(self.load.url)
        old = self.link
        new.token, new.endpoint = old.token, old.endpoint
        new.nonce, new.server_certificate = old.nonce, old.server_certificate
        new.activate(new, self.load.user, self.load.password)
        old.socket.setblocking(False)
        try:
            while True:
                self.receive(again=False)
        except BlockingIOError:
            pass
        except BrokenError as error:
            if "closed" not in str(error) and "0x80860000" not in str(error):  # BadSecureChannelClosed
                raise
        old.socket.close()
        self.link = new
        self.totals.moved += 1
        self.begin()
