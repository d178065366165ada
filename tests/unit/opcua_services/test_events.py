"""Event items: notifiers, rights, queues, who gets what (OPC 10000-3, 4.7; OPC 10000-4, 5.13 and 7.22.3)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from server.opcua.nodes.keys import Key
from server.opcua.roles import ROLE_NAMES, SECRET
from server.opcua.services import filters
from tests.kit.subscriptions import Client, SubscriptionRig, events, item, next_message

S = ua.StatusCodes
V = ua.VariantType
AREA: Key = (2, "area")
AUDIT, OVERFLOW_TYPE = 2052, 3035


@pytest.fixture
def rig() -> SubscriptionRig:
    rig = SubscriptionRig()
    rig.event_type(AUDIT, "AuditEventType", 2041)
    rig.event_type(2058, "AuditSecurityEventType", AUDIT)
    rig.event_type(OVERFLOW_TYPE, "EventQueueOverflowEventType", 2041)
    rig.space.add(AREA, "Area", notifier=1)
    return rig


def select(*names: str) -> ua.EventFilter:
    wanted = ua.EventFilter()
    wanted.SelectClauses = [ua.SimpleAttributeOperand(ua.NodeId(2041), [ua.QualifiedName(name)], 13) for name in names]
    return wanted


def listen(client: Client, number: int, notifier: Key, handle: int = 1, **more: Any) -> Any:
    more.setdefault("filter", select("Message"))
    (result,) = client.monitor(number, item(notifier, handle, attribute=12, **more))
    return result


def texts(rig: SubscriptionRig, client: Client) -> list[tuple[int, str]]:
    result = next_message(rig, client)
    if result is None:
        return []
    return [(handle, fields[0].Text) for handle, fields in events(result)]


def send(rig: SubscriptionRig, text: str, *notifiers: Key, kind: int = 2041, **more: Any) -> None:
    rig.bus.send(rig.bus.base_fields(kind, 2253, "Server", text, 500), notifiers or (2253,), **more)


def test_an_event_is_seen_at_every_notifier_and_once_at_server(rig: SubscriptionRig) -> None:
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    for handle, notifier in ((1, 2253), (2, AREA)):
        assert listen(client, number, notifier, handle).StatusCode.value == 0
    send(rig, "below", AREA)
    send(rig, "both", AREA, 2253, AREA)
    send(rig, "server")
    got = texts(rig, client)
    assert [text for handle, text in got if handle == 1] == ["below", "both", "server"]
    assert [text for handle, text in got if handle == 2] == ["below", "both"]


def test_who_listens_is_known(rig: SubscriptionRig) -> None:
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    assert not rig.bus.wanted(AREA)
    listen(client, number, AREA)
    assert (rig.bus.wanted(AREA), rig.bus.wanted(2253)) == (True, False)
    listen(client, number, 2253)
    assert rig.bus.wanted((2, "anything"))


def test_what_is_refused(rig: SubscriptionRig) -> None:
    variable = rig.variable(1)
    silent = rig.space.add((2, "silent"), "silent")
    hidden = rig.space.add((2, "hidden"), "hidden", notifier=1, permissions=SECRET)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    results = [
        listen(client, number, variable.key),
        listen(client, number, silent.key),
        listen(client, number, hidden.key),
        listen(client, number, 2253, filter=None),
        listen(client, number, 2253, filter=ua.DataChangeFilter()),
        listen(client, number, 2253, filter=ua.EventFilter()),
        listen(client, number, (2, "nowhere")),
    ]
    assert [each.StatusCode.value for each in results] == [
        S.BadAttributeIdInvalid,
        S.BadNotSupported,
        S.BadUserAccessDenied,
        S.BadEventFilterInvalid,
        S.BadEventFilterInvalid,
        S.BadEventFilterInvalid,
        S.BadNodeIdUnknown,
    ]


def test_audit_events_are_for_administrators(rig: SubscriptionRig) -> None:
    operator, admin = rig.client("anna"), rig.client("root", role="admin")
    for client in (operator, admin):
        listen(client, client.subscribe(100).SubscriptionId, 2253)
    send(rig, "secret", kind=2058)
    send(rig, "open")
    assert texts(rig, operator) == [(1, "open")]
    assert texts(rig, admin) == [(1, "secret"), (1, "open")]


def test_a_user_who_may_no_longer_see_them_gets_none(rig: SubscriptionRig) -> None:
    client = rig.client("root", role="admin")
    listen(client, client.subscribe(100).SubscriptionId, 2253)
    send(rig, "secret", kind=2058)
    client.session.audience = rig.space.rights.audience(ROLE_NAMES["operator"], client.session.audience.mode)
    send(rig, "secret too", kind=2058)
    assert texts(rig, client) == []
    send(rig, "open")
    assert texts(rig, client) == [(1, "open")]


@pytest.mark.parametrize(("oldest", "expected"), [(True, ["overflow", "4", "5"]), (False, ["1", "5", "overflow"])])
def test_a_full_queue_tells_of_it(rig: SubscriptionRig, oldest: bool, expected: list[str]) -> None:
    """7.22.3: one EventQueueOverflowEvent, at the end that the queue discards from, whatever the where clause says."""
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    wanted = select("Message", "EventType", "SourceName")
    wanted.WhereClause.Elements = [
        ua.ContentFilterElement(
            ua.FilterOperator.Equals,
            [
                ua.SimpleAttributeOperand(ua.NodeId(2041), [ua.QualifiedName("EventType")], 13),
                ua.LiteralOperand(ua.Variant(ua.NodeId(2041))),
            ],
        )
    ]
    result = listen(client, number, 2253, filter=wanted, queue=2, oldest=oldest)
    assert result.RevisedQueueSize == 2
    for text in "12345":
        send(rig, text)
    got = [fields for _handle, fields in events(next_message(rig, client))]
    overflow = [fields for fields in got if fields[1] == ua.NodeId(OVERFLOW_TYPE)]
    assert len(overflow) == 1
    assert overflow[0][2] == "Internal/EventQueueOverflow"
    assert ["overflow" if fields[1] == ua.NodeId(OVERFLOW_TYPE) else fields[0].Text for fields in got] == expected
    assert rig.engine.subscriptions[number].event_queue_overflow_count == 3
    # the next overflow is told again
    send(rig, "6")
    assert texts(rig, client) == [(1, "6")]


def test_modes_of_event_items(rig: SubscriptionRig) -> None:
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    item_id = listen(client, number, 2253, mode=0).MonitoredItemId
    entry = rig.engine.subscriptions[number].items[item_id]
    send(rig, "disabled")
    entry.set_mode(1)
    send(rig, "sampled")
    assert texts(rig, client) == []
    entry.set_mode(2)
    assert texts(rig, client) == [(1, "sampled")]
    send(rig, "forgotten")
    entry.set_mode(0)
    entry.set_mode(2)
    assert texts(rig, client) == []


def test_modified_filters_and_deleted_items(rig: SubscriptionRig) -> None:
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    item_id = listen(client, number, 2253).MonitoredItemId
    request = ua.ModifyMonitoredItemsRequest()
    request.Parameters.SubscriptionId = number
    request.Parameters.ItemsToModify = [
        ua.MonitoredItemModifyRequest(item_id, ua.MonitoringParameters(9, 0.0, select("Severity"), 5, True))
    ]
    assert client.ask(request).Results[0].RevisedQueueSize == 5
    send(rig, "text")
    assert events(next_message(rig, client)) == [(9, [500])]
    assert rig.engine.monitoring.drop(rig.engine.subscriptions[number], item_id)
    assert not rig.bus.wanted(2253)
    send(rig, "text")
    assert texts(rig, client) == []


def test_the_condition_id(rig: SubscriptionRig) -> None:
    """OPC 10000-9, 5.5.2.13: an empty path with NodeId."""
    rig.event_type(2782, "ConditionType", 2041)
    wanted = ua.EventFilter()
    wanted.SelectClauses = [ua.SimpleAttributeOperand(ua.NodeId(2782), [], 1)]
    client = rig.client()
    listen(client, client.subscribe(100).SubscriptionId, 2253, filter=wanted)
    send(rig, "of a condition", kind=2782, condition_id=(2, "condition"))
    send(rig, "of none")
    got = [fields for _handle, fields in events(next_message(rig, client))]
    assert got == [[ua.NodeId("condition", 2)], [None]]


def test_events_obey_max_notifications(rig: SubscriptionRig) -> None:
    client = rig.client()
    number = client.subscribe(100, most=2).SubscriptionId
    listen(client, number, 2253, 1, queue=10)
    listen(client, number, AREA, 2, queue=10)
    for text in "123":
        send(rig, text, AREA)
    requests = [client.publish() for _ in range(4)]
    rig.run(100)
    results = [client.published(each) for each in requests[:3]]
    assert [len(events(each)) for each in results] == [2, 2, 2]
    assert [each.MoreNotifications for each in results] == [True, True, False]
    assert client.published(requests[3]) is None


def test_model_and_semantic_changes(rig: SubscriptionRig) -> None:
    """OPC 10000-3, 9.32 and 9.33."""
    rig.event_type(2133, "GeneralModelChangeEventType", 2041)
    rig.event_type(2738, "SemanticChangeEventType", 2041)
    rig.field(2133, "Changes")
    client = rig.client()
    listen(client, client.subscribe(100).SubscriptionId, 2253, filter=select("EventType", "Changes"))
    rig.bus.model_changed((2, "new"), 58, added=True)
    rig.bus.model_changed((2, "old"), 58, added=False)
    rig.bus.semantic_changed([((2, "value"), 63)])
    got = [fields for _handle, fields in events(next_message(rig, client))]
    assert [fields[0].Identifier for fields in got] == [2133, 2133, 2738]
    assert [(fields[1][0].Affected, fields[1][0].AffectedType) for fields in got] == [
        (ua.NodeId("new", 2), ua.NodeId(58)),
        (ua.NodeId("old", 2), ua.NodeId(58)),
        (ua.NodeId("value", 2), ua.NodeId(63)),
    ]
    assert [fields[1][0].Verb for fields in got[:2]] == [1, 2]


def test_a_filter_that_was_refused_is_looked_at_again_when_types_have_come(rig: SubscriptionRig) -> None:
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    assert listen(client, number, 2253, filter=select("Pressure")).StatusCode.value == S.BadEventFilterInvalid
    rig.event_type(90_000, "PressureEventType", 2041)
    rig.field(90_000, "Pressure")
    assert listen(client, number, 2253, filter=select("Pressure")).StatusCode.value == S.Good


def test_one_request_cannot_bring_endless_filters(rig: SubscriptionRig, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each has to be decoded and checked while everybody waits; the same one again costs nothing.
    monkeypatch.setattr(filters, "DECODED_BYTES", 300)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    for result in client.monitor(
        number, *[item(2253, each, attribute=12, filter=select("Message")) for each in range(50)]
    ):
        assert result.StatusCode.value == S.Good
    with pytest.raises(ua.uaerrors.BadEncodingLimitsExceeded):
        client.monitor(
            number, *[item(2253, each, attribute=12, filter=select(*["Message"] * each)) for each in range(1, 20)]
        )


def test_audit_events_are_wanted_as_long_as_an_administrator_listens(rig: SubscriptionRig) -> None:
    client, boss = rig.client(), rig.client(role="admin")
    number, other = client.subscribe(100).SubscriptionId, boss.subscribe(100).SubscriptionId
    assert not rig.bus.audit_wanted()
    listen(client, number, 2253)
    assert not rig.bus.audit_wanted()
    listen(boss, other, 2253)
    assert rig.bus.audit_wanted()
    for role, wanted in (("operator", False), ("admin", True)):
        boss.session.audience = rig.space.rights.audience(ROLE_NAMES[role], boss.session.mode)
        rig.engine.identity_changed(boss.session)
        assert rig.bus.audit_wanted() is wanted
    rig.engine.session_closed(boss.session, True)
    assert not rig.bus.audit_wanted()
