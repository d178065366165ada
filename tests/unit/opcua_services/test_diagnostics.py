"""ServerDiagnostics by OPC 10000-5, 6.3.3 to 6.3.6 and 12.9 to 12.16."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from asyncua import ua

from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.standard import standard_store
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import data_value, variant_of
from server.opcua.roles import BROWSE, READ, ROLE_NAMES, WRITE
from server.opcua.services import diagnostics as d
from server.opcua.services.diagnostics import Diagnostics
from server.opcua.space import Space
from tests.kit.sessions import CLIENT_URI, RefusedError, SessionRig

HAS_COMPONENT: Key = 47


COUNTERS = """
modify_count enable_count disable_count republish_request_count republish_message_request_count republish_message_count
transfer_request_count transferred_to_alt_client_count transferred_to_same_client_count publish_request_count
data_change_notifications_count event_notifications_count notifications_count late_publish_request_count
unacknowledged_message_count discarded_message_count monitoring_queue_overflow_count event_queue_overflow_count
current_keep_alive current_lifetime disabled_item_count priority max_notifications
"""


@cache
def _standard() -> NodeStore:
    """The standard nodes, built once: what a test adds goes with its sessions."""
    return standard_store()


class Engine:
    """Subscriptions as diagnostics see them."""

    def __init__(self) -> None:
        self.subscriptions: dict[int, Any] = {}
        self.cumulated = 0

    def add(self, number: int, session: Any, **changes: Any) -> Any:
        names = dict.fromkeys(COUNTERS.split(), 0)
        facts = {"publishing_interval_ms": 100.0, "keep_alive_count": 10, "lifetime_count": 30, "next_sequence": 1}
        made = SimpleNamespace(
            subscription_id=number,
            session=session,
            items={1: object(), 2: object()},
            publishing_enabled=True,
            **{**names, **facts, **changes},
        )
        self.subscriptions[number] = session.subscriptions[number] = made
        self.cumulated += 1
        return made


class Shown:
    """A rig with the standard nodes and diagnostics over them."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.rig = SessionRig()
        self.store = _standard()
        self.space = Space(self.store, {}, self.rig.rights)
        self.engine = Engine()
        self.diagnostics = Diagnostics(
            self.space, self.rig.table, self.rig.dispatcher, self.engine, self.rig.clock, enabled=enabled
        )
        self.store.make = self.diagnostics.make

    def read(self, key: Key) -> Any:
        node = self.store.get(key)
        assert node is not None and node.point is not None
        value = data_value(node.point)
        assert value.StatusCode.is_good()
        return value.Value.Value

    def status(self, key: Key) -> str:
        return data_value(self.store[key].point).StatusCode.name  # type: ignore[arg-type]

    def below(self, key: Key) -> dict[str, Key]:
        assert key in self.store
        return {str(self.store[child].name.Name): child for child in self.store.targets(key, HAS_COMPONENT)}


@pytest.fixture
def shown() -> Iterator[Shown]:
    shown = Shown()
    yield shown
    shown.rig.table.close_all()


async def test_the_summary_counts_sessions_and_requests(shown: Shown) -> None:
    rig = shown.rig
    client = await rig.signed_in("olga")
    other = await rig.active()
    with pytest.raises(RefusedError):
        await rig.client().create(ClientNonce=b"")  # rejected for security
    with pytest.raises(RefusedError):
        await client.activate(client.password("olga", "wrong"))
    with pytest.raises(RefusedError):
        await rig.ask(client.channel, ua.QueryFirstRequest())  # unknown here: rejected, not for security
    await other.close()
    rig.advance(70)
    await rig.active()
    shown.engine.add(4, next(iter(rig.table)))
    shown.engine.add(5, next(iter(rig.table)), publishing_interval_ms=200.0)
    found = shown.read(d.SUMMARY)
    assert (found.CurrentSessionCount, found.CumulatedSessionCount) == (1, 3)
    assert (found.RejectedSessionCount, found.SecurityRejectedSessionCount) == (2, 2)
    assert (found.SessionTimeoutCount, found.SessionAbortCount) == (1, 0)
    assert (found.RejectedRequestsCount, found.SecurityRejectedRequestsCount) == (3, 2)
    assert (found.CurrentSubscriptionCount, found.CumulatedSubscriptionCount) == (2, 2)
    assert found.PublishingIntervalCount == 2


async def test_children_of_the_summary_agree_with_it(shown: Shown) -> None:
    await shown.rig.active()
    whole = shown.read(d.SUMMARY)
    children = shown.below(d.SUMMARY)
    assert len(children) == 12
    for name, key in children.items():
        assert shown.read(key) == getattr(whole, name)
        assert variant_of(shown.store[key].point).VariantType == ua.VariantType.UInt32  # type: ignore[arg-type]


