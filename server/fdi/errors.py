"""What a package did wrong, told so that its author can find the place."""

from __future__ import annotations

from collections.abc import Sequence

from server.core import status
from server.core.errors import RemoteError


class PackageError(RemoteError):
    """A package was refused as a whole.

    Attributes:
        part: name of the part at fault, "" for the archive itself.
        line: line in that part, 0 when there is none.
        rule: short stable name of the broken rule, such as `zip.ratio` (docs/packages.md lists them).
        reason: the sentence without the place.
        problems: every single mistake when several were found, with its place.
    """

    status = status.BAD_INVALID_ARGUMENT

    def __init__(
        self, reason: str, *, part: str = "", line: int = 0, rule: str = "package", problems: Sequence[str] = ()
    ) -> None:
        self.part = part
        self.line = line
        self.rule = rule
        self.reason = reason
        self.problems = tuple(problems)
        place = f"{part}:{line}: " if part and line else f"{part}: " if part else ""
        super().__init__(f"{place}{reason} [{rule}]")
