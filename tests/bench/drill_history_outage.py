"""The database away, the server killed, both back: `python -m tests.bench.drill_history_outage --outage 300`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.kit.history_outage import Outage


def main() -> None:
    """Run it and say what was seen; the first difference ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--outage", type=float, default=300.0, help="seconds")
    parser.add_argument("--rate", type=float, default=20_000.0, help="values a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="history-outage") as folder:
        print(asyncio.run(Outage(Path(folder), options.rate, options.outage).run()))


if __name__ == "__main__":
    main()
