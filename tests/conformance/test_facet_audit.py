"""Auditing: what is done to the server is told to administrators, failures too (OPC 10000-5, 6.4; OPC 10000-4, 6.5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from tests.kit.asking import A, I, Subscriber, ask, event_rows, invoke, item, name_of, read, value, write
from tests.kit.facets import Room
from tests.kit.opcua import make_identity
from tests.kit.raw import RawChannel, RawSession, RefusedError, ServiceFaultError

pytestmark = pytest.mark.asyncio(loop_scope="module")
FIELDS = ("EventType", "SourceName", "Status", "ClientUserId", "ServerId", "ActionTimeStamp", "Message", "SourceNode")
MORE = ("AttributeId", "OldValue", "NewValue", "MethodId", "SessionId", "UserIdentityToken", "SecureChannelId",
        "StatusCodeId", "ClientCertificateThumbprint")  # fmt: skip


def _field(path: str) -> ua.SimpleAttributeOperand:
    return ua.SimpleAttributeOperand(
        TypeDefinitionId=ua.NodeId(I.BaseEventType), BrowsePath=[ua.QualifiedName(path, 0)], AttributeId=A.Value
    )


def _filter() -> ua.EventFilter:
    audit = ua.LiteralOperand(ua.Variant(ua.NodeId(I.AuditEventType)))
    where = ua.ContentFilter([ua.ContentFilterElement(ua.FilterOperator.OfType, [audit])])
    return ua.EventFilter([_field(path) for path in (*FIELDS, *MORE)], where)


class Watch:
    """Audit events that an administrator's subscription brings."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._rows: list[list[Any]] = []

    async def next(self, kind: int, **fields: Any) -> dict[str, Any]:
        """The next event of a type with these field values; others are passed over."""
        while True:
            while self._rows:
                found = dict(zip((*FIELDS, *MORE), self._rows.pop(0), strict=True))
                if found["EventType"].Identifier == kind and all(found[n] == v for n, v in fields.items()):
                    return found
            self._rows += [row for _, row in event_rows(await self._subscriber.message())]


@pytest_asyncio.fixture(loop_scope="module")
async def watch(admin: RawSession) -> AsyncIterator[Watch]:
    """An administrator who listens at Server."""
    subscriber = await Subscriber.create(admin)
    (made,) = await subscriber.add(item(ua.NodeId(I.Server), attribute=A.EventNotifier, filter=_filter(), queue=1_000))
    assert name_of(made.StatusCode) == "Good"
    yield Watch(subscriber)
    await subscriber.close()


async def test_auditing_says_that_it_is_on(session: RawSession) -> None:
    # OPC 10000-5, 6.3.1.
    assert await value(session, I.Server_Auditing) is True


async def test_channels_and_sessions_are_audited(room: Room, watch: Watch) -> None:
    # OPC 10000-5, 6.4.7 to 6.4.10.
    async with await room.secure() as channel:
        opened = await watch.next(I.AuditOpenSecureChannelEventType, SecureChannelId=str(channel.channel_id))
        assert opened["Status"] is True
        assert opened["ClientCertificateThumbprint"].upper() == room.identity.thumbprint
        session = await room.session(channel, "olga")
        created = await watch.next(I.AuditCreateSessionEventType, SessionId=session.session_id)
        assert created["Status"] is True
        activated = await watch.next(I.AuditActivateSessionEventType, SessionId=session.session_id)
        assert (activated["Status"], activated["ClientUserId"]) == (True, "olga")
        assert activated["UserIdentityToken"].UserName == "olga"
        assert not activated["UserIdentityToken"].Password  # never a secret
        await session.close()
        closed = await watch.next(I.AuditSessionEventType, SessionId=session.session_id)
        assert closed["SourceName"].startswith("Session/")


async def test_failed_sign_ins_are_audited(room: Room, watch: Watch) -> None:
    async with await room.secure() as channel:
        session = await room.session(channel, activate=False)
        with pytest.raises(ServiceFaultError):
            await session.activate(user="olga", password="wrong")
        failed = await watch.next(I.AuditActivateSessionEventType, SessionId=session.session_id)
        assert failed["Status"] is False
        assert failed["StatusCodeId"].value & 0x80000000
        assert "wrong" not in str(failed)


async def test_refused_certificates_are_audited(room: Room, watch: Watch) -> None:
    # OPC 10000-5, 6.4.12 and its subtypes: the outside learns nothing, the audit the true reason.
    stranger = make_identity(room.folder / "stranger", "stranger", uri="urn:stranger")
    with pytest.raises(RefusedError):
        await RawChannel.open(room.url, SecurityPolicyBasic256Sha256, identity=stranger)
    assert (await watch.next(I.AuditCertificateUntrustedEventType))["Status"] is False
    opened = await watch.next(I.AuditOpenSecureChannelEventType, Status=False)
    assert opened["ClientCertificateThumbprint"].upper() == stranger.thumbprint


async def test_writes_are_audited_with_old_and_new_value(room: Room, operator: RawSession, watch: Watch) -> None:
    # OPC 10000-5, 6.4.26.
    node = room.test("Static/Double")
    await write(operator, node, 1.0)
    await write(operator, node, 2.0)
    found = await watch.next(I.AuditWriteUpdateEventType, SourceNode=node, NewValue=2.0)
    assert (found["OldValue"], found["AttributeId"], found["Status"]) == (1.0, A.Value, True)
    assert found["ClientUserId"] == "olga" and found["ServerId"] and found["ActionTimeStamp"]
    read_only = room.test("ReadOnly")
    await write(operator, read_only, 3.0)
    assert (await watch.next(I.AuditWriteUpdateEventType, SourceNode=read_only))["Status"] is False


async def test_calls_are_audited(room: Room, operator: RawSession, watch: Watch) -> None:
    # OPC 10000-5, 6.4.28.
    holder, method = room.test("Methods"), room.test("Methods/Add")
    await invoke(operator, holder, method, 1.0, 2.0)
    assert (await watch.next(I.AuditUpdateMethodEventType, MethodId=method, Status=True))["ClientUserId"] == "olga"
    await invoke(operator, holder, method, 1.0)
    assert (await watch.next(I.AuditUpdateMethodEventType, MethodId=method, Status=False))["ClientUserId"] == "olga"


async def test_changes_of_the_address_space_are_audited(room: Room, operator: RawSession, watch: Watch) -> None:
    # OPC 10000-5, 6.4.19 to 6.4.24; here one that is denied.
    target = ua.DeleteNodesItem(room.test("ReadOnly"), True)
    await operator.call(ask("DeleteNodes", NodesToDelete=[target]))
    found = await watch.next(I.AuditDeleteNodesEventType)
    assert (found["Status"], found["ClientUserId"]) == (False, "olga")


async def test_only_administrators_hear_of_it(room: Room, session: RawSession, admin: RawSession) -> None:
    # OPC 10000-5, 6.4.3: audit events hold what other clients must not learn.
    listeners = [await Subscriber.create(who) for who in (session, admin)]
    for subscriber in listeners:
        await subscriber.add(item(ua.NodeId(I.Server), attribute=A.EventNotifier, filter=_filter(), queue=100))
    await write(session, room.test("Static/Double"), 1.0)
    assert await listeners[1].events(1)
    await listeners[0].quiet()
    for subscriber in listeners:
        await subscriber.close()
    assert name_of((await read(session, ua.NodeId(I.Server_Auditing))).StatusCode) == "Good"
