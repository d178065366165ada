"""From a request's bytes to its service and back: sessions, faults, counters, and what goes on beside the channel."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog
from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from server.core.clock import Clock
from server.core.errors import IntegrationError
from server.opcua.services.context import Channel, Request, Session
from server.opcua.services.fault import ServiceFault
from server.opcua.services.guard import DEFAULT_LIMITS, DecodeLimits, MessageError, guarded
from server.opcua.transport.framing import ResponseTooLargeError
from server.opcua.wire.headers import HeaderError, read_header, request_type, response_header, service_fault
from server.opcua.wire.ticks import to_ticks

log = structlog.get_logger("fieldloom.opcua")
_S = ua.StatusCodes
BROKEN = (
    MessageError,
    ua.UaError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    struct.error,
    OverflowError,
)
"""What the stack's decoder raises for bytes that are no such structure."""

FastHandler = Callable[[Request], bytes | None]
"""Works on bytes. Returns the response body, None when it will be answered later, or NOT_MINE."""
SECURITY_REASONS = frozenset(
    {
        _S.BadUserAccessDenied,
        _S.BadSecurityChecksFailed,
        _S.BadSecurityModeInsufficient,
        _S.BadSecurityPolicyRejected,
        _S.BadIdentityTokenInvalid,
        _S.BadIdentityTokenRejected,
        _S.BadUserSignatureInvalid,
        _S.BadApplicationSignatureInvalid,
        _S.BadCertificateInvalid,
        _S.BadCertificateUriInvalid,
        _S.BadNonceInvalid,
        _S.BadSessionIdInvalid,
        _S.BadSessionNotActivated,
        _S.BadSecureChannelIdInvalid,
    }
)
"""Service results that count as rejected for security (OPC 10000-5, 12.9)."""
LONG_BYTES = 64 * 1024
"""A longer request is decoded beside the event loop: the longest one that is taken needs a second."""
_HEADER_BYTES = 28
"""TypeId and ResponseHeader without a result, diagnostics or strings, as the stack encodes them."""
NOT_MINE = b""
"""A fast handler leaves the request to the service."""
Handler = Callable[[Request, Any], Any]
"""(request, decoded parameters) -> response structure, or an awaitable of one, or None when answered later."""


@dataclass(frozen=True, slots=True)
class Service:
    """How one request type is answered."""

    name: str
    parameters: type
    whole: bool  # `parameters` is the request itself, TypeId and header included
    handler: Handler
    needs: str  # "nothing", "session" (created), "active"


class Sessions(Protocol):
    """What the dispatcher asks of the session table."""

    def find(self, token: bytes) -> Session | None: ...


def request_number(name: str) -> int:
    """NodeId of the binary encoding of a request or response structure in namespace 0."""
    return int(getattr(ua.ObjectIds, f"{name}_Encoding_DefaultBinary"))


