"""kill -9 while the package store changes: the next start finds the state before or after, never something half.

A process forks once for every step that touches the disk; the child kills itself at that step, the parent opens what is
left. A second test kills from outside, at moments nobody chose.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

COMMON = """
import json, os, signal, sys
from pathlib import Path
from server.fdi.store import PackageStore
from tests.kit.packages import make_package

def opened(folder):
    store = PackageStore(folder)
    refused = store.load()
    return store, [str(entry.error) for entry in refused]

def state(folder):
    store, refused = opened(folder)
    again = {path.name for path in (folder / "objects").iterdir()}
    wanted = {entry.path.name for entry in store.list()}
    return {
        "versions": [entry.version for entry in store.list()],
        "current": [entry.version for entry in store.current()],
        "refused": refused,
        "orphans": sorted(again - wanted),
    }
"""

STEPS = (
    COMMON
    + """
PACKAGES = {version: make_package(version=version) for version in ("1.0.0", "1.1.0", "1.2.0")}
CHANGES = {
    "install": lambda store: store.install(PACKAGES["1.2.0"]),
    "roll back": lambda store: store.select(store.list()[0].package_id),
    "remove": lambda store: store.remove(store.list()[0].package_id, "1.1.0"),
    "remove all": lambda store: store.remove(store.list()[0].package_id),
    "take over": lambda store: None,
}
TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}

def prepare(folder, change):
    if change == "take over":
        identifier = opened(folder / "x")[0].install(PACKAGES["1.0.0"]).package_id
        for version in ("1.0.0", "1.1.0"):
            path = folder / identifier / f"{version}.fdix"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(PACKAGES[version])
        return
    store = opened(folder)[0]
    for version in ("1.0.0", "1.1.0"):
        store.install(PACKAGES[version])

def run(folder, change, step):
    seen = 0
    def watch(event, arguments):
        nonlocal seen
        if event in TOUCHES and arguments and str(folder) in str(arguments[0]):
            if event == "open" and not (len(arguments) > 1 and str(arguments[1]).startswith(("w", "a", "x"))):
                return
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
    if change == "take over":
        sys.addaudithook(watch)
        opened(folder)
    else:
        store = opened(folder)[0]
        sys.addaudithook(watch)
        CHANGES[change](store)

base = Path(sys.argv[1])
for change in CHANGES:
    for step in range(1, 100):
        folder = base / f"{change} {step}"
        folder.mkdir()
        prepare(folder, change)
        child = os.fork()
        if child == 0:
            run(folder, change, step)
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        print(json.dumps({"change": change, "step": step, "killed": killed, **state(folder)}), flush=True)
        if not killed:
            break
"""
)

BEFORE = {
    "install": (["1.0.0", "1.1.0"], ["1.1.0"]),
    "roll back": (["1.0.0", "1.1.0"], ["1.1.0"]),
    "remove": (["1.0.0", "1.1.0"], ["1.1.0"]),
    "remove all": (["1.0.0", "1.1.0"], ["1.1.0"]),
    "take over": (["1.0.0", "1.1.0"], ["1.1.0"]),
}
AFTER = {
    "install": (["1.0.0", "1.1.0", "1.2.0"], ["1.2.0"]),
    "roll back": (["1.0.0", "1.1.0"], ["1.0.0"]),
    "remove": (["1.0.0"], ["1.0.0"]),
    "remove all": ([], []),
    "take over": (["1.0.0", "1.1.0"], ["1.1.0"]),
}

CHANGING = (
    COMMON
    + """
folder = Path(sys.argv[1])
store = opened(folder)[0]
packages = [make_package(version=f"1.{n}.0") for n in range(4)]
print("ready", flush=True)
while True:
    for data in packages:
        entry = store.install(data)
    store.select(entry.package_id)
    store.remove(entry.package_id, "1.3.0")
    store.remove(entry.package_id)
"""
)


def python(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_kill_at_any_step_leaves_the_old_or_the_new_state(tmp_path: Path) -> None:
    with python(STEPS, str(tmp_path)) as process:
        out, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    rows = [json.loads(line) for line in out.splitlines()]
    kills = {change: sum(row["killed"] for row in rows if row["change"] == change) for change in AFTER}
    print(f"killed at every step that touches the disk: {kills}")
    for row in rows:
        change, found = row["change"], (row["versions"], row["current"])
        assert row["refused"] == [], row
        assert row["orphans"] == [], row
        assert found in ((BEFORE[change], AFTER[change]) if row["killed"] else (AFTER[change],)), row
    # A control: both sides of each change were met, and every change has the steps of a temporary file and a rename.
    for change in ("install", "roll back", "remove", "remove all"):
        met = [(row["versions"], row["current"]) for row in rows if row["change"] == change]
        assert BEFORE[change] in met
        assert AFTER[change] in met
        assert kills[change] >= 2


def test_a_kill_from_outside_leaves_a_store_that_opens(tmp_path: Path) -> None:
    chance = random.Random(4)
    opened = COMMON + "print(json.dumps(state(Path(sys.argv[1]))))"
    for _ in range(8):
        with python(CHANGING, str(tmp_path)) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.0, 0.15))  # a kill at a moment that nobody chose
            process.send_signal(signal.SIGKILL)
        with python(opened, str(tmp_path)) as process:
            out, _ = process.communicate(timeout=60)
        found = json.loads(out)
        assert found["refused"] == []
        assert found["orphans"] == []
        assert found["versions"] == [f"1.{n}.0" for n in range(len(found["versions"]))]
        assert len(found["current"]) == (1 if found["versions"] else 0)
