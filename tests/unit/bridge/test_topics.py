"""Topics of packages and device ids made from them: what matches, what is refused, what goes out."""

from __future__ import annotations

import pytest

from bridge.topics import TopicPattern, join_id, split_id

TELEMETRY = TopicPattern.of("engines/{device}/telemetry")
READINGS = TopicPattern.of("plant/{facility}/{asset}/readings")


def test_a_topic_gives_its_parts() -> None:
    assert TELEMETRY.match("engines/gpu-1/telemetry") == {"device": "gpu-1"}
    assert READINGS.match("plant/power-station-alpha/turbine-a/readings") == {
        "facility": "power-station-alpha",
        "asset": "turbine-a",
    }


def test_the_filter_has_a_plus_for_every_part() -> None:
    assert READINGS.filter == "plant/+/+/readings"


@pytest.mark.parametrize(
    "topic",
    [
        "engines/gpu-1/status",
        "engines/gpu-1",
        "engines/gpu-1/telemetry/more",
        "/engines/gpu-1/telemetry",
        "engines/gpu-1/telemetry/",
        "engines//telemetry",
        "Engines/gpu-1/telemetry",
        "engines/+/telemetry",
        "engines/#/telemetry",
        "engines/gpu 1/telemetry",
        "engines/gpu-1\n/telemetry",
        "engines/двигатель/telemetry",
        "engines/{device}/telemetry",
        "engines/gpu\0/telemetry",
        "engines/" + "a" * 65 + "/telemetry",
        "",
    ],
)
def test_another_topic_or_an_id_that_is_none_does_not_match(topic: str) -> None:
    assert TELEMETRY.match(topic) is None


def test_an_id_of_64_characters_is_the_longest() -> None:
    assert TELEMETRY.match("engines/" + "a" * 64 + "/telemetry") == {"device": "a" * 64}


@pytest.mark.parametrize(
    "pattern",
    ["", "a//b", "/a", "a/", "a/+/b", "a/#", "a/x{device}/b", "a/{Device}/b", "a/{}/b", "a/{d}/b/{d}", "a/b\0c"],
)
def test_a_pattern_with_wildcards_or_half_parts_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        TopicPattern.of(pattern)


def test_a_pattern_is_filled_in() -> None:
    assert READINGS.fill({"facility": "alpha", "asset": "boiler-1"}) == "plant/alpha/boiler-1/readings"


@pytest.mark.parametrize("device", ["", "+", "#", "a/b", "../x", "a b", "ä", "a" * 65, "x\n"])
def test_a_part_cannot_change_the_topics_shape(device: str) -> None:
    # A device id from an operator must never publish to other devices or subscribe by wildcard.
    with pytest.raises(ValueError, match="device cannot be"):
        TELEMETRY.fill({"device": device})


def test_a_missing_part_is_refused() -> None:
    with pytest.raises(ValueError, match="asset"):
        READINGS.fill({"facility": "alpha"})


def test_an_id_of_one_part_comes_apart() -> None:
    assert split_id("{device}", "loom-01.bbw-2") == {"device": "loom-01.bbw-2"}


def test_an_id_of_two_parts_comes_apart_at_the_first_joint() -> None:
    assert split_id("{facility}.{asset}", "alpha.boiler-1") == {"facility": "alpha", "asset": "boiler-1"}
    assert split_id("{facility}.{asset}", "alpha.boiler.1") == {"facility": "alpha", "asset": "boiler.1"}


@pytest.mark.parametrize("device", ["alpha", ".boiler", "alpha.", "al/pha.boiler", "alpha.boi+ler", ""])
def test_an_id_that_does_not_fit_its_template_is_none(device: str) -> None:
    assert split_id("{facility}.{asset}", device) is None


def test_a_template_is_text_and_not_a_pattern() -> None:
    assert split_id("x.{device}", "xyabc") is None
    assert split_id("x.{device}", "x.abc") == {"device": "abc"}


def test_parts_make_the_id() -> None:
    assert join_id("{facility}.{asset}", {"facility": "alpha", "asset": "boiler-1"}) == "alpha.boiler-1"


def test_parts_that_could_be_another_assets_id_make_none() -> None:
    # plant/a.b/c and plant/a/b.c must not feed the same device.
    assert join_id("{facility}.{asset}", {"facility": "a.b", "asset": "c"}) == ""
    assert join_id("{facility}.{asset}", {"facility": "a", "asset": "b.c"}) == "a.b.c"


def test_a_topic_without_the_ids_parts_makes_no_id() -> None:
    assert join_id("{facility}.{asset}", {"asset": "c"}) == ""
