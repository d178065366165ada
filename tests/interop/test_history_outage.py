"""The database away, the server killed meanwhile: the short form of `python -m tests.bench.drill_history_outage`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.history_outage import Outage

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]


async def test_nothing_is_lost_doubled_or_marked_as_missing(tmp_path: Path) -> None:
    print(await Outage(tmp_path, values_per_s=600, outage_s=20).run())
