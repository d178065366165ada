"""Hostile traffic: bounded memory, everything left out is counted and named, and the draft still builds."""

from __future__ import annotations

import json
import tomllib
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from server.fdi.draft.infer import infer
from server.fdi.draft.limits import DEFAULT_LIMITS, DraftLimits
from server.fdi.draft.model import MAKER, NAME, DraftModel, Naming
from server.fdi.draft.names import identifier, printable
from server.fdi.draft.sample import Sample
from server.fdi.draft.show import lines
from server.fdi.draft.write import write
from tests.kit.drafts import NAMING, built, decode, drafted, message, parameters, values

GOOD = message("pumps/p-1/raw", {"flow": 1.5})


def left_out(draft: DraftModel) -> dict[str, int]:
    return {refused.reason: refused.count for refused in draft.refused}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"not json", "no JSON in UTF-8"),
        (b"", "no JSON in UTF-8"),
        (b'{"a": "\xff\xfe"}', "no JSON in UTF-8"),
        (b'{"a": NaN}', "no JSON in UTF-8"),
        (b'{"a": 1e999}', "no JSON in UTF-8"),
        (b"21.5", "neither an object nor an array of objects"),
        (b"[1, 2]", "neither an object nor an array of objects"),
        (b"[]", "neither an object nor an array of objects"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "nested deeper than the limit"),
        (b"[" * 100_000 + b"]" * 100_000, "no JSON in UTF-8"),  # the decoder gives up first
        (b'{"a": "' + b"x" * 300_000 + b'"}', "payload larger than the limit"),
        (b"{}", "messages without a value"),
        (b'{"a": null}', "messages without a value"),
    ],
)
def test_what_cannot_be_used_is_counted_with_an_example(payload: bytes, reason: str) -> None:
    draft = drafted([GOOD, message("bad/p-1/raw", payload)])
    (refused,) = draft.refused
    assert (refused.reason, refused.count) == (reason, 1)
    assert refused.examples[0].startswith("bad/")
    assert list(parameters(draft)) == ["flow"]


def test_empty_keys_are_counted() -> None:
    assert left_out(drafted([message("d/p-1/raw", {"": 1, "v": 1})])) == {"keys that are empty or too long": 1}


def test_depth_is_counted_as_the_codec_counts_it() -> None:
    deep = message("pumps/p-1/raw", b'{"a":' * 32 + b"1" + b"}" * 32)
    draft = drafted([deep])
    assert len(decode(built(draft), deep).measurements) == 1


@pytest.mark.parametrize(
    "topic",
    ["/p-1/raw", "pumps//raw", "pumps/p-1/", "$SYS/broker/load", "a/{x}/raw", "a/\u0007/raw", "a/" + "x" * 1_100],
)
def test_topics_that_no_package_can_name_are_left_out(topic: str) -> None:
    draft = drafted([GOOD, message(topic, {"flow": 1})])
    assert left_out(draft) == {"topics that no package can name": 1}


def test_devices_with_other_letters_are_left_out_and_told() -> None:
    sent = [message(f"pumps/{name}/raw", {"flow": 1}) for name in ("p-1", "p-2", "насос 3")]
    draft = drafted(sent, ["pumps/{device}/raw"])
    assert draft.messages[0].messages == 2
    assert any("pumps/насос 3/raw" in note for note in draft.notes)


