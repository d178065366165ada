"""Conditions over OPC UA under hostile clients: wrong objects and types, huge comments, filters, storms of refreshes.

Every call is answered by a status that says what is wrong, and the next client finds everything as it was.
"""

from __future__ import annotations

import asyncio
import datetime
import math
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.alarms.rule import read_rule
from server.alarms.rules import AlarmRules
from server.core.values import AlarmEvent
from server.database.site import SiteDatabase
from server.model.device import Device
from server.opcua.condition_methods import DECLARED, MEMBERSHIPS, VERBS
from tests.kit.alarm_room import every_kind, listening, operand
from tests.kit.opcua import OpcUaRig, running
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]
IDS, V, F = ua.ObjectIds, ua.VariantType, ua.FilterOperator
ALARM = "pump-1/Alarms/exclusive_limit"
METHODS = (*VERBS, *DECLARED, MEMBERSHIPS, IDS.ConditionType_ConditionRefresh, IDS.ConditionType_ConditionRefresh2)
INTERNAL = {"BadInternalError", "BadUnexpectedError", "BadOutOfMemory"}
LONG = 65_536
EPOCH = datetime.datetime(1601, 1, 1, tzinfo=datetime.UTC)
LONG_AGO, FAR_OFF = (datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2000, 2100))


@dataclass
class Room:
    rig: OpcUaRig
    rules: AlarmRules

    async def put(self, rule_id: str, body: object) -> None:
        await self.rig.pipeline.redeclare(lambda: self.rules.put(read_rule(rule_id, body)))

    async def remove(self, rule_id: str) -> None:
        await self.rig.pipeline.redeclare(lambda: self.rules.remove(rule_id))


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made: list[AlarmRules] = []
    site = SiteDatabase(tmp_path / "site.db")

    def declared(device: Device) -> Any:
        return made[0].specs_of(device) if made else device.device_type.alarms

    pumps = [f"pump-{number}" for number in range(1, 21)]
    try:
        async with running(tmp_path, types=[every_kind()], devices=pumps, site=site, declared=declared) as rig:
            made.append(AlarmRules(rig.plant))
            for pump in pumps:
                await rig.live(device=pump, level=95.0, flow=95.0, valve=2, faults=7)
            yield Room(rig, made[0])
    finally:
        site.close()


async def answer(client: Client, object_id: ua.NodeId, method: ua.NodeId | int, *inputs: ua.Variant) -> str:
    method_id = method if isinstance(method, ua.NodeId) else ua.NodeId(method)
    (result,) = await client.uaclient.call([ua.CallMethodRequest(object_id, method_id, list(inputs))])
    return str(result.StatusCode.name)


def state(rig: OpcUaRig) -> AlarmEvent:
    """The alarm that is attacked, as it stands."""
    found = rig.pipeline.alarms.state(ALARM)
    assert found is not None
    return found


def comment(text: str | None = "said", locale: str | None = "en") -> ua.Variant:
    return ua.Variant(ua.LocalizedText(text, locale), V.LocalizedText)


async def test_methods_on_what_is_no_condition_do_nothing(room: Room) -> None:
    rig = room.rig
    before = state(rig)
    objects = [
        *(rig.node(f"{ALARM}/{part}") for part in ("AckedState", "EventId", "Nothing", "ShelvingState/Nothing")),
        *(rig.node(path) for path in ("pump-1", "pump-1/Alarms", "pump-1/ParameterSet/level", "x" * 4_000)),
        *(rig.node(path) for path in ("pump-9999/Alarms/exclusive_limit", "pump-1/Alarms/Nothing")),
        *(rig.node(f"{path}/ShelvingState") for path in ("pump-9999/Alarms/exclusive_limit", "pump-1/Alarms/Nothing")),
        rig.node("pump-1/AlarmGroups/hydraulics"),
        *(ua.NodeId(ALARM, index) for index in (0, 1, 99)),
        ua.NodeId(b"\xff" * 10, 2),
        ua.NodeId(uuid.UUID(int=1), 2),
        *(
            ua.NodeId(number)
            for number in (0, IDS.Server, IDS.AlarmConditionType, IDS.AlarmConditionType_ShelvingState)
        ),
    ]
    async with rig.client("emma") as client:
        for object_id in objects:
            for method in METHODS:
                for inputs in ((), (comment(),), (ua.Variant(before.event_id, V.ByteString), comment())):
                    code = await answer(client, object_id, method, *inputs)
                    assert code.startswith("Bad"), (object_id, method, code)
                    assert code not in INTERNAL, (object_id, method)
        for method_id in (ua.NodeId(), ua.NodeId("x", 5), ua.NodeId(2**31), ua.NodeId(IDS.ConditionType)):
            assert await answer(client, rig.node(ALARM), method_id) == "BadMethodInvalid"
        # An alarm's shelving is reached by its own ShelvingState only.
        assert await answer(client, rig.node(f"{ALARM}/ShelvingState"), IDS.ShelvedStateMachineType_Unshelve) == (
            "BadConditionNotShelved"
        )
    assert state(rig) == before


