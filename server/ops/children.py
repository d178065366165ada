"""Child processes of the demo: started, watched and ended with us."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import sys
from collections.abc import Sequence

STOP_S = 5.0
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    # A killed server must not leave its simulator behind. Linux only; elsewhere the child ends when its broker goes.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One child process."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it in a process group of its own: Ctrl-C reaches us only, and we stop it in order."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command, start_new_session=True, preexec_fn=_die_with_parent, stdin=asyncio.subprocess.DEVNULL
        )

    async def wait(self) -> int:
        """Exit code, when it ends."""
        if self._process is None:
            return 0
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end, then make it."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
