"""The cache of encoded Browse results: the service's own bytes, and never stale ones."""

from __future__ import annotations

import time
from dataclasses import replace

from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import VARIABLE
from server.opcua.services.browse_cache import BrowseCache
from server.opcua.services.limits import OperationLimits
from tests.kit.service_space import HAS_COMPONENT, HAS_PROPERTY, OBJECTS, ROOT, scalar
from tests.unit.opcua_services.test_view import LINE, PLANT, SECRET, SPEED, Rig, browse, folder, keys, wanted

_DESCRIPTIONS = st.builds(
    wanted,
    st.sampled_from([PLANT, SPEED, LINE, SECRET, OBJECTS, ROOT, (2, "nothing"), (3, b"x")]),
    st.integers(0, 3),
    st.sampled_from([0, HAS_COMPONENT, HAS_PROPERTY, 33, 85, (2, "nothing")]),
    st.booleans(),
    st.sampled_from([0, 1, 2, 4, 7, 255]),
    st.integers(0, 63),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(_DESCRIPTIONS, max_size=4),
            st.sampled_from(["viewer", "operator", "admin"]),
            st.sampled_from([(), ("de",)]),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_both_ways_give_the_same_bytes(
    requests: list[tuple[list[ua.BrowseDescription], str, tuple[str, ...], int]],
) -> None:
    slow, fast = Rig(), Rig().cached()
    for operations, role, locales, most in requests:
        answers = []
        for rig in (slow, fast, fast):
            session = rig.session(role, locales=locales)
            answer = rig.bytes_of(session, browse(*operations, most=most))
            if session.browse_points:
                # Continuation points are random; what they stand in for is compared without them.
                for point in session.browse_points:
                    answer = answer.replace(point, bytes(16))
            answers.append(answer)
        assert answers[0] == answers[1] == answers[2]


def test_every_change_of_the_space_is_seen_at_once() -> None:
    rig = Rig().cached()
    session = rig.session()
    request = browse(wanted(kind=HAS_COMPONENT, subtypes=False))
    before = keys(rig.ask(session, request).Results[0])
    assert rig.cache.kept_bytes > 0
    rig.space.add((2, "late"), "Late", VARIABLE, parent=PLANT)
    assert keys(rig.ask(session, request).Results[0]) == [*before, (2, "late")]
    rig.space.store.remove([(2, "late")])
    assert keys(rig.ask(session, request).Results[0]) == before


def test_the_cache_keeps_within_its_bytes() -> None:
    rig = Rig()
    cache = BrowseCache(rig.view, rig.space.store, OperationLimits(), rig.dispatcher, most_bytes=5_000)
    cache.register(rig.dispatcher)
    session = rig.session()
    for mask in range(64):
        rig.ask(session, browse(wanted(mask=mask), wanted(ROOT, mask=mask)))
        assert cache.kept_bytes <= 5_000
    assert cache.kept_bytes > 1_000


def test_a_result_with_pages_is_never_kept() -> None:
    rig = Rig().cached()
    key, session = folder(rig, 10), rig.session()
    points = {
        bytes(rig.ask(session, browse(wanted(key, kind=HAS_COMPONENT), most=3)).Results[0].ContinuationPoint)
        for _ in range(3)
    }
    assert len(points) == 3


def test_bytes_that_end_early_are_left_to_the_service() -> None:
    rig = Rig().cached()
    session = rig.session()
    body = rig.body(session, browse(wanted(), wanted()))
    for size in range(60, len(body)):
        rig.dispatcher.message(rig.channel, 1, body[:size])
        answer = rig.channel.sent[-1][1]
        assert int.from_bytes(answer[16:20], "little") == ua.StatusCodes.BadDecodingError


def test_a_repeated_browse_of_a_hundred_children_is_cheap() -> None:
    rig = Rig().cached()
    key: Key = (2, "wide")
    rig.space.add(key, "Wide", parent=OBJECTS)
    for number in range(100):
        value = scalar(float(number), ua.VariantType.Double)
        rig.space.add((2, f"wide/{number}"), f"Child{number}", VARIABLE, parent=key, value=value)
    session = rig.session()
    body = rig.body(session, browse(wanted(key)))
    rig.dispatcher.message(rig.channel, 1, body)
    best = min(_seconds(rig, body) for _ in range(5))
    # Measured 5 us; the bound only catches that the cache no longer answers (the service takes over 500 us).
    assert best < 60e-6


def _seconds(rig: Rig, body: bytes) -> float:
    rig.channel.sent.clear()
    begin = time.process_time()
    for _ in range(500):
        rig.dispatcher.message(rig.channel, 1, body)
    return (time.process_time() - begin) / 500


def test_limits_of_the_request_hold_before_the_cache() -> None:
    rig = Rig(replace(OperationLimits(), browse=1)).cached()
    session = rig.session()
    rig.ask(session, browse(wanted()))
    answer = rig.ask(session, browse(wanted(), wanted()))
    assert answer.ResponseHeader.ServiceResult.value == ua.StatusCodes.BadTooManyOperations
