"""Requests of any service in one line, their answers by name, and a subscription that is published by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from asyncua import ua

from tests.kit.raw import RawSession, ServiceFaultError

A = ua.AttributeIds
I = ua.ObjectIds  # noqa: E741 - as the standard's lists call them
BOTH = ua.TimestampsToReturn.Both
FORWARD, INVERSE, EITHER = ua.BrowseDirection.Forward, ua.BrowseDirection.Inverse, ua.BrowseDirection.Both
ALL_FIELDS = 63
WAIT_S = 10.0


def name_of(status: ua.StatusCode | int | None) -> str:
    """The symbolic name of a StatusCode without its info bits; none is Good."""
    if status is None:
        return "Good"
    code = status if isinstance(status, int) else status.value
    return str(ua.StatusCode(code & 0xFFFF0000).name)


def names(codes: Iterable[ua.StatusCode]) -> list[str]:
    """Names of an array of StatusCodes."""
    return [name_of(code) for code in codes]


def ask(service: str, **parameters: Any) -> Any:
    """A request of a service with these parameters; the others are their type's defaults."""
    request = getattr(ua, f"{service}Request")()
    inner = getattr(request, "Parameters", request)
    for key, value in parameters.items():
        if not hasattr(inner, key):
            raise AttributeError(f"{service} has no {key}")
        setattr(inner, key, value)
    return request


def answered(response: Any) -> Any:
    """What a response holds besides its header."""
    return getattr(response, "Parameters", response)


async def get(session: RawSession, service: str, **parameters: Any) -> Any:
    """Call a service; what its answer holds besides the header."""
    return answered(await session.call(ask(service, **parameters)))


async def fault(session: RawSession, service: str, **parameters: Any) -> str:
    """The name of the Bad service result of a call, which must have one."""
    with pytest.raises(ServiceFaultError) as caught:
        await session.call(ask(service, **parameters))
    return name_of(caught.value.code)


# -- attributes


async def read(session: RawSession, node: ua.NodeId, attribute: int = A.Value, **more: Any) -> ua.DataValue:
    """One attribute with both timestamps; `index_range`, `encoding` (a name of namespace 0), `which`, `max_age`."""
    encoding = more.get("encoding")
    wanted = ua.ReadValueId(
        node, attribute, more.get("index_range"), ua.QualifiedName(encoding, 0) if encoding else ua.QualifiedName()
    )
    answer = await get(
        session,
        "Read",
        MaxAge=more.get("max_age", 0.0),
        TimestampsToReturn=more.get("which", BOTH),
        NodesToRead=[wanted],
    )
    (value,) = answer.Results
    return value


async def value(session: RawSession, node: ua.NodeId | int) -> Any:
    """The Good value of a Variable, or of one of namespace 0 by number."""
    found = await read(session, ua.NodeId(node) if isinstance(node, int) else node)
    assert name_of(found.StatusCode) == "Good", found
    return found.Value.Value


def plain(content: Any, kind: ua.VariantType = ua.VariantType.Double) -> ua.DataValue:
    """A DataValue without status and timestamps, as a plain Write sends it."""
    return ua.DataValue(ua.Variant(content, kind, is_array=isinstance(content, list)), None)


async def write(
    session: RawSession,
    node: ua.NodeId,
    content: ua.DataValue | float,
    index_range: str | None = None,
    attribute: int = A.Value,
) -> str:
    """Write one attribute; the name of the result. A number goes as a Double."""
    sent = content if isinstance(content, ua.DataValue) else plain(float(content))
    answer = await get(session, "Write", NodesToWrite=[ua.WriteValue(node, attribute, index_range, sent)])
    (code,) = answer.Results
    return name_of(code)


# -- nodes


def description(node: ua.NodeId, **more: Any) -> ua.BrowseDescription:
    """Every forward reference and every field, but for what is given."""
    made = ua.BrowseDescription(node, FORWARD, ua.NodeId(), True, 0, ALL_FIELDS)
    for key, content in more.items():
        setattr(made, key, content)
    return made


async def browse(session: RawSession, node: ua.NodeId, most: int = 0, **more: Any) -> ua.BrowseResult:
    """Browse one node."""
    answer = await get(session, "Browse", RequestedMaxReferencesPerNode=most, NodesToBrowse=[description(node, **more)])
    (result,) = answer.Results
    return result


