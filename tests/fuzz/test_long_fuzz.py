"""The long runs themselves: what they damage still reaches the code behind the doors; what they look for they find."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.engines import with_hypothesis
from tests.fuzz.long import HEAD, TARGETS, main
from tests.fuzz.seeds import CHOSEN
from tests.fuzz.targets import TARGETS as DOORS
from tests.fuzz.targets import Target
from tests.fuzz.watch import Report, Watch
from tests.kit.parts import require_module


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_damaged_a_little_are_refused_or_read(name: str) -> None:
    """Also the control of the mutations: a damaged input differs, and the same numbers damage in the same way."""
    door = DOORS[name]
    seeds = door.seeds()
    random = Random(7)
    changed = 0
    for number in range(25):
        start = random.choice(seeds)
        made = door.damaged(start, Random(number), seeds)
        assert made == door.damaged(start, Random(number), seeds)
        changed += made != start
        door.case(made)
    assert changed > 15


def test_enough_damaged_edds_and_methods_still_run() -> None:
    """Control: inputs that the first check refuses would tell nothing about what stands behind it."""
    random = Random(11)
    ends = [
        str(DOORS[name].case(DOORS[name].damaged(random.choice(DOORS[name].seeds()), random, DOORS[name].seeds())))
        for name in ("edd", "method")
        for _ in range(60)
    ]
    assert sum(end == "evaluated" for end in ends[:60]) > 10
    assert sum(end in ("Finished", "Aborted", "Failed") or end.endswith(" ran") for end in ends[60:]) > 20


def test_a_watch_reports_each_sort_of_defect_once_with_its_input(tmp_path: Path) -> None:
    def case(data: bytes) -> str:
        if data == b"wrong":
            raise KeyError("x")
        if data == b"worse":
            raise TypeError("y")
        return "fine"

    watch = Watch(Report("edd", "none"), case, tmp_path, 60.0)
    watch.begin()
    for data in (b"good", b"wrong", b"wrong", b"worse"):
        watch.run(data)
    watch.end()
    report = watch.report
    assert (report.cases, report.ends) == (4, {"fine": 1, "defect": 3})
    assert [text.split(" at ")[0] for text in report.defects] == ["KeyError", "TypeError"]
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {b"wrong", b"worse"}
    assert report.row().endswith(" 2 |")
    assert report.row().count("|") == HEAD.count("|")


def test_a_watch_stops_what_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case may catch every Exception, and is stopped all the same."""
    monkeypatch.setattr("tests.fuzz.watch.HANGS_CPU_S", 0.05)

    def case(data: bytes) -> None:
        while data:
            try:
                sum(range(1_000))
            except Exception:
                pass

    watch = Watch(Report("edd", "none"), case, tmp_path, 60.0)
    watch.begin()
    watch.run(b"forever")
    watch.run(b"")  # control
    assert watch.report.ends == {"hangs": 1, "": 1}
    assert [text.split(":")[0] for text in watch.report.defects] == ["hangs"]


def test_a_slow_case_is_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.watch.SLOW_CPU_S", 0.02)

    def case(data: bytes) -> None:
        until = time.process_time() + (0.03 if data == b"slow" else 0.0)
        while time.process_time() < until:
            pass

    watch = Watch(Report("edd", "none"), case, tmp_path, 60.0)
    watch.begin()
    watch.run(b"quick")  # control
    assert watch.report.defects == []
    watch.run(b"slow")
    assert len(watch.report.defects) == 1


def test_a_run_ends_by_itself_and_tells_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hypothesis' engine in this process, over a door that has a defect."""

    def case(data: bytes) -> str:
        if data.startswith(CHOSEN + b"\x01"):
            raise RuntimeError("found")
        return "fine"

    door = Target(case, lambda: (CHOSEN + b"\x01 as it is", CHOSEN + b"\x02"), lambda data, random, others: data)
    monkeypatch.setitem(DOORS, "method", door)
    # The limit of memory would stay with the process of the tests.
    monkeypatch.setattr("tests.fuzz.engines.resource.setrlimit", lambda *limits: None)
    assert main(["method", "--minutes", "0.005", "--seed", "1", "--keep", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "seed 1" in said
    assert "defect: RuntimeError at test_long_fuzz.py" in said
    monkeypatch.setitem(DOORS, "method", Target(lambda data: "fine", door.seeds, door.damaged))
    clean = with_hypothesis("method", 0.2, 1, tmp_path)  # control
    assert (clean.defects, set(clean.ends)) == ([], {"fine"})
    assert clean.cases > 0


def test_atheris_runs_where_it_is_installed(tmp_path: Path) -> None:
    require_module("atheris", "atheris is not installed (extra `fuzz`)")
    words = ["-m", "tests.fuzz.long", "catalog", "--engine", "atheris", "--minutes", "0.05", "--seed", "1"]
    done = subprocess.run(
        [sys.executable, *words, "--keep", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("| catalog | atheris |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert int(cells[3]) > 0  # cases
    assert int(cells[5]) > 100  # edges