class Dispatcher:
    """Receives whole requests of all channels."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        *,
        aside_limit: int = 64,
        line_limit: int = 1_000,
        decode: DecodeLimits = DEFAULT_LIMITS,
    ) -> None:
        """Of one channel, `aside_limit` requests wait for devices or disks at once, `line_limit` stand in line."""
        self._sessions = sessions
        self._clock = clock
        self._aside_limit = aside_limit
        self._most_waiting = aside_limit + line_limit
        self._turns: dict[int, asyncio.Semaphore] = {}  # channel id -> who may go on
        self._decode = decode
        self._services: dict[int, Service] = {}
        self._fast: dict[int, FastHandler] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[int, int] = {}  # channel id -> requests that wait for devices or disks
        self.requests = 0
        self.rejected = 0  # ServerDiagnosticsSummary: RejectedRequestsCount
        self.security_rejected = 0
        self.on_channel_opened: list[Callable[[Any, bool], None]] = []
        self.on_channel_closed: list[Callable[[Any], None]] = []
        self.on_channel_refused: list[Callable[[str, int, str, bytes | None, str], None]] = []

    # -- registration

    def register(self, name: str, handler: Handler, *, needs: str = "active", parameters: type | None = None) -> None:
        """Let a service answer `<name>Request`; `parameters` stands in for the stack's structure of them."""
        own = parameters or getattr(ua, f"{name}Parameters", None)
        whole = own is None  # the stack has no structure of its own for the parameters: the whole request it is
        kind = own or getattr(ua, f"{name}Request")
        self._services[request_number(f"{name}Request")] = Service(name, kind, whole, handler, needs)

    def register_fast(self, name: str, handler: FastHandler) -> None:
        """Let a byte-level handler look at `<name>Request` of activated sessions first."""
        self._fast[request_number(f"{name}Request")] = handler

    # -- transport.Receiver

    def message(self, channel: Channel, request_id: int, body: bytes) -> None:
        """One whole request. Never raises for what a client sends."""
        self.requests += 1
        try:
            number = request_type(body)
            token, handle, _timeout, at = read_header(body)
        except HeaderError as error:
            log.info("request_refused", peer=channel.address, reason=str(error))
            self.rejected += 1
            self._send(channel, request_id, service_fault(0, _S.BadDecodingError, self.ticks()))
            return
        service = self._services.get(number)
        if service is None:
            self.rejected += 1
            self._send(channel, request_id, service_fault(handle, _S.BadServiceUnsupported, self.ticks()))
            return
        request = Request(channel, request_id, handle, body, at, service.name)
        try:
            self._enter(service, request, token)
            fast = self._fast.get(number)
            if fast is not None:
                answer = fast(request)
                if answer is None:
                    return
                if answer is not NOT_MINE:
                    request.answered = True
                    self._send(channel, request_id, answer, request)
                    return
            self._serve(service, request)
        except ServiceFault as fault:
            self.fault(request, fault.code)

    def channel_opened(self, channel: Any, renewed: bool) -> None:
        """A channel was opened or renewed."""
        for listener in self.on_channel_opened:
            listener(channel, renewed)

    def channel_refused(self, address: str, code: int, reason: str, certificate: bytes | None, policy_uri: str) -> None:
        """A channel was not opened, or its messages broke its security."""
        for listener in self.on_channel_refused:
            listener(address, code, reason, certificate, policy_uri)

    def channel_closed(self, channel: Any) -> None:
        """A channel ended; its sessions live on until their time-out."""
        for listener in self.on_channel_closed:
            listener(channel)

    # -- steps

    def _enter(self, service: Service, request: Request, token: bytes) -> None:
        """Find the session and see that it may ask (OPC 10000-4, 5.7)."""
        if service.needs == "nothing":
            return
        session = self._sessions.find(token)
        if session is None or session.closed:
            raise ServiceFault(_S.BadSessionIdInvalid)
        request.session = session
        counter = session.counters.get(service.name)
        if counter is None:
            counter = session.counters[service.name] = [0, 0]
        counter[0] += 1
        if service.needs == "session":
            return
        if session.channel is not request.channel:
            raise ServiceFault(_S.BadSecureChannelIdInvalid)
        if not session.activated:
            raise ServiceFault(_S.BadSessionNotActivated)
        session.last_seen = self._clock.monotonic()

    def _serve(self, service: Service, request: Request) -> None:
        if len(request.body) > LONG_BYTES:
            self._aside(request, self._long(service, request))
            return
        result = service.handler(request, self._decoded(service, request))
        if result is None:
            return
        if isinstance(result, Awaitable):
            self._aside(request, result)
        else:
            self.respond(request, result)

    async def _long(self, service: Service, request: Request) -> Any:
        """A request that takes long to decode: others are answered meanwhile."""
        params = await asyncio.to_thread(self._decoded, service, request)
        session = request.session
        if session is not None and service.needs == "active":
            # Much may have happened to the session meanwhile.
            if session.closed:
                raise ServiceFault(_S.BadSessionClosed)
            if session.channel is not request.channel:
                raise ServiceFault(_S.BadSecureChannelIdInvalid)
        result = service.handler(request, params)
        return await result if isinstance(result, Awaitable) else result

    def _decoded(self, service: Service, request: Request) -> Any:
        """The parameters. Raises ServiceFault when the bytes are none, or too much."""
        try:
            at = 0 if service.whole else request.at
            buffer = guarded(
                service.parameters, request.body, at, trusted=request.channel.activated, limits=self._decode
            )
            return struct_from_binary(service.parameters, buffer)
        except RecursionError:
            raise ServiceFault(_S.BadEncodingLimitsExceeded) from None
        except MessageError as error:
            raise ServiceFault(error.code) from None
        except BROKEN as error:
            log.info("request_refused", peer=request.channel.address, service=service.name, reason=str(error)[:200])
            raise ServiceFault(_S.BadDecodingError) from None

    def _aside(self, request: Request, work: Awaitable[Any]) -> None:
        """Go on with a request that waits for a device or a disk; others of its channel are answered meanwhile."""
        key = request.channel.channel_id
        if self._waiting.get(key, 0) >= self._most_waiting:
            if asyncio.iscoroutine(work):
                work.close()
            raise ServiceFault(_S.BadResourceUnavailable)
        self._waiting[key] = self._waiting.get(key, 0) + 1
        turns = self._turns.get(key)
        if turns is None:
            turns = self._turns[key] = asyncio.Semaphore(self._aside_limit)
        task = asyncio.ensure_future(self._finish(request, work, turns))
        self._tasks.add(task)
        request.cancel = partial(_cancel, task)
        if request.session is not None:
            request.session.pending.setdefault(request.handle, set()).add(request)

        def done(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            left = self._waiting[key] - 1
            if left:
                self._waiting[key] = left
            else:
                del self._waiting[key], self._turns[key]
            if asyncio.iscoroutine(work):
                work.close()  # one that was cancelled before its first step
            error = None if finished.cancelled() else finished.exception()
            if error is not None:
                log.error("request_failed", service=request.name, exc_info=error)
                self.fault(request, _S.BadInternalError)
            self.settled(request)

        task.add_done_callback(done)

    async def _finish(self, request: Request, work: Awaitable[Any], turns: asyncio.Semaphore) -> None:
        try:
            async with turns:
                response = await work
                if response is not None:  # else the service has answered, or will
                    self.respond(request, response)
        except ServiceFault as fault:
            self.fault(request, fault.code)
        except IntegrationError as error:
            self.fault(request, error.status)

    def settled(self, request: Request) -> None:
        """The request waits no longer."""
        session = request.session
        if session is not None:
            waiting = session.pending.get(request.handle)
            if waiting is not None:
                waiting.discard(request)
                if not waiting:
                    del session.pending[request.handle]

    # -- answers

    def respond(self, request: Request, response: Any) -> None:
        """Encode and send a response structure of the stack, whose ResponseHeader is left as it was made."""
        try:
            encoded = struct_to_binary(response)
        except (ua.UaError, struct.error, ValueError, TypeError, AttributeError) as error:
            log.error("response_not_encodable", service=request.name, reason=f"{type(error).__name__}: {error}")
            self.fault(request, _S.BadEncodingError)
            return
        # The stack wrote an empty header of fixed size; ours takes its place.
        number = int.from_bytes(encoded[2:4], "little")
        self.respond_bytes(request, response_header(number, request.handle, self.ticks()) + encoded[_HEADER_BYTES:])

    def respond_bytes(self, request: Request, body: bytes) -> None:
        """Send a whole response body."""
        if not request.answered:
            request.answered = True
            self._send(request.channel, request.request_id, body, request)

    def fault(self, request: Request, code: int) -> None:
        """Answer with a ServiceFault."""
        if request.answered:
            return
        request.answered = True
        session = request.session
        if session is not None:
            session.counters.setdefault(request.name, [0, 0])[1] += 1
            if code == _S.BadUserAccessDenied:
                session.unauthorized += 1
        self.rejected += 1
        if code in SECURITY_REASONS:
            self.security_rejected += 1
        self._send(request.channel, request.request_id, service_fault(request.handle, code, self.ticks()))

    def header(self, number: int, request: Request) -> bytes:
        """TypeId and good ResponseHeader for a byte-level answer."""
        return response_header(number, request.handle, self.ticks())

    def ticks(self) -> int:
        """Now, as the wire has it."""
        return to_ticks(self._clock.now())

    def _send(self, channel: Channel, request_id: int, body: bytes, request: Request | None = None) -> None:
        session = request.session if request is not None else None
        limit = session.max_response_bytes if session is not None else 0
        try:
            if limit and len(body) > limit:
                raise ResponseTooLargeError
            channel.send(request_id, body)
        except ResponseTooLargeError:
            if request is None:
                raise
            request.answered = False
            self.fault(request, _S.BadResponseTooLarge)

    async def stop(self) -> None:
        """End what still goes on."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
