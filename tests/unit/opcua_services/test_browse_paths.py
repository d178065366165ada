"""Browse paths to NodeIds on a hand-made address space (OPC 10000-4 v1.05 §5.9.4)."""

from __future__ import annotations

import asyncio

import pytest
from asyncua import ua

from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.nodes.node import OBJECT, VARIABLE, Node, Shape
from server.opcua.roles import permissions
from server.opcua.services import translate
from server.opcua.services.context import Request
from server.opcua.services.limits import OperationLimits
from server.opcua.services.translate import TranslateService
from tests.kit.service_space import (
    HAS_COMPONENT,
    HAS_PROPERTY,
    HIERARCHICAL,
    OBJECTS,
    ORGANIZES,
    ROOT,
    ServiceRig,
    ServiceSpace,
    answer_of,
    result_of,
)

S = ua.StatusCodes
PLANT: Key = (2, "plant")
SPEED: Key = (2, "plant/speed")
Step = tuple[str, int, Key, bool, bool]


class Rig(ServiceRig):
    """Root, Objects, Plant, Speed; one node twice below two plants of one name; one that is hidden."""

    def __init__(self) -> None:
        space = ServiceSpace()
        super().__init__(space)
        space.add(PLANT, "Plant", parent=OBJECTS, reference=ORGANIZES, index=2)
        space.add(SPEED, "Speed", VARIABLE, parent=PLANT, reference=HAS_PROPERTY, index=2)
        space.add((2, "twin"), "Plant", parent=OBJECTS, reference=ORGANIZES, index=2)
        space.add((2, "twin/speed"), "Speed", VARIABLE, parent=(2, "twin"), index=2)
        space.add((2, "hidden"), "Hidden", parent=PLANT, index=2, permissions=permissions(everybody=0))
        space.add((2, "hidden/below"), "Below", parent=(2, "hidden"), index=2)
        self.announced: dict[Key, tuple[ua.QualifiedName, int, Key]] = {}
        TranslateService(space.store, space.rights, OperationLimits(translate=50), self.announced.get).register(
            self.dispatcher
        )


@pytest.fixture
def rig() -> Rig:
    return Rig()


def step(name: str, index: int = 2, kind: Key = HIERARCHICAL, subtypes: bool = True, inverse: bool = False) -> Step:
    return name, index, kind, subtypes, inverse


def path(*steps: Step, start: Key = ROOT) -> ua.BrowsePath:
    elements = [
        ua.RelativePathElement(node_id_of(kind), inverse, subtypes, ua.QualifiedName(name, index))
        for name, index, kind, subtypes, inverse in steps
    ]
    return ua.BrowsePath(node_id_of(start), ua.RelativePath(elements))


def request(*paths: ua.BrowsePath) -> ua.TranslateBrowsePathsToNodeIdsRequest:
    made = ua.TranslateBrowsePathsToNodeIdsRequest()
    made.Parameters.BrowsePaths = list(paths)
    return made


def targets(result: ua.BrowsePathResult) -> list[Key]:
    assert all(target.RemainingPathIndex == 0xFFFFFFFF for target in result.Targets)
    return [key_of(target.TargetId) for target in result.Targets]


TO_PLANT = (step("Objects", 0), step("Plant"))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (path(step("Objects", 0)), [OBJECTS]),
        (path(*TO_PLANT), [PLANT, (2, "twin")]),
        (path(*TO_PLANT, step("Speed")), [SPEED, (2, "twin/speed")]),
        (path(*TO_PLANT, step("Speed", kind=HAS_PROPERTY, subtypes=False)), [SPEED]),
        (path(*TO_PLANT, step("Speed", kind=0)), [SPEED, (2, "twin/speed")]),
        (path(step("Plant", inverse=True), start=SPEED), [PLANT]),
        (path(step("Plant", inverse=True), step("Objects", 0, inverse=True), start=SPEED), [OBJECTS]),
        (path(step("Plant", inverse=True), step("Speed"), start=SPEED), [SPEED]),
    ],
)
def test_paths_lead_to_every_match(rig: Rig, wanted: ua.BrowsePath, found: list[Key]) -> None:
    (result,) = rig.ask(rig.session(), request(wanted)).Results
    assert result.StatusCode.value == S.Good
    assert targets(result) == found


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (path(*TO_PLANT, step("Nothing")), S.BadNoMatch),
        (path(step("Objects", 1)), S.BadNoMatch),
        (path(step("Objects", 0, kind=HAS_COMPONENT)), S.BadNoMatch),
        (path(step("Objects", 0, kind=HIERARCHICAL, subtypes=False)), S.BadNoMatch),
        (path(step("Speed", inverse=True), start=PLANT), S.BadNoMatch),
        (path(*TO_PLANT, step("Hidden"), step("Below")), S.BadNoMatch),
        (path(step("Below"), start=(2, "hidden")), S.BadUserAccessDenied),
        (path(step("Objects", 0), start=(2, "nothing")), S.BadNodeIdUnknown),
        (path(), S.BadNothingToDo),
        (path(step("", 0)), S.BadBrowseNameInvalid),
        (path(step("", 0), step("Plant")), S.BadBrowseNameInvalid),
    ],
)
def test_a_wrong_path_has_its_own_result(rig: Rig, wanted: ua.BrowsePath, code: int) -> None:
    first, second = rig.ask(rig.session(), request(wanted, path(step("Objects", 0)))).Results
    assert first.StatusCode.value == code
    assert first.Targets == []
    assert targets(second) == [OBJECTS]