async def test_methods_take_their_own_types_only(room: Room) -> None:
    rig = room.rig
    before = state(rig)
    wrong = [
        ua.Variant(1, V.Int32),
        ua.Variant("x", V.String),
        ua.Variant(True, V.Boolean),
        ua.Variant(ua.NodeId(1), V.NodeId),
        ua.Variant(ua.StatusCode(0x80000000), V.StatusCode),
        ua.Variant([before.event_id], V.ByteString, is_array=True),
        ua.Variant([1.0], V.Double, is_array=True),
        ua.Variant([], V.LocalizedText, is_array=True),
        *(ua.Variant(number, V.Double) for number in (math.nan, math.inf, -1.0, 0.0, 1e308)),
        *(ua.Variant(event_id, V.ByteString) for event_id in (None, b"", b"x", b"x" * 65_000)),
    ]
    async with rig.client("emma") as client:
        # What takes one argument is not told apart here from what takes two: each is tried with both.
        taking = [method for method in VERBS if method not in (IDS.ConditionType_Enable, IDS.ConditionType_Disable)]
        for method in taking:
            for value in wrong:
                for inputs in ((value,), (value, comment()), (ua.Variant(before.event_id, V.ByteString), value)):
                    code = await answer(client, rig.node(ALARM), method, *inputs)
                    assert code.startswith("Bad"), (method, inputs, code)
                    assert code not in INTERNAL, (method, inputs)
    assert state(rig) == before