async def test_a_session_sees_itself_in_the_array_and_as_an_object(shown: Shown) -> None:
    rig = shown.rig
    client = await rig.active()
    await client.activate(LocaleIds=["ru", "en"])
    for _ in range(3):
        await client.request(ua.RegisterNodesRequest())
    rig.dispatcher.register("UnregisterNodes", lambda *_: None)
    (session,) = rig.table
    session.publish = SimpleNamespace(waiting=[1, 2])
    shown.engine.add(9, session)
    rig.clock.advance(5)
    (entry,) = shown.read(d.SESSION_ARRAY)
    root = key_of(client.session_id)
    assert root in shown.store.targets(d.SESSIONS, HAS_COMPONENT)
    own = shown.read(shown.below(root)["SessionDiagnostics"])
    assert entry == own
    assert own.SessionId == client.session_id and own.SessionName == "test"
    assert own.ClientDescription.ApplicationUri == CLIENT_URI and own.LocaleIds == ["ru", "en"]
    assert own.ActualSessionTimeout == 60_000
    assert (own.RegisterNodesCount.TotalCount, own.RegisterNodesCount.ErrorCount) == (3, 0)
    assert own.TotalRequestCount.TotalCount == 5  # with two ActivateSession
    assert (own.CurrentSubscriptionsCount, own.CurrentMonitoredItemsCount) == (1, 2)
    assert own.CurrentPublishRequestsInQueue == 2
    assert (own.ClientLastContactTime - own.ClientConnectionTime).total_seconds() == 0


async def test_the_object_of_a_session_is_complete(shown: Shown) -> None:
    # Every Mandatory child of SessionDiagnosticsObjectType, with its type's fields as Variables.
    client = await shown.rig.signed_in("olga")
    store, root = shown.store, key_of(client.session_id)
    node = store[root]
    assert node.name == ua.QualifiedName("test", 1)
    assert store.type_definition(node) == ua.ObjectIds.SessionDiagnosticsObjectType
    assert store.linked(root, HAS_COMPONENT, d.SESSIONS, forward=False)
    parts = shown.below(root)
    assert sorted(parts) == ["SessionDiagnostics", "SessionSecurityDiagnostics", "SubscriptionDiagnosticsArray"]
    for name, fields in (("SessionDiagnostics", 43), ("SessionSecurityDiagnostics", 9)):
        whole = shown.read(parts[name])
        children = shown.below(parts[name])
        assert len(children) == fields
        for field, key in children.items():
            attribute = "TextEncoding" if field == "Encoding" else field
            assert shown.read(key) == getattr(whole, attribute)


async def test_security_diagnostics_are_for_administrators_only(shown: Shown) -> None:
    rig = shown.rig
    client = await rig.signed_in("olga")
    await client.activate(client.password("adam", "rule"))
    (found,) = shown.read(d.SECURITY_ARRAY)
    assert (found.ClientUserIdOfSession, found.ClientUserIdHistory) == ("adam", ["olga", "adam"])
    assert found.AuthenticationMechanism == "UserName" and found.SecurityMode == ua.MessageSecurityMode.SignAndEncrypt
    assert found.ClientCertificate == client.channel.peer_certificate
    assert found.TextEncoding == "UA Binary" and found.SecurityPolicyUri == client.channel.policy_uri
    root = key_of(client.session_id)
    secret = shown.below(root)["SessionSecurityDiagnostics"]
    nodes = [shown.store[key] for key in (d.SECURITY_ARRAY, secret, *shown.below(secret).values())]
    for role, may in (("anonymous", False), ("engineer", False), ("admin", True)):
        audience = rig.rights.audience(ROLE_NAMES[role], 3)
        assert all(audience.has(node, READ) == may for node in nodes)
        assert all(audience.has(node, BROWSE) for node in nodes)


async def test_subscriptions_are_listed_for_the_server_and_for_their_session(shown: Shown) -> None:
    first, second = await shown.rig.active(), await shown.rig.active()
    one, two = list(shown.rig.table)
    shown.engine.add(1, one, modify_count=3, priority=7, next_sequence=12)
    shown.engine.add(2, two)
    shown.engine.add(3, two)
    every = shown.read(d.SUBSCRIPTIONS)
    assert [entry.SubscriptionId for entry in every] == [1, 2, 3]
    assert (every[0].ModifyCount, every[0].Priority, every[0].NextSequenceNumber) == (3, 7, 12)
    assert every[0].SessionId == first.session_id and every[0].MonitoredItemCount == 2
    own = shown.read(shown.below(key_of(second.session_id))["SubscriptionDiagnosticsArray"])
    assert [entry.SubscriptionId for entry in own] == [2, 3]


