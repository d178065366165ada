"""The checker refuses claims that nothing proves."""

from __future__ import annotations

from pathlib import Path

from tests.kit.conformance import ROOT, Claim, check, passed_tests

HERE = "tests/unit/docs/test_conformance_checker.py"
SELF = f"{HERE}::test_claims_with_existing_tests_hold"


def _problems(*claims: Claim, passed: set[tuple[str, str]] | None = None) -> list[str]:
    found: list[str] = []
    check(list(claims), ROOT, passed, found)
    return found


def test_claims_with_existing_tests_hold() -> None:
    assert _problems(Claim("a", "A", "done", "", "", (SELF,)), Claim("b", "B", "open", "", "later", ())) == []


def test_every_kind_of_false_claim_is_named() -> None:
    problems = _problems(
        Claim("none", "x", "done", "", "", ()),
        Claim("gone", "x", "done", "", "", (f"{HERE}::test_that_is_not",)),
        Claim("file", "x", "done", "", "", ("tests/nothing.py::test_x",)),
        Claim("why", "x", "exempt", "", "", ()),
        Claim("state", "x", "finished", "", "r", ()),
        Claim("twice", "x", "open", "", "r", ()),
        Claim("twice", "x", "open", "", "r", ()),
    )
    for identity in ("none", "gone", "file", "why", "state", "twice"):
        assert any(problem.startswith(identity) for problem in problems), identity


def test_a_failed_or_skipped_test_proves_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    module = HERE.removesuffix(".py").replace("/", ".")
    case = '<testcase classname="{}" name="{}">{}</testcase>'
    report.write_text(
        "<testsuites><testsuite>"
        + case.format(module, "test_claims_with_existing_tests_hold", "")
        + case.format(module, "test_other[1]", "")
        + case.format(module, "test_other[2]", "<skipped/>")
        + "</testsuite></testsuites>"
    )
    passed = passed_tests(report)
    assert passed == {(HERE, "test_claims_with_existing_tests_hold")}
    assert _problems(Claim("a", "A", "done", "", "", (SELF,)), passed=passed) == []
    assert _problems(Claim("a", "A", "done", "", "", (SELF,)), passed=set()) == [f"a: {SELF} did not pass"]
