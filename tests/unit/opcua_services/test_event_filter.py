"""EventFilter: what is accepted and obeyed, what is refused and why (OPC 10000-4, 7.7 and 7.22.3)."""

from __future__ import annotations

import time
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary, variant_to_binary

from server.opcua.event_filter import Event, EventPlan, EventTypes
from server.opcua.event_operators import like
from tests.kit.subscriptions import SubscriptionRig

S = ua.StatusCodes
V = ua.VariantType
F = ua.FilterOperator


@pytest.fixture
def rig() -> SubscriptionRig:
    rig = SubscriptionRig()
    rig.event_type(2052, "AuditEventType", 2041)
    rig.event_type(2058, "AuditSecurityEventType", 2052)
    rig.field(2058, "StatusCodeId")
    return rig


def field(*names: str, type_id: int = 2041, attribute: int = 13, index_range: str | None = None) -> Any:
    return ua.SimpleAttributeOperand(
        ua.NodeId(type_id), [ua.QualifiedName(name) for name in names], attribute, index_range
    )


def literal(value: Any, kind: ua.VariantType | None = None) -> Any:
    return ua.LiteralOperand(ua.Variant(value, kind))


def at(index: int) -> Any:
    return ua.ElementOperand(index)


def where(*elements: tuple[F, tuple[Any, ...]]) -> ua.EventFilter:
    wanted = ua.EventFilter()
    wanted.SelectClauses = [field("Message")]
    wanted.WhereClause.Elements = [ua.ContentFilterElement(operator, list(operands)) for operator, operands in elements]
    return wanted


def event(**fields: Any) -> Event:
    values = {
        "EventType": ua.Variant(ua.NodeId(2058), V.NodeId),
        "Severity": ua.Variant(500, V.UInt16),
        "SourceName": ua.Variant("pump-7", V.String),
        "Message": ua.Variant(ua.LocalizedText("Too hot", "en"), V.LocalizedText),
        **{name: value if isinstance(value, ua.Variant) else ua.Variant(value) for name, value in fields.items()},
    }
    return Event(values)


def passes(rig: SubscriptionRig, *elements: tuple[F, tuple[Any, ...]], **fields: Any) -> bool:
    wanted = where(*elements)
    assert EventTypes(rig.store).check(wanted) == (True, None)
    return EventPlan(wanted, rig.store).passes(event(**fields))


