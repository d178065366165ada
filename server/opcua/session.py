"""One client session: who it is, and its requests on the way to the services. Each service is a file of its own."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from typing import Any, Protocol

from asyncua import ua
from asyncua.common.utils import ServiceError, create_nonce
from asyncua.server.internal_session import InternalSession, SessionState

from server.core.values import Caller
from server.opcua.views import Pages, check_browse

_S = ua.StatusCodes
_ANONYMOUS = Caller("anonymous", "anonymous", "opcua")
LOCALES = 8


class Services(Protocol):
    """What sessions hand their requests to."""

    def read(self, params: ua.ReadParameters, session: FieldSession) -> list[ua.DataValue]: ...

    async def write(self, request: ua.WriteValue, caller: Caller) -> ua.StatusCode: ...

    async def call(
        self, request: ua.CallMethodRequest, caller: Caller, session: FieldSession
    ) -> ua.CallMethodResult: ...

    async def history_read(
        self, params: ua.HistoryReadParameters, session: FieldSession
    ) -> list[ua.HistoryReadResult]: ...

    def references(self, wanted: ua.BrowseDescription, locales: list[str]) -> ua.BrowseResult: ...

    def session_closed(self, session: FieldSession) -> None: ...


class FieldSession(InternalSession):  # type: ignore[misc]
    """A session of our stack. `caller` is what every right is judged by."""

    state: SessionState

    def __init__(self, stack: Any, name: Any, *, external: bool) -> None:
        super().__init__(stack, stack.aspace, stack.subscription_service, str(name), external=False)
        self.stack = stack
        self.caller = _ANONYMOUS
        self.peer: bytes | None = None  # certificate of the channel it was created on
        self.processor: Any = None
        self.locales: list[str] = []
        self.session_id = ua.NodeId(uuid.uuid4(), 1)
        # The stack counts its tokens up; ours cannot be guessed (OPC 10000-4, 7.36).
        self.auth_token = ua.NodeId(secrets.token_bytes(32), 0)
        self.external = external
        self.pages = Pages()
        if external:
            stack.register_external_session(self)

    # -- life

    async def create_session(self, params: ua.CreateSessionParameters, sockname: Any = None) -> ua.CreateSessionResult:
        result = await super().create_session(params, sockname)
        result.MaxRequestMessageSize = self.stack.max_message_size
        return result

    def activated(self, params: ua.ActivateSessionParameters, user: str, role: str) -> ua.ActivateSessionResult:
        """The user is proven: the session is his from now on.

        Raises:
            ServiceError: BadSessionIdInvalid; it was closed meanwhile.
        """
        if self.state == SessionState.Closed:
            raise ServiceError(_S.BadSessionIdInvalid)
        if self.state == SessionState.Created:
            InternalSession._current_connections += 1
        self.state = SessionState.Activated
        address = self.processor.name[0] if self.processor is not None and self.processor.name else ""
        self.caller = Caller(user, role, "opcua", str(address), str(self.session_id.Identifier))
        self.locales = [
            locale
            for locale in (params.LocaleIds or [])[:LOCALES]
            if isinstance(locale, str) and not locale.lower().startswith("en")
        ]
        self.nonce = create_nonce(32)
        self.touch()
        self._start_timeout_watchdog()
        return ua.ActivateSessionResult(ServerNonce=self.nonce)

    async def close_session(self, delete_subs: bool = True) -> None:
        if self.external:
            self.stack.services.session_closed(self)
        await super().close_session(delete_subs)

    # -- attributes

    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        return self.stack.services.read(params, self)  # type: ignore[no-any-return]

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        requests = params.NodesToWrite
        self._require_count(requests)
        lanes: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            lanes.setdefault(str(request.NodeId.Identifier).split("/", 1)[0], []).append(index)
        results = [ua.StatusCode()] * len(requests)

        async def lane(indexes: list[int]) -> None:
            for index in indexes:
                results[index] = await self.stack.services.write(requests[index], self.caller)

        # Several devices are asked at the same time, each in the order of the request.
        async with asyncio.TaskGroup() as group:
            for indexes in lanes.values():
                group.create_task(lane(indexes))
        return results

    async def history_read(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        self._require_count(params.NodesToRead)
        return await self.stack.services.history_read(params, self)  # type: ignore[no-any-return]

    def _require_count(self, operations: Any) -> None:
        if not operations:
            raise ServiceError(_S.BadNothingToDo)
        if len(operations) > self.stack.max_operations:
            raise ServiceError(_S.BadTooManyOperations)

    # -- view

    async def browse(self, params: ua.BrowseParameters) -> list[ua.BrowseResult]:
        check_browse(params, self.stack.max_operations)
        most = params.RequestedMaxReferencesPerNode
        find = self.stack.services.references
        return [self.pages.first(find(wanted, self.locales), most) for wanted in params.NodesToBrowse]

    async def browse_next(self, parameters: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        return self.pages.next(parameters)

    async def translate_browsepaths_to_nodeids(self, params: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
        self._require_count(params)
        return await super().translate_browsepaths_to_nodeids(params)  # type: ignore[no-any-return]

    # -- methods

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        self._require_count(params)
        return [await self.stack.services.call(request, self.caller, self) for request in params]

    # -- subscriptions: only its own

    async def create_monitored_items(self, params: Any) -> Any:
        self.stack.subscription_service.owned(params.SubscriptionId, self.session_id)
        self._require_count(params.ItemsToCreate)
        return await super().create_monitored_items(params)

    async def modify_monitored_items(self, params: Any) -> Any:
        self.stack.subscription_service.owned(params.SubscriptionId, self.session_id)
        return await super().modify_monitored_items(params)

    async def delete_monitored_items(self, params: Any) -> Any:
        self.stack.subscription_service.owned(params.SubscriptionId, self.session_id)
        self._require_count(params.MonitoredItemIds)
        return await super().delete_monitored_items(params)

    async def set_monitoring_mode(self, params: Any) -> Any:
        self.stack.subscription_service.owned(params.SubscriptionId, self.session_id)
        return await super().set_monitoring_mode(params)

    async def set_publishing_mode(self, params: Any) -> list[ua.StatusCode]:
        return [await self._each(params, subscription_id) for subscription_id in params.SubscriptionIds]

    async def _each(self, params: Any, subscription_id: int) -> ua.StatusCode:
        try:
            subscription = self.stack.subscription_service.owned(subscription_id, self.session_id)
        except ServiceError as error:
            return ua.StatusCode(error.code)
        await subscription.set_publishing_mode(params.PublishingEnabled)
        return ua.StatusCode()

    def modify_subscription(self, params: Any) -> Any:
        self.stack.subscription_service.owned(params.SubscriptionId, self.session_id)
        return super().modify_subscription(params)

    async def delete_subscriptions(self, ids: list[int]) -> list[ua.StatusCode]:
        service = self.stack.subscription_service
        mine = [number for number in ids if number in {sub.data.SubscriptionId for sub in service.of(self.session_id)}]
        done = dict(zip(mine, await service.delete_subscriptions(mine), strict=True)) if mine else {}
        return [done.get(number, ua.StatusCode(_S.BadSubscriptionIdInvalid)) for number in ids]

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        subscription = self.stack.subscription_service.owned(params.SubscriptionId, self.session_id)
        kept = subscription._not_acknowledged_results.get(params.RetransmitSequenceNumber)
        if kept is None:
            raise ServiceError(_S.BadMessageNotAvailable)
        return kept.NotificationMessage

    def publish(self, acks: Any = None) -> tuple[int, list[ua.StatusCode]]:
        mine = {sub.data.SubscriptionId: sub for sub in self.stack.subscription_service.of(self.session_id)}
        if not mine:
            raise ServiceError(_S.BadNoSubscription)
        results = []
        for ack in acks or ():
            subscription = mine.get(ack.SubscriptionId)
            code = _S.Good
            if subscription is None:
                code = _S.BadSubscriptionIdInvalid
            elif subscription._not_acknowledged_results.pop(ack.SequenceNumber, None) is None:
                code = _S.BadSequenceNumberUnknown
            results.append(ua.StatusCode(code))
        return len(mine), results

    async def transfer_subscriptions(self, params: Any, callback: Any) -> list[ua.TransferResult]:
        return [await self._transfer(params, number, callback) for number in params.SubscriptionIds]

    async def _transfer(self, params: Any, number: int, callback: Any) -> ua.TransferResult:
        service = self.stack.subscription_service
        subscription = service.subscriptions.get(number)
        if subscription is None:
            return ua.TransferResult(ua.StatusCode(_S.BadSubscriptionIdInvalid))
        # Same user; anonymous only from the same application over a secured channel (OPC 10000-4, 5.14.7).
        owner = service.owners.get(number)
        if owner is None or owner != (self.caller.user, self.peer) or (owner[0] == "anonymous" and owner[1] is None):
            return ua.TransferResult(ua.StatusCode(_S.BadUserAccessDenied))
        subscription.session_id = self.session_id
        subscription.pub_result_callback = callback
        if self.processor is not None:
            subscription.pub_request_callback = self.processor.get_publish_request
        return ua.TransferResult(AvailableSequenceNumbers=sorted(subscription._not_acknowledged_results))

    async def create_subscription(self, params: Any, callback: Any, request_callback: Any = None) -> Any:
        result = await super().create_subscription(params, callback, request_callback)
        service = self.stack.subscription_service
        service.owners = {number: owner for number, owner in service.owners.items() if number in service.subscriptions}
        service.owners[result.SubscriptionId] = (self.caller.user, self.peer)
        return result
