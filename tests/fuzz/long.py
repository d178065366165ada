"""Fuzz one door for minutes: `python -m tests.fuzz.long TARGET --minutes M [--engine hypothesis|atheris] [--seed N]`.

Prints a line of the table in README.md, how cases ended, and every defect; ends with 1 when there was one.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests.fuzz.engines import with_atheris, with_hypothesis

ENGINES = {"hypothesis": with_hypothesis, "atheris": with_atheris}
TARGETS = ("container", "catalog", "edd", "method")
FOLDER = Path("build") / "fuzz"
HEAD = (
    "| Door | Engine | Minutes | Cases | Cases/s | Edges | MB start / middle / end / peak | Slowest, CPU s | Defects |"
)


def main(words: list[str] | None = None) -> int:
    """Run one engine on one target; 0 without a defect."""
    parser = argparse.ArgumentParser(prog="tests.fuzz.long", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--engine", choices=tuple(ENGINES), default="hypothesis")
    parser.add_argument("--seed", type=int, default=None, help="another one each time when left out")
    parser.add_argument("--keep", type=Path, default=FOLDER, help="where inputs that found a defect are kept")
    asked = parser.parse_args(words)
    seed = asked.seed if asked.seed is not None else time.time_ns() % 2**31
    print(f"{asked.target} with {asked.engine}, seed {seed}, process {os.getpid()}", flush=True)
    report = ENGINES[asked.engine](asked.target, asked.minutes * 60, seed, asked.keep)
    print(HEAD)
    print(report.row())
    print("ends:", ", ".join(f"{end} {count}" for end, count in sorted(report.ends.items(), key=lambda e: -e[1])))
    for defect in report.defects:
        print("defect:", defect)
    return 1 if report.defects else 0


if __name__ == "__main__":
    sys.exit(main())