async def test_a_huge_comment_is_cut_and_an_odd_one_stays_text(room: Room) -> None:
    rig = room.rig
    async with rig.client("olga") as client, listening(client, paths=("", "Comment", "EventId")) as (listener, _, _):
        event_id = ua.Variant(state(rig).event_id, V.ByteString)
        for text in (
            "x" * LONG,
            "\u2603" * (LONG // 3),
            "a\0\x1b[31m\r\nBcc: all@example.org",
            "<script>alert(1)</script>",
        ):
            code = await answer(
                client, rig.node(ALARM), IDS.ConditionType_AddComment, event_id, comment(text, "en\0" + "x" * 100)
            )
            assert code == "Good"

            async def told(text: str = text) -> bool:
                comments = [event["Comment"].Text for event in listener.seen if event["Comment"] is not None]
                return text[:1_024] in comments

            await until(told, "the comment")
        assert len(state(rig).comment) <= 1_024


def filter_of(select: list[ua.SimpleAttributeOperand], where: list[ua.ContentFilterElement] | None = None) -> Any:
    return ua.EventFilter(SelectClauses=select, WhereClause=ua.ContentFilter(where or []))


def element(operator: ua.FilterOperator, *operands: Any) -> ua.ContentFilterElement:
    return ua.ContentFilterElement(FilterOperator=operator, FilterOperands=list(operands))


def literal(value: Any, kind: ua.VariantType | None = None) -> ua.LiteralOperand:
    return ua.LiteralOperand(Value=ua.Variant(value, kind))


TIME = [operand("Time")]
CHAIN = [*(element(F.Not, ua.ElementOperand(n + 1)) for n in range(500)), element(F.IsNull, TIME[0])]
NUMBERS = [literal(number, V.Int32) for number in range(5_000)]
REFUSED = {
    "no clause": filter_of([]),
    "10 000 clauses": filter_of(TIME * 10_000),
    "a chain of 500": filter_of(TIME, CHAIN),
    "a circle": filter_of(TIME, [element(F.Not, ua.ElementOperand(0))]),
    "beyond the end": filter_of(TIME, [element(F.Not, ua.ElementOperand(4_000_000_000))]),
    "no operands": filter_of(TIME, [element(F.Equals)]),
    "5 000 operands": filter_of(TIME, [element(F.InList, operand("Severity"), *NUMBERS)]),
    "a view": filter_of(TIME, [element(F.InView, literal(ua.NodeId(1), V.NodeId))]),
    "a long path": filter_of([operand("/".join("a" * 1_000))]),
    "no attribute": filter_of([ua.SimpleAttributeOperand(ua.NodeId(IDS.BaseEventType), [], 99)]),
}
HARMLESS = {
    "a slow pattern": filter_of(TIME, [element(F.Like, operand("Message"), literal("%a" * 500 + "b"))]),
    "open brackets": filter_of(TIME, [element(F.Like, operand("Message"), literal("[" * 500))]),
    "a pattern of all signs": filter_of(TIME, [element(F.Like, operand("Message"), literal("%_" * 500 + "[^"))]),
    "not a number": filter_of(TIME, [element(F.GreaterThan, operand("Severity"), literal(math.nan))]),
    "bits of a text": filter_of(TIME, [element(F.BitwiseAnd, operand("Message"), literal(3))]),
    "2 to the power of 40 ways": filter_of(
        TIME,
        [
            *(element(F.Or, ua.ElementOperand(n + 1), ua.ElementOperand(n + 1)) for n in range(40)),
            element(F.IsNull, operand("Time")),
        ],
    ),
}


async def history(client: Client, wanted: Any, *, count: int = 50, more: bytes | None = None, **times: Any) -> Any:
    span = {"StartTime": LONG_AGO, "EndTime": FAR_OFF, **times}
    details = ua.ReadEventDetails(NumValuesPerNode=count, Filter=wanted, **span)
    node = ua.HistoryReadValueId(NodeId=ua.NodeId(IDS.Server), ContinuationPoint=more)
    parameters = ua.HistoryReadParameters(
        HistoryReadDetails=details, NodesToRead=[node], ReleaseContinuationPoints=False
    )
    async with asyncio.timeout(10):
        (result,) = await client.uaclient.history_read(parameters)
    return result


async def test_earlier_events_are_read_through_hostile_filters(room: Room) -> None:
    plain = filter_of([operand("Time"), operand("")])
    async with room.rig.client("vera") as client:
        for what, wanted in REFUSED.items():
            assert (await history(client, wanted)).StatusCode.name == "BadEventFilterInvalid", what
        for what, wanted in HARMLESS.items():
            assert (await history(client, wanted)).StatusCode.name == "GoodNoData", what
        assert (await history(client, plain, StartTime=EPOCH, EndTime=EPOCH)).StatusCode.name == "BadInvalidArgument"
        for point in (b"x", b"\xff" * 60_000):
            found = await history(client, plain, more=point)
            assert found.StatusCode.name == "BadContinuationPointInvalid"
        # Pages that nobody goes on reading are let go; the newest one still goes on.
        for _ in range(200):
            page = await history(client, plain, count=1)
            assert page.StatusCode.name == "Good"
        following = await history(client, plain, count=1, more=page.ContinuationPoint)
        assert (following.StatusCode.name, len(following.HistoryData.Events)) == ("Good", 1)
        everything = await history(client, plain, count=2**32 - 1)
        assert len(everything.HistoryData.Events) > 50


async def test_events_pass_hostile_filters_without_holding_up_others(room: Room) -> None:
    async with (
        room.rig.client("vera") as client,
        room.rig.client("olga") as other,
        listening(other, paths=("", "Message")) as (listener, _, _),
    ):
        for what, wanted in HARMLESS.items():
            async with listening(client, paths=("Time",), where=wanted.WhereClause.Elements) as (silent, _, _):
                await room.rig.live(level=50.0)
                await room.rig.live(level=95.0)
                await listener.take(2)
                assert silent.seen == [], what


async def test_refreshes_while_rules_come_and_go_tell_what_stands(room: Room) -> None:
    rig = room.rig
    fields = ("", "EventType", "BranchId", "Retain")
    async with rig.client("olga") as client, listening(client, paths=fields) as (listener, subscription, _):
        codes: Counter[str] = Counter()
        changing = True

        async def refresh() -> None:
            subscription_id = ua.Variant(subscription.subscription_id, V.UInt32)
            while changing:
                codes[
                    await answer(
                        client, ua.NodeId(IDS.ConditionType), IDS.ConditionType_ConditionRefresh, subscription_id
                    )
                ] += 1

        async def change() -> None:
            nonlocal changing
            everywhere: dict[str, Any] = {"match": {"devices": ["pump-*"]}}
            for turn in range(40):
                new = {"kind": "exclusive_limit", "input": "flow", "sources": {"High": 10 + turn}}
                gone = {"name": "exclusive_limit", "remove": True}
                alarm = gone if turn % 3 == 0 else {"name": f"flow{turn % 3}", **new}
                await room.put(f"r{turn % 4}", {**everywhere, "alarm": alarm})
                if turn % 5 == 4:
                    await room.remove(f"r{turn % 4}")
                await asyncio.sleep(0)
            changing = False

        await asyncio.gather(refresh(), change())
        assert set(codes) <= {"Good", "BadRefreshInProgress"}
        stands = {event.condition_id for event in rig.pipeline.alarms.retained()}

        async def same() -> bool:
            shown: dict[tuple[str, str], bool] = {}
            for event in listener.seen:
                if isinstance(event[""], ua.NodeId) and "/Alarms/" in str(event[""].Identifier):
                    branch = event["BranchId"].Identifier if event["BranchId"] is not None else ""
                    shown[str(event[""].Identifier), str(branch)] = bool(event["Retain"])
            return {identity for (identity, _), retain in shown.items() if retain} == stands

        await until(same, "what stands is what was told")

        async def over() -> bool:
            marks = Counter(event["EventType"].Identifier for event in listener.seen)
            return marks[IDS.RefreshStartEventType] == marks[IDS.RefreshEndEventType] == codes["Good"]

        await until(over, "the end of every refresh")
