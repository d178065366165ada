"""Event subscriptions (OPC 10000-3, 4.7; OPC 10000-4, 7.7 and 7.22.3; OPC 10000-5, 6.4.2)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from server.opcua.nodes.keys import key_of
from tests.kit.asking import A, I, Subscriber, browse, event_rows, item, name_of, names, read
from tests.kit.facets import Room
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
SERVER = ua.NodeId(I.Server)
F, V = ua.FilterOperator, ua.VariantType
BASE = ("EventId", "EventType", "SourceNode", "SourceName", "Time", "ReceiveTime", "Message", "Severity")
OVERFLOW = 3035
SPEED = ua.NodeId(I.BaseEventType)


def field(path: str, kind: int = I.BaseEventType) -> ua.SimpleAttributeOperand:
    """A field of an event by its browse path in namespace 0."""
    parts = [ua.QualifiedName(part, 0) for part in path.split("/")]
    return ua.SimpleAttributeOperand(TypeDefinitionId=ua.NodeId(kind), BrowsePath=parts, AttributeId=A.Value)


def literal(content: Any, kind: ua.VariantType | None = None) -> ua.LiteralOperand:
    """A literal."""
    return ua.LiteralOperand(Value=ua.Variant(content, kind) if kind is not None else ua.Variant(content))


def clause(operator: ua.FilterOperator, *operands: Any) -> ua.ContentFilterElement:
    """One element of a where clause."""
    return ua.ContentFilterElement(operator, list(operands))


def chosen(*where: ua.ContentFilterElement, select: tuple[str, ...] = ("Message", "Severity")) -> ua.EventFilter:
    """A filter of these fields and elements."""
    return ua.EventFilter([field(path) for path in select], ua.ContentFilter(list(where)))


def listen(node: ua.NodeId, wanted: Any, **more: Any) -> ua.MonitoredItemCreateRequest:
    """An event item."""
    return item(node, attribute=A.EventNotifier, filter=wanted, **{"queue": 100, **more})


OWN = clause(F.Like, field("SourceName"), literal("emitted%"))
"""Only events of `emit`, not the one that the test nodes send each second."""


def emit(room: Room, text: str, severity: int = 100, kind: int = I.BaseEventType, source: str = "") -> None:
    """One event of the test object, with its name made recognisable."""
    made = room.rig.server._made
    root = key_of(room.test(""))
    fields = made.bus.base_fields(kind, root, source or "emitted", text, severity)
    made.bus.send(fields, [root])


async def _texts(subscriber: Subscriber, count: int) -> list[str]:
    return [row[0].Text for row in await subscriber.events(count)]


async def test_server_is_a_notifier(session: RawSession, room: Room) -> None:
    # OPC 10000-5, 8.3.2: Server has EventNotifier bit 0; so have the objects that lie on the way to it.
    assert (await read(session, SERVER, A.EventNotifier)).Value.Value & 1
    assert (await read(session, room.test(""), A.EventNotifier)).Value.Value & 1
    found = await browse(session, SERVER, ReferenceTypeId=ua.NodeId(I.HasNotifier))
    assert room.test("") in [reference.NodeId for reference in found.References]


async def test_base_fields_have_their_types(session: RawSession, room: Room) -> None:
    # OPC 10000-5, 6.4.2: EventId is unique; ReceiveTime is not before Time; Severity is 1 to 1000.
    subscriber = await Subscriber.create(session)
    (made,) = await subscriber.add(listen(SERVER, chosen(OWN, select=BASE)))
    assert name_of(made.StatusCode) == "Good"
    for number in range(3):
        emit(room, f"text {number}", 300)
    variants = []
    while len(variants) < 3:
        for part in (await subscriber.message()).NotificationData:
            variants += [entry.EventFields for entry in part.Events]
    kinds = [V.ByteString, V.NodeId, V.NodeId, V.String, V.DateTime, V.DateTime, V.LocalizedText, V.UInt16]
    for row in variants:
        assert [found.VariantType for found in row] == kinds
        assert row[5].Value >= row[4].Value and 1 <= row[7].Value <= 1000
        event_type = await read(session, row[1].Value, A.NodeClass)
        assert event_type.Value.Value == ua.NodeClass.ObjectType
    assert len({row[0].Value for row in variants}) == 3
    await subscriber.close()


async def test_events_reach_every_notifier_above_once(session: RawSession, room: Room) -> None:
    # OPC 10000-3, 4.7 and 7.17: at the source's notifier and at Server, once each.
    subscriber = await Subscriber.create(session)
    await subscriber.add(listen(SERVER, chosen(OWN), handle=1), listen(room.test(""), chosen(OWN), handle=2))
    emit(room, "one")
    found: list[tuple[int, list[Any]]] = []
    while len(found) < 2:
        found += event_rows(await subscriber.message())
    assert sorted(handle for handle, _ in found) == [1, 2]
    await subscriber.quiet()
    await subscriber.close()


def _element(index: int) -> ua.ElementOperand:
    return ua.ElementOperand(Index=index)


SEVERITY = field("Severity")
WHERE = {
    "equals": ([clause(F.Equals, SEVERITY, literal(300, V.UInt16))], [300]),
    "equals with another number type": ([clause(F.Equals, SEVERITY, literal(300, V.Int64))], [300]),
    "greater": ([clause(F.GreaterThan, SEVERITY, literal(300, V.UInt16))], [500, 900]),
    "greater or equal": ([clause(F.GreaterThanOrEqual, SEVERITY, literal(300, V.UInt16))], [300, 500, 900]),
    "less": ([clause(F.LessThan, SEVERITY, literal(300, V.UInt16))], [100]),
    "less or equal": ([clause(F.LessThanOrEqual, SEVERITY, literal(300, V.UInt16))], [100, 300]),
    "between": ([clause(F.Between, SEVERITY, literal(300, V.UInt16), literal(500, V.UInt16))], [300, 500]),
    "in list": ([clause(F.InList, SEVERITY, literal(100, V.UInt16), literal(900, V.UInt16))], [100, 900]),
    "not": ([clause(F.Not, _element(1)), clause(F.Equals, SEVERITY, literal(300, V.UInt16))], [100, 500, 900]),
    "and": (
        [
            clause(F.And, _element(1), _element(2)),
            clause(F.GreaterThan, SEVERITY, literal(100, V.UInt16)),
            clause(F.LessThan, SEVERITY, literal(900, V.UInt16)),
        ],
        [300, 500],
    ),
    "or": (
        [
            clause(F.Or, _element(1), _element(2)),
            clause(F.Equals, SEVERITY, literal(100, V.UInt16)),
            clause(F.Equals, SEVERITY, literal(900, V.UInt16)),
        ],
        [100, 900],
    ),
    "is null": ([clause(F.IsNull, field("LocalTime"))], [100, 300, 500, 900]),
    "is not null": ([clause(F.Not, _element(1)), clause(F.IsNull, SEVERITY)], [100, 300, 500, 900]),
    "of its type": ([clause(F.OfType, literal(ua.NodeId(I.SystemEventType)))], [500, 900]),
    "of its supertype": ([clause(F.OfType, literal(ua.NodeId(I.BaseEventType)))], [100, 300, 500, 900]),
    "of no type": ([clause(F.OfType, literal(ua.NodeId(I.AuditEventType)))], []),
}


@pytest.mark.parametrize("name", WHERE)
async def test_where_clauses_are_obeyed(session: RawSession, room: Room, name: str) -> None:
    # OPC 10000-4, 7.7.3. The last event, which every filter here passes or the sentinel replaces, ends the wait.
    where, expected = WHERE[name]
    subscriber = await Subscriber.create(session)
    sentinel = clause(F.Equals, field("SourceName"), literal("sentinel"))
    made = await subscriber.add(
        listen(room.test(""), chosen(*where, select=("Message", "Severity", "SourceName")), handle=1),
        listen(room.test(""), chosen(sentinel, select=("Message", "Severity", "SourceName")), handle=2),
    )
    assert names(result.StatusCode for result in made) == ["Good", "Good"], made
    for severity in (100, 300, 500, 900):
        emit(room, "text", severity, I.SystemEventType if severity >= 500 else I.BaseEventType)
    emit(room, "the end", 1000, source="sentinel")
    rows: list[tuple[int, list[Any]]] = []
    while not any(handle == 2 for handle, _ in rows):
        rows += event_rows(await subscriber.message())
    assert [row[1] for handle, row in rows if handle == 1 and row[2] == "emitted"] == expected
    await subscriber.close()


LIKE = {
    "pump 7": ("pump 7", True),
    "pump%": ("pump 7", True),
    "%7": ("pump 7", True),
    "%u%": ("pump 7", True),
    "p_mp _": ("pump 7", True),
    "pump": ("pump 7", False),
    "pump __": ("pump 7", False),
    "pump [5-8]": ("pump 7", True),
    "pump [123]": ("pump 7", False),
    "pump [^123]": ("pump 7", True),
    "pump [^7]": ("pump 7", False),
    "100\\%": ("100%", True),
    "100\\_": ("100%", False),
    "a.b*": ("axbb", False),
}


async def test_like_knows_its_wildcards(session: RawSession, room: Room) -> None:
    # OPC 10000-4, 7.7.3, table of wildcard characters: % _ [] [^] and the escape.
    subscriber = await Subscriber.create(session)
    items = [
        listen(room.test(""), chosen(clause(F.Like, field("SourceName"), literal(pattern))), handle=number)
        for number, pattern in enumerate(LIKE)
    ]
    end = listen(room.test(""), chosen(clause(F.Equals, field("SourceName"), literal("sentinel"))), handle=99)
    made = await subscriber.add(*items, end)
    assert {name_of(result.StatusCode) for result in made} == {"Good"}
    for content in dict.fromkeys(text for text, _ in LIKE.values()):
        emit(room, content, source=content)
    emit(room, "the end", source="sentinel")
    seen: set[tuple[int, str]] = set()
    while not any(handle == 99 for handle, _ in seen):
        seen |= {(handle, row[0].Text) for handle, row in event_rows(await subscriber.message())}
    for number, (pattern, (content, expected)) in enumerate(LIKE.items()):
        assert ((number, content) in seen) == expected, pattern
    await subscriber.close()


@pytest.mark.parametrize(
    ("where", "element", "operand"),
    [
        ([clause(F.Equals, SEVERITY)], "BadFilterOperandCountMismatch", None),
        ([clause(F.Between, SEVERITY, literal(1))], "BadFilterOperandCountMismatch", None),
        ([clause(F.Not, _element(7))], None, "BadFilterOperandInvalid"),
        ([clause(F.Not, _element(0))], None, "BadFilterOperandInvalid"),
        ([clause(F.InView, literal(SERVER))], "BadFilterOperatorUnsupported", None),
        ([clause(F.RelatedTo, *[literal(SERVER)] * 3)], "BadFilterOperatorUnsupported", None),
    ],
)
async def test_a_filter_that_cannot_be_obeyed_is_refused_with_its_reason(
    session: RawSession, room: Room, where: list[Any], element: str | None, operand: str | None
) -> None:
    # OPC 10000-4, 7.7.3 and 7.22.3: never accepted and ignored; the reason is in whereClauseResult.
    subscriber = await Subscriber.create(session)
    (made,) = await subscriber.add(listen(room.test(""), chosen(*where)))
    assert name_of(made.StatusCode) == "BadEventFilterInvalid"
    results = made.FilterResult.WhereClauseResult.ElementResults
    assert len(results) == len(where)
    bad = name_of(results[0].StatusCode)
    operands = names(results[0].OperandStatusCodes or [])
    if element is not None:
        assert bad in (element, "BadFilterOperatorInvalid" if "Operator" in element else element)
    else:
        assert bad != "Good" and (operand in operands or bad == operand)
    await subscriber.close()


async def test_a_field_that_no_event_has_is_bad_or_null(session: RawSession, room: Room) -> None:
    # OPC 10000-4, 7.22.3: told in selectClauseResults, or null in each event; the other fields are there.
    subscriber = await Subscriber.create(session)
    (made,) = await subscriber.add(listen(room.test(""), chosen(OWN, select=("Message", "NoSuchField"))))
    if name_of(made.StatusCode) == "Good":
        emit(room, "text")
        ((message, missing),) = await subscriber.events(1)
        assert message.Text == "text" and missing is None
    else:
        assert names(made.FilterResult.SelectClauseResults)[1] != "Good"
    await subscriber.close()


async def test_event_items_need_a_filter_and_a_notifier(session: RawSession, room: Room) -> None:
    # OPC 10000-4, 5.13.2.4 and OPC 10000-3, 5.5.1.
    subscriber = await Subscriber.create(session)
    made = await subscriber.add(
        listen(room.test(""), None),
        listen(room.test("ReadOnly"), chosen()),
        listen(room.test("Methods"), chosen()),
        listen(ua.NodeId("nowhere", 2), chosen()),
        listen(room.test(""), ua.EventFilter()),
        listen(room.test(""), ua.DataChangeFilter()),
    )
    codes = names(result.StatusCode for result in made)
    assert codes[0] == "BadEventFilterInvalid"
    assert codes[1] == "BadAttributeIdInvalid"
    assert codes[2].startswith("Bad")
    assert codes[3] == "BadNodeIdUnknown"
    assert codes[4] == "BadEventFilterInvalid"
    assert codes[5] in ("BadEventFilterInvalid", "BadFilterNotAllowed", "BadMonitoredItemFilterInvalid")
    await subscriber.close()


@pytest.mark.parametrize("oldest", [True, False])
async def test_a_full_queue_is_told_by_one_overflow_event(session: RawSession, room: Room, oldest: bool) -> None:
    # OPC 10000-4, 5.13.1.5 and OPC 10000-5, 6.4.34: one EventQueueOverflowEventType at the end that discards.
    subscriber = await Subscriber.create(session, enabled=False)
    wanted = chosen(OWN, select=("EventType", "Message"))
    await subscriber.add(listen(room.test(""), wanted, queue=3, oldest=oldest))
    for number in range(8):
        emit(room, f"text {number}")
    await subscriber.enable(True)
    rows = await subscriber.events(2)
    kinds = [row[0].Identifier for row in rows]
    assert kinds.count(OVERFLOW) == 1
    assert kinds.index(OVERFLOW) == (0 if oldest else len(kinds) - 1)
    texts = [row[1].Text for row in rows if row[0].Identifier != OVERFLOW]
    # Like values: TRUE keeps the last ones; FALSE keeps the first ones and replaces the newest.
    assert texts == [f"text {number}" for number in ((5, 6, 7) if oldest else (0, 1, 7))][-len(texts) :]
    await subscriber.quiet()
    emit(room, "later")
    assert [row[1].Text for row in await subscriber.events(1)] == ["later"]  # the queue is whole again
    await subscriber.close()


async def test_modes_hold_for_event_items_too(session: RawSession, room: Room) -> None:
    # OPC 10000-4, 5.13.1.3.
    subscriber = await Subscriber.create(session)
    (made,) = await subscriber.add(listen(room.test(""), chosen(OWN), mode=ua.MonitoringMode.Disabled))
    emit(room, "unseen")
    await subscriber.mode(ua.MonitoringMode.Sampling, made.MonitoredItemId)
    emit(room, "queued")
    await subscriber.quiet()
    await subscriber.mode(ua.MonitoringMode.Reporting, made.MonitoredItemId)
    assert await _texts(subscriber, 1) == ["queued"]
    await subscriber.close()


async def test_a_filter_is_changed_while_it_listens(session: RawSession, room: Room) -> None:
    # OPC 10000-4, 5.13.3.
    subscriber = await Subscriber.create(session)
    (made,) = await subscriber.add(listen(room.test(""), chosen(OWN)))
    emit(room, "before", 100)
    assert await _texts(subscriber, 1) == ["before"]
    severe = clause(F.And, _element(1), _element(2)), OWN, clause(F.GreaterThan, SEVERITY, literal(500, V.UInt16))
    result = await subscriber.modify(made.MonitoredItemId, filter=chosen(*severe), queue=100)
    assert name_of(result.StatusCode) == "Good"
    emit(room, "mild", 100)
    emit(room, "severe", 900)
    assert await _texts(subscriber, 1) == ["severe"]
    await subscriber.close()
