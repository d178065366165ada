"""Checks docs/conformance.toml: every claim has a test that exists and, given a test report, passed.

`python -m tests.kit.conformance [JUNIT.XML]` prints a summary; exit 1 when a claim does not hold.
"""

from __future__ import annotations

import ast
import os
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "conformance.toml"
STATES = ("done", "partial", "exempt", "open")


@dataclass(frozen=True, slots=True)
class Claim:
    """One profile, facet, unit or plant feature."""

    id: str
    title: str
    state: str
    clause: str
    reason: str
    tests: tuple[str, ...]


def read(file: Path, problems: list[str]) -> list[Claim]:
    """The claims of a file; malformed ones are reported."""
    claims: list[Claim] = []
    for number, entry in enumerate(tomllib.loads(file.read_text(encoding="utf-8")).get("claim", []), 1):
        where = f"claim {number} ({entry.get('id', 'no id')})"
        unknown = entry.keys() - {"id", "title", "state", "clause", "reason", "tests"}
        if unknown:
            problems.append(f"{where}: unknown keys {', '.join(sorted(unknown))}")
        problems.extend(f"{where}: {key} is missing" for key in ("id", "title", "state") if not entry.get(key))
        claims.append(
            Claim(
                entry.get("id", ""),
                entry.get("title", ""),
                entry.get("state", ""),
                entry.get("clause", ""),
                entry.get("reason", ""),
                tuple(entry.get("tests", ())),
            )
        )
    return claims


def check(
    claims: list[Claim],
    root: Path,
    passed: set[tuple[str, str]] | None,
    problems: list[str],
    skipped: frozenset[tuple[str, str]] = frozenset(),
) -> None:
    """Report every claim that does not hold.

    `passed`: (file, test) pairs of a report; None checks existence only. `skipped`: those that a missing foreign
    program kept from running; they prove nothing and refute nothing.
    """
    for identity, count in Counter(claim.id for claim in claims).items():
        if count > 1:
            problems.append(f"{identity}: stated {count} times")
    known: dict[Path, set[str]] = {}
    for claim in claims:
        if claim.state not in STATES:
            problems.append(f"{claim.id}: state {claim.state!r} is none of {', '.join(STATES)}")
        if claim.state in ("done", "partial") and not claim.tests:
            problems.append(f"{claim.id}: {claim.state} without a test")
        if claim.state != "done" and not claim.reason:
            problems.append(f"{claim.id}: {claim.state} without a reason")
        for test in claim.tests:
            name, _, function = test.partition("::")
            path = root / name
            if path not in known:
                known[path] = _functions(path)
            if not function or function not in known[path]:
                problems.append(f"{claim.id}: no test {test}")
            elif passed is not None and (name, function) not in passed | skipped:
                problems.append(f"{claim.id}: {test} did not pass")


def _functions(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
    }


def passed_tests(report: Path) -> set[tuple[str, str]]:
    """(file, function) of every test of a JUnit report whose every case passed."""
    return _outcomes(report)[0]


def _outcomes(report: Path) -> tuple[set[tuple[str, str]], frozenset[tuple[str, str]]]:
    """(passed, skipped but never failed)."""
    good: set[tuple[str, str]] = set()
    bad: set[tuple[str, str]] = set()
    skipped: set[tuple[str, str]] = set()
    for case in ElementTree.parse(report).iter("testcase"):
        parts = (case.get("classname") or "").split(".")
        # A test inside a class has the class name after the module.
        while parts and not (ROOT / "/".join(parts)).with_suffix(".py").is_file():
            parts.pop()
        key = ("/".join(parts) + ".py", (case.get("name") or "").split("[")[0])
        if any(case.find(tag) is not None for tag in ("failure", "error")):
            bad.add(key)
        elif case.find("skipped") is not None:
            skipped.add(key)
        else:
            good.add(key)
    return good - bad - skipped, frozenset(skipped - bad)


def main(arguments: list[str]) -> int:
    """Check the file; returns the exit code."""
    problems: list[str] = []
    claims = read(FILE, problems)
    passed, skipped = _outcomes(Path(arguments[0])) if arguments else (None, frozenset())
    if os.environ.get("CI") == "true":
        skipped = frozenset()  # there every part is present: a skip is a claim without proof
    check(claims, ROOT, passed, problems, skipped)
    unproved = sum(any(tuple(test.split("::")) in skipped for test in claim.tests) for claim in claims)
    if unproved:
        print(f"conformance: {unproved} claims not shown here, their tests were skipped: see the reasons above")
    for problem in problems:
        print(f"docs/conformance.toml: {problem}", file=sys.stderr)
    counts = Counter(claim.state for claim in claims)
    print("conformance: " + ", ".join(f"{counts[state]} {state}" for state in STATES))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
