"""What every service does alike (OPC 10000-4, 7.32 to 7.38): order of results, limits, headers, faults."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from server.settings import LimitSettings
from tests.kit.asking import A, I, Subscriber, ask, description, fault, get, item, name_of, names, value, write
from tests.kit.facets import Room
from tests.kit.raw import RawSession, ServiceFaultError, read_request

pytestmark = pytest.mark.asyncio(loop_scope="module")
MOST = 20
SETTINGS = {"limits": LimitSettings(operations=MOST)}
STATE = ua.NodeId(I.Server_ServerStatus_State)
NOWHERE = ua.NodeId("nowhere", 2)

ELEMENTS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "Read": ("NodesToRead", ua.ReadValueId(STATE, A.Value), {}),
    "Write": ("NodesToWrite", ua.WriteValue(STATE, A.Value, None, ua.DataValue()), {}),
    "Browse": ("NodesToBrowse", ua.BrowseDescription(STATE), {}),
    "BrowseNext": ("ContinuationPoints", b"no point", {}),
    "TranslateBrowsePathsToNodeIds": ("BrowsePaths", ua.BrowsePath(STATE), {}),
    "RegisterNodes": ("NodesToRegister", STATE, {}),
    "UnregisterNodes": ("NodesToUnregister", STATE, {}),
    "Call": ("MethodsToCall", ua.CallMethodRequest(STATE, STATE), {}),
    "CreateMonitoredItems": ("ItemsToCreate", item(STATE), {"SubscriptionId": 0}),
    "ModifyMonitoredItems": ("ItemsToModify", ua.MonitoredItemModifyRequest(1), {"SubscriptionId": 0}),
    "SetMonitoringMode": ("MonitoredItemIds", 1, {"SubscriptionId": 0}),
    "DeleteMonitoredItems": ("MonitoredItemIds", 1, {"SubscriptionId": 0}),
    "HistoryRead": ("NodesToRead", ua.HistoryReadValueId(STATE), {"HistoryReadDetails": ua.ReadRawModifiedDetails()}),
    "AddNodes": ("NodesToAdd", ua.AddNodesItem(), {}),
    "AddReferences": ("ReferencesToAdd", ua.AddReferencesItem(), {}),
    "DeleteNodes": ("NodesToDelete", ua.DeleteNodesItem(), {}),
    "DeleteReferences": ("ReferencesToDelete", ua.DeleteReferencesItem(), {}),
}
"""Service -> its operation array, an element, what else it needs (a SubscriptionId of 0 becomes a real one)."""


async def _rest(session: RawSession, rest: dict[str, Any]) -> dict[str, Any]:
    if "SubscriptionId" not in rest:
        return rest
    return {**rest, "SubscriptionId": (await Subscriber.create(session, keep_alive=1_000)).id}


@pytest.mark.parametrize("service", [*ELEMENTS, "DeleteSubscriptions", "SetPublishingMode", "TransferSubscriptions"])
async def test_nothing_to_do_is_a_service_result(session: RawSession, service: str) -> None:
    # OPC 10000-4, 7.38.2: an operation array without elements is BadNothingToDo for the whole call.
    array, _, rest = ELEMENTS.get(service, ("SubscriptionIds", None, {}))
    assert await fault(session, service, **await _rest(session, rest), **{array: []}) == "BadNothingToDo"


async def test_triggering_without_links_is_nothing_to_do(session: RawSession) -> None:
    # OPC 10000-4, 5.13.5.3.
    subscriber = await Subscriber.create(session, keep_alive=1_000)
    (made,) = await subscriber.add(item(STATE))
    code = await fault(session, "SetTriggering", SubscriptionId=subscriber.id, TriggeringItemId=made.MonitoredItemId)
    assert code == "BadNothingToDo"


@pytest.mark.parametrize("service", ELEMENTS)
async def test_more_operations_than_the_published_limit_are_refused(session: RawSession, service: str) -> None:
    # OPC 10000-4, 7.38.2 and OPC 10000-5, 6.3.11: a limit that is published is enforced.
    array, one, rest = ELEMENTS[service]
    rest = await _rest(session, rest)
    limit = {
        "BrowseNext": "MaxNodesPerBrowse",
        "UnregisterNodes": "MaxNodesPerRegisterNodes",
        "Call": "MaxNodesPerMethodCall",
        "HistoryRead": "MaxNodesPerHistoryReadData",
        **{name: "MaxMonitoredItemsPerCall" for name in ELEMENTS if "Monitor" in name},
        **dict.fromkeys(("AddNodes", "AddReferences", "DeleteNodes", "DeleteReferences"), "MaxNodesPerNodeManagement"),
    }.get(service, f"MaxNodesPer{service}")
    most = await value(session, getattr(I, f"Server_ServerCapabilities_OperationLimits_{limit}"))
    assert 0 < most <= MOST
    assert await fault(session, service, **rest, **{array: [one] * (most + 1)}) == "BadTooManyOperations"
    try:
        await session.call(ask(service, **rest, **{array: [one] * most}))  # exactly as many are judged one by one
    except ServiceFaultError as error:
        assert name_of(error.code) != "BadTooManyOperations"


async def test_one_bad_element_spoils_no_other(session: RawSession, room: Room) -> None:
    # OPC 10000-4, 7.38.1: results in the order of the request; the others are done.
    good, double = room.test("ReadOnly"), room.test("Static/Double")
    values = await session.read(good, NOWHERE, good)
    assert [name_of(found.StatusCode) for found in values] == ["Good", "BadNodeIdUnknown", "Good"]
    number = ua.DataValue(ua.Variant(3.5, ua.VariantType.Double), None)
    answer = await get(
        session,
        "Write",
        NodesToWrite=[
            ua.WriteValue(good, A.Value, None, number),
            ua.WriteValue(double, A.Value, None, number),
            ua.WriteValue(NOWHERE, A.Value, None, number),
        ],
    )
    assert names(answer.Results) == ["BadNotWritable", "Good", "BadNodeIdUnknown"]
    assert (await session.read(double))[0].Value.Value == 3.5
    answer = await get(session, "Browse", NodesToBrowse=[description(node) for node in (NOWHERE, STATE, NOWHERE)])
    assert names(result.StatusCode for result in answer.Results) == ["BadNodeIdUnknown", "Good", "BadNodeIdUnknown"]


async def test_the_request_handle_comes_back_with_the_time_of_now(session: RawSession) -> None:
    # OPC 10000-4, 7.33: requestHandle is the client's, timestamp is when the answer was made; in a fault alike.
    request = read_request(STATE)
    request.RequestHeader.RequestHandle = 4_000_000_001
    header = (await session.call(request)).ResponseHeader
    assert header.RequestHandle == 4_000_000_001
    made = header.Timestamp.replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - made) < timedelta(seconds=30)
    empty = ask("Read")
    empty.RequestHeader.RequestHandle = 77
    with pytest.raises(ServiceFaultError) as caught:
        await session.call(empty)
    assert caught.value.response.ResponseHeader.RequestHandle == 77


async def test_an_unknown_service_is_a_fault_and_the_channel_goes_on(session: RawSession) -> None:
    # OPC 10000-4, 5.3: BadServiceUnsupported; here a request type nobody defines, and Query, which is left out.
    header = ua.RequestHeader()
    header.AuthenticationToken = session.token
    body = struct.pack("<BBH", 1, 0, 64_001) + struct_to_binary(header)
    with pytest.raises(ServiceFaultError) as caught:
        session.channel.decoded(await session.channel.request(body))
    assert name_of(caught.value.code) == "BadServiceUnsupported"
    assert await fault(session, "QueryFirst") == "BadServiceUnsupported"
    assert await value(session, STATE) == 0


@pytest.mark.parametrize("cut", [1, 9, 17])
async def test_what_cannot_be_decoded_is_a_fault_and_the_channel_goes_on(session: RawSession, cut: int) -> None:
    # OPC 10000-4, 5.3: BadDecodingError; the connection is not to blame.
    request = read_request(STATE, STATE)
    request.RequestHeader.AuthenticationToken = session.token
    body = struct_to_binary(request)[:-cut]
    with pytest.raises(ServiceFaultError) as caught:
        session.channel.decoded(await session.channel.request(body))
    assert name_of(caught.value.code) == "BadDecodingError"
    assert await value(session, STATE) == 0


async def test_enumerations_out_of_range_have_codes_of_their_own(session: RawSession) -> None:
    # OPC 10000-4: 5.11.2.3, 5.9.2.4 and 5.13.4.3.
    wanted = [ua.ReadValueId(STATE, A.Value)]
    for which in (-1, 4, 7):
        code = await fault(session, "Read", TimestampsToReturn=which, NodesToRead=wanted)
        assert code == "BadTimestampsToReturnInvalid"
    assert await fault(session, "Read", MaxAge=-1.0, NodesToRead=wanted) == "BadMaxAgeInvalid"
    answer = await get(session, "Browse", NodesToBrowse=[description(STATE, BrowseDirection=3), description(STATE)])
    assert names(result.StatusCode for result in answer.Results) == ["BadBrowseDirectionInvalid", "Good"]
    subscriber = await Subscriber.create(session, keep_alive=1_000)
    (made,) = await subscriber.add(item(STATE))
    target = {"SubscriptionId": subscriber.id, "MonitoredItemIds": [made.MonitoredItemId]}
    assert await fault(session, "SetMonitoringMode", MonitoringMode=3, **target) == "BadMonitoringModeInvalid"
    code = await fault(
        session,
        "CreateMonitoredItems",
        SubscriptionId=subscriber.id,
        TimestampsToReturn=4,
        ItemsToCreate=[item(STATE)],
    )
    assert code == "BadTimestampsToReturnInvalid"


async def test_many_requests_may_wait_before_the_first_answer_is_read(session: RawSession) -> None:
    # OPC 10000-4, 5.3: requests of one channel are answered each under its own id, in whatever order.
    sent = [await session.post(read_request(*[STATE] * (1 + number % 5))) for number in range(100)]
    for number, request_id in reversed(list(enumerate(sent))):
        assert len((await session.answer(request_id)).Results) == 1 + number % 5


async def test_an_answer_larger_than_the_session_allows_is_a_fault(room: Room) -> None:
    # OPC 10000-4, 5.7.2.2: maxResponseMessageSize; the session goes on.
    async with await room.channel() as channel:
        session = await room.session(channel, max_response=8_192)
        long, content = room.test("Static/String"), ua.Variant("x" * 6_000, ua.VariantType.String)
        assert await write(session, long, ua.DataValue(content, None)) == "Good"
        assert len(await value(session, long)) == 6_000
        with pytest.raises(ServiceFaultError) as caught:
            await session.read(long, long)
        assert name_of(caught.value.code) == "BadResponseTooLarge"
        assert await value(session, STATE) == 0
        await session.close()


async def test_an_answer_larger_than_the_connection_allows_is_a_fault(room: Room) -> None:
    # OPC 10000-6, 7.1.2.3: MaxMessageSize of HEL limits our message.
    async with await room.channel(max_message=16_384) as channel:
        session = await room.session(channel)
        long, content = room.test("Static/String"), ua.Variant("x" * 6_000, ua.VariantType.String)
        assert await write(session, long, ua.DataValue(content, None)) == "Good"
        with pytest.raises(ServiceFaultError) as caught:
            await session.read(long, long, long)
        assert name_of(caught.value.code) == "BadResponseTooLarge"
        assert await value(session, STATE) == 0
        await session.close()


async def test_requests_do_not_show_internal_errors(session: RawSession) -> None:
    # A request with nothing in it but its header is judged like any other: BadInternalError would be a defect.
    for service in ELEMENTS:
        array, one, rest = ELEMENTS[service]
        with_one = ask(service, **await _rest(session, rest), **{array: [type(one)() if array != "x" else one]})
        try:
            response = await session.call(with_one)
        except ServiceFaultError as error:
            assert name_of(error.code) != "BadInternalError", service
        else:
            results = getattr(response, "Results", None) or getattr(response, "Parameters", None)
            assert "BadInternalError" not in str(results), service


async def test_diagnostics_may_be_asked_for(session: RawSession, room: Room) -> None:
    # 7.12 and 7.32: returnDiagnostics; a server without diagnostic infos leaves them empty, and answers the same.
    request = read_request(STATE, NOWHERE)
    request.RequestHeader.ReturnDiagnostics = 0xFFFF
    response = await session.call(request)
    assert names(found.StatusCode for found in response.Results) == ["Good", "BadNodeIdUnknown"]
    assert len(response.DiagnosticInfos or []) in (0, 2)


async def test_a_publish_does_not_wait_beyond_its_time_out(session: RawSession) -> None:
    # 7.32: timeoutHint; a Publish that has waited so long is answered BadTimeout, later ones go on.
    subscriber = await Subscriber.create(session, interval=60_000.0)
    request = ask("Publish")
    request.RequestHeader.TimeoutHint = 300
    with pytest.raises(ServiceFaultError) as caught:
        await session.call(request)
    assert name_of(caught.value.code) == "BadTimeout"
    await subscriber.close()


@pytest.mark.parametrize("service", ["RegisterServer", "RegisterServer2", "FindServersOnNetwork", "QueryNext"])
async def test_services_that_are_left_out_say_so(session: RawSession, service: str) -> None:
    # 5.3: BadServiceUnsupported.
    assert await fault(session, service) == "BadServiceUnsupported"
    assert await value(session, STATE) == 0


async def test_null_ids_are_unknown_nodes(session: RawSession) -> None:
    # A null NodeId names nothing; it is an operation result wherever it stands.
    null = ua.NodeId()
    unknown = {"BadNodeIdUnknown", "BadNodeIdInvalid"}
    (found,) = await session.read(null)
    assert name_of(found.StatusCode) in unknown
    assert await write(session, null, 1.0) in unknown
    answer = await get(session, "Browse", NodesToBrowse=[description(null)])
    assert name_of(answer.Results[0].StatusCode) in unknown
    answer = await get(session, "Call", MethodsToCall=[ua.CallMethodRequest(null, null, [])])
    assert name_of(answer.Results[0].StatusCode) in unknown
    answer = await get(session, "TranslateBrowsePathsToNodeIds", BrowsePaths=[ua.BrowsePath(null)])
    assert name_of(answer.Results[0].StatusCode) in unknown | {"BadNothingToDo"}
