# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The compiled twin of `points` and `items`: same names, same bytes, what is common kept in C fields.

What is rare (status bits, deadbands around arrays and 64-bit integers, values in another form) is asked of the Python
modules, so that there is one place for each rule.
"""

import sys
from collections import deque
from contextlib import ExitStack

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.math cimport fabs, isfinite, isnan
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memmove

from server.opcua.wire.points import JOINED_BYTES, with_status_bits
from server.opcua.wire.values import FORMATS, apart, canonical, pack, variant

if sys.byteorder != "little":
    raise ImportError("values are kept as they stand on the wire, which is little-endian")

API = 3
"""Of this module towards `wire`: raised with every change that an older build must not serve."""

cdef enum:
    VALUE = 1
    STATUS = 2
    SOURCE = 4
    SERVER_TIME = 8
    SOURCE_ONLY = 0
    SERVER_ONLY = 1
    BOTH = 2
    DISABLED = 0
    SAMPLING = 1
    REPORTING = 2
    ON_STATUS = 0
    ON_STATUS_VALUE = 1
    ON_STATUS_VALUE_TIME = 2
    NOT_LISTED = 0
    LISTED = 1
    TRIGGERED = 2
    NEAR = 40  # a whole DataValue with Guid, StatusCode and both times, or a String of 18 bytes
    NEAR_BODY = 23
    NOTHING = -1
    FAR = -2
    OVERFLOW_BITS = 0x480

cdef int8_t SIZES[20]
for _kind in range(20):
    SIZES[_kind] = 0
for _kind, _letter in FORMATS.items():
    SIZES[_kind] = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}[_letter]


# -- bytes that grow

cdef struct Out:
    unsigned char* data
    Py_ssize_t size
    Py_ssize_t room


cdef int out_open(Out* out, Py_ssize_t room) except -1:
    out.size = 0
    out.room = room if room > 64 else 64
    out.data = <unsigned char*>PyMem_Malloc(out.room)
    if out.data == NULL:
        raise MemoryError
    return 0


cdef inline int out_reserve(Out* out, Py_ssize_t more) except -1:
    cdef unsigned char* data
    cdef Py_ssize_t room
    if out.size + more > out.room:
        room = (out.size + more) * 2
        data = <unsigned char*>PyMem_Realloc(out.data, room)
        if data == NULL:
            raise MemoryError
        out.data = data
        out.room = room
    return 0


cdef inline int out_bytes(Out* out, bytes more) except -1:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(more)
    out_reserve(out, size)
    memcpy(out.data + out.size, PyBytes_AS_STRING(more), size)
    out.size += size
    return 0


# One module, since its classes know each other: a part a thing.
include "_points.pxi"
include "_items.pxi"
include "_sampling.pxi"
