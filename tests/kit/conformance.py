"""Checks docs/conformance.toml: each claim has tests that exist and, given a report, passed; which profiles are shown.

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


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile or facet of OPC 10000-7: the claims that it asks for, and the profiles that it includes."""

    uri: str
    title: str
    setting: str = ""  # the server has it only while this setting says so
    units: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()


def read_profiles(file: Path, problems: list[str]) -> list[Profile]:
    """The profiles of a file; malformed ones are reported."""
    profiles: list[Profile] = []
    for number, entry in enumerate(tomllib.loads(file.read_text(encoding="utf-8")).get("profile", []), 1):
        where = f"profile {number} ({entry.get('uri', 'no uri')})"
        unknown = entry.keys() - {"uri", "title", "setting", "units", "includes"}
        if unknown:
            problems.append(f"{where}: unknown keys {', '.join(sorted(unknown))}")
        problems.extend(f"{where}: {key} is missing" for key in ("uri", "title") if not entry.get(key))
        profiles.append(
            Profile(
                entry.get("uri", ""),
                entry.get("title", ""),
                entry.get("setting", ""),
                tuple(entry.get("units", ())),
                tuple(entry.get("includes", ())),
            )
        )
    return profiles


def shown_profiles(
    profiles: list[Profile],
    claims: list[Claim],
    problems: list[str],
    passed: set[tuple[str, str]] | None = None,
) -> list[Profile]:
    """Those whose claims are all done, and passed where a report is given, and whose included ones are shown.

    Reported: units and profiles that are not there, profiles without units, profiles that include themselves.
    """
    by_id = {claim.id: claim for claim in claims}
    by_uri = {profile.uri: profile for profile in profiles}
    for uri, count in Counter(profile.uri for profile in profiles).items():
        if count > 1:
            problems.append(f"{uri}: stated {count} times")
    for profile in profiles:
        if not profile.units:
            problems.append(f"{profile.uri}: no units")
        problems.extend(f"{profile.uri}: no claim {unit}" for unit in profile.units if unit not in by_id)
        problems.extend(f"{profile.uri}: no profile {uri}" for uri in profile.includes if uri not in by_uri)

    def holds(unit: str) -> bool:
        claim = by_id.get(unit)
        if claim is None or claim.state != "done":
            return False
        return passed is None or all(tuple(test.split("::")) in passed for test in claim.tests)

    def shown(profile: Profile, above: tuple[str, ...]) -> bool:
        if profile.uri in above:
            problems.append(f"{profile.uri}: includes itself")
            return False
        inner = [by_uri[uri] for uri in profile.includes if uri in by_uri]
        complete = bool(profile.units) and len(inner) == len(profile.includes) and all(map(holds, profile.units))
        return complete and all(shown(other, (*above, profile.uri)) for other in inner)

    return [profile for profile in profiles if shown(profile, ())]


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
    profiles = read_profiles(FILE, problems)
    shown = shown_profiles(profiles, claims, problems, passed if passed is None else passed | skipped)
    unproved = sum(any(tuple(test.split("::")) in skipped for test in claim.tests) for claim in claims)
    if unproved:
        print(f"conformance: {unproved} claims not shown here, their tests were skipped: see the reasons above")
    for problem in problems:
        print(f"docs/conformance.toml: {problem}", file=sys.stderr)
    counts = Counter(claim.state for claim in claims)
    print("conformance: " + ", ".join(f"{counts[state]} {state}" for state in STATES))
    print(f"profiles: {len(shown)} of {len(profiles)} shown")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
