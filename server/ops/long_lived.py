"""Takes out of the garbage collector's sight what lives as long as the server: the nodes of devices."""

from __future__ import annotations

import gc
from collections.abc import Callable

STEP = 100
"""So many devices more are worth it: whatever waits for the collector at that moment stays in memory, too."""


class LongLived:
    """Freezes what is there when many devices have come and no more come: a full collection holds the event loop."""

    def __init__(self, devices: Callable[[], int], freeze: Callable[[], None] = gc.freeze) -> None:
        self._devices = devices
        self._freeze = freeze
        self._frozen = self._last = devices()

    def look(self) -> None:
        """Call it about twice a second."""
        devices = self._devices()
        if devices == self._last and devices >= self._frozen + STEP:
            self._freeze()
            self._frozen = devices
        self._last = devices