SEVERITY = field("Severity")
SOURCE = field("SourceName")
NOTHING = field("Time")


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([(F.Equals, (SEVERITY, literal(500)))], True),
        ([(F.Equals, (SEVERITY, literal(501)))], False),
        ([(F.Equals, (SOURCE, literal("pump-7")))], True),
        ([(F.Equals, (field("Message"), literal("Too hot")))], True),
        ([(F.GreaterThan, (SEVERITY, literal(499)))], True),
        ([(F.GreaterThan, (SEVERITY, literal(500)))], False),
        ([(F.LessThan, (SEVERITY, literal(501)))], True),
        ([(F.LessThan, (SEVERITY, literal(500)))], False),
        ([(F.GreaterThanOrEqual, (SEVERITY, literal(500)))], True),
        ([(F.LessThanOrEqual, (SEVERITY, literal(499)))], False),
        ([(F.Between, (SEVERITY, literal(500), literal(600)))], True),
        ([(F.Between, (SEVERITY, literal(501), literal(600)))], False),
        ([(F.InList, (SEVERITY, literal(1), literal(500)))], True),
        ([(F.InList, (SEVERITY, literal(1), literal(2)))], False),
        ([(F.InList, (NOTHING, literal(1), literal(None)))], False),
        ([(F.Like, (SOURCE, literal("pump-_")))], True),
        ([(F.Like, (SOURCE, literal("valve%")))], False),
        ([(F.Like, (field("Message"), literal("%hot")))], True),
        ([(F.Like, (SEVERITY, literal("5%")))], False),
        ([(F.IsNull, (NOTHING,))], True),
        ([(F.IsNull, (SEVERITY,))], False),
        ([(F.Not, (at(1),)), (F.IsNull, (SEVERITY,))], True),
        ([(F.Not, (SEVERITY,))], False),
        ([(F.OfType, (literal(ua.NodeId(2052)),))], True),
        ([(F.OfType, (literal(ua.NodeId(2041)),))], True),
        ([(F.OfType, (literal(ua.NodeId(2058)),))], True),
        ([(F.OfType, (literal(ua.NodeId(2782)),))], False),
        ([(F.OfType, (literal("2041"),))], False),
        ([(F.Equals, (at(1), literal(4))), (F.BitwiseAnd, (SEVERITY, literal(12)))], True),
        ([(F.Equals, (at(1), literal(501))), (F.BitwiseOr, (SEVERITY, literal(1)))], True),
        ([(F.Equals, (at(1), literal("500"))), (F.Cast, (SEVERITY, literal(ua.NodeId(12))))], True),
        ([(F.Equals, (SEVERITY, at(1))), (F.Cast, (literal("500"), literal(ua.NodeId(6))))], True),
        ([(F.Equals, (SEVERITY, at(1))), (F.Cast, (literal("no"), literal(ua.NodeId(6))))], False),
        ([(F.IsNull, (at(1),)), (F.Cast, (literal(300), literal(ua.NodeId(3))))], True),
        # wrong types and null operands decide nothing
        ([(F.GreaterThan, (SOURCE, literal(5)))], False),
        ([(F.Equals, (NOTHING, literal(5)))], False),
        ([(F.Not, (at(1),)), (F.Equals, (NOTHING, literal(5)))], False),
    ],
)
def test_operators(rig: SubscriptionRig, elements: list[Any], expected: bool) -> None:
    assert passes(rig, *elements) is expected


TRUE = (F.IsNull, (NOTHING,))
FALSE = (F.IsNull, (SEVERITY,))
UNKNOWN = (F.Equals, (NOTHING, literal(5)))


@pytest.mark.parametrize(
    ("operator", "first", "second", "expected"),
    [
        (F.And, TRUE, TRUE, True),
        (F.And, TRUE, FALSE, False),
        (F.And, FALSE, UNKNOWN, False),
        (F.And, TRUE, UNKNOWN, None),
        (F.And, UNKNOWN, UNKNOWN, None),
        (F.Or, FALSE, FALSE, False),
        (F.Or, FALSE, TRUE, True),
        (F.Or, UNKNOWN, TRUE, True),
        (F.Or, UNKNOWN, FALSE, None),
        (F.Or, UNKNOWN, UNKNOWN, None),
    ],
)
def test_three_valued_logic(rig: SubscriptionRig, operator: F, first: Any, second: Any, expected: bool | None) -> None:
    """The tables of 7.7.3: null is shown by neither it nor its negation passing."""
    straight = passes(rig, (operator, (at(1), at(2))), first, second)
    negated = passes(rig, (F.Not, (at(1),)), (operator, (at(2), at(3))), first, second)
    assert (straight, negated) == (expected is True, expected is False)


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("abc", "abc", True),
        ("abc", "ab", False),
        ("abc", "a%", True),
        ("abc", "%c", True),
        ("abc", "%b%", True),
        ("abc", "a_c", True),
        ("ac", "a_c", False),
        ("main", "%en%", False),
        ("a5", "a[0-9]", True),
        ("ax", "a[0-9]", False),
        ("ax", "a[^0-9]", True),
        ("ab", "a[bc]", True),
        ("a%", "a\\%", True),
        ("ab", "a\\%", False),
        ("a_", "a\\_", True),
        ("a[", "a\\[", True),
        ("a\nb", "a%b", True),
        ("", "%", True),
        ("", "_", False),
        ("a.c", "a.c", True),
        ("abc", "a.c", False),
        ("a[b", "a[b", True),
    ],
)
def test_like(text: str, pattern: str, expected: bool) -> None:
    """OPC 10000-4, 7.7.3, table of wildcard characters."""
    assert like(text, pattern) is expected