def test_what_is_hidden_from_one_is_found_by_another(rig: Rig) -> None:
    (result,) = rig.ask(rig.session("admin"), request(path(step("Hidden"), step("Below"), start=PLANT))).Results
    assert targets(result) == [(2, "hidden/below")]


def test_a_path_ends_at_an_announced_node_and_goes_on_below_it(rig: Rig) -> None:
    key: Key = (2, "alarm")
    rig.announced[key] = (ua.QualifiedName("TooFast", 2), OBJECT, 58)
    rig.space.store.announce(PLANT, HAS_COMPONENT, key)

    def make(wanted: Key) -> bool:
        if wanted != key:
            return False
        rig.space.store.add(Node(key, rig.space.store.shape(Shape(OBJECT)), ua.QualifiedName("TooFast", 2)))
        rig.space.add((2, "alarm/id"), "Id", VARIABLE, parent=key)
        return True

    rig.space.store.make = make
    session = rig.session()
    (result,) = rig.ask(session, request(path(step("TooFast"), start=PLANT))).Results
    assert targets(result) == [key]
    assert rig.space.store.peek(key) is None
    (result,) = rig.ask(session, request(path(step("TooFast"), step("Id", 0), start=PLANT))).Results
    assert targets(result) == [(2, "alarm/id")]


def test_counts_of_paths_are_checked(rig: Rig) -> None:
    session = rig.session()
    assert result_of(rig.ask(session, request())) == S.BadNothingToDo
    assert result_of(rig.ask(session, request(*[path(step("Objects", 0))] * 51))) == S.BadTooManyOperations


def test_one_request_cannot_cost_more_than_its_share(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "LOOKED_AT", 200)
    there_and_back = (step("Objects", 0), step("Root", 0, inverse=True))
    first, second = rig.ask(rig.session(), request(path(step("Objects", 0)), path(*there_and_back * 200))).Results
    assert first.StatusCode.value == S.Good
    assert second.StatusCode.value == S.BadQueryTooComplex


def test_too_many_targets_are_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "MATCHES", 1)
    (result,) = rig.ask(rig.session(), request(path(*TO_PLANT))).Results
    assert result.StatusCode.value == S.BadTooManyMatches


def test_what_is_no_reference_type_leads_nowhere_and_is_not_remembered(rig: Rig) -> None:
    # Each such NodeId would else take a code of its own for ever.
    before = rig.space.store.reference_types()
    for kind in (PLANT, (2, "of nothing")):
        for subtypes in (True, False):
            (result,) = rig.ask(rig.session(), request(path(step("Objects", 0, kind=kind, subtypes=subtypes)))).Results
            assert result.StatusCode.value == S.BadNoMatch
    assert rig.space.store.reference_types() == before


async def test_many_paths_let_others_have_their_turn_and_answer_as_few_do(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translate, "SLICE", 2)
    session = rig.session()
    wanted = request(path(*TO_PLANT), path(step("Nothing", 0)), path(step("Objects", 0)), path(), path(*TO_PLANT))
    asked = Request(rig.channel, 1, 1, b"", 0, "TranslateBrowsePathsToNodeIds")
    asked.session = session
    service = TranslateService(rig.space.store, rig.space.rights, OperationLimits())
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    many = await service.translate(asked, wanted.Parameters)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    monkeypatch.setattr(translate, "SLICE", 100)
    few = service.translate(asked, wanted.Parameters)
    assert many.Results == few.Results
    assert turns >= 2


async def test_a_long_request_is_decoded_while_others_are_answered() -> None:
    rig = Rig()
    TranslateService(rig.space.store, rig.space.rights, OperationLimits()).register(rig.dispatcher)
    session = rig.session()
    long = request(*[path(*TO_PLANT)] * 3_000)
    short = request(path(step("Objects", 0)))
    rig.dispatcher.message(rig.channel, 1, rig.body(session, long))
    rig.dispatcher.message(rig.channel, 2, rig.body(session, short))
    assert [number for number, _body in rig.channel.sent] == [2]
    async with asyncio.timeout(30):
        while len(rig.channel.sent) < 2:
            await asyncio.sleep(0)
    assert len(rig.channel.sent[1][1]) > 3_000


async def test_a_session_that_ended_meanwhile_gets_nothing_done() -> None:
    rig = Rig()
    TranslateService(rig.space.store, rig.space.rights, OperationLimits()).register(rig.dispatcher)
    session = rig.session()
    rig.dispatcher.message(rig.channel, 1, rig.body(session, request(*[path(*TO_PLANT)] * 3_000)))
    session.closed = True
    async with asyncio.timeout(30):
        while not rig.channel.sent:
            await asyncio.sleep(0)
    assert result_of(answer_of(rig.channel.sent[0][1])) == S.BadSessionClosed
