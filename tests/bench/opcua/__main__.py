"""Command line: python -m tests.bench.opcua --servers ours,node --scenarios read1,read100 --rounds 2 --seconds 3."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from tests.bench.opcua.report import markdown
from tests.bench.opcua.runner import run
from tests.bench.opcua.running import NAMES
from tests.bench.opcua.scenarios import SCENARIOS


def _listed(text: str, known: Sequence[str]) -> list[str]:
    chosen = [part for part in text.split(",") if part]
    unknown = [part for part in chosen if part not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: known are {', '.join(known)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write them to --out if given."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.opcua", description=__doc__)
    parser.add_argument("--servers", type=lambda text: _listed(text, NAMES), default=list(NAMES))
    parser.add_argument(
        "--scenarios", type=lambda text: _listed(text, tuple(SCENARIOS)), default=list(SCENARIOS),
        help=f"any of {', '.join(SCENARIOS)}; all by default, '' for none",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--growth", default="", help="numbers of variables, for example 1000,10000,100000")
    parser.add_argument("--out", type=Path, help="Markdown file")
    options = parser.parse_args(arguments)
    scenarios = [SCENARIOS[name] for name in options.scenarios]
    sizes = [int(part) for part in options.growth.split(",") if part]
    results = asyncio.run(run(options.servers, scenarios, options.rounds, options.seconds, sizes))
    page = markdown(results, scenarios, options.servers, options.rounds, options.seconds)
    print(page)
    if options.out is not None:
        options.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
