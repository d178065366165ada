"""Hostile bytes on their way into the stack's decoder: what is read is bounded by what was sent."""

from __future__ import annotations

from asyncua import ua
from asyncua.common.utils import Buffer


class MessageError(ValueError):
    """A body that breaks a limit or its grammar; `code` is the service result."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = int(code)


class BoundedBuffer(Buffer):  # type: ignore[misc]
    """A buffer that never gives more than it has, and never a negative amount."""

    def read(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            MessageError: BadDecodingError; there are not so many.
        """
        if not 0 <= size <= self._size:
            raise MessageError(ua.StatusCodes.BadDecodingError, f"{size} bytes asked for, {self._size} are left")
        return super().read(size)  # type: ignore[no-any-return]