def test_a_hostile_pattern_is_cheap() -> None:
    """A regular expression of this shape runs for centuries."""
    begin = time.process_time()
    for _ in range(100):
        assert not like("a" * 2_000, "%a" * 120 + "b")
        assert not like("a" * 2_000, "%" + "_a" * 120 + "b")
    assert time.process_time() - begin < 2.0


@pytest.mark.parametrize(
    ("elements", "codes"),
    [
        ([(F.InView, (literal(ua.NodeId(1)),))], [S.BadFilterOperatorUnsupported]),
        ([(F.RelatedTo, (literal(1),) * 6)], [S.BadFilterOperatorUnsupported]),
        ([(F.Equals, (SEVERITY,))], [S.BadFilterOperandCountMismatch]),
        ([(F.Not, (SEVERITY, SEVERITY))], [S.BadFilterOperandCountMismatch]),
        ([(F.Not, (at(1),))], [S.BadFilterOperandInvalid]),
        ([(F.Not, (at(0),))], [S.BadFilterOperandInvalid]),
        ([(F.Not, (at(1),)), (F.Not, (at(0),))], [0, S.BadFilterOperandInvalid]),
        ([(F.IsNull, (ua.AttributeOperand(),))], [S.BadFilterOperandInvalid]),
        ([(F.IsNull, (field("Severity", index_range="x"),))], [S.BadFilterOperandInvalid]),
    ],
)
def test_refused_where_clauses(rig: SubscriptionRig, elements: list[Any], codes: list[int]) -> None:
    obeyed, result = EventTypes(rig.store).check(where(*elements))
    assert not obeyed
    assert result is not None
    found = result.WhereClauseResult.ElementResults
    assert [each.StatusCode.value for each in found] == codes
    assert [len(each.OperandStatusCodes) for each in found] == [len(operands) for _operator, operands in elements]


@pytest.mark.parametrize(
    ("clause", "code"),
    [
        (field("Severity"), 0),
        (field("StatusCodeId"), 0),  # a subtype has it
        (field("Severity", type_id=0), 0),
        (field("NoSuchField"), S.BadNodeIdUnknown),
        (field("Severity", type_id=99_999), S.BadNodeIdUnknown),
        (field("Severity", type_id=58), S.BadTypeDefinitionInvalid),
        (field("Severity", attribute=99), S.BadAttributeIdInvalid),
        (field(), S.BadAttributeIdInvalid),
        (field(attribute=1), 0),
        (field("Message", index_range="2:1"), S.BadIndexRangeInvalid),
    ],
)
def test_select_clauses_are_judged(rig: SubscriptionRig, clause: Any, code: int) -> None:
    wanted = ua.EventFilter()
    wanted.SelectClauses = [field("Message"), clause]
    obeyed, result = EventTypes(rig.store).check(wanted)
    assert obeyed  # the others are delivered, this one is null
    assert [each.value for each in result.SelectClauseResults] == [0, code] if code else result is None
    wanted.SelectClauses = [clause]
    assert EventTypes(rig.store).check(wanted)[0] is (code == 0)


def test_filters_are_bounded(rig: SubscriptionRig) -> None:
    types = EventTypes(rig.store)
    assert types.check(ua.EventFilter())[0] is False
    wanted = ua.EventFilter()
    wanted.SelectClauses = [field("Message")] * 1_001
    assert types.check(wanted)[0] is False
    assert types.check(where(*[(F.IsNull, (SEVERITY,))] * 101))[0] is False
    assert types.check(where(*[(F.IsNull, (SEVERITY,))] * 100))[0] is True


def test_shared_elements_are_decided_once(rig: SubscriptionRig) -> None:
    """Without that, elements that name their successor twice double the work with every element."""
    elements = [(F.And, (at(index + 1), at(index + 1))) for index in range(99)]
    begin = time.process_time()
    assert passes(rig, *elements, TRUE)
    assert time.process_time() - begin < 1.0


