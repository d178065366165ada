"""Every attack of the abuse suite, three times as hard: a table of answers, memory and what a bystander saw.

python -m tests.bench.bench_abuse [--scale 3] [--out abuse.json] [attack ...]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.opcua_abuse.attacks import ATTACKS
from tests.fuzz.opcua_abuse.site import Attack, Outcome, Site

ANSWER_CHARACTERS = 260
QUIET_S = 5.0
SLACK_MIB = 2.0
"""With no more than this left, nothing is waited for."""


async def quiet(site: Site) -> str:
    """Nothing, for comparison."""
    await asyncio.sleep(QUIET_S)
    return "–"


def row(outcome: Outcome) -> str:
    """One line of the table."""
    seen = outcome.bystander
    answer = outcome.answer.replace("|", "/")
    if len(answer) > ANSWER_CHARACTERS:
        answer = answer[:ANSWER_CHARACTERS] + "…"
    return (
        f"| {outcome.name.replace('_', ' ')} | {answer} | {outcome.seconds:.1f} | {outcome.above_mib:+.1f} "
        f"| {outcome.kept_mib:+.1f} | {seen['p99_ms']:.1f} | {seen['max_ms']:.0f} | {seen['lost']:.0f} |"
    )


HEAD = (
    "| attack | answer | s | peak RSS above baseline, MiB | RSS after, MiB | bystander p99, ms | its max, ms "
    "| values it lost |\n|---|---|---:|---:|---:|---:|---:|---:|"
)


async def run(folder: Path, attacks: Iterable[Attack], scale: int) -> list[Outcome]:
    """All attacks on one product, one after the other; a line of the table as each ends."""
    site = await Site.start(folder, scale)
    outcomes = []
    try:
        print(f"baseline {site.rss_mib():.0f} MiB\n\n{HEAD}", flush=True)
        for attack in attacks:
            outcome = await site.attack(attack, kept_mib=SLACK_MIB)
            outcomes.append(outcome)
            print(row(outcome), flush=True)
            for line in site.new_errors():
                print(f"in the server's log: {line}", flush=True)
            await site.newcomer_works()
        print(f"\nat the end {site.rss_mib():.0f} MiB", flush=True)
    finally:
        await site.stop()
    return outcomes


def main() -> None:
    """`python -m tests.bench.bench_abuse`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="*", help="names; all when none is given")
    parser.add_argument("--scale", type=int, default=3)
    parser.add_argument("--out", type=Path, help="figures as JSON")
    options = parser.parse_args()
    wanted = [quiet, *(attack for attack in ATTACKS if not options.attacks or attack.__name__ in options.attacks)]
    with tempfile.TemporaryDirectory(prefix="abuse") as folder:
        outcomes = asyncio.run(run(Path(folder), wanted, options.scale))
    if options.out is not None:
        options.out.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))


if __name__ == "__main__":
    main()
