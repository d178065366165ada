"""Call on a hand-made address space (OPC 10000-4 v1.05 §5.12)."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from asyncua import ua

from server.core.errors import IntegrationError
from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import Key, node_id_of
from server.opcua.nodes.node import DATA_TYPE, METHOD, OBJECT_TYPE
from server.opcua.nodes.values import new_point
from server.opcua.roles import CALL, ENCRYPTION_REQUIRED, MODE_NONE, permissions
from server.opcua.services.limits import OperationLimits
from server.opcua.services.method import MethodHandler, MethodService
from tests.kit.service_space import (
    BASE_OBJECT_TYPE,
    HAS_SUBTYPE,
    OBJECTS,
    ORGANIZES,
    ServiceRig,
    ServiceSpace,
    answer_of,
    result_of,
)

S = ua.StatusCodes
V = ua.VariantType
PUMP_TYPE: Key = (2, "PumpType")
FAST_TYPE: Key = (2, "FastPumpType")
TYPE_SET: Key = (2, "PumpType/MethodSet")
PUMP: Key = (2, "pump")
SET: Key = (2, "pump/MethodSet")
START: Key = (2, "pump/MethodSet/Start")
TYPE_START: Key = (2, "PumpType/MethodSet/Start")
RESET: Key = (2, "PumpType/Reset")
MODE: Key = 3 << 32 | 7


class Audit:
    """Keeps what was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Key, Key, list[Any], int]] = []

    def called(self, request: Any, object_key: Key, method_key: Key, inputs: list[ua.Variant], code: int) -> None:
        """One call."""
        self.told.append((object_key, method_key, [each.Value for each in inputs], code))


class Handlers:
    """Every method answers with its arguments, unless a test says otherwise."""

    def __init__(self) -> None:
        self.own: dict[Key, MethodHandler | None] = {}
        self.calls: list[tuple[Key, Key, list[Any]]] = []

    def find(self, object_key: Key, method_key: Key) -> MethodHandler | None:
        """The handler."""
        return self.own.get(method_key, self.echo)

    def echo(self, request: Any, object_key: Key, method_key: Key, arguments: list[ua.Variant]) -> ua.CallMethodResult:
        """The arguments as outputs."""
        self.calls.append((object_key, method_key, [each.Value for each in arguments]))
        return ua.CallMethodResult(stack_status(0), OutputArguments=arguments)


class Rig(ServiceRig):
    """A pump of a subtype, its MethodSet with Start(Double, String[]), and Reset(), which only the type has."""

    def __init__(self) -> None:
        space = ServiceSpace()
        super().__init__(space)
        add, link = space.add, space.store.link
        add(MODE, "Mode", DATA_TYPE)
        link(29, HAS_SUBTYPE, MODE)
        add(PUMP_TYPE, "PumpType", OBJECT_TYPE)
        add(FAST_TYPE, "FastPumpType", OBJECT_TYPE)
        link(BASE_OBJECT_TYPE, HAS_SUBTYPE, PUMP_TYPE)
        link(PUMP_TYPE, HAS_SUBTYPE, FAST_TYPE)
        add(TYPE_SET, "MethodSet", parent=PUMP_TYPE)
        add(TYPE_START, "Start", METHOD, parent=TYPE_SET)
        add(RESET, "Reset", METHOD, parent=PUMP_TYPE)
        add(PUMP, "Pump", parent=OBJECTS, reference=ORGANIZES, type_key=FAST_TYPE)
        add(SET, "MethodSet", parent=PUMP)
        add(START, "Start", METHOD, parent=SET)
        add((2, "pump/Group"), "Group", parent=PUMP)
        space.inputs(START, ("Speed", 11, -1), ("Names", 12, 1))
        self.audit, self.handlers = Audit(), Handlers()
        self.service = MethodService(space.store, OperationLimits(call=5), self.audit, self.handlers)
        self.service.register(self.dispatcher)

    def call(self, *calls: ua.CallMethodRequest, role: str = "operator") -> list[ua.CallMethodResult]:
        """Results of one Call."""
        return self.ask(self.session(role), request(*calls)).Results  # type: ignore[no-any-return]

    def codes(self, *calls: ua.CallMethodRequest, role: str = "operator") -> list[int]:
        """Their StatusCodes."""
        return [result.StatusCode.value for result in self.call(*calls, role=role)]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def request(*calls: ua.CallMethodRequest) -> ua.CallRequest:
    made = ua.CallRequest()
    made.Parameters.MethodsToCall = list(calls)
    return made


