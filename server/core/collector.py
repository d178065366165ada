"""The garbage collector pauses while much is made that stays: walking it again and again finds nothing."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_pauses = 0
_was_on = True


@contextmanager
def paused() -> Iterator[None]:
    """No collection inside, in the whole process; for bounded work only. Pauses may overlap, in any threads.

    A collector that was off before stays off after it.
    """
    global _pauses, _was_on
    with _lock:
        if _pauses == 0:
            _was_on = gc.isenabled()
            gc.disable()
        _pauses += 1
    try:
        yield
    finally:
        with _lock:
            _pauses -= 1
            if _pauses == 0 and _was_on:
                gc.enable()