def test_fields_are_what_the_stack_encodes(rig: SubscriptionRig) -> None:
    wanted = ua.EventFilter()
    wanted.SelectClauses = [field("Severity"), field("Time"), field("Message"), field("Array", index_range="1:2")]
    array = ua.Variant([1, 2, 3], V.Int32)
    plan = EventPlan(wanted, rig.store)
    found = plan.fields(event(Array=array))
    expected = [
        ua.Variant(500, V.UInt16),
        ua.Variant(),
        ua.Variant(ua.LocalizedText("Too hot", "en"), V.LocalizedText),
        ua.Variant([2, 3], V.Int32),
    ]
    assert found == b"\x04\x00\x00\x00" + b"".join(variant_to_binary(each) for each in expected)


def test_one_encoding_serves_all_items_of_a_filter(rig: SubscriptionRig) -> None:
    plan = EventPlan(where((F.Equals, (SEVERITY, literal(500)))), rig.store)
    one = event()
    assert one.for_filter(plan) is one.for_filter(plan)
    assert event(Severity=ua.Variant(1, V.UInt16)).for_filter(plan) is None


def test_a_value_that_cannot_be_encoded_is_null(rig: SubscriptionRig) -> None:
    wanted = ua.EventFilter()
    wanted.SelectClauses = [field("Severity"), field("SourceName")]
    found = EventPlan(wanted, rig.store).fields(event(Severity=ua.Variant(70_000, V.UInt16)))
    assert found == b"\x02\x00\x00\x00\x00" + variant_to_binary(ua.Variant("pump-7", V.String))


def test_deep_paths(rig: SubscriptionRig) -> None:
    rig.event_type(2782, "ConditionType", 2041)
    state = rig.field(2782, "AckedState")
    rig.space.add((2, "AckedState/Id"), "Id", 2, parent=state.key, reference=46)
    types = EventTypes(rig.store)
    wanted = ua.EventFilter()
    wanted.SelectClauses = [field("AckedState", "Id", type_id=2782), field("AckedState", type_id=2782)]
    assert types.check(wanted) == (True, None)
    plan = EventPlan(wanted, rig.store)
    acked = {"AckedState/Id": ua.Variant(True, V.Boolean)}
    found = plan.fields(event(EventType=ua.Variant(ua.NodeId(2782), V.NodeId), **acked))
    assert found == b"\x02\x00\x00\x00\x01\x01\x00"
    # An operand is restricted to instances of its type (OPC 10000-4, 7.7.4.5).
    assert plan.fields(event(**acked)) == b"\x02\x00\x00\x00\x00\x00"
    assert [found.Value for found in plan.values(event(**acked))] == [None, None]
    assert struct_to_binary(wanted)  # what the client sends


def test_a_name_of_another_namespace_is_another_field(rig: SubscriptionRig) -> None:
    types = EventTypes(rig.store)
    other = ua.SimpleAttributeOperand(ua.NodeId(2041), [ua.QualifiedName("Severity", 3)], 13, None)
    wanted = ua.EventFilter()
    wanted.SelectClauses = [other, SEVERITY]
    obeyed, result = types.check(wanted)
    assert obeyed
    assert result is not None
    assert [code.value for code in result.SelectClauseResults] == [ua.StatusCodes.BadNodeIdUnknown, 0]
    plan = EventPlan(wanted, rig.store, types)
    assert [found.Value for found in plan.values(event())] == [None, 500]
    for operand, expected in ((other, False), (SEVERITY, True)):
        judged = EventPlan(where((F.Equals, (operand, literal(500)))), rig.store, types)
        assert judged.passes(event()) is expected


def test_an_operand_of_a_where_clause_is_restricted_to_its_type(rig: SubscriptionRig) -> None:
    rig.event_type(2782, "ConditionType", 2041)
    rig.field(2782, "Retain")
    plan = EventPlan(where((F.Equals, (field("Retain", type_id=2782), literal(True)))), rig.store)
    retained = {"Retain": ua.Variant(True, V.Boolean)}
    assert plan.passes(event(EventType=ua.Variant(ua.NodeId(2782), V.NodeId), **retained))
    assert not plan.passes(event(**retained))