GOOD = (ua.Variant(2.5, V.Double), ua.Variant(["a", "b"], V.String))


def call(owner: Key = SET, method: Key = START, *inputs: ua.Variant) -> ua.CallMethodRequest:
    return ua.CallMethodRequest(node_id_of(owner), node_id_of(method), list(inputs))


def test_a_call_reaches_its_method_and_is_audited(rig: Rig) -> None:
    (result,) = rig.call(call(SET, START, *GOOD))
    assert result.StatusCode.value == S.Good
    assert [each.Value for each in result.OutputArguments] == [2.5, ["a", "b"]]
    assert rig.handlers.calls == [(SET, START, [2.5, ["a", "b"]])]
    assert rig.audit.told == [(SET, START, [2.5, ["a", "b"]], S.Good)]


@pytest.mark.parametrize(
    ("owner", "method", "code"),
    [
        ((2, "nothing"), START, S.BadNodeIdUnknown),
        (SET, (2, "nothing"), S.BadMethodInvalid),
        (SET, PUMP, S.BadMethodInvalid),
        ((2, "pump/Group"), START, S.BadMethodInvalid),
        (OBJECTS, RESET, S.BadMethodInvalid),
        (START, START, S.BadNodeIdInvalid),
        (PUMP, RESET, S.Good),
        (PUMP_TYPE, RESET, S.Good),
        (FAST_TYPE, RESET, S.Good),
    ],
)
def test_methods_belong_to_their_object_or_its_type(rig: Rig, owner: Key, method: Key, code: int) -> None:
    assert rig.codes(call(owner, method)) == [code]
    assert rig.audit.told == [(owner, method, [], code)]
    assert len(rig.handlers.calls) == (code == S.Good)


def test_the_type_s_method_is_the_instance_s(rig: Rig) -> None:
    # The declaration is below the type's MethodSet; arguments, Executable and rights are those of the instance.
    assert rig.codes(call(SET, TYPE_START)) == [S.BadArgumentsMissing]
    assert rig.codes(call(SET, TYPE_START, *GOOD)) == [S.Good]
    store = rig.space.store
    store.reshape(store[START], executable=False)
    assert rig.codes(call(SET, TYPE_START, *GOOD)) == [S.BadNotExecutable]


def test_methods_of_the_method_set_are_the_device_s(rig: Rig) -> None:
    assert rig.codes(call(PUMP, START, *GOOD), call(PUMP, TYPE_START, *GOOD)) == [S.Good, S.Good]
    assert rig.handlers.calls[0][:2] == (PUMP, START)


def test_an_instance_without_arguments_of_its_own_has_the_type_s(rig: Rig) -> None:
    rig.space.inputs(TYPE_START, ("Speed", 11, -1))
    rig.space.store.remove([(1, f"{START}/InputArguments")])
    assert rig.codes(call(SET, TYPE_START)) == [S.BadArgumentsMissing]
    assert rig.codes(call(SET, TYPE_START, GOOD[0])) == [S.Good]


def test_rights_and_executable_are_checked_before_arguments(rig: Rig) -> None:
    store = rig.space.store
    assert rig.codes(call(SET, START), role="viewer") == [S.BadUserAccessDenied]
    assert rig.codes(call(SET, START, *GOOD), role="anonymous") == [S.BadUserAccessDenied]
    store.reshape(store[START], permissions=permissions(engineer=CALL))
    assert rig.codes(call(SET, START, *GOOD), role="operator") == [S.BadUserAccessDenied]
    assert rig.codes(call(SET, START, *GOOD), role="engineer") == [S.Good]
    store.reshape(store[SET], permissions=permissions(everybody=0))
    assert rig.codes(call(SET, START, *GOOD), role="engineer") == [S.BadUserAccessDenied]
    assert len(rig.handlers.calls) == 1


