"""Audit events by OPC 10000-5, 6.4: kinds, fields, types, failures; and no secrets."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary, variant_to_binary

from server.core.clock import to_datetime
from server.opcua.nodes.node import VARIABLE, Node, Shape
from server.opcua.services.context import Request
from server.opcua.wire.headers import audit_entry
from tests.kit.sessions import SERVER_URI, Client, RefusedError, SessionRig, encrypted, pair

I = ua.ObjectIds  # noqa: E741
TYPES = {
    "ActionTimeStamp": ua.VariantType.DateTime,
    "Status": ua.VariantType.Boolean,
    "ServerId": ua.VariantType.String,
    "ClientAuditEntryId": ua.VariantType.String,
    "ClientUserId": ua.VariantType.String,
    "StatusCodeId": ua.VariantType.StatusCode,
    "SecureChannelId": ua.VariantType.String,
    "SessionId": ua.VariantType.NodeId,
    "ClientCertificate": ua.VariantType.ByteString,
    "ClientCertificateThumbprint": ua.VariantType.String,
    "RevisedSessionTimeout": ua.VariantType.Double,
    "EndpointUrl": ua.VariantType.String,
    "ClientSoftwareCertificates": ua.VariantType.ExtensionObject,
    "UserIdentityToken": ua.VariantType.ExtensionObject,
    "CurrentRoleIds": ua.VariantType.NodeId,
    "RequestHandle": ua.VariantType.UInt32,
    "RequestType": ua.VariantType.Int32,
    "SecurityPolicyUri": ua.VariantType.String,
    "SecurityMode": ua.VariantType.Int32,
    "RequestedLifetime": ua.VariantType.Double,
    "Certificate": ua.VariantType.ByteString,
    "InvalidHostname": ua.VariantType.String,
    "InvalidUri": ua.VariantType.String,
    "AttributeId": ua.VariantType.UInt32,
    "IndexRange": ua.VariantType.String,
    "MethodId": ua.VariantType.NodeId,
    "InputArguments": ua.VariantType.Variant,
    "NodesToAdd": ua.VariantType.ExtensionObject,
    "ParameterDataTypeId": ua.VariantType.NodeId,
}
"""Built-in type of each field, from the tables of the event types."""


@pytest.fixture
def rig() -> SessionRig:
    return SessionRig()


@pytest.fixture(autouse=True)
def every_event_has_the_right_types_and_can_be_sent(rig: SessionRig) -> Any:
    yield
    for event in rig.bus.events:
        for name in ("ActionTimeStamp", "Status", "ServerId", "ClientAuditEntryId", "ClientUserId"):
            assert name in event
        for name, variant in event.items():
            variant_to_binary(variant)
            assert name not in TYPES or variant.VariantType == TYPES[name], name
        assert event["ServerId"].Value == SERVER_URI
        assert 1 <= event["Severity"].Value <= 1000


async def test_a_session_from_its_creation_to_its_end(rig: SessionRig) -> None:
    client = await rig.signed_in("olga")
    await client.close()
    (created,) = rig.bus.of(I.AuditCreateSessionEventType)
    assert created["Status"] is True and created["SessionId"] == client.session_id
    assert created["SourceName"] == "Session/CreateSession" and created["ClientUserId"] == "System/CreateSession"
    assert created["ClientCertificate"] == client.channel.peer_certificate
    assert created["RevisedSessionTimeout"] == 60_000 and created["SecureChannelId"] == str(client.channel.channel_id)
    assert created["ActionTimeStamp"] == to_datetime(rig.clock.now()) and created["SourceNode"] == ua.NodeId(2253)
    (activated,) = rig.bus.of(I.AuditActivateSessionEventType)
    assert (activated["ClientUserId"], activated["Status"]) == ("olga", True)
    assert activated["UserIdentityToken"].UserName == "olga" and activated["UserIdentityToken"].Password is None
    assert ua.NodeId(15680) in activated["CurrentRoleIds"]  # Operator
    (closed,) = rig.bus.of(I.AuditSessionEventType)
    assert (closed["SourceName"], closed["ClientUserId"]) == ("Session/CloseSession", "olga")


async def test_failures_are_told_with_their_code(rig: SessionRig) -> None:
    with pytest.raises(RefusedError):
        await rig.client().create(ClientNonce=b"short")
    client = rig.client()
    await client.create()
    with pytest.raises(RefusedError):
        await client.activate(client.password("olga", "wrong"))
    refused = rig.bus.of(I.AuditCreateSessionEventType)[0]
    assert (refused["Status"], refused["StatusCodeId"].name) == (False, "BadNonceInvalid")
    assert refused["SessionId"] == ua.NodeId()
    (activated,) = rig.bus.of(I.AuditActivateSessionEventType)
    assert (activated["Status"], activated["StatusCodeId"].name) == (False, "BadIdentityTokenRejected")
    assert activated["ClientUserId"] == "olga" and activated["Severity"] > refused["Severity"] - 1


async def test_time_outs_and_cancel(rig: SessionRig) -> None:
    client = await rig.active()
    cancel = ua.CancelRequest()
    cancel.Parameters.RequestHandle = 42
    await client.request(cancel)
    (cancelled,) = rig.bus.of(I.AuditCancelEventType)
    assert cancelled["RequestHandle"] == 42 and cancelled["ClientUserId"] is None  # anonymous
    rig.advance(61)
    (closed,) = rig.bus.of(I.AuditSessionEventType)
    assert closed["SourceName"] == "Session/Timeout"


async def test_secrets_never_leave(rig: SessionRig) -> None:
    client = await rig.signed_in("olga")
    with pytest.raises(RefusedError):
        await client.activate(client.password("olga", "hunter2"))
    issued = ua.IssuedIdentityToken("jwt_basic256sha256", b"token-data")
    with pytest.raises(RefusedError):
        await client.activate(issued)
    clear = ua.UserNameIdentityToken("username_basic256sha256", "olga", b"hunter2")
    with pytest.raises(RefusedError):
        await client.activate(clear)
    secrets = [b"hunter2", b"token-data", b"turn", client.nonce, client.token.Identifier]
    sealed = encrypted(client.channel.policy_uri, b"turn", client.nonce)
    everything = b"".join(variant_to_binary(variant) for event in rig.bus.events for variant in event.values())
    assert len(rig.bus.of(I.AuditActivateSessionEventType)) == 4
    assert not any(secret in everything for secret in (*secrets, sealed))


async def test_a_foreign_url_is_told(rig: SessionRig) -> None:
    await rig.client().create(EndpointUrl="opc.tcp://other.example:4840/fieldloom")
    (found,) = rig.bus.of(I.AuditUrlMismatchEventType)
    assert found["EndpointUrl"] == "opc.tcp://other.example:4840/fieldloom"
    await rig.client().create()
    assert len(rig.bus.of(I.AuditUrlMismatchEventType)) == 1


async def test_channels_and_their_certificates(rig: SessionRig) -> None:
    channel = rig.channel()
    rig.dispatcher.channel_opened(channel, False)
    rig.dispatcher.channel_opened(channel, True)
    opened, renewed = rig.bus.of(I.AuditOpenSecureChannelEventType)
    assert (opened["RequestType"], renewed["RequestType"]) == (0, 1)
    assert opened["SecurityPolicyUri"] == channel.policy_uri and opened["SecurityMode"] == 3
    assert opened["RequestedLifetime"] == 60_000.0 and len(opened["ClientCertificateThumbprint"]) == 40
    rig.dispatcher.channel_refused("10.0.0.9", ua.StatusCodes.BadSecurityChecksFailed, "reason", None, "urn:x")
    refused = rig.bus.of(I.AuditOpenSecureChannelEventType)[-1]
    assert refused["Status"] is False and "reason" in refused["Message"].Text


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("BadCertificateTimeInvalid", "Expired"),
        ("BadCertificateIssuerTimeInvalid", "Expired"),
        ("BadCertificateInvalid", "Invalid"),
        ("BadCertificateChainIncomplete", "Invalid"),
        ("BadCertificateUntrusted", "Untrusted"),
        ("BadCertificateRevoked", "Revoked"),
        ("BadCertificateUseNotAllowed", "Mismatch"),
        ("BadCertificateHostNameInvalid", "DataMismatch"),
    ],
)
async def test_refused_certificates_have_their_own_events(rig: SessionRig, code: str, kind: str) -> None:
    der = pair("stranger").der
    rig.dispatcher.channel_refused("10.0.0.9", getattr(ua.StatusCodes, code), "reason", der, "urn:x")
    (found,) = rig.bus.of(getattr(I, f"AuditCertificate{kind}EventType"))
    assert found["Certificate"] == der and found["StatusCodeId"].name == code and found["Status"] is False


async def test_a_wrong_application_uri_is_a_data_mismatch(rig: SessionRig) -> None:
    with pytest.raises(RefusedError):
        await rig.client().create(ClientDescription=ua.ApplicationDescription(ApplicationUri="urn:liar"))
    (found,) = rig.bus.of(I.AuditCertificateDataMismatchEventType)
    assert found["InvalidUri"] == "urn:liar"


# -- what sessions do


async def acting(rig: SessionRig, entry: str | None = "ticket 4711") -> tuple[Client, Request]:
    client = await rig.signed_in("olga")
    message = ua.RegisterNodesRequest()
    message.RequestHeader.AuthenticationToken = client.token
    message.RequestHeader.AuditEntryId = entry
    request = Request(client.channel, 1, 1, struct_to_binary(message), 0, "Write")  # type: ignore[arg-type]
    (request.session,) = rig.table
    return client, request


async def test_writes(rig: SessionRig) -> None:
    _client, request = await acting(rig)
    node = Node((2, "level"), Shape(VARIABLE), ua.QualifiedName("Level", 2))
    old, new = ua.Variant(1.5), ua.DataValue(ua.Variant([1, 2], ua.VariantType.Int32))
    rig.audit.written(request, node, 13, "0:1", old, new, 0)
    rig.audit.written(request, node, 99, None, None, ua.DataValue(), int(ua.StatusCodes.BadAttributeIdInvalid))
    good, bad = rig.bus.of(I.AuditWriteUpdateEventType)
    assert good["SourceNode"] == ua.NodeId("level", 2) and good["SourceName"] == "Attribute/Write"
    assert (good["AttributeId"], good["IndexRange"], good["OldValue"], good["NewValue"]) == (13, "0:1", 1.5, [1, 2])
    assert (good["ClientUserId"], good["ClientAuditEntryId"], good["Status"]) == ("olga", "ticket 4711", True)
    assert (bad["Status"], bad["OldValue"], bad["NewValue"]) == (False, None, None)


async def test_calls_nodes_and_history(rig: SessionRig) -> None:
    _client, request = await acting(rig, None)
    inputs = [ua.Variant("name", ua.VariantType.String), ua.Variant(2.5)]
    rig.audit.called(request, (2, "pump/MethodSet"), (2, "pump/MethodSet/Trip"), inputs, 0)
    (called,) = rig.bus.of(I.AuditUpdateMethodEventType)
    assert called["MethodId"] == ua.NodeId("pump/MethodSet/Trip", 2) and called["InputArguments"] == inputs
    assert called["ClientAuditEntryId"] is None
    items = [ua.AddNodesItem(), ua.AddNodesItem()]
    rig.audit.node_management(request, "AddNodes", items, [0, int(ua.StatusCodes.BadNodeIdExists)])
    (added,) = rig.bus.of(I.AuditAddNodesEventType)
    assert len(added["NodesToAdd"]) == 2 and added["Status"] is False
    for kind in ("AddReferences", "DeleteNodes", "DeleteReferences"):
        rig.audit.node_management(request, kind, [getattr(ua, f"{kind}Item")()], [0])
        assert len(rig.bus.of(getattr(I, f"Audit{kind}EventType"))) == 1
    rig.audit.history_updated(request, ua.UpdateDataDetails(NodeId=ua.NodeId("x", 2)), 0)
    (updated,) = rig.bus.of(I.AuditHistoryValueUpdateEventType)
    assert updated["SourceNode"] == ua.NodeId("x", 2)
    assert updated["ParameterDataTypeId"] == ua.NodeId(I.UpdateDataDetails)


async def test_nobody_listening_means_nothing_is_built(rig: SessionRig) -> None:
    rig.bus.listening = False
    client, request = await acting(rig)
    rig.audit.called(request, 1, 2, [], 0)
    await client.close()
    assert rig.bus.events == [] and not rig.audit.wanted
    rig.bus.listening, rig.audit.enabled = True, False
    assert not rig.audit.wanted


def test_the_audit_entry_is_read_from_the_header() -> None:
    message = ua.ReadRequest()
    for entry, read in ((None, None), ("", ""), ("größe", "größe"), ("x" * 5_000, "x" * 1_024)):
        message.RequestHeader.AuditEntryId = entry
        assert audit_entry(struct_to_binary(message)) == read


async def test_sign_ins_go_to_the_trail_whoever_listens() -> None:
    kept: list[Any] = []
    rig = SessionRig(trail=lambda *record: kept.append(record))
    rig.bus.listening = False
    client = await rig.signed_in("olga")
    with pytest.raises(RefusedError):
        await client.activate(client.password("adam", "wrong"))
    await rig.active()  # anonymous: not worth a record
    assert [(record[0].user, *record[1:4]) for record in kept] == [
        ("olga", "sign in", "olga", "Good"),
        ("adam", "sign in", "adam", "BadIdentityTokenRejected"),
    ]
    assert kept[1][0].role == "anonymous"
