"""Writes and calls of clients: they reach the device, change nothing before its echo, or are refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.core import status
from tests.kit.opcua import OpcUaRig, running
from tests.kit.plant import PACKAGE_ID

PACKAGE = f"urn:fieldloom:fdi:{PACKAGE_ID}"
S = ua.StatusCodes
V = ua.VariantType
LIMIT = "pump-1/ParameterSet/limit_high"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, devices=["pump-1", "pump-2"], command_timeout_s=0.5) as rig:
        await rig.live(temperature=20.0, limit_high=80.0)
        yield rig


async def write(client: Client, node_id: ua.NodeId, variant: ua.Variant, **more: Any) -> int:
    value = ua.DataValue(variant, **more)
    item = ua.WriteValue(NodeId=node_id, AttributeId=ua.AttributeIds.Value, Value=value)
    return (await client.uaclient.write(ua.WriteParameters([item])))[0].value


async def call(client: Client, object_id: ua.NodeId, method_id: ua.NodeId, *inputs: ua.Variant) -> ua.CallMethodResult:
    return (await client.uaclient.call([ua.CallMethodRequest(object_id, method_id, list(inputs))]))[0]


def double(value: float) -> ua.Variant:
    return ua.Variant(value, V.Double)


def text(value: str) -> ua.Variant:
    return ua.Variant(value, V.String)


# -- write


async def test_a_write_goes_to_the_device_and_shows_its_echo(rig: OpcUaRig) -> None:
    # The device rounds: what is shown afterwards is what the device said, not what the client wrote.
    rig.sender.values = lambda _name, params: {"limit_high": 90.0}
    async with rig.client("olga") as client:
        assert await write(client, rig.node(LIMIT), double(89.7)) == S.Good
        shown = await client.get_node(rig.node(LIMIT)).read_value()
    assert rig.sender.sent == [("pump-1", "set_threshold", {"name": "limit_high", "value": 89.7})]
    assert shown == 90.0


@pytest.mark.parametrize(
    ("outcome", "silent", "code"),
    [("rejected", False, S.BadInvalidState), ("failed", False, S.BadDeviceFailure), ("done", True, S.BadTimeout)],
)
async def test_a_write_that_is_not_confirmed_changes_nothing(
    rig: OpcUaRig, outcome: str, silent: bool, code: int
) -> None:
    rig.sender.outcome, rig.sender.silent = outcome, silent
    async with rig.client("olga") as client:
        assert await write(client, rig.node(LIMIT), double(90.0)) == code
        assert await client.get_node(rig.node(LIMIT)).read_value() == 80.0


@pytest.mark.parametrize("user", ["", "vera"])
async def test_who_may_only_read_writes_and_calls_nothing(rig: OpcUaRig, user: str) -> None:
    async with rig.client(user) as client:
        assert await write(client, rig.node(LIMIT), double(90.0)) == S.BadUserAccessDenied
        result = await call(client, rig.node("pump-1/MethodSet"), rig.node("pump-1/MethodSet/Trip"))
        level = await client.get_node(rig.node(LIMIT)).read_attribute(ua.AttributeIds.UserAccessLevel)
        runs = await client.get_node(rig.node("pump-1/MethodSet/Trip")).read_attribute(ua.AttributeIds.UserExecutable)
    assert result.StatusCode.value == S.BadUserAccessDenied
    assert level.Value.Value & 2 == 0
    assert runs.Value.Value is False
    assert rig.sender.sent == []


@pytest.mark.parametrize(
    ("path", "variant", "more", "code"),
    [
        (LIMIT, text("90"), {}, S.BadTypeMismatch),
        (LIMIT, ua.Variant(90, V.Int32), {}, S.BadTypeMismatch),
        (LIMIT, ua.Variant([90.0], V.Double), {}, S.BadTypeMismatch),
        (LIMIT, ua.Variant(None, V.Null), {}, S.BadTypeMismatch),
        (LIMIT, double(151.0), {}, S.BadOutOfRange),
        (LIMIT, double(float("nan")), {}, S.BadOutOfRange),
        (LIMIT, double(90.0), {"StatusCode": ua.StatusCode(S.Uncertain)}, S.BadWriteNotSupported),
        ("pump-1/ParameterSet/temperature", double(1.0), {}, S.BadNotWritable),
        ("pump-1/SerialNumber", text("mine"), {}, S.BadNotWritable),
        ("pump-1", double(1.0), {}, S.BadAttributeIdInvalid),
        ("nothing", double(1.0), {}, S.BadNodeIdUnknown),
    ],
)
async def test_what_cannot_be_written_is_refused(
    rig: OpcUaRig, path: str, variant: ua.Variant, more: dict[str, Any], code: int
) -> None:
    async with rig.client("olga") as client:
        assert await write(client, rig.node(path), variant, **more) == code
    assert rig.sender.sent == []


async def test_other_attributes_stay_as_they_are(rig: OpcUaRig) -> None:
    name = ua.DataValue(ua.Variant(ua.LocalizedText("mine"), V.LocalizedText))
    item = ua.WriteValue(NodeId=rig.node("pump-1"), AttributeId=ua.AttributeIds.DisplayName, Value=name)
    async with rig.client("emma") as client:
        (code,) = await client.uaclient.write(ua.WriteParameters([item]))
    assert code.value == S.BadNotWritable


# -- call


async def test_a_method_returns_after_the_devices_echo(rig: OpcUaRig) -> None:
    rig.sender.values = lambda _name, _params: {"state": 2}
    async with rig.client("olga") as client:
        result = await call(client, rig.node("pump-1/MethodSet"), rig.node("pump-1/MethodSet/Trip"))
        state = await client.get_node(rig.node("pump-1/ParameterSet/state")).read_value()
    assert result.StatusCode.value == S.Good
    assert state == 2
    user = next(record for record in rig.records.audits if record[5] == "command")
    assert user[1:5] == ("olga", "operator", "opcua", "127.0.0.1")


async def test_the_device_and_the_types_method_are_accepted_too(rig: OpcUaRig) -> None:
    async with rig.client("olga") as client:
        for target, method in (
            (rig.node("pump-1"), rig.node("pump-1/MethodSet/Trip")),
            (rig.node("pump-1/MethodSet"), rig.node("pump/MethodSet/Trip", PACKAGE)),
        ):
            assert (await call(client, target, method)).StatusCode.value == S.Good
    assert [device for device, _name, _params in rig.sender.sent] == ["pump-1", "pump-1"]


async def test_a_report_is_the_answers_values_as_json(rig: OpcUaRig) -> None:
    rig.sender.values = lambda _name, _params: {"temperature": 21.5}
    async with rig.client("olga") as client:
        result = await call(client, rig.node("pump-1/MethodSet"), rig.node("pump-1/MethodSet/GetDiagnostics"))
    (report,) = result.OutputArguments
    assert json.loads(report.Value) == {"temperature": 21.5}


async def test_arguments_are_described(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        node = client.get_node(rig.node("pump-1/MethodSet/SetThreshold/InputArguments"))
        name, value = await node.read_value()
    assert (name.Name, name.DataType, name.ValueRank) == ("Name", ua.NodeId(12), -1)
    assert (value.Name, value.DataType, value.Description.Text) == ("Value", ua.NodeId(11), "New limit")


@pytest.mark.parametrize(
    ("inputs", "code", "arguments"),
    [
        ([], S.BadArgumentsMissing, []),
        ([text("limit_high")], S.BadArgumentsMissing, []),
        ([text("limit_high"), double(1.0), double(1.0)], S.BadTooManyArguments, []),
        ([text("limit_high"), text("90")], S.BadInvalidArgument, [S.Good, S.BadTypeMismatch]),
        ([double(1.0), double(1.0)], S.BadInvalidArgument, [S.BadTypeMismatch, S.Good]),
        ([text("no_such"), double(1.0)], S.BadInvalidArgument, [S.BadOutOfRange, S.Good]),
        ([text("limit_high"), double(999.0)], S.BadInvalidArgument, [S.Good, S.BadOutOfRange]),
    ],
)
async def test_wrong_arguments_are_told_one_by_one(
    rig: OpcUaRig, inputs: list[ua.Variant], code: int, arguments: list[int]
) -> None:
    async with rig.client("olga") as client:
        method = rig.node("pump-1/MethodSet/SetThreshold")
        result = await call(client, rig.node("pump-1/MethodSet"), method, *inputs)
    assert result.StatusCode.value == code
    assert [entry.value for entry in result.InputArgumentResults] == arguments
    assert rig.sender.sent == []


@pytest.mark.parametrize(
    ("target", "method", "code"),
    [
        ("nothing", "pump-1/MethodSet/Trip", S.BadNodeIdUnknown),
        ("pump-1/MethodSet", "nothing", S.BadMethodInvalid),
        ("pump-2/MethodSet", "pump-1/MethodSet/Trip", S.BadMethodInvalid),
        ("pump-1/ParameterSet", "pump-1/MethodSet/Trip", S.BadMethodInvalid),
        ("pump-1/MethodSet", "pump-1", S.BadMethodInvalid),
    ],
)
async def test_what_is_no_method_of_the_object_is_refused(rig: OpcUaRig, target: str, method: str, code: int) -> None:
    async with rig.client("olga") as client:
        result = await call(client, rig.node(target), rig.node(method))
    assert result.StatusCode.value == code


async def test_a_device_never_heard_has_no_communication(rig: OpcUaRig) -> None:
    async with rig.client("olga") as client:
        result = await call(client, rig.node("pump-2/MethodSet"), rig.node("pump-2/MethodSet/Trip"))
    assert result.StatusCode.value == status.BAD_NO_COMMUNICATION


async def test_a_slow_device_holds_up_neither_others_nor_its_own_client(rig: OpcUaRig) -> None:
    rig.sender.silent = True
    async with rig.client("olga") as client, rig.client() as other:
        waiting = asyncio.create_task(call(client, rig.node("pump-1/MethodSet"), rig.node("pump-1/MethodSet/Trip")))
        node_id = rig.node("pump-1/ParameterSet/temperature")
        assert await client.get_node(node_id).read_value() == 20.0
        assert await other.get_node(node_id).read_value() == 20.0
        assert not waiting.done()
        assert (await waiting).StatusCode.value == S.BadTimeout
