"""Many values read by node-opcua, page by page; aggregates as they were calculated by hand.

HISTORY_VALUES=1000000 HISTORY_PAGES=1,7,1000,65535 reads all of them at every size, which takes minutes.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from server.core.clock import SECOND, from_datetime
from server.history.aggregates.catalogue import BY_NAME
from server.history.store import HistoryRow
from server.history.stores import open_store
from server.history.tiers import HOUR
from server.settings import HistorySettings
from tests.kit.peers import Peer, peer
from tests.kit.product import product
from tests.kit.raw_rule import expected

VALUES = int(os.environ.get("HISTORY_VALUES", "200000"))
pytestmark = [pytest.mark.interop, pytest.mark.timeout(9_000 if VALUES > 200_000 else 1_800)]
# How many of the values each page size reads; by hand all of them.
PAGES = {1: 1_000, 7: 7_000, 1_000: 100_000, 65_535: VALUES}
if "HISTORY_PAGES" in os.environ:
    PAGES = dict.fromkeys(map(int, os.environ["HISTORY_PAGES"].split(",")), VALUES)
CASES = 150
START = datetime(2026, 1, 5, tzinfo=UTC)
FIRST = from_datetime(START)
STEP = 250_000  # µs
ENV = {
    "FIELDLOOM_OPCUA__TEST_NODES": "true",
    "FIELDLOOM_OPCUA__ALLOW_NONE": "true",
    "FIELDLOOM_HISTORY__PAGE_ROWS": "65535",
    "FIELDLOOM_HISTORY__RAW_DAYS": "0",
}


def written(data: Path) -> None:
    """The values through the bulk path; half of the hours are packed before they are read."""
    data.mkdir()
    store = open_store(HistorySettings(), data)
    for first in range(0, VALUES, 10_000):
        times = [FIRST + number * STEP for number in range(first, min(first + 10_000, VALUES))]
        store.write([HistoryRow("Test", "History", at, at, float((at - FIRST) // STEP), 0) for at in times])
        if first < VALUES // 2:
            while store.maintain(FIRST + 10_000 * HOUR).more:
                pass
    store.close()


def digest(numbers: range) -> str:
    made = hashlib.sha256()
    for number in numbers:
        made.update(b"%d:%d\n" % ((FIRST + number * STEP) // 1000, number))
    return made.hexdigest()


async def node_of(client: Peer, name: str) -> str:
    (array,) = await client.read(["i=2255"])
    return f"ns={array['value'].index('urn:fieldloom:plant')};s={name}"


async def test_a_million_values_page_by_page_forward_and_backward(tmp_path: Path) -> None:
    written(tmp_path / "data")
    async with product(tmp_path, env=ENV) as server, peer("node-opcua", tmp_path) as client:
        await client.connect(server.opcua_url)
        client.answer_s = max(client.answer_s, VALUES / 200)  # pages of one value
        node = await node_of(client, "Test/History")
        for page, most in PAGES.items():
            count = min(most, VALUES)
            end = START + timedelta(microseconds=count * STEP)
            before = START - timedelta(milliseconds=1)
            for start, stop, numbers in ((START, end, range(count)), (end, before, range(count - 1, -1, -1))):
                if start == end:
                    start -= timedelta(microseconds=STEP)  # the time of the last one
                begun = time.monotonic()
                found = await client.ask(
                    "history_digest", node=node, start=start.isoformat(), end=stop.isoformat(), page=page
                )
                seconds = time.monotonic() - begun
                assert (found["status"], found["count"]) == ("Good", count)
                # The client takes messages of a megabyte or so: the largest page is cut to what fits.
                assert found["longest"] == min(page, count) if page < 10_000 else 10_000 < found["longest"] <= page
                assert found["digest"] == digest(numbers)
                way = "forward" if start == START else "backward"
                print(
                    f"pages of {page}, {way}: {count} values equal, {count / seconds:.0f}/s in {found['calls']} calls"
                )


async def test_random_pages_bounds_and_duplicates_are_the_plain_rule(tmp_path: Path) -> None:
    chance = random.Random(41)
    times = sorted(chance.sample(range(2_000), 400))  # ms
    rows = [HistoryRow("Test", "History", FIRST + at * 1_000, FIRST, float(at), 0) for at in times]
    # Values that come again, the same and others: the first of a time stays, another one is a modification.
    again = [msgspec.structs.replace(row, value=row.value + chance.randint(0, 1)) for row in chance.sample(rows, 100)]
    (tmp_path / "data").mkdir()
    store = open_store(HistorySettings(), tmp_path / "data")
    store.write(rows)
    store.write(again)
    while store.maintain(FIRST + 10_000 * HOUR).more:
        pass
    late = [HistoryRow("Test", "History", FIRST + (at := 2_000 + 7 * number) * 1_000, FIRST, float(at), 0)
            for number in range(50)]  # fmt: skip
    store.write(late)  # rows again, in an hour that was packed
    store.close()
    known = times + [2_000 + 7 * number for number in range(50)]

    def iso(ms: int) -> str:
        return (START + timedelta(milliseconds=ms)).isoformat()

    async with product(tmp_path, env=ENV) as server, peer("node-opcua", tmp_path) as client:
        await client.connect(server.opcua_url)
        node = await node_of(client, "Test/History")
        for _ in range(CASES):
            start = chance.choice([chance.randint(-50, 2_500), chance.choice(known)])
            end = chance.choice([chance.randint(-50, 2_500), chance.choice(known), start, None])
            page = chance.choice([1, 2, 3, 7, 50, 449, 450, 451, 10_000]) if end is not None else chance.randint(1, 600)
            bounds = chance.random() < 0.5
            wanted = expected(known, start, end, bounds=bounds)
            asked = {"start": iso(start), "end": None if end is None else iso(end), "page": page, "bounds": bounds}
            found = await client.ask("history", node=node, **asked)
            assert found["status"] == "Good", asked
            got = [None if code == "BadBoundNotFound" else int(value) for _, value, code in found["values"]]
            assert got == wanted, asked
            assert all(size == page for size in found["pages"][:-1]), (asked, found["pages"])


async def test_processed_reads_are_the_tables_calculated_by_hand(tmp_path: Path) -> None:
    tables = importlib.import_module("tests.unit.history.aggregates.test_aggregate_tables")
    (tmp_path / "data").mkdir()
    store = open_store(HistorySettings(), tmp_path / "data")
    store.write(
        [
            HistoryRow("Test", "History", at, at, None if code & 0x80000000 else float(second), code)
            for second in tables.WHOLE
            for at, code in [(FIRST + second * SECOND, tables.CODES.get(second, 0))]
        ]
    )
    store.close()
    async with product(tmp_path, env=ENV) as server, peer("node-opcua", tmp_path) as client:
        await client.connect(server.opcua_url)
        node = await node_of(client, "Test/History")
        compared = 0
        for name, expected in tables.FORWARD.items():
            found = await client.ask(
                "processed",
                node=node,
                aggregate=f"i={BY_NAME[name].node_id}",
                start=START.isoformat(),
                end=(START + timedelta(seconds=100)).isoformat(),
                interval=20_000,
            )
            assert found["status"] == "Good", name
            assert not found["more"], name
            rows = [
                ((at - FIRST // 1000) / 1000, value, code & ~0x41F, code & 0x1F if code & 0x400 else 0)
                for at, value, code in found["values"]
            ]
            # A Date of the client has whole milliseconds.
            stamped = [(math.floor(row[0] * 1000) / 1000, row[2], row[3]) for row in expected]
            assert [(row[0], row[2], row[3]) for row in rows] == stamped, name
            for (_, got, _, _), (_, wanted, _, _) in zip(rows, expected, strict=True):
                if isinstance(wanted, float) and isinstance(got, float | int):
                    assert math.isclose(got, wanted, rel_tol=1e-12), name
                else:
                    assert same(got, wanted), (name, got, wanted)
                compared += 1
        print(f"{len(tables.FORWARD)} aggregates, {compared} results as calculated by hand")


def same(got: object, wanted: object) -> bool:
    """A StatusCode comes as node-opcua's object, 64 bit integers as pairs of words or text."""
    if isinstance(got, dict) and "value" in got:
        return bool(got["value"] == wanted)
    if isinstance(got, str) and isinstance(wanted, int):
        return int(got) == wanted
    return got == wanted
