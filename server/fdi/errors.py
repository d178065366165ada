"""What a package did wrong, told so that its author can find the place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from server.core import status
from server.core.errors import RemoteError


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # the package is refused
    WARNING = "warning"  # it is taken, but its author should look
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found in a package, with its place; line and column count from 1, 0 means none."""

    severity: Severity = Severity.WARNING
    rule: str
    text: str
    part: str = ""
    line: int = 0
    column: int = 0
    excerpt: str = ""

    @property
    def place(self) -> str:
        """Part, line and column as far as they are known: `/edd/device.ddl:12:5`."""
        numbers = [str(number) for number in (self.line, self.column) if number]
        return ":".join([self.part, *numbers]) if self.part else ""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class PackageError(RemoteError):
    """A package was refused as a whole.

    Attributes:
        part: name of the part at fault, "" for the archive itself.
        line: line in that part, 0 when there is none.
        rule: short stable name of the broken rule, such as `zip.ratio` (docs/packages.md lists them).
        reason: the sentence without the place.
        problems: every single mistake when several were found, with its place.
        findings: the same, structured; always at least one.
    """

    status = status.BAD_INVALID_ARGUMENT

    def __init__(
        self,
        reason: str,
        *,
        part: str = "",
        line: int = 0,
        rule: str = "package",
        problems: Sequence[str] = (),
        findings: Sequence[Finding] = (),
    ) -> None:
        self.part = part
        self.line = line
        self.rule = rule
        self.reason = reason
        self.problems = tuple(problems)
        single = Finding(severity=Severity.ERROR, rule=rule, text=reason, part=part, line=line)
        several = (Finding(severity=Severity.ERROR, rule=rule, text=text, part=part) for text in problems)
        self.findings = tuple(findings) or tuple(several) or (single,)
        place = f"{part}:{line}: " if part and line else f"{part}: " if part else ""
        super().__init__(f"{place}{reason} [{rule}]")
