"""The Server object tells the truth: identity, capabilities, limits, diagnostics (OPC 10000-5, 6.3 and 12)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua

from server.opcua.profiles import server_profiles
from server.settings import OpcUaSettings
from tests.kit.asking import A, I, Subscriber, browse, fault, get, item, name_of, plain, read, value, write
from tests.kit.facets import Room
from tests.kit.opcua import APPLICATION_URI
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
SERVER = ua.NodeId(I.Server)
STATUS = "Server_ServerStatus"
DIAGNOSTICS = "Server_ServerDiagnostics"
SUMMARY = f"{DIAGNOSTICS}_ServerDiagnosticsSummary"


def _id(name: str) -> ua.NodeId:
    return ua.NodeId(getattr(I, name))


async def test_namespaces_and_servers_stand_in_their_order(session: RawSession) -> None:
    # OPC 10000-5, 6.3.1: index 0 is OPC UA, index 1 the local server, which is also the first of ServerArray.
    names = await value(session, I.Server_NamespaceArray)
    assert names[:2] == ["http://opcfoundation.org/UA/", APPLICATION_URI]
    assert len(set(names)) == len(names)
    assert await value(session, I.Server_ServerArray) == [APPLICATION_URI]


async def test_status_is_the_same_as_structure_and_as_children(session: RawSession) -> None:
    # OPC 10000-5, 12.10.
    structure = await value(session, I.Server_ServerStatus)
    assert structure.State == ua.ServerState.Running == await value(session, _id(f"{STATUS}_State"))
    assert structure.StartTime == await value(session, _id(f"{STATUS}_StartTime"))
    assert structure.SecondsTillShutdown == await value(session, _id(f"{STATUS}_SecondsTillShutdown")) == 0
    info = await value(session, _id(f"{STATUS}_BuildInfo"))
    assert structure.BuildInfo == info
    for name in ("ProductUri", "ManufacturerName", "ProductName", "SoftwareVersion", "BuildNumber", "BuildDate"):
        found = await value(session, _id(f"{STATUS}_BuildInfo_{name}"))
        assert found == getattr(info, name) and found, name


async def test_current_time_runs(session: RawSession) -> None:
    first = await value(session, _id(f"{STATUS}_CurrentTime"))
    second = (await value(session, I.Server_ServerStatus)).CurrentTime
    assert first <= second
    assert abs(datetime.now(UTC) - second.replace(tzinfo=UTC)) < timedelta(seconds=30)
    assert first > await value(session, _id(f"{STATUS}_StartTime"))


async def test_current_time_can_be_monitored(session: RawSession) -> None:
    # A client that watches CurrentTime sees whether the server lives.
    subscriber = await Subscriber.create(session)
    await subscriber.add(item(_id(f"{STATUS}_CurrentTime"), sampling=50.0))
    found = [entry.Value.Value for _, entry in await subscriber.collect(3)]
    assert found == sorted(set(found))
    await subscriber.close()


async def test_the_profiles_listed_are_those_that_are_shown(session: RawSession) -> None:
    # OPC 10000-5, 6.3.2: ServerProfileArray; docs/conformance.toml and its checker hold the proof.
    expected = server_profiles(OpcUaSettings(allow_none=True, test_nodes=True))
    assert tuple(await value(session, _id("Server_ServerCapabilities_ServerProfileArray"))) == expected


async def test_capabilities_are_there_and_hold(session: RawSession) -> None:
    # OPC 10000-5, 6.3.2 and 6.3.11.
    top = "Server_ServerCapabilities_"
    assert "en" in await value(session, _id(top + "LocaleIdArray"))
    assert await value(session, _id(top + "MinSupportedSampleRate")) >= 0
    assert await value(session, _id(top + "MaxBrowseContinuationPoints")) >= 5
    assert await value(session, _id(top + "MaxQueryContinuationPoints")) == 0
    assert await value(session, _id(top + "MaxHistoryContinuationPoints")) >= 1
    assert list(await value(session, _id(top + "SoftwareCertificates"))) == []
    for name in ("MaxArrayLength", "MaxStringLength", "MaxByteStringLength"):
        assert isinstance(await value(session, _id(top + name)), int)
    limits = await browse(session, _id(top + "OperationLimits"), ReferenceTypeId=ua.NodeId(I.HasProperty))
    assert len(limits.References) >= 10
    for reference in limits.References:
        assert await value(session, reference.NodeId) > 0, reference.BrowseName


async def test_service_level_and_redundancy_are_honest(session: RawSession) -> None:
    # OPC 10000-5, 6.3.1 and 6.3.7: alone and well.
    assert await value(session, I.Server_ServiceLevel) == 255
    assert await value(session, _id("Server_ServerRedundancy_RedundancySupport")) == 0
    assert isinstance(await value(session, I.Server_Auditing), bool)


async def test_each_namespace_has_its_metadata(session: RawSession) -> None:
    # OPC 10000-5, 6.3.14: one object per namespace with uri, version, publication date.
    found = await browse(session, _id("Server_Namespaces"), NodeClassMask=1)
    seen: dict[str, str] = {}
    for reference in found.References:
        properties = await browse(session, reference.NodeId, ReferenceTypeId=ua.NodeId(I.HasProperty))
        by_name = {entry.BrowseName.Name: entry.NodeId for entry in properties.References}
        assert {"NamespaceUri", "NamespaceVersion", "NamespacePublicationDate", "IsNamespaceSubset"} <= set(by_name)
        seen[await value(session, by_name["NamespaceUri"])] = await value(session, by_name["NamespaceVersion"])
        assert reference.BrowseName.Name in seen
    assert set(seen) == set(await value(session, I.Server_NamespaceArray))
    assert seen["http://opcfoundation.org/UA/DI/"].startswith("1.0")


async def test_the_summary_counts_rightly(room: Room, session: RawSession) -> None:
    # OPC 10000-5, 12.9: ServerDiagnosticsSummary.
    assert await value(session, _id(f"{DIAGNOSTICS}_EnabledFlag")) is True

    async def counts() -> ua.ServerDiagnosticsSummaryDataType:
        return await value(session, _id(SUMMARY))

    before = await counts()
    assert before.CurrentSessionCount >= 1
    async with await room.channel() as channel:
        other = await room.session(channel)
        subscriber = await Subscriber.create(other, keep_alive=1_000)
        during = await counts()
        assert during.CurrentSessionCount == before.CurrentSessionCount + 1
        assert during.CumulatedSessionCount == before.CumulatedSessionCount + 1
        assert during.CurrentSubscriptionCount == before.CurrentSubscriptionCount + 1
        assert await value(session, _id(f"{SUMMARY}_CurrentSessionCount")) == during.CurrentSessionCount
        await subscriber.close()
        await other.close()
    await fault(session, "Read")
    after = await counts()
    assert after.CurrentSessionCount == before.CurrentSessionCount
    assert after.CurrentSubscriptionCount == before.CurrentSubscriptionCount
    assert after.RejectedRequestsCount == before.RejectedRequestsCount + 1


async def test_a_session_finds_itself_in_the_diagnostics(admin: RawSession) -> None:
    # OPC 10000-5, 6.3.5 and 6.3.6: in SessionDiagnosticsArray and as an object whose NodeId is the sessionId.
    rows = await value(admin, _id(f"{DIAGNOSTICS}_SessionsDiagnosticsSummary_SessionDiagnosticsArray"))
    (own,) = [row for row in rows if row.SessionId == admin.session_id]
    assert own.SessionName == "raw"
    found = await browse(admin, _id(f"{DIAGNOSTICS}_SessionsDiagnosticsSummary"), NodeClassMask=1)
    assert admin.session_id in [reference.NodeId for reference in found.References]
    children = {entry.BrowseName.Name: entry.NodeId for entry in (await browse(admin, admin.session_id)).References}
    assert {"SessionDiagnostics", "SessionSecurityDiagnostics", "SubscriptionDiagnosticsArray"} <= set(children)
    first = await value(admin, children["SessionDiagnostics"])
    second = await value(admin, children["SessionDiagnostics"])
    assert second.ReadCount.TotalCount == first.ReadCount.TotalCount + 1
    security = await value(admin, children["SessionSecurityDiagnostics"])
    assert security.ClientUserIdOfSession == "ada"


async def test_security_diagnostics_are_for_administrators(session: RawSession, operator: RawSession) -> None:
    # OPC 10000-5, 6.3.5: SessionSecurityDiagnosticsArray holds what others must not learn.
    node = _id(f"{DIAGNOSTICS}_SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray")
    for who in (session, operator):
        assert name_of((await read(who, node)).StatusCode) == "BadUserAccessDenied"


async def test_subscriptions_are_diagnosed(session: RawSession) -> None:
    # OPC 10000-5, 12.15: SubscriptionDiagnosticsArray.
    subscriber = await Subscriber.create(session, priority=7)
    await subscriber.watch(ua.NodeId(I.Server_ServiceLevel))
    rows = await value(session, _id(f"{DIAGNOSTICS}_SubscriptionDiagnosticsArray"))
    (row,) = [found for found in rows if found.SubscriptionId == subscriber.id]
    assert (row.SessionId, row.Priority, row.PublishingInterval) == (session.session_id, 7, 50.0)
    assert (row.MonitoredItemCount, row.DataChangeNotificationsCount) == (1, 1)
    assert row.PublishRequestCount >= 1 and row.PublishingEnabled
    await subscriber.close()


async def test_only_administrators_switch_diagnostics(session: RawSession, admin: RawSession) -> None:
    # OPC 10000-5, 6.3.3: EnabledFlag FALSE: the summary says so and nothing is counted.
    flag = _id(f"{DIAGNOSTICS}_EnabledFlag")
    off = plain(False, ua.VariantType.Boolean)
    assert await write(session, flag, off) in ("BadUserAccessDenied", "BadNotWritable")
    assert await write(admin, flag, off) == "Good"
    try:
        assert await value(session, flag) is False
        found = await read(session, _id(SUMMARY))
        assert name_of(found.StatusCode) != "Good" or found.Value.Value is not None
        array = await read(session, _id(f"{DIAGNOSTICS}_SubscriptionDiagnosticsArray"))
        assert name_of(array.StatusCode) != "Good" or not array.Value.Value
    finally:
        assert await write(admin, flag, plain(True, ua.VariantType.Boolean)) == "Good"
    assert await value(session, flag) is True


async def test_methods_that_are_not_there_are_not_shown(session: RawSession) -> None:
    # What is left out looks left out: every Method below Server can be called.
    found = await browse(session, SERVER, NodeClassMask=4)
    for reference in found.References:
        assert (await read(session, reference.NodeId, A.Executable)).Value.Value is True
        result = await get(session, "Call", MethodsToCall=[ua.CallMethodRequest(SERVER, reference.NodeId, [])])
        assert name_of(result.Results[0].StatusCode) in ("BadArgumentsMissing", "BadUserAccessDenied"), reference


async def test_the_model_changes_while_somebody_watches(room: Room, session: RawSession) -> None:
    # OPC 10000-3, 9.32: a client hears of a new node without polling.
    wanted = ua.EventFilter(
        [
            ua.SimpleAttributeOperand(
                TypeDefinitionId=ua.NodeId(I.BaseModelChangeEventType),
                BrowsePath=[ua.QualifiedName("Changes", 0)],
                AttributeId=A.Value,
            )
        ],
        ua.ContentFilter(
            [
                ua.ContentFilterElement(
                    ua.FilterOperator.OfType, [ua.LiteralOperand(ua.Variant(ua.NodeId(I.BaseModelChangeEventType)))]
                )
            ]
        ),
    )
    subscriber = await Subscriber.create(session)
    (made,) = await subscriber.add(item(SERVER, attribute=A.EventNotifier, filter=wanted, queue=10))
    assert name_of(made.StatusCode) == "Good"
    rig = room.rig
    await rig.pipeline.restore([("pump-2", "pump", ("hall",), rig.clock.now(), {})])
    async with asyncio.timeout(10):
        affected: list[ua.NodeId] = []
        while rig.node("pump-2") not in affected:
            for (changes,) in await subscriber.events(1):
                affected += [change.Affected for change in changes]
    assert name_of((await read(session, rig.node("pump-2"), A.NodeClass)).StatusCode) == "Good"
    await subscriber.close()


async def test_history_capabilities_tell_the_truth(room: Room, session: RawSession) -> None:
    # OPC 10000-11, 5.4.2: values are read, changed and annotated; events of this room have no history.
    top = "HistoryServerCapabilities_"
    for name in (
        "AccessHistoryData",
        "InsertData",
        "ReplaceData",
        "UpdateData",
        "DeleteRaw",
        "DeleteAtTime",
        "InsertAnnotation",
    ):
        assert await value(session, _id(f"{top}{name}Capability")) is True, name
    for name in (
        "AccessHistoryEvents",
        "InsertEvent",
        "ReplaceEvent",
        "UpdateEvent",
        "DeleteEvent",
    ):
        assert await value(session, _id(f"{top}{name}Capability")) is False, name
    assert await value(session, _id(top + "MaxReturnDataValues")) > 0
    found = await browse(session, _id("HistoryServerCapabilities_AggregateFunctions"))
    listed = [entry for entry in found.References or [] if entry.ReferenceTypeId.Identifier == I.Organizes]
    assert len(listed) == 37
    details = ua.DeleteRawModifiedDetails(
        NodeId=room.test("History"),
        IsDeleteModified=False,
        StartTime=datetime(2026, 1, 1, tzinfo=UTC),
        EndTime=datetime(2026, 1, 2, tzinfo=UTC),
    )
    answer = await get(session, "HistoryUpdate", HistoryUpdateDetails=[details])
    code = name_of(answer.Results[0].StatusCode)
    assert code in ("BadHistoryOperationUnsupported", "BadUserAccessDenied"), code
