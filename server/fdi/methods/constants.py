"""Names with a fixed value that METHODs use without declaring them; an EDD that defines one itself is heard first."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CONSTANTS: Final[Mapping[str, int | float]] = MappingProxyType(
    {
        "TRUE": 1,
        "FALSE": 0,
        "NULL": 0,
        # Return codes (eddl.md, section 6).
        "BI_SUCCESS": 0,
        "BI_ERROR": -1,
        "BI_ABORT": -2,
        "BI_NO_DEVICE": -3,
        "BI_COMM_ERR": -4,
        "BI_CONTINUE": -5,
        "BI_RETRY": -6,
        "BI_PORT_IN_USE": -7,
        "BLTIN_SUCCESS": 0,
        "BLTIN_NO_MEMORY": 1801,
        "BLTIN_VAR_NOT_FOUND": 1802,
        "BLTIN_BAD_ID": 1803,
        "BLTIN_NO_DATA_TO_SEND": 1804,
        "BLTIN_WRONG_DATA_TYPE": 1805,
        "BLTIN_NO_RESP_CODES": 1806,
        "BLTIN_BAD_METHOD_ID": 1807,
        "BLTIN_BUFFER_TOO_SMALL": 1808,
        "BLTIN_CANNOT_READ_VARIABLE": 1809,
        "BLTIN_INVALID_PROMPT": 1810,
        "BLTIN_NO_LANGUAGE_STRING": 1811,
        "BLTIN_DDS_ERROR": 1812,
        "BLTIN_FAIL_RESPONSE_CODE": 1813,
        "BLTIN_FAIL_COMM_ERROR": 1814,
        "BLTIN_NOT_IMPLEMENTED": 1815,
        "BLTIN_BAD_ITEM_TYPE": 1816,
        "BLTIN_VALUE_NOT_SET": 1817,
        "BLTIN_BLOCK_NOT_FOUND": 1818,
        # The octets of a status array, and its size.
        "STATUS_RESPONSE_CODE": 0,
        "STATUS_COMM_STATUS": 1,
        "STATUS_DEVICE_STATUS": 2,
        "STATUS_SIZE": 3,
        # What fpclassify gives, in C's usual numbering.
        "FP_NAN": 0,
        "FP_INFINITE": 1,
        "FP_ZERO": 2,
        "FP_SUBNORMAL": 3,
        "FP_NORMAL": 4,
    }
)
