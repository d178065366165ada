"""The TYPE words of VARIABLE with the sizes they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class EddType:
    """A TYPE word: `default` is the size when none is given (octets; None: the size must be given or is open)."""

    default: int | None
    smallest: int
    largest: int
    enumerated: bool = False
    numeric: bool = False


_TEXT = EddType(None, 1, 65_535)

EDD_TYPES: Mapping[str, EddType] = MappingProxyType(
    {
        "BOOLEAN": EddType(1, 1, 1),
        "INTEGER": EddType(1, 1, 8, enumerated=True, numeric=True),
        "UNSIGNED_INTEGER": EddType(1, 1, 8, enumerated=True, numeric=True),
        "FLOAT": EddType(4, 4, 4, numeric=True),
        "DOUBLE": EddType(8, 8, 8, numeric=True),
        "ENUMERATED": EddType(1, 1, 8, enumerated=True),
        "BIT_ENUMERATED": EddType(1, 1, 8, enumerated=True),
        "INDEX": EddType(1, 1, 8),
        "ASCII": _TEXT,
        "VISIBLE": _TEXT,
        "EUC": _TEXT,
        "OCTET": _TEXT,
        "PASSWORD": _TEXT,
        "BITSTRING": _TEXT,
        "PACKED_ASCII": _TEXT,
        "DATE": EddType(3, 3, 3),
        "DATE_AND_TIME": EddType(7, 7, 8),
        "TIME": EddType(6, 4, 6),
        "DURATION": EddType(6, 4, 6),
        "TIME_VALUE": EddType(4, 4, 8, numeric=True),
    }
)