@pytest.mark.parametrize(
    ("limit", "contents", "reason"),
    [
        ({"topics": 2}, [(f"pumps/p-{n}/raw", {"v": 1}) for n in range(5)], "more topics than the limit"),
        (
            {"places": 3},
            [("pumps/p-1/raw", {f"v{n}": 1 for n in range(5)})],
            "more values in one kind of message than the limit",
        ),
        ({"parameters": 2}, [("pumps/p-1/raw", {f"v{n}": 1 for n in range(5)})], "more parameters than the limit"),
        ({"kinds": 1}, [(f"p-1/{n}", {"v": 1}) for n in ("raw", "state")], "more kinds of messages than the limit"),
        ({"elements": 2}, [("pumps/p-1/raw", {"v": [1, 2, 3]})], "elements of lists beyond the limit"),
        ({"key_length": 3}, [("pumps/p-1/raw", {"v": 1, "long": 1})], "keys that are empty or too long"),
        (
            {"metrics": 1},
            [("pumps/p-1/raw", {"list": [{"name": n, "value": 1} for n in "ab"]})],
            "more named readings than the limit",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_every_limit_holds_and_what_is_beyond_is_told(
    limit: dict[str, int], contents: list[tuple[str, Any]], reason: str
) -> None:
    sent = [message(topic, content) for topic, content in contents]
    draft = drafted(sent, limits=replace(DEFAULT_LIMITS, **limit))
    assert reason in left_out(draft)
    assert draft.messages
    built(draft)
    assert reason not in left_out(drafted(sent))  # control: without the limit nothing is left out


def test_a_full_sample_takes_nothing_more() -> None:
    by_count, by_bytes = Sample(DraftLimits(messages=2)), Sample(DraftLimits(sample_bytes=300))
    assert by_count.take([GOOD]) is True
    assert by_count.take([GOOD, GOOD]) is False
    assert len(by_count.messages) == 2
    assert by_bytes.take([GOOD]) is True
    assert by_bytes.take([GOOD]) is False
    assert by_bytes.take([GOOD]) is False
    assert len(by_bytes.messages) == 2


def test_memory_is_bounded_whatever_comes() -> None:
    """Each message with keys of its own: what is remembered of them must not grow with them."""
    sample = Sample()
    for number in range(400):
        content = {f"key {number} {k}": {"x": number, "y": "text" * 20} for k in range(20)}
        sample.take([message(f"d/p-{number % 3}/raw", content)])
    tracemalloc.start()
    draft = infer(sample, ["#"], NAMING)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 1024 * 1024
    assert len(draft.parameters) <= DEFAULT_LIMITS.parameters
    assert left_out(draft)["more values in one kind of message than the limit"] > 10_000


def test_changing_types_are_counted_and_the_commonest_counts() -> None:
    draft = drafted([message("d/p-1/raw", {"v": content}) for content in (1, 2, "x", None, True, [3], {"w": 4})])
    (sent,) = draft.messages
    assert parameters(draft)["v"].edd_type == "DOUBLE"
    assert "/v: 2 of 5 values are no number: they are refused" in sent.notes
    assert "/v: 1 of 5 values are null: they are refused" in sent.notes


EVIL = [
    'a"b', "a\\b", "*/ VARIABLE x {", "|en|x", "#define x", "a~b/c", "\u202eright", "\n[package]", "'''", '"""', "ключ",
    "VARIABLE", "float", "menu", "0", "-", "x" * 128, "a.b", "${x}", "😀", "\ud83d", "device_root_menu",
]  # fmt: skip


def test_keys_and_texts_from_outside_stay_names_and_texts() -> None:
    """Whatever keys, units and values hold: three files that build, and the very same values come out."""
    keys = [key for key in EVIL if key != "\ud83d"]  # half a pair is no UTF-8, so no payload holds it
    content = {key: {"value": number, "unit": key[:20]} for number, key in enumerate(keys)}
    sent = message("d/p-1/raw", json.dumps(content).encode())
    draft = drafted([sent])
    device_type = built(draft)
    (measurement,) = decode(device_type, sent).measurements
    assert sorted(values(measurement).values()) == [float(number) for number in range(len(keys))]


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_names_of_the_package_are_texts_too(text: str) -> None:
    sample = Sample()
    sample.take([GOOD])
    draft = infer(sample, ["#"], Naming(package_id=NAMING.package_id, name=text, manufacturer=text))
    catalog = tomllib.loads(write(draft)["catalog.toml"])
    assert (catalog["package"]["manufacturer"], catalog["device_type"]["name"]["en"]) == (
        printable(text).strip() or MAKER,
        printable(text).strip() or NAME,
    )
    built(draft)
    assert all(line.isprintable() for line in lines(draft))


def test_equal_identifiers_get_numbers() -> None:
    draft = drafted([message("d/p-1/raw", {"a_b": 1, "aB": 2, "a": {"b": 3}, "a-b": 4})])
    assert list(parameters(draft)) == ["a_b", "a_b_2", "a_b_3", "a_b_4"]


def test_long_paths_stay_identifiers() -> None:
    assert len(identifier(["x" * 128] * 30)) <= 60


def test_two_ways_to_make_a_device_id_are_told() -> None:
    one = [message(f"a/{site}/p-{n}/raw", {"v": 1}) for site in ("n1", "s1") for n in (1, 2)]
    other = [message("hall/p-9", {"v": 1})]
    draft = drafted([*one, *other])
    assert draft.device_id == "{site}.{device}"
    assert left_out(draft) == {"device ids made in another way than most": 1}
    built(draft)
