"""Publish requests of a session, waiting for something to carry (OPC 10000-4, 5.14.5)."""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from asyncua import ua

from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import NOT_MINE, Dispatcher
from server.opcua.services.fault import ServiceFault
from server.opcua.services.notification import (
    NO_LIST,
    PUBLISH_RESPONSE,
    PublishError,
    message,
    publish_result,
    read_publish,
    sequence_list,
    status_notification,
    timeout_hint,
)
from server.opcua.services.schedule import Timer

if TYPE_CHECKING:
    from server.opcua.services.engine import SubscriptionEngine
    from server.opcua.services.subscription import Subscription

_S = ua.StatusCodes
STATUS_MESSAGES = 100
"""StatusChangeNotifications that wait for a session at most; the oldest go."""


class Waiting:
    """One Publish request in the queue."""

    __slots__ = ("deadline", "request", "results")

    def __init__(self, request: Request, results: bytes, deadline: float) -> None:
        self.request = request
        self.results = results  # of its acknowledgements, encoded
        self.deadline = deadline  # monotonic seconds; infinite without a TimeoutHint


class PublishQueue:
    """What one session has asked to publish, and the last words of subscriptions that it lost."""

    __slots__ = ("statuses", "timer", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Waiting] = deque()
        self.statuses: deque[tuple[int, int, int]] = deque(maxlen=STATUS_MESSAGES)  # subscription, sequence, code
        self.timer: Timer | None = None  # of the earliest deadline