async def test_nodes_of_a_session_come_and_go_with_it(shown: Shown) -> None:
    removed: list[list[Key]] = []
    shown.diagnostics.on_removed.append(removed.append)
    size = len(shown.store)
    seen, unseen = await shown.rig.active(), await shown.rig.active()
    assert len(shown.store) == size  # fifty nodes a session are made when somebody looks
    parts = shown.below(key_of(seen.session_id))
    child: Key = (1, f"Session/{unseen.session_id.Identifier}/SessionDiagnostics/ReadCount")
    assert shown.store.get(child) is not None  # also when its Object was never looked at
    assert len(shown.store) == size + 2 * 56
    for client in (seen, unseen):
        await client.close()
    assert len(shown.store) == size and shown.store.targets(d.SESSIONS, HAS_COMPONENT) == [
        d.SESSION_ARRAY,
        d.SECURITY_ARRAY,
    ]
    assert parts["SessionDiagnostics"] in removed[0] and len(removed[0]) == 56
    assert key_of(seen.session_id) not in shown.store and child not in shown.store


async def test_browse_names_of_sessions_differ(shown: Shown) -> None:
    clients = [await shown.rig.active() for _ in range(3)]
    names = {str(shown.store[key_of(client.session_id)].name.Name) for client in clients}
    assert len(names) == 3


def test_other_keys_are_none_of_ours(shown: Shown) -> None:
    for key in ((1, "Session/x/y"), (1, "Session/"), (2, "device"), (1, b"Session/"), (1, "Session/x")):
        assert not shown.diagnostics.make(key)


async def test_disabled_diagnostics_are_not_readable_and_sessions_have_no_objects(shown: Shown) -> None:
    client = await shown.rig.active()
    assert shown.diagnostics.write(d.ENABLED_FLAG, boolean(False)) == 0
    assert shown.read(d.ENABLED_FLAG) is False
    static = [d.SUMMARY, d.SESSION_ARRAY, d.SECURITY_ARRAY, d.SUBSCRIPTIONS, *shown.below(d.SUMMARY).values()]
    assert {shown.status(key) for key in static} == {"BadNotReadable"}
    assert key_of(client.session_id) not in shown.store
    late = await shown.rig.active()
    assert key_of(late.session_id) not in shown.store
    assert shown.diagnostics.write(d.ENABLED_FLAG, boolean(True)) == 0
    assert key_of(client.session_id) in shown.store and key_of(late.session_id) in shown.store
    assert shown.read(d.SUMMARY).CurrentSessionCount == 2


async def test_the_flag_is_the_administrators(shown: Shown) -> None:
    flag = shown.store[d.ENABLED_FLAG]
    for role, may in (("anonymous", False), ("operator", False), ("engineer", False), ("admin", True)):
        assert shown.rig.rights.audience(ROLE_NAMES[role], 1).has(flag, WRITE) == may
    assert flag.shape.access == 3 and shown.diagnostics.owns(flag.key)
    wrong = ua.DataValue(ua.Variant(1, ua.VariantType.Int32))
    assert shown.diagnostics.write(d.ENABLED_FLAG, wrong) == ua.StatusCodes.BadTypeMismatch


def test_they_can_be_off_from_the_start_and_intervals_are_absent() -> None:
    shown = Shown(enabled=False)
    assert shown.read(d.ENABLED_FLAG) is False and shown.status(d.SUMMARY) == "BadNotReadable"
    assert d.SAMPLING_INTERVALS not in shown.store


def boolean(value: bool) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, ua.VariantType.Boolean))


async def test_one_request_has_the_values_made_once(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    # A Read may name the array of all sessions ten thousand times.
    client = await shown.rig.active()
    made = []
    real = d.session_diagnostics
    monkeypatch.setattr(d, "session_diagnostics", lambda *of: made.append(1) or real(*of))
    for _ in range(50):
        shown.read(d.SESSION_ARRAY)
    assert len(made) == 1
    await client.request(ua.RegisterNodesRequest())
    (found,) = shown.read(d.SESSION_ARRAY)
    assert (len(made), found.RegisterNodesCount.TotalCount) == (2, 1)
    shown.rig.clock.advance(1.0)
    shown.read(d.SESSION_ARRAY)
    assert len(made) == 3
