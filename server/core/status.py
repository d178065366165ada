"""The StatusCodes that Fieldloom itself decides on (OPC 10000-4, 7.39), as plain integers."""

from __future__ import annotations

StatusCode = int
"""UInt32; the two top bits say Good (00), Uncertain (01) or Bad (10)."""

GOOD = 0x00000000
UNCERTAIN = 0x40000000
UNCERTAIN_LAST_USABLE_VALUE = 0x40900000
UNCERTAIN_SENSOR_NOT_ACCURATE = 0x40930000
UNCERTAIN_INITIAL_VALUE = 0x40920000
BAD = 0x80000000
BAD_INTERNAL_ERROR = 0x80020000
BAD_TIMEOUT = 0x800A0000
BAD_SHUTDOWN = 0x800C0000
BAD_USER_ACCESS_DENIED = 0x801F0000
BAD_WAITING_FOR_INITIAL_DATA = 0x80320000
BAD_NO_COMMUNICATION = 0x80310000
BAD_NODE_ID_UNKNOWN = 0x80340000
BAD_OUT_OF_RANGE = 0x803C0000
BAD_NOT_SUPPORTED = 0x803D0000
BAD_NOT_WRITABLE = 0x803B0000
BAD_NOT_CONNECTED = 0x808A0000
BAD_DEVICE_FAILURE = 0x808B0000
BAD_SENSOR_FAILURE = 0x808C0000
BAD_TYPE_MISMATCH = 0x80740000
BAD_METHOD_INVALID = 0x80750000
BAD_ARGUMENTS_MISSING = 0x80760000
BAD_EVENT_ID_UNKNOWN = 0x809A0000
BAD_INVALID_ARGUMENT = 0x80AB0000
BAD_INVALID_STATE = 0x80AF0000
BAD_TOO_MANY_ARGUMENTS = 0x80E50000
BAD_RESOURCE_UNAVAILABLE = 0x80040000
BAD_CONDITION_BRANCH_ALREADY_ACKED = 0x80CF0000
BAD_BOUND_NOT_FOUND = 0x80D70000
BAD_NOT_FOUND = 0x803E0000

_NAMES = {
    value: "".join(part.capitalize() for part in name.split("_"))
    for name, value in list(globals().items())
    if name.isupper() and not name.startswith("_") and isinstance(value, int)
}


def is_good(code: StatusCode) -> bool:
    """True when the severity bits say Good."""
    return code & 0xC0000000 == 0


def is_uncertain(code: StatusCode) -> bool:
    """True when the severity bits say Uncertain."""
    return code & 0xC0000000 == 0x40000000


def is_bad(code: StatusCode) -> bool:
    """True when the severity bits say Bad."""
    return code & 0x80000000 != 0


def name_of(code: StatusCode) -> str:
    """The symbolic name (`BadTimeout`), or the number in hex for a code not used here."""
    return _NAMES.get(code & 0xFFFF0000, f"0x{code:08X}")


def from_quality_flag(flag: int) -> StatusCode:
    """StatusCode of a loom's quality_flag: 0 good, 1 uncertain, 2 and everything else bad."""
    if flag == 0:
        return GOOD
    return UNCERTAIN_SENSOR_NOT_ACCURATE if flag == 1 else BAD_SENSOR_FAILURE