class PublishService:
    """Publish: acknowledgements, the queue of requests, and who gets the next one."""

    def __init__(self, engine: SubscriptionEngine) -> None:
        self._engine = engine
        self._dispatcher: Dispatcher | None = None

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer Publish."""
        self._dispatcher = dispatcher
        dispatcher.register("Publish", _unreadable)
        dispatcher.register_fast("Publish", self.publish)
        dispatcher.on_channel_closed.append(self._channel_closed)

    @property
    def dispatcher(self) -> Dispatcher:
        """Where answers go."""
        if self._dispatcher is None:
            raise RuntimeError("the service is not registered")
        return self._dispatcher

    # -- the request

    def publish(self, request: Request) -> bytes | None:
        """Take a Publish request in."""
        session = request.session
        if session is None:
            raise ServiceFault(_S.BadSessionIdInvalid)
        body = request.body
        try:
            acknowledged = read_publish(body, request.at)
        except PublishError:
            return NOT_MINE
        queue = session.publish
        if not session.subscriptions and (queue is None or not queue.statuses):
            raise ServiceFault(_S.BadNoSubscription)
        if queue is None:
            queue = self.queue(session)
        results = NO_LIST
        if acknowledged is not None:
            subscriptions = session.subscriptions
            codes: list[int] = []
            for subscription_id, sequence in acknowledged:
                subscription = subscriptions.get(subscription_id)
                codes.append(
                    int(_S.BadSubscriptionIdInvalid) if subscription is None else subscription.acknowledge(sequence)
                )
            results = sequence_list(codes)
        hint = timeout_hint(body, request.at)
        deadline = self._engine.scheduler.now() + hint / 1000 if hint else math.inf
        waiting = queue.waiting
        if len(waiting) >= self._engine.limits.publish_requests:
            self._refuse(waiting.popleft(), _S.BadTooManyPublishRequests)
        waiting.append(Waiting(request, results, deadline))
        if hint and (queue.timer is None or deadline < queue.timer.due):
            self._watch(queue)
        if queue.statuses or any(subscription.late for subscription in session.subscriptions.values()):
            self.serve(session)
        return None

    def queue(self, session: Session) -> PublishQueue:
        """The session's queue, made when it has none."""
        queue = session.publish
        if queue is None:
            queue = session.publish = PublishQueue()
            self._engine.watch_session(session)
        return queue  # type: ignore[no-any-return]

    # -- answers

    def take(self, session: Session) -> Waiting | None:
        """The oldest Publish request that waits, or None."""
        queue = session.publish
        if queue is None:
            return None
        waiting = queue.waiting
        while waiting:
            entry: Waiting = waiting.popleft()
            if not entry.request.answered:
                return entry
        return None

    def available(self, session: Session) -> bool:
        """True when a Publish request waits that can be answered; a client that reads too slowly is not sent more."""
        return self.waits(session) and session.channel is not None and not session.channel.congested

    def waits(self, session: Session) -> bool:
        """True when a Publish request waits, answerable now or not."""
        queue = session.publish
        channel = session.channel
        if queue is None or channel is None:
            return False
        waiting = queue.waiting
        while waiting and waiting[0].request.answered:
            waiting.popleft()
        return bool(waiting)

    def answer(self, entry: Waiting, subscription_id: int, available: bytes, more: bool, notification: bytes) -> None:
        """Answer a Publish request that was taken."""
        dispatcher = self.dispatcher
        request = entry.request
        dispatcher.respond_bytes(
            request,
            dispatcher.header(PUBLISH_RESPONSE, request)
            + publish_result(subscription_id, available, more, notification, entry.results),
        )

    def serve(self, session: Session) -> None:
        """Give waiting requests to lost subscriptions' last words, then to who is late, the highest priority first."""
        queue = session.publish
        while queue is not None and self.available(session):
            if queue.statuses:
                entry = self.take(session)
                if entry is not None:
                    subscription_id, sequence, code = queue.statuses.popleft()
                    now = self.dispatcher.ticks()
                    self.answer(
                        entry, subscription_id, NO_LIST, False, message(sequence, now, (status_notification(code),))
                    )
                continue
            late: list[Subscription] = [entry for entry in session.subscriptions.values() if entry.late]
            if not late:
                break
            max(late, key=lambda subscription: (subscription.priority, -subscription.late_since)).publish_late()
        self.settle_empty(session)

    def settle_empty(self, session: Session) -> None:
        """A session without subscriptions has nothing to wait for: BadNoSubscription for what still waits."""
        if not session.subscriptions and session.publish is not None and not session.publish.statuses:
            self.refuse_all(session, _S.BadNoSubscription)

    def last_words(self, session: Session, subscription_id: int, sequence: int, code: int) -> None:
        """Tell a session what became of a subscription that it has no longer."""
        self.queue(session).statuses.append((subscription_id, sequence, code))
        self.serve(session)

    def refuse_all(self, session: Session, code: int) -> None:
        """Answer everything that waits with a fault."""
        queue = session.publish
        if queue is not None:
            while queue.waiting:
                self._refuse(queue.waiting.popleft(), code)
            if queue.timer is not None:
                self._engine.scheduler.cancel(queue.timer)
                queue.timer = None

    def cancel(self, session: Session, handle: int) -> int:
        """Answer waiting requests of this handle BadRequestCancelledByClient; how many (OPC 10000-4, 5.7.5)."""
        queue = session.publish
        found = [entry for entry in queue.waiting if entry.request.handle == handle] if queue is not None else []
        for entry in found:
            queue.waiting.remove(entry)
            self._refuse(entry, _S.BadRequestCancelledByClient)
        return len(found)

    def session_moved(self, session: Session) -> None:
        """Requests that wait on the former channel could not be answered there (5.7.3.1)."""
        queue = session.publish
        if queue is not None:
            for entry in [entry for entry in queue.waiting if entry.request.channel is not session.channel]:
                queue.waiting.remove(entry)
                self._refuse(entry, _S.BadSecureChannelClosed)

    # -- steps

    def _refuse(self, entry: Waiting, code: int) -> None:
        self.dispatcher.fault(entry.request, int(code))

    def _watch(self, queue: PublishQueue) -> None:
        """Wake up for the earliest deadline."""
        if queue.timer is not None:
            self._engine.scheduler.cancel(queue.timer)
            queue.timer = None
        earliest = min((entry.deadline for entry in queue.waiting), default=math.inf)
        if earliest < math.inf:
            queue.timer = self._engine.scheduler.at(earliest, partial(self._expire, queue))

    def _expire(self, queue: PublishQueue) -> None:
        """Nobody waits any more for what is behind its TimeoutHint (7.33)."""
        queue.timer = None
        now = self._engine.scheduler.now()
        for entry in [entry for entry in queue.waiting if entry.deadline <= now + 0.001]:
            queue.waiting.remove(entry)
            self._refuse(entry, _S.BadTimeout)
        self._watch(queue)

    def _channel_closed(self, channel: object) -> None:
        """Requests of a closed channel can be answered to nobody."""
        for session in self._engine.sessions():
            queue = session.publish
            if queue is None:
                continue
            for entry in [entry for entry in queue.waiting if entry.request.channel is channel]:
                queue.waiting.remove(entry)
                entry.request.answered = True


def _unreadable(_request: Request, _params: object) -> None:
    """What the byte-level handler leaves over is no such request.

    Raises:
        ServiceFault: BadDecodingError.
    """
    raise ServiceFault(_S.BadDecodingError)
