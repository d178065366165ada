"""kill -9 during a day of alarms: acknowledgements, branches, shelving, latches and EventIds survive.

The long drill is `python -m tests.bench.drill_alarm_kill --kills 200`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.alarm_drill import Drill

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]


async def test_after_each_kill_alarms_are_what_the_model_says(tmp_path: Path) -> None:
    report = await Drill(tmp_path, seed=1).run(kills=5)
    print(report)
    assert report.kills == 5
    assert report.events > 20
