"""Subscriptions without gaps and history page by page, with two foreign clients on real sockets."""

from __future__ import annotations

import itertools
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.core import status
from server.core.clock import SECOND, from_datetime
from server.history.store import HistoryRow
from server.history.stores.opening import open_store
from server.settings import HistorySettings
from tests.kit.peers import peer
from tests.kit.product import product
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]
CLIENTS = pytest.mark.parametrize("kind", ["node-opcua", "asyncua"])
ITEMS = 1_000
SECONDS = int(os.environ.get("INTEROP_SECONDS", "10"))
"""How long a subscription is watched; the full minute of the acceptance run is INTEROP_SECONDS=60."""
VALUES = 10_000


@CLIENTS
async def test_a_thousand_items_have_no_gap(kind: str, tmp_path: Path) -> None:
    env = {"FIELDLOOM_OPCUA__LOAD_NODES": str(ITEMS), "FIELDLOOM_OPCUA__ALLOW_NONE": "true"}
    async with product(tmp_path, env=env) as server, peer(kind, tmp_path) as client:
        await client.connect(server.opcua_url)
        (array,) = await client.read(["i=2255"])
        index = array["value"].index("urn:fieldloom:load")
        nodes = [f"ns={index};i={10_000 + number}" for number in range(ITEMS)]
        assert await client.subscribe(nodes, 250) == 0

        async def enough() -> bool:
            seen = await client.values()
            return len(seen) == ITEMS and min(len(values) for values in seen.values()) > SECONDS

        await until(enough, f"{SECONDS + 1} values of each of {ITEMS} items", within_s=SECONDS + 40)
        seen = await client.values()
    gaps = 0
    for values in seen.values():
        numbers = [value[0] for value in values]
        gaps += sum(later - earlier != 1 for earlier, later in itertools.pairwise(numbers))
    total = sum(map(len, seen.values()))
    print(f"{kind}: {len(seen)} items, {total} notifications in about {SECONDS} s, {gaps} gaps")
    assert gaps == 0


@CLIENTS
async def test_ten_thousand_values_page_by_page(kind: str, tmp_path: Path) -> None:
    start = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
    first = from_datetime(start)
    (tmp_path / "data").mkdir()
    store = open_store(HistorySettings(), tmp_path / "data")
    rows = [
        HistoryRow("Test", "History", first + n * SECOND, first + n * SECOND, n / 2, status.GOOD) for n in range(VALUES)
    ]
    assert store.write(rows) == VALUES
    store.close()
    async with (
        product(tmp_path, env={"FIELDLOOM_OPCUA__TEST_NODES": "true", "FIELDLOOM_OPCUA__ALLOW_NONE": "true"}) as s,
        peer(kind, tmp_path) as client,
    ):
        await client.connect(s.opcua_url)
        (array,) = await client.read(["i=2255"])
        node = f"ns={array['value'].index('urn:fieldloom:plant')};s=Test/History"
        end = start + timedelta(seconds=VALUES)
        for page in (1_000, 777):
            found = await client.history(node, start.isoformat(), end.isoformat(), page)
            assert found["status"] == "Good"
            assert [value[1] for value in found["values"]] == [n / 2 for n in range(VALUES)]
            assert found["pages"][:-1] == [page] * (VALUES // page - (VALUES % page == 0))
        # Backwards: the end comes first, the start itself is not included.
        back = await client.history(node, end.isoformat(), start.isoformat(), 3_000)
        assert [value[1] for value in back["values"]] == [n / 2 for n in range(VALUES - 1, 0, -1)]
    print(f"{kind}: {VALUES} values in pages of 1000 and 777, forward and backward: no loss, no duplicate")
