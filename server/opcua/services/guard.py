"""Hostile bytes on their way into the stack's decoder: what is read and made is bounded by what was sent.

A request is walked over before it is decoded (see `walkers` and `structure_walkers`): lengths, depth, texts, memory.
The decoder then meets nothing that it cannot take.
"""

from __future__ import annotations

import struct

from asyncua import ua
from asyncua.common.utils import Buffer

from server.opcua.services.structure_walkers import structure_of, walker_of
from server.opcua.services.walkers import DEFAULT_LIMITS, DecodeLimits, MessageError, Walk, Walker

__all__ = ["DEFAULT_LIMITS", "BoundedBuffer", "DecodeLimits", "MessageError", "guarded", "walked"]


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

    def skip(self, size: int) -> None:
        """Leave bytes out. Raises MessageError like `read`."""
        if not 0 <= size <= self._size:
            raise MessageError(ua.StatusCodes.BadDecodingError, f"{size} bytes to skip, {self._size} are left")
        super().skip(size)

    def copy(self, size: int = -1) -> BoundedBuffer:
        """The next bytes as a buffer of their own, as bounded as this one."""
        if not 0 <= size <= self._size:
            size = self._size
        return BoundedBuffer(self._data, self._cur_pos, size)


def guarded(
    parameters: type, body: bytes, at: int, *, trusted: bool = True, limits: DecodeLimits = DEFAULT_LIMITS
) -> BoundedBuffer:
    """A buffer from which the stack may decode a structure that begins at an offset; extra bytes behind are fine.

    Who is not `trusted` may cost less.

    Raises:
        MessageError: BadDecodingError, the bytes are no such structure; BadEncodingLimitsExceeded, they are too deep,
            too long or would take too much memory.
    """
    return walked(walker_of(parameters), body, at, trusted=trusted, limits=limits)


def walked(
    walker: Walker, body: bytes, at: int = 0, *, trusted: bool = True, limits: DecodeLimits = DEFAULT_LIMITS
) -> BoundedBuffer:
    """The same for what a walker walks over, such as a single Variant or ExtensionObject. Raises MessageError."""
    walk = Walk(body, structure_of, limits, trusted=trusted)
    try:
        end = walker(walk, at)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise MessageError(ua.StatusCodes.BadDecodingError, str(error)[:200]) from None
    if end > len(body):
        raise MessageError(ua.StatusCodes.BadDecodingError, "ends inside the parameters")
    if walk.patches:
        patched = bytearray(body)
        for offset, better in walk.patches:
            patched[offset : offset + len(better)] = better
        body = bytes(patched)
    return BoundedBuffer(body, at)
