"""Cases counted, timed and judged: what a long run of a fuzzer has to tell."""

from __future__ import annotations

import hashlib
import json
import resource
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

SLOW_CPU_S = 2.0  # one case that takes longer is a defect
GREEDY_MB = 256.0  # and one that takes more memory than any before it by so much
HANGS_CPU_S = 20.0  # and is stopped then
PAGE = resource.getpagesize()


class HangError(BaseException):
    """A case took more than HANGS_CPU_S; not an Exception, so that no case can take it for a refusal."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise HangError


def peak_mb() -> float:
    """The most that this process ever held in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024 / 1e6


def resident_mb() -> float:
    """What this process holds in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


@dataclass
class Report:
    """What one run found."""

    target: str
    engine: str
    seconds: float = 0.0
    cases: int = 0
    slowest_s: float = 0.0  # CPU time of one case
    start_mb: float = 0.0  # resident after the seeds have run
    middle_mb: float = 0.0  # resident half-way
    end_mb: float = 0.0
    peak_mb: float = 0.0
    coverage: str = ""  # edges, for engines that count them
    ends: dict[str, int] = field(default_factory=dict)  # how cases ended, by what they answered
    defects: list[str] = field(default_factory=list)  # each with the file that holds its input

    def row(self) -> str:
        """A line of the table in README.md."""
        rate = self.cases / self.seconds if self.seconds else 0.0
        memory = f"{self.start_mb:.0f} / {self.middle_mb:.0f} / {self.end_mb:.0f} / {self.peak_mb:.0f}"
        return (
            f"| {self.target} | {self.engine} | {self.seconds / 60:.1f} | {self.cases} | {rate:.0f} "
            f"| {self.coverage or '-'} | {memory} | {self.slowest_s:.2f} | {len(self.defects)} |"
        )


class Watch:
    """Runs cases and keeps the score. Each sort of defect is reported once, with its first input in `folder`."""

    def __init__(self, report: Report, case: Callable[[bytes], object], folder: Path, seconds: float) -> None:
        self.report = report
        self._case = case
        self._folder = folder
        self._seconds = seconds
        self._seen: set[str] = set()
        self._started = 0.0
        signal.signal(signal.SIGVTALRM, _stop)

    def begin(self) -> None:
        """Cases and time count from here, and memory is compared with what is held here; defects found stay."""
        report = self.report
        report.cases, report.slowest_s = 0, 0.0
        report.ends.clear()
        report.start_mb = report.middle_mb = resident_mb()
        self._started = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self._started >= self._seconds

    def run(self, data: bytes) -> None:
        """One case. Raises nothing, whatever the case does."""
        held = peak_mb()
        before = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, HANGS_CPU_S)
        try:
            ended = str(self._case(data) or "")
        except HangError:
            ended = "hangs"
            self._defect(f"hangs: {traceback.format_exc(limit=-3)}", "hangs", data)
        except Exception as fault:
            ended = "defect"
            at = traceback.extract_tb(fault.__traceback__)[-1]
            kind = f"{type(fault).__name__} at {Path(at.filename).name}:{at.lineno}"
            self._defect(f"{kind}: {str(fault)[:300]}", kind, data)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        took = time.process_time() - before
        report = self.report
        report.cases += 1
        if len(report.ends) < 40 or ended in report.ends:
            report.ends[ended] = report.ends.get(ended, 0) + 1
        if took > report.slowest_s:
            report.slowest_s = took
            if took > SLOW_CPU_S:
                self._defect(f"slow: {took:.1f} s of CPU", f"slow {took:.0f}", data)
        if (grown := peak_mb() - held) > GREEDY_MB:
            self._defect(f"greedy: {grown:.0f} MB", "greedy", data)
        if report.cases % 16 == 0 and time.monotonic() - self._started < self._seconds / 2:
            report.middle_mb = resident_mb()

    def end(self) -> None:
        """Close the account."""
        self.report.seconds = time.monotonic() - self._started
        self.report.end_mb = resident_mb()
        self.report.peak_mb = peak_mb()

    def save(self, file: Path) -> None:
        """The report as JSON, for the process that started this one."""
        file.write_text(json.dumps(asdict(self.report)))

    def _defect(self, text: str, kind: str, data: bytes) -> None:
        if kind in self._seen:
            return
        self._seen.add(kind)
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{self.report.target}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
        file.write_bytes(data)
        self.report.defects.append(f"{text} [{file}]")
        print(f"DEFECT {self.report.target}: {text} [{file}]", flush=True)