def test_access_restrictions_ask_for_a_secure_channel(rig: Rig) -> None:
    store = rig.space.store
    store.reshape(store[START], restrictions=ENCRYPTION_REQUIRED)
    answer = rig.ask(rig.session("operator", MODE_NONE), request(call(SET, START, *GOOD)))
    assert answer.Results[0].StatusCode.value == S.BadSecurityModeInsufficient
    assert rig.codes(call(SET, START, *GOOD)) == [S.Good]


@pytest.mark.parametrize(
    ("inputs", "code", "results"),
    [
        ((), S.BadArgumentsMissing, []),
        (GOOD[:1], S.BadArgumentsMissing, []),
        ((*GOOD, GOOD[0]), S.BadTooManyArguments, []),
        ((ua.Variant(2, V.Int32), GOOD[1]), S.BadInvalidArgument, [S.BadTypeMismatch, S.Good]),
        ((ua.Variant(None, V.Null), GOOD[1]), S.BadInvalidArgument, [S.BadTypeMismatch, S.Good]),
        ((ua.Variant([2.5], V.Double), GOOD[1]), S.BadInvalidArgument, [S.BadTypeMismatch, S.Good]),
        ((GOOD[0], ua.Variant("a", V.String)), S.BadInvalidArgument, [S.Good, S.BadTypeMismatch]),
        ((GOOD[0], ua.Variant([["a"], ["b"]], V.String)), S.BadInvalidArgument, [S.Good, S.BadTypeMismatch]),
        ((ua.Variant(2.5, V.Float), ua.Variant([1], V.Int32)), S.BadInvalidArgument, [S.BadTypeMismatch] * 2),
        ((GOOD[0], ua.Variant(None, V.Null)), S.Good, []),
        ((GOOD[0], ua.Variant([], V.String, is_array=True)), S.Good, []),
    ],
)
def test_arguments_are_checked_one_by_one(
    rig: Rig, inputs: tuple[ua.Variant, ...], code: int, results: list[int]
) -> None:
    (result,) = rig.call(call(SET, START, *inputs))
    assert result.StatusCode.value == code
    assert [each.value for each in result.InputArgumentResults] == results
    assert rig.audit.told[0][3] == code


@pytest.mark.parametrize(
    ("kind", "rank", "value", "fits"),
    [
        (26, -1, ua.Variant(1, V.Byte), True),
        (26, -1, ua.Variant("1", V.String), False),
        (27, -1, ua.Variant(1, V.Int64), True),
        (28, -1, ua.Variant(1, V.Int64), False),
        (24, -1, ua.Variant("anything", V.String), True),
        (24, -2, ua.Variant([1, 2], V.Int32), True),
        (21, -1, ua.Variant(None, V.Null), True),
        (22, -1, ua.Variant(None, V.Null), True),
        (6, -3, ua.Variant([1, 2], V.Int32), True),
        (6, 0, ua.Variant(1, V.Int32), False),
        (6, 2, ua.Variant([[1, 2]], V.Int32), True),
        ((3 << 32) | 7, -1, ua.Variant(1, V.Int32), True),
        ((3 << 32) | 7, -1, ua.Variant(1, V.UInt32), False),
        (296, -1, ua.Variant(ua.Argument("x"), V.ExtensionObject), True),
        (296, -1, ua.Variant(ua.Range(0.0, 1.0), V.ExtensionObject), False),
    ],
)
def test_types_fit_as_the_standard_orders_them(rig: Rig, kind: int, rank: int, value: ua.Variant, fits: bool) -> None:
    rig.space.inputs(RESET, ("A", 24, -1))
    node = rig.space.store[(1, f"{RESET}/InputArguments")]

    argument = ua.Argument("A", node_id_of(kind), rank)
    node.point = new_point(ua.DataValue(ua.Variant([argument], V.ExtensionObject, is_array=True)))
    assert rig.codes(call(PUMP, RESET, value)) == [S.Good if fits else S.BadInvalidArgument]


