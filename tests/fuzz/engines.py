"""The engines that choose inputs: hypothesis draws and shrinks, atheris follows the edges that inputs reach."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.fuzz.watch import HANGS_CPU_S, Report, Watch

ROUND = 500  # cases of one hypothesis run; the next begins with another seed
MEMORY_LIMIT_MB = 2_048
MOST_OCTETS = 64_000
INSTRUMENTED = ("server.fdi", "server.core", "server.model")
_COVERED = re.compile(r"\bcov: (\d+) ft: (\d+)")


class TimeUpError(BaseException):
    """Leaves a round at once; hypothesis takes Exceptions for failures to shrink."""


def _warm(watch: Watch, name: str) -> None:
    """The seeds once: what is made on first use must not count as growth."""
    from tests.fuzz.targets import TARGETS

    for seed in TARGETS[name].seeds():
        watch.run(seed)


def with_hypothesis(name: str, seconds: float, seed: int, folder: Path) -> Report:
    """Damaged seeds, and inputs of the strategies where there are some, drawn by hypothesis."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    from tests.fuzz.seeds import CHOSEN
    from tests.fuzz.targets import TARGETS
    from tests.kit.edd_strategies import edds

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_MB << 20,) * 2)
    target = TARGETS[name]
    starts = tuple(target.seeds())
    damaged = st.builds(
        lambda start, random: target.damaged(start, random, starts),
        st.sampled_from(starts),
        # The tree of choices costs more than it finds in inputs of kilobytes: one draw seeds the damage.
        st.integers(0, 2**64 - 1).map(Random),
    )
    inputs = damaged
    if name == "edd":
        written = edds.map(lambda source: source.encode("utf-8", "surrogatepass"))
        # Written ones take twenty times as long to draw as the case takes to run.
        inputs = st.integers(0, 7).flatmap(lambda which: damaged if which else written)
    if name == "method":
        inputs = st.one_of(damaged, st.binary(max_size=300).map(lambda data: CHOSEN + data))
    watch = Watch(Report(name, "hypothesis"), target.case, folder, seconds)
    _warm(watch, name)
    watch.begin()
    turn = 0
    while not watch.over:

        @seeded(seed * 1_000_003 + turn)
        @settings(max_examples=ROUND, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        @given(inputs)
        def some(data: bytes) -> None:
            if watch.over:
                raise TimeUpError
            watch.run(data)

        with suppress(TimeUpError):
            some()
        turn += 1
    watch.end()
    return watch.report


def with_atheris(name: str, seconds: float, seed: int, folder: Path) -> Report:
    """A process of its own, because libFuzzer ends the one it runs in; what it prints is read for the coverage."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        words = [sys.executable, "-m", "tests.fuzz.engines", name, str(seconds), str(seed), str(folder), place]
        coverage, last = "", ""
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, errors="replace") as process:
            for line in process.stderr or ():
                found = _COVERED.search(line)
                coverage = found[1] if found else coverage
                last = line if line.strip() else last
        if not report.exists():
            kept = [str(file) for file in folder.glob(f"{name}-crash-*")]
            crashed = Report(name, "atheris", coverage=coverage)
            crashed.defects.append(f"the process ended with {process.returncode}: {last.strip()} {kept}")
            return crashed
        made = Report(**json.loads(report.read_text()))
    made.coverage = coverage
    return made


def _atheris_process(name: str, seconds: float, seed: int, folder: Path, place: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=list(INSTRUMENTED), enable_loader_override=False):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    starts = tuple(target.seeds())
    corpus = place / "corpus"
    corpus.mkdir()
    for number, start in enumerate(starts):
        (corpus / f"{number:04}").write_bytes(start)
    folder.mkdir(parents=True, exist_ok=True)
    watch = Watch(Report(name, "atheris"), target.case, folder, seconds)

    def damaged(data: bytes, most: int, number: int) -> bytes:
        random = Random(number)
        if random.random() < 0.15:
            return bytes(atheris.Mutate(data, most))
        if random.random() < 0.4:
            # Damage on damage ends before anything runs: often enough it begins from something whole again.
            data = random.choice(starts)
        return target.damaged(data, random, starts)[:most]

    def one(data: bytes) -> None:
        watch.run(data)
        if watch.over:
            watch.end()
            watch.save(place / "report.json")
            os._exit(0)

    arguments = [
        sys.argv[0],
        f"-seed={seed}",
        f"-max_len={MOST_OCTETS}",
        f"-rss_limit_mb={MEMORY_LIMIT_MB}",
        f"-timeout={int(HANGS_CPU_S * 5)}",  # wall time; the watch looks at CPU time
        f"-artifact_prefix={folder}/{name}-crash-",
        str(corpus),
    ]
    atheris.Setup(arguments, one, custom_mutator=damaged)
    _warm(watch, name)
    watch.begin()
    atheris.Fuzz()


if __name__ == "__main__":
    _atheris_process(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