async def next_page(session: RawSession, point: bytes, *, release: bool = False) -> ua.BrowseResult:
    """BrowseNext with one continuation point."""
    answer = await get(session, "BrowseNext", ReleaseContinuationPoints=release, ContinuationPoints=[point])
    (result,) = answer.Results
    return result


def element(name: ua.QualifiedName | str, reference: int = I.HierarchicalReferences, **more: Any) -> Any:
    """One step of a browse path; a text is a name of namespace 0."""
    target = ua.QualifiedName(name, 0) if isinstance(name, str) else name
    return ua.RelativePathElement(ua.NodeId(reference), more.get("inverse", False), more.get("subtypes", True), target)


async def translate(session: RawSession, start: ua.NodeId, *steps: Any) -> ua.BrowsePathResult:
    """TranslateBrowsePathsToNodeIds of one path; texts are steps by hierarchical references."""
    path = [element(step) if isinstance(step, str | ua.QualifiedName) else step for step in steps]
    answer = await get(
        session, "TranslateBrowsePathsToNodeIds", BrowsePaths=[ua.BrowsePath(start, ua.RelativePath(path))]
    )
    (result,) = answer.Results
    return result


# -- methods


async def invoke(session: RawSession, target: ua.NodeId, method: ua.NodeId, *arguments: Any) -> ua.CallMethodResult:
    """Call one method; numbers go as Doubles."""
    inputs = [
        entry if isinstance(entry, ua.Variant) else ua.Variant(float(entry), ua.VariantType.Double)
        for entry in arguments
    ]
    answer = await get(session, "Call", MethodsToCall=[ua.CallMethodRequest(target, method, inputs)])
    (result,) = answer.Results
    return result


# -- subscriptions


def item(node: ua.NodeId, handle: int = 1, **more: Any) -> ua.MonitoredItemCreateRequest:
    """A reporting item of the Value, sampled at every change, queue of 1; `filter`, `queue`, `oldest`, `mode` ..."""
    return ua.MonitoredItemCreateRequest(
        ua.ReadValueId(node, more.get("attribute", A.Value), more.get("index_range"), ua.QualifiedName()),
        more.get("mode", ua.MonitoringMode.Reporting),
        parameters(handle, **more),
    )


def parameters(handle: int = 1, **more: Any) -> ua.MonitoringParameters:
    """MonitoringParameters of an item."""
    return ua.MonitoringParameters(
        handle, more.get("sampling", 0.0), more.get("filter"), more.get("queue", 1), more.get("oldest", True)
    )


def data_changes(message: ua.NotificationMessage) -> list[tuple[int, ua.DataValue]]:
    """(ClientHandle, DataValue) of a message, in their order."""
    return [
        (entry.ClientHandle, entry.Value)
        for part in message.NotificationData or []
        if isinstance(part, ua.DataChangeNotification)
        for entry in part.MonitoredItems
    ]


def event_rows(message: ua.NotificationMessage) -> list[tuple[int, list[Any]]]:
    """(ClientHandle, field values) of the events of a message."""
    return [
        (entry.ClientHandle, [found.Value for found in entry.EventFields])
        for part in message.NotificationData or []
        if isinstance(part, ua.EventNotificationList)
        for entry in part.Events
    ]


def status_changes(message: ua.NotificationMessage) -> list[str]:
    """Names of the StatusChangeNotifications of a message."""
    return [
        name_of(part.Status) for part in message.NotificationData or [] if isinstance(part, ua.StatusChangeNotification)
    ]


