"""The long drill of alarms: `python -m tests.bench.drill_alarm_kill --kills 200 [--seed N]`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.kit.alarm_drill import Drill


def main() -> None:
    """Run it and say what was seen; the first difference ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="alarm-drill") as folder:
        print(asyncio.run(Drill(Path(folder), options.seed).run(options.kills)))


if __name__ == "__main__":
    main()
