"""Where package bytes land before they are trusted, and stay when they are refused. Bounded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

KEPT = 20
"""Refused packages kept for review; the oldest go first."""


class Quarantine:
    """A folder that nothing is ever loaded from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes, reason: str, problems: Sequence[str]) -> Path:
        """Keep refused bytes beside a text that says why; returns the file."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{hashlib.sha256(data).hexdigest()[:16]}.refused"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text("\n".join([reason, *problems]) + "\n", encoding="utf-8")
        files = sorted(self._folder.glob("*.refused"), key=lambda file: file.stat().st_mtime_ns)
        for old in files[:-KEPT]:
            old.unlink(missing_ok=True)
            old.with_suffix(".txt").unlink(missing_ok=True)
        return path
