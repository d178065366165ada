"""Methods of conditions: what each does and answers, who may, and its audit event (OPC 10000-9, 5.5 to 5.8, 5.10)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.core.alarm_actions import AlarmAction, Verb
from server.core.clock import ManualClock
from server.core.values import Caller
from tests.kit.alarm_room import PlantClock, call, every_kind, listening, of_conditions
from tests.kit.opcua import OpcUaRig, running

IDS = ua.ObjectIds
S = ua.StatusCodes
V = ua.VariantType
FULL = "pump-1/Alarms/exclusive_limit"  # confirm, branches, audible
LATCH = "pump-1/Alarms/discrete"
PLAIN = "pump-1/Alarms/temperature"
SHELVE = IDS.ShelvedStateMachineType_TimedShelve
ONE_SHOT = IDS.ShelvedStateMachineType_OneShotShelve
UNSHELVE = IDS.ShelvedStateMachineType_Unshelve
FIELDS = (
    "",
    "EventId",
    "EventType",
    "Message",
    "Retain",
    "ActiveState/Id",
    "AckedState/Id",
    "ConfirmedState/Id",
    "EnabledState/Id",
    "ShelvingState/CurrentState",
    "ShelvingState/UnshelveTime",
    "SuppressedOrShelved",
    "SuppressedState/Id",
    "OutOfServiceState/Id",
    "SilenceState/Id",
    "LatchedState/Id",
    "Comment",
    "ClientUserId",
    "BranchId",
)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, types=[every_kind()], clock=PlantClock()) as rig:
        await set_values(rig, temperature=50.0, level=50.0, valve=1)
        yield rig


async def set_values(rig: OpcUaRig, **values: Any) -> None:
    """New values, a second later."""
    assert isinstance(rig.clock, ManualClock)
    rig.clock.advance(1)
    await rig.live(**values)


def event_id(rig: OpcUaRig, condition: str) -> ua.Variant:
    state = rig.pipeline.alarms.state(condition)
    assert state is not None
    return ua.Variant(state.event_id, V.ByteString)


def text(words: str | None, locale: str | None = "en") -> ua.Variant:
    return ua.Variant(ua.LocalizedText(words, locale), V.LocalizedText)


def milliseconds(value: float) -> ua.Variant:
    return ua.Variant(value, V.Double)


async def test_acknowledge_then_confirm(rig: OpcUaRig) -> None:
    async with rig.client("olga") as client, listening(client, paths=FIELDS) as (listener, _, _):
        node = rig.node(FULL)
        await set_values(rig, level=85.0)
        (active,) = await listener.take()
        confirm = IDS.AcknowledgeableConditionType_Confirm
        acknowledge = IDS.AcknowledgeableConditionType_Acknowledge
        early = await call(client, node, confirm, ua.Variant(active["EventId"], V.ByteString), text("early"))
        good = await call(client, node, acknowledge, ua.Variant(active["EventId"], V.ByteString), text("seen"))
        (acked,) = await listener.take()
        again = await call(client, node, acknowledge, ua.Variant(acked["EventId"], V.ByteString), text("again"))
        old = await call(client, node, confirm, ua.Variant(active["EventId"], V.ByteString), text("old"))
        await set_values(rig, level=50.0)
        (cleared,) = await listener.take()
        done = await call(client, node, confirm, ua.Variant(cleared["EventId"], V.ByteString), text("done"))
        (confirmed,) = await listener.take()
    assert (early, good, again, old, done) == (
        S.BadConditionBranchAlreadyConfirmed,
        S.Good,
        S.BadConditionBranchAlreadyAcked,
        S.BadEventIdUnknown,
        S.Good,
    )
    # OPC 10000-9, Annex B: ConfirmedState is FALSE from the acknowledgement to the confirmation.
    flags = [
        (event["ActiveState/Id"], event["AckedState/Id"], event["ConfirmedState/Id"], event["Retain"])
        for event in (active, acked, cleared, confirmed)
    ]
    assert flags == [
        (True, False, True, True),
        (True, True, False, True),
        (False, True, False, True),
        (False, True, True, False),
    ]
    assert acked["Message"] == active["Message"]  # what happened stays said, whatever somebody comments
    assert (acked["Comment"].Text, acked["ClientUserId"]) == ("seen", "olga")


async def test_a_branch_keeps_the_state_that_nobody_acknowledged(rig: OpcUaRig) -> None:
    acknowledge = IDS.AcknowledgeableConditionType_Acknowledge
    async with rig.client("olga") as client, listening(client, paths=FIELDS) as (listener, _, _):
        for value in (85.0, 50.0, 95.0):
            await set_values(rig, level=value)
        first, _returned, branch, current = await listener.take(4)
        code = await call(
            client, rig.node(FULL), acknowledge, ua.Variant(branch["EventId"], V.ByteString), text("of before")
        )
        (acked,) = await listener.take()
    assert first["BranchId"] is None or first["BranchId"].is_null()
    assert branch[""] == current[""] == rig.node(FULL)
    assert (branch["ActiveState/Id"], branch["AckedState/Id"], branch["Retain"]) == (False, False, True)
    assert not branch["BranchId"].is_null()
    assert (current["ActiveState/Id"], current["AckedState/Id"]) == (True, False)
    assert code == S.Good
    assert (acked["BranchId"], acked["AckedState/Id"], acked["ConfirmedState/Id"]) == (branch["BranchId"], True, False)
    state = rig.pipeline.alarms.state(FULL)
    assert state is not None
    assert not state.acked


async def test_shelving(rig: OpcUaRig) -> None:
    machine, condition = rig.node(f"{PLAIN}/ShelvingState"), rig.node(PLAIN)
    async with rig.client("olga") as client, listening(client, paths=FIELDS, where=of_conditions()) as (listener, _, _):
        codes = [
            await call(client, machine, UNSHELVE),
            await call(client, machine, SHELVE, milliseconds(0.0)),
            await call(client, machine, SHELVE, milliseconds(28_800_001.0)),
            await call(client, machine, SHELVE, milliseconds(float("nan"))),
            await call(client, machine, SHELVE, milliseconds(60_000.0)),
            await call(client, machine, SHELVE, milliseconds(60_000.0)),
        ]
        (shelved,) = await listener.take()
        assert isinstance(rig.clock, ManualClock)
        rig.clock.advance(20)
        rig.server._room.conditions.tick()  # type: ignore[union-attr]
        left = await client.get_node(rig.node(f"{PLAIN}/ShelvingState/UnshelveTime")).read_value()
        rig.clock.advance(40)
        await rig.pipeline.tick()
        (over,) = await listener.take()
        # Clients differ in the Object that they name: the ShelvingState, or the condition.
        codes.append(await call(client, condition, ONE_SHOT))
        codes.append(await call(client, condition, ONE_SHOT))
        codes.append(await call(client, condition, UNSHELVE))
        names = [event["ShelvingState/CurrentState"].Text for event in await listener.take(2)]
    out_of_range = S.BadShelvingTimeOutOfRange
    assert codes == [
        S.BadConditionNotShelved,
        out_of_range,
        out_of_range,
        out_of_range,
        S.Good,
        S.BadConditionAlreadyShelved,
        S.Good,
        S.BadConditionAlreadyShelved,
        S.Good,
    ]
    assert (shelved["ShelvingState/CurrentState"].Text, shelved["SuppressedOrShelved"]) == ("TimedShelved", True)
    assert (shelved["ShelvingState/UnshelveTime"], left) == (60_000.0, 40_000.0)
    assert (over["ShelvingState/CurrentState"].Text, over["SuppressedOrShelved"]) == ("Unshelved", False)
    assert names == ["OneShotShelved", "Unshelved"]


async def test_a_one_shot_shelving_ends_with_the_alarm(rig: OpcUaRig) -> None:
    async with rig.client("olga") as client, listening(client, paths=FIELDS) as (listener, _, _):
        await set_values(rig, temperature=90.0)
        await call(client, rig.node(f"{PLAIN}/ShelvingState"), ONE_SHOT)
        await set_values(rig, temperature=50.0)
        events = await listener.take(4)
    told = [(event["ActiveState/Id"], event["ShelvingState/CurrentState"].Text) for event in events]
    assert told == [(True, "Unshelved"), (True, "OneShotShelved"), (False, "OneShotShelved"), (False, "Unshelved")]


async def test_disable_and_enable(rig: OpcUaRig) -> None:
    enable, disable, comment = IDS.ConditionType_Enable, IDS.ConditionType_Disable, IDS.ConditionType_AddComment
    node = rig.node(PLAIN)
    async with rig.client("emma") as client, listening(client, paths=FIELDS) as (listener, _, _):
        await set_values(rig, temperature=90.0)
        (active,) = await listener.take()
        codes = [await call(client, node, enable), await call(client, node, disable), await call(client, node, disable)]
        codes.append(await call(client, node, comment, ua.Variant(active["EventId"], V.ByteString), text("x")))
        (disabled,) = await listener.take()
        await set_values(rig, temperature=50.0)  # nobody is told
        await set_values(rig, temperature=120.0)
        codes.append(await call(client, node, enable))
        enabled, escalated = await listener.take(2)
    assert codes == [
        S.BadConditionAlreadyEnabled,
        S.Good,
        S.BadConditionAlreadyDisabled,
        S.BadConditionDisabled,
        S.Good,
    ]
    assert (disabled["EnabledState/Id"], disabled["Retain"]) == (False, False)
    assert (enabled["EnabledState/Id"], enabled["Retain"], enabled["ActiveState/Id"]) == (True, True, True)
    assert "high-high" in escalated["Message"].Text  # what the value became meanwhile is judged at once


@pytest.mark.parametrize(
    ("method", "undo", "field"),
    [
        (IDS.AlarmConditionType_Suppress, IDS.AlarmConditionType_Unsuppress, "SuppressedState/Id"),
        (IDS.AlarmConditionType_RemoveFromService, IDS.AlarmConditionType_PlaceInService, "OutOfServiceState/Id"),
    ],
)
async def test_suppressed_and_out_of_service(rig: OpcUaRig, method: int, undo: int, field: str) -> None:
    node = rig.node(PLAIN)
    async with rig.client("emma") as client, listening(client, paths=FIELDS) as (listener, _, _):
        codes = [await call(client, node, each) for each in (undo, method, method, undo)]
        on, off = await listener.take(2)
    assert codes == [S.BadInvalidState, S.Good, S.BadInvalidState, S.Good]
    assert [(event[field], event["SuppressedOrShelved"]) for event in (on, off)] == [(True, True), (False, False)]


async def test_silence(rig: OpcUaRig) -> None:
    silence = IDS.AlarmConditionType_Silence
    async with rig.client("olga") as client, listening(client, paths=FIELDS) as (listener, _, _):
        codes = [await call(client, rig.node(FULL), silence)]
        await set_values(rig, level=85.0)
        codes += [await call(client, rig.node(FULL), silence) for _ in range(2)]
        codes.append(await call(client, rig.node(PLAIN), silence))
        await set_values(rig, level=95.0)
        active, silenced, worse = await listener.take(3)
    assert codes == [S.BadInvalidState, S.Good, S.BadInvalidState, S.BadMethodInvalid]
    assert [event["SilenceState/Id"] for event in (active, silenced, worse)] == [False, True, False]


async def test_a_latched_alarm_is_reset_when_it_is_over_and_acknowledged(rig: OpcUaRig) -> None:
    reset, acknowledge = IDS.AlarmConditionType_Reset, IDS.AcknowledgeableConditionType_Acknowledge
    node = rig.node(LATCH)
    async with rig.client("olga") as client, listening(client, paths=FIELDS) as (listener, _, _):
        codes = [await call(client, node, reset)]
        await set_values(rig, valve=2)
        codes.append(await call(client, node, reset))
        await call(client, node, acknowledge, event_id(rig, LATCH), text("seen"))
        await set_values(rig, valve=1)
        codes.append(await call(client, node, reset))
        codes.append(await call(client, rig.node(PLAIN), reset))
        events = [event for event in await listener.take(6) if event[""] == node]
    assert codes == [S.BadInvalidState, S.BadInvalidState, S.Good, S.BadMethodInvalid]
    latched = [(event["ActiveState/Id"], event["LatchedState/Id"], event["Retain"]) for event in events]
    assert latched == [(True, True, True), (True, True, True), (False, True, True), (False, False, False)]


async def test_an_empty_event_id_does_not_mean_the_current_state(rig: OpcUaRig) -> None:
    acknowledge = IDS.AcknowledgeableConditionType_Acknowledge
    await set_values(rig, temperature=90.0)
    async with rig.client("olga") as client:
        codes = [
            await call(client, rig.node(PLAIN), acknowledge, ua.Variant(value, V.ByteString), text("x"))
            for value in (b"", None, bytes(16))
        ]
    assert codes == [S.BadEventIdUnknown] * 3


async def test_a_null_comment_leaves_the_one_there_is(rig: OpcUaRig) -> None:
    comment = IDS.ConditionType_AddComment
    await set_values(rig, temperature=90.0)
    said = []
    async with rig.client("olga") as client:
        for words, locale in (("first", "en"), (None, None), ("", None), ("", "en")):
            code = await call(client, rig.node(PLAIN), comment, event_id(rig, PLAIN), text(words, locale))
            state = rig.pipeline.alarms.state(PLAIN)
            said.append((code, state.comment if state is not None else None))
    assert said == [(S.Good, "first"), (S.Good, "first"), (S.Good, "first"), (S.Good, "")]


@pytest.mark.parametrize(
    ("object_path", "method", "code"),
    [
        ("pump-1/Alarms/none", IDS.AlarmConditionType_Suppress, S.BadNodeIdUnknown),
        ("pump-1/Alarms", IDS.AlarmConditionType_Suppress, S.BadMethodInvalid),
        ("pump-1", IDS.ConditionType_Enable, S.BadMethodInvalid),
        ("pump-1/Alarms/temperature/ActiveState", IDS.ConditionType_Enable, S.BadNodeIdInvalid),
    ],
)
async def test_what_is_no_condition_is_refused(rig: OpcUaRig, object_path: str, method: int, code: int) -> None:
    async with rig.client("emma") as client:
        assert await call(client, rig.node(object_path), method) == code


async def test_the_type_is_no_condition(rig: OpcUaRig) -> None:
    async with rig.client("emma") as client:
        code = await call(client, ua.NodeId(IDS.AlarmConditionType), IDS.ConditionType_Enable)
    assert code == S.BadNodeIdInvalid


# Operators run alarms; what decides whether they are told at all is the engineers'.
OPERATORS = ((f"{PLAIN}/ShelvingState", ONE_SHOT),)
ENGINEERS = (
    (PLAIN, IDS.ConditionType_Disable),
    (PLAIN, IDS.AlarmConditionType_Suppress),
    (PLAIN, IDS.AlarmConditionType_RemoveFromService),
)


@pytest.mark.parametrize(
    ("user", "allowed"), [("", ()), ("vera", ()), ("olga", OPERATORS), ("emma", (*OPERATORS, *ENGINEERS))]
)
async def test_who_may(rig: OpcUaRig, user: str, allowed: tuple[tuple[str, int], ...]) -> None:
    async with rig.client(user) as client:
        codes = {entry: await call(client, rig.node(entry[0]), entry[1]) for entry in (*OPERATORS, *ENGINEERS)}
    good = {entry for entry, code in codes.items() if code == S.Good}
    # Disabled first: what comes after it cannot be done any more, and the order above ends with it for engineers.
    expected = {entry for entry in allowed if entry in OPERATORS or entry[1] == IDS.ConditionType_Disable}
    assert good == expected
    if user != "emma":
        assert {codes[entry] for entry in codes if entry not in good} == {S.BadUserAccessDenied}


AUDIT = ("EventType", "SourceNode", "SourceName", "Status", "ClientUserId", "ConditionEventId", "Comment")


async def test_every_action_leaves_the_audit_event_of_its_type(rig: OpcUaRig) -> None:
    where = [
        ua.ContentFilterElement(
            FilterOperator=ua.FilterOperator.OfType,
            FilterOperands=[ua.LiteralOperand(ua.Variant(ua.NodeId(IDS.AuditConditionEventType), V.NodeId))],
        )
    ]
    paths = (*AUDIT, "ShelvingTime", "MethodId", "InputArguments")
    await set_values(rig, temperature=90.0)
    known = event_id(rig, PLAIN)
    async with rig.client("ada") as admin, listening(admin, paths=paths, where=where) as (listener, _, _):
        async with rig.client("olga") as client:
            node = rig.node(PLAIN)
            await call(client, node, IDS.AcknowledgeableConditionType_Acknowledge, known, text("seen"))
            await call(client, rig.node(f"{PLAIN}/ShelvingState"), SHELVE, milliseconds(5_000.0))
            await call(client, node, IDS.AlarmConditionType_Suppress)
        await rig.pipeline.alarm_action(
            AlarmAction(Verb.UNSHELVE, PLAIN), Caller("hanna", "operator", "http", "127.0.0.1")
        )
        acked, shelved, refused, elsewhere = await listener.take(4)
    assert acked["EventType"] == ua.NodeId(IDS.AuditConditionAcknowledgeEventType)
    assert (acked["SourceNode"], acked["SourceName"]) == (rig.node(PLAIN), "Method/Acknowledge")
    assert (acked["Status"], acked["ClientUserId"]) == (True, "olga")
    assert (acked["ConditionEventId"], acked["Comment"].Text) == (known.Value, "seen")
    assert shelved["EventType"] == ua.NodeId(IDS.AuditConditionShelvingEventType)
    assert shelved["ShelvingTime"] == 5_000.0
    assert refused["EventType"] == ua.NodeId(IDS.AuditConditionSuppressionEventType)
    assert refused["Status"] is False
    assert elsewhere["EventType"] == ua.NodeId(IDS.AuditConditionShelvingEventType)
    assert (elsewhere["ClientUserId"], elsewhere["SourceName"]) == ("hanna", "Method/Unshelve")


async def test_methods_of_the_instance_declaration_count_too(rig: OpcUaRig) -> None:
    # A client that found the Method by browsing AlarmConditionType's ShelvingState calls that one.
    async with rig.client("olga") as client:
        code = await call(
            client,
            rig.node(f"{PLAIN}/ShelvingState"),
            IDS.AlarmConditionType_ShelvingState_TimedShelve,
            milliseconds(1_000.0),
        )
    assert code == S.Good


async def methods_of(client: Client, node: ua.NodeId) -> set[str]:
    children = await client.get_node(node).get_children_descriptions(nodeclassmask=ua.NodeClass.Method)
    return {child.BrowseName.Name for child in children}


async def test_conditions_have_the_methods_that_they_know(rig: OpcUaRig) -> None:
    async with rig.client("olga") as client:
        full, plain, latch = [await methods_of(client, rig.node(path)) for path in (FULL, PLAIN, LATCH)]
        shelving = await methods_of(client, rig.node(f"{PLAIN}/ShelvingState"))
    assert {"Confirm", "Silence", "GetGroupMemberships"} <= full
    assert not {"Confirm", "Silence", "Reset", "GetGroupMemberships"} & plain
    assert {"Reset", "Reset2"} <= latch
    assert shelving == {"TimedShelve", "TimedShelve2", "OneShotShelve", "OneShotShelve2", "Unshelve", "Unshelve2"}
