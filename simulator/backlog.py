"""What a board keeps while its link is down, and how it hands it over afterwards."""

from __future__ import annotations

from collections import deque

BATCH_ROWS = 60  # rows of one back-fill message
DAY_ROWS = 86_400  # a board keeps 24 h of its rows at 1 Hz


class Backlog:
    """Encoded rows, oldest first; beyond `limit` the oldest is given up and counted."""

    def __init__(self, limit: int = DAY_ROWS) -> None:
        self._rows: deque[bytes] = deque(maxlen=limit)
        self.lost = 0

    def __len__(self) -> int:
        return len(self._rows)

    def keep(self, row: bytes) -> None:
        """Puts one encoded row (a JSON object) at the end."""
        if len(self._rows) == self._rows.maxlen:
            self.lost += 1
        self._rows.append(row)

    def batch(self) -> bytes:
        """Takes the oldest rows, at most BATCH_ROWS, as one JSON array."""
        rows = [self._rows.popleft() for _ in range(min(BATCH_ROWS, len(self._rows)))]
        return b"[" + b",".join(rows) + b"]"
