"""Just enough DER to read a time-stamp token: definite lengths only, one level at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

INTEGER, OCTET_STRING, OID, SEQUENCE, SET, GENERALIZED_TIME = 0x02, 0x04, 0x06, 0x30, 0x31, 0x18


class DerError(ValueError):
    """Not the DER that was expected."""


@dataclass(frozen=True, slots=True)
class Value:
    """One tag, length and content."""

    tag: int
    content: bytes
    whole: bytes  # with tag and length

    def expect(self, tag: int) -> Value:
        """This value when it carries the tag. Raises DerError."""
        if self.tag != tag:
            raise DerError(f"tag 0x{self.tag:02x} where 0x{tag:02x} is expected")
        return self

    def children(self) -> list[Value]:
        """The values inside. Raises DerError."""
        return list(_values(self.content))

    @property
    def oid(self) -> str:
        """An object identifier in dots. Raises DerError."""
        data = self.expect(OID).content
        if not data or data[-1] & 0x80 or len(data) > 64:
            raise DerError("an object identifier that is cut short")
        numbers = []
        number = 0
        for byte in data:
            number = number << 7 | byte & 0x7F
            if not byte & 0x80:
                numbers.append(number)
                number = 0
        first = min(numbers[0] // 40, 2)
        return ".".join(str(part) for part in (first, numbers[0] - 40 * first, *numbers[1:]))

    @property
    def integer(self) -> int:
        """A whole number. Raises DerError."""
        data = self.expect(INTEGER).content
        if not data or len(data) > 64:
            raise DerError("an integer of no or too many bytes")
        return int.from_bytes(data, signed=True)


def read(data: bytes) -> Value:
    """The one value that the bytes are. Raises DerError: cut short, more behind it."""
    found = list(_values(data))
    if len(found) != 1:
        raise DerError("not exactly one value")
    return found[0]


def _values(data: bytes) -> Iterator[Value]:
    position = 0
    while position < len(data):
        start = position
        if position + 2 > len(data):
            raise DerError("cut short")
        tag, length = data[position], data[position + 1]
        position += 2
        if tag & 0x1F == 0x1F:
            raise DerError("a tag of several bytes")
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4 or position + size > len(data):
                raise DerError("a length that is not DER")
            length = int.from_bytes(data[position : position + size])
            position += size
        if position + length > len(data):
            raise DerError("cut short")
        yield Value(tag, data[position : position + length], data[start : position + length])
        position += length