def test_a_method_that_nothing_stands_behind_is_invalid(rig: Rig) -> None:
    rig.handlers.own[RESET] = None
    assert rig.codes(call(PUMP, RESET)) == [S.BadMethodInvalid]


def test_what_a_handler_refuses_is_the_operation_s_result(rig: Rig) -> None:
    def refuse(*_: Any) -> Any:
        raise IntegrationError("no", status_code=S.BadNoCommunication)

    async def refuse_later(*_: Any) -> Any:
        raise IntegrationError("no", status_code=S.BadTimeout)

    rig.handlers.own[RESET] = refuse
    assert rig.codes(call(PUMP, RESET), call(SET, START, *GOOD)) == [S.BadNoCommunication, S.Good]
    assert [told[3] for told in rig.audit.told] == [S.BadNoCommunication, S.Good]


async def test_calls_of_a_request_go_one_after_the_other(rig: Rig) -> None:
    gate = asyncio.Event()

    async def wait(*_: Any) -> ua.CallMethodResult:
        await gate.wait()
        return ua.CallMethodResult(stack_status(0), OutputArguments=[ua.Variant("late")])

    rig.handlers.own[RESET] = wait
    session = rig.session()
    body = rig.body(session, request(call(SET, START, *GOOD), call(PUMP, RESET), call(SET, START, *GOOD)))
    rig.dispatcher.message(rig.channel, 1, body)
    await asyncio.sleep(0)
    assert rig.channel.sent == []
    assert len(rig.handlers.calls) == 1
    gate.set()
    while not rig.channel.sent:
        await asyncio.sleep(0)

    results = answer_of(rig.channel.sent[0][1]).Results
    assert [len(result.OutputArguments) for result in results] == [2, 1, 2]
    assert [told[1] for told in rig.audit.told] == [START, RESET, START]


async def test_a_cancelled_call_is_audited_as_such(rig: Rig) -> None:
    async def wait(*_: Any) -> ua.CallMethodResult:
        await asyncio.Event().wait()
        raise AssertionError

    rig.handlers.own[RESET] = wait
    rig.dispatcher.message(rig.channel, 1, rig.body(rig.session(), request(call(PUMP, RESET))))
    await asyncio.sleep(0)
    await rig.dispatcher.stop()
    assert [told[3] for told in rig.audit.told] == [S.BadRequestCancelledByClient]


def test_counts_are_checked(rig: Rig) -> None:
    session = rig.session()
    assert result_of(rig.ask(session, request())) == S.BadNothingToDo
    assert result_of(rig.ask(session, request(*[call()] * 6))) == S.BadTooManyOperations


async def test_calls_stand_in_line_behind_those_that_wait_and_each_is_answered(rig: Rig) -> None:
    started: list[asyncio.Event] = []

    async def wait(*_: Any) -> ua.CallMethodResult:
        started.append(asyncio.Event())
        await started[-1].wait()
        return ua.CallMethodResult()

    rig.handlers.own[RESET] = wait
    session, answers = rig.session(), rig.channel.sent
    for _ in range(100):
        rig.dispatcher.message(rig.channel, 1, rig.body(session, request(call(PUMP, RESET))))
    await asyncio.sleep(0)
    assert len(started) == 64 and answers == []  # a client's history reads must not crowd the disk
    while len(answers) < 100:
        for event in started:
            event.set()
        await asyncio.sleep(0)
    assert len(started) == 100
    assert all(result_of(answer_of(body)) == S.Good for _number, body in answers)


async def test_calls_beyond_the_line_are_refused_and_leave_nothing_behind(rig: Rig) -> None:
    async def wait(*_: Any) -> ua.CallMethodResult:
        await asyncio.Event().wait()
        raise AssertionError

    rig.handlers.own[RESET] = wait
    session, answers = rig.session(), rig.channel.sent
    for _ in range(64 + 1_000 + 1):
        rig.dispatcher.message(rig.channel, 1, rig.body(session, request(call(PUMP, RESET))))
    ((_number, body),) = answers
    assert result_of(answer_of(body)) == S.BadResourceUnavailable
    gc.collect()  # a coroutine that was never awaited would be told of here
    await rig.dispatcher.stop()