@dataclass
class Subscriber:
    """One subscription; with its keep-alive count of 1 every Publish is answered after one interval at the latest."""

    session: RawSession
    created: Any
    acks: list[ua.SubscriptionAcknowledgement] = field(default_factory=list)
    """Sent with the next Publish."""

    @property
    def id(self) -> int:
        return int(self.created.SubscriptionId)

    @classmethod
    async def create(cls, session: RawSession, **more: Any) -> Subscriber:
        """Publishes every 50 ms; `interval`, `lifetime`, `keep_alive`, `most`, `enabled`, `priority`."""
        created = await get(
            session,
            "CreateSubscription",
            RequestedPublishingInterval=more.get("interval", 50.0),
            RequestedLifetimeCount=more.get("lifetime", 2_000),
            RequestedMaxKeepAliveCount=more.get("keep_alive", 1),
            MaxNotificationsPerPublish=more.get("most", 0),
            PublishingEnabled=more.get("enabled", True),
            Priority=more.get("priority", 0),
        )
        return cls(session, created)

    async def add(
        self, *items: ua.MonitoredItemCreateRequest, which: ua.TimestampsToReturn = BOTH
    ) -> list[ua.MonitoredItemCreateResult]:
        """CreateMonitoredItems."""
        answer = await get(
            self.session,
            "CreateMonitoredItems",
            SubscriptionId=self.id,
            TimestampsToReturn=which,
            ItemsToCreate=list(items),
        )
        return list(answer.Results)

    async def watch(self, node: ua.NodeId, handle: int = 1, **more: Any) -> int:
        """An item whose first value has come; its MonitoredItemId."""
        (made,) = await self.add(item(node, handle, **more))
        assert name_of(made.StatusCode) == "Good", made
        await self.collect(1)
        return int(made.MonitoredItemId)

    async def modify(self, item_id: int, handle: int = 1, **more: Any) -> ua.MonitoredItemModifyResult:
        """ModifyMonitoredItems of one item."""
        answer = await get(
            self.session,
            "ModifyMonitoredItems",
            SubscriptionId=self.id,
            TimestampsToReturn=more.get("which", BOTH),
            ItemsToModify=[ua.MonitoredItemModifyRequest(item_id, parameters(handle, **more))],
        )
        (result,) = answer.Results
        return result

    async def mode(self, mode: ua.MonitoringMode, *item_ids: int) -> list[str]:
        """SetMonitoringMode."""
        answer = await get(
            self.session,
            "SetMonitoringMode",
            SubscriptionId=self.id,
            MonitoringMode=mode,
            MonitoredItemIds=list(item_ids),
        )
        return names(answer.Results)

    async def enable(self, enabled: bool) -> None:
        """SetPublishingMode."""
        answer = await get(self.session, "SetPublishingMode", PublishingEnabled=enabled, SubscriptionIds=[self.id])
        assert names(answer.Results) == ["Good"]

    async def link(self, trigger: int, add: Sequence[int] = (), remove: Sequence[int] = ()) -> Any:
        """SetTriggering."""
        return await get(
            self.session,
            "SetTriggering",
            SubscriptionId=self.id,
            TriggeringItemId=trigger,
            LinksToAdd=list(add),
            LinksToRemove=list(remove),
        )

    async def publish(self) -> ua.PublishResult:
        """One Publish; what came is acknowledged with the next one."""
        result = await get(self.session, "Publish", SubscriptionAcknowledgements=self.acks)
        assert result.SubscriptionId == self.id
        self.acks = []
        if result.NotificationMessage.NotificationData:
            self.acks = [ua.SubscriptionAcknowledgement(self.id, result.NotificationMessage.SequenceNumber)]
        return result

    async def message(self) -> ua.NotificationMessage:
        """The next message that is no keep-alive."""
        async with asyncio.timeout(WAIT_S):
            while True:
                found = (await self.publish()).NotificationMessage
                if found.NotificationData:
                    return found

    async def collect(self, count: int) -> list[tuple[int, ua.DataValue]]:
        """(ClientHandle, DataValue) of the messages until there are `count`."""
        found: list[tuple[int, ua.DataValue]] = []
        while len(found) < count:
            found += data_changes(await self.message())
        return found

    async def events(self, count: int) -> list[list[Any]]:
        """Field values of the events until there are `count`."""
        found: list[list[Any]] = []
        while len(found) < count:
            found += [row for _, row in event_rows(await self.message())]
        return found

    async def quiet(self, intervals: int = 2) -> None:
        """Fails when something but keep-alives comes within so many publishing intervals."""
        for _ in range(intervals):
            found = (await self.publish()).NotificationMessage
            assert not found.NotificationData, found

    async def close(self) -> None:
        """DeleteSubscriptions."""
        assert names((await get(self.session, "DeleteSubscriptions", SubscriptionIds=[self.id])).Results) == ["Good"]


def contents(found: Iterable[tuple[int, ua.DataValue]]) -> list[Any]:
    """The bare values of collected changes."""
    return [entry.Value.Value for _, entry in found]
