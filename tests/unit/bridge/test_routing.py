"""Which binding a topic belongs to; what is remembered stays bounded whatever is published."""

from __future__ import annotations

import pytest

from bridge import routing
from bridge.routing import Kind, Router
from bridge.topics import TOPIC_LIMIT
from server.core.binding import DeviceBinding, RowBinding


def binding(type_id: str, *topics: str, response: str = "", device_id: str = "{device}") -> DeviceBinding:
    return DeviceBinding(
        type_id=type_id,
        codec="pointer_json",
        rows=tuple(RowBinding(topic) for topic in topics),
        response_topic=response,
        device_id=device_id,
    )


def type_of(router: Router, topic: str) -> str | None:
    found = router.route(topic)
    return found.binding.type_id if found is not None else None


def test_the_more_exact_pattern_wins_whatever_the_order() -> None:
    general = binding("general", "{site}/{device}/raw")
    exact = binding("exact", "iot/{device}/raw")
    fixed = binding("fixed", "iot/main/raw")
    for order in ((general, exact, fixed), (fixed, exact, general)):
        router = Router(order)
        assert type_of(router, "iot/main/raw") == "fixed"
        assert type_of(router, "iot/b-1/raw") == "exact"
        assert type_of(router, "site/b-1/raw") == "general"


def test_a_route_knows_its_device_and_kind() -> None:
    router = Router([binding("breaker", "iot/{device}/raw", response="iot/{device}/response")])
    row, answer = router.route("iot/b-1/raw"), router.route("iot/b-1/response")
    assert row is not None
    assert answer is not None
    assert (row.kind, row.device_id) == (Kind.ROW, "b-1")
    assert (answer.kind, answer.row, answer.device_id) == (Kind.RESPONSE, None, "b-1")


def test_each_filter_is_subscribed_once() -> None:
    router = Router([binding("a", "x/{device}/raw", "y/{device}"), binding("b", "x/{other}/raw")])
    assert sorted(router.filters()) == ["x/+/raw", "y/+"]


def test_an_unknown_topic_is_counted_every_time() -> None:
    router = Router([binding("a", "x/{device}/raw")])
    for _ in range(3):
        assert router.route("y/1/raw") is None
    assert router.unknown_messages == 3
    assert router.unknown["y/1/raw"] == 3


def test_at_most_a_hundred_unknown_topics_are_listed() -> None:
    router = Router()
    for number in range(1_000):
        router.route(f"made/up/{number}")
    assert len(router.unknown) == 100
    assert router.unknown_messages == 1_000
    router.route("made/up/0")
    assert router.unknown["made/up/0"] == 2


def test_a_huge_unknown_topic_is_listed_cut() -> None:
    router = Router()
    for _ in range(2):
        router.route("x" * 60_000)
    assert dict(router.unknown) == {"x" * TOPIC_LIMIT: 2}


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "REMEMBERED", 10)
    router = Router([binding("a", "x/{device}/raw")])
    for number in range(100):
        router.route(f"x/{number}/raw")
    assert len(router._known) == 10
    assert type_of(router, "x/0/raw") == "a"


def test_made_up_topics_do_not_push_known_ones_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "REMEMBERED", 10)
    router = Router([binding("a", "x/{device}/raw")])
    known = router.route("x/1/raw")
    for number in range(100):
        router.route(f"nobody/{number}")
    assert router.route("x/1/raw") is known


def test_new_bindings_take_effect_on_topics_seen_before() -> None:
    router = Router([binding("a", "x/{device}/raw")])
    assert type_of(router, "y/1/raw") is None
    assert type_of(router, "x/1/raw") == "a"
    router.replace([binding("b", "y/{device}/raw")])
    assert type_of(router, "y/1/raw") == "b"
    assert type_of(router, "x/1/raw") is None


def test_a_wrong_topic_leaves_the_bindings_as_they_were() -> None:
    router = Router([binding("a", "x/{device}/raw")])
    with pytest.raises(ValueError, match="topic"):
        router.replace([binding("b", "y/#")])
    assert type_of(router, "x/1/raw") == "a"


def test_an_id_that_two_topics_could_make_is_marked() -> None:
    router = Router([binding("asset", "plant/{facility}/{asset}/readings", device_id="{facility}.{asset}")])
    clear, doubtful = router.route("plant/a/b.c/readings"), router.route("plant/a.b/c/readings")
    assert clear is not None
    assert doubtful is not None
    assert (clear.device_id, clear.ambiguous) == ("a.b.c", False)
    assert (doubtful.device_id, doubtful.ambiguous) == ("", True)
