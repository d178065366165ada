"""Room on the disk that the spool and the embedded store write to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import structlog

from server.core.clock import Clock

log = structlog.get_logger("fieldloom.history")

LOOK_EVERY_S = 1.0
_ENOUGH = 1.25
"""What is taken in again needs a quarter more than the reserve: else it would stop and go with every file."""


def free_bytes(path: Path) -> int:
    """Free bytes of the disk that a folder lies on."""
    return shutil.disk_usage(path).free


class DiskRoom:
    """Tells when the disk has less than the reserve. Looks at most once a second."""

    def __init__(
        self, folder: Path, reserve_bytes: int, clock: Clock, free: Callable[[Path], int] = free_bytes
    ) -> None:
        self._folder = folder
        self._reserve = reserve_bytes
        self._clock = clock
        self._free = free
        self._looked_at: float | None = None
        self._is_low = False

    @property
    def is_low(self) -> bool:
        """True while nothing more should be written."""
        now = self._clock.monotonic()
        if self._reserve and (self._looked_at is None or now - self._looked_at >= LOOK_EVERY_S):
            self._looked_at = now
            self._look()
        return self._is_low

    def _look(self) -> None:
        try:
            free = self._free(self._folder)
        except OSError:
            return  # whoever writes there is told why it does not work
        if not self._is_low and free < self._reserve:
            self._is_low = True
            log.error("history_disk_low", free_bytes=free, reserve_bytes=self._reserve, reason=self.reason)
        elif self._is_low and free >= self._reserve * _ENOUGH:
            self._is_low = False
            log.info("history_disk_back", free_bytes=free)

    @property
    def reason(self) -> str:
        """What the operator reads."""
        return (
            f"the disk of {self._folder} has less than {self._reserve} bytes free (history.disk_reserve_bytes): "
            "history takes nothing until there is more, and nothing is acknowledged to the broker"
        )
