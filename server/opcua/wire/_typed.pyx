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

from server.opcua.wire.points import with_status_bits
from server.opcua.wire.values import FORMATS, apart, canonical, pack, variant

if sys.byteorder != "little":
    raise ImportError("values are kept as they stand on the wire, which is little-endian")

API = 1
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


# -- points

cdef struct Head:  # what items compare: flags and body, equal values being equal bytes
    int flags
    const unsigned char* body
    Py_ssize_t size


cdef class Point:
    """See `points.Point`."""

    # The DataValue stands in `near`, or as a whole in `far`: encoding byte, body, and the times when it is `kept`.
    cdef unsigned char near[NEAR]
    cdef uint8_t _flags
    cdef uint8_t kept
    cdef int32_t size  # of the body
    cdef int64_t _source
    cdef int64_t _server
    cdef bytes far
    cdef bytes key  # the canonical form where it is not flags and body as they are
    cdef list _items
    cdef object _live

    def __cinit__(self):
        self.near[0] = 0

    @property
    def items(self):
        return self._items

    @items.setter
    def items(self, list items):
        self._items = items

    @property
    def live(self):
        return self._live

    @live.setter
    def live(self, live):
        cdef bytes body = self.body
        self._live = live
        point_store(self, self._flags, <const unsigned char*>PyBytes_AS_STRING(body), self.size, self._source, self._server)

    def put(self, int flags, bytes body not None, int64_t source, int64_t server):
        point_put(self, flags, <const unsigned char*>PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body), source, server)

    def put_scalar(self, int kind, value, uint32_t status, int64_t source, int64_t server):
        cdef unsigned char raw[16]
        cdef bytes body
        cdef Py_ssize_t size = 0
        cdef int flags = 0
        if value is not None:
            flags = VALUE
            if kind > 0 and kind < 20 and SIZES[kind] and scalar_raw(kind, value, raw + 1):
                raw[0] = <unsigned char>kind
                size = 1 + SIZES[kind]
            else:
                body = variant(kind, value)
                if status:
                    flags |= STATUS
                    body += status.to_bytes(4, "little")
                point_put(
                    self, flags, <const unsigned char*>PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body), source, server
                )
                return
        if status:
            flags |= STATUS
            memcpy(raw + size, &status, 4)
            size += 4
        point_put(self, flags, raw, size, source, server)

    def encoded(self, int which, int64_t now):
        if self._live is not None:
            self._live()
        return point_current(self, which, now)

    def current(self, int which, int64_t now):
        return point_current(self, which, now)

    @property
    def wire(self):
        return point_current(self, BOTH, 0) if self.kept else b""

    @property
    def flags(self):
        return self._flags

    @property
    def body(self):
        return PyBytes_FromStringAndSize(<const char*>point_body(self), self.size)

    @property
    def source(self):
        return self._source

    @property
    def server(self):
        return self._server

    @property
    def status(self):
        cdef uint32_t status = 0
        if self._flags & STATUS:
            memcpy(&status, point_body(self) + self.size - 4, 4)
        return status

    @property
    def variant(self):
        if not self._flags & VALUE:
            return b""
        return PyBytes_FromStringAndSize(
            <const char*>point_body(self), self.size - 4 if self._flags & STATUS else self.size
        )


cdef inline const unsigned char* point_body(Point point):
    if point.far is None:
        return point.near + 1
    return <const unsigned char*>PyBytes_AS_STRING(point.far) + 1


cdef inline Py_ssize_t times_size(Point point):
    if not point.kept:
        return 0
    return 16 if point._source else 8


cdef inline void point_head(Point point, Head* head):
    if point.key is None:
        head.flags = point._flags
        head.body = point_body(point)
        head.size = point.size
    else:
        key_head(point.key, head)


cdef inline void key_head(bytes key, Head* head):
    head.flags = <unsigned char>PyBytes_AS_STRING(key)[0]
    head.body = <const unsigned char*>PyBytes_AS_STRING(key) + 1
    head.size = PyBytes_GET_SIZE(key) - 1


cdef inline bint same_head(Head* one, Head* other):
    return one.flags == other.flags and one.size == other.size and memcmp(one.body, other.body, one.size) == 0


cdef int point_store(
    Point point, int flags, const unsigned char* body, Py_ssize_t size, int64_t source, int64_t server
) except -1:
    """Keep a value; `body` may be the point's own."""
    cdef unsigned char* to
    cdef unsigned char encoding = <unsigned char>flags
    cdef Py_ssize_t tail = 0
    cdef bytes far = None
    cdef bint kept = server != 0 and point._live is None
    if kept:
        encoding |= SERVER_TIME
        tail = 8
        if source:
            encoding |= SOURCE
            tail = 16
    if size <= NEAR_BODY:
        to = point.near
    else:
        far = PyBytes_FromStringAndSize(NULL, 1 + size + tail)
        to = <unsigned char*>PyBytes_AS_STRING(far)
    memmove(to + 1, body, size)
    to[0] = encoding
    if tail == 16:
        memcpy(to + 1 + size, &source, 8)
    if tail:
        memcpy(to + 1 + size + tail - 8, &server, 8)
    point._flags = <uint8_t>flags
    point.size = <int32_t>size
    point._source = source
    point._server = server
    point.kept = kept
    point.far = far
    return 0


cdef bytes canonical_key(int flags, const unsigned char* body, Py_ssize_t size):
    """The canonical form where it differs from flags and body, else None."""
    cdef int kind
    cdef bytes head
    if not flags & VALUE or not size:
        return None
    kind = body[0]
    if kind == 10:
        if size <= 4 or body[4] & 0x7F != 0x7F:
            return None
    elif kind == 11:
        if size <= 8 or body[8] & 0x7F != 0x7F:
            return None
    elif kind == 12 or kind == 15 or kind == 16 or kind & 0x80:
        if (size < 5 or memcmp(body + 1, "\xff\xff\xff\xff", 4) != 0) and kind & 0x3F != 10 and kind & 0x3F != 11:
            return None
    else:
        return None
    head = canonical(flags, PyBytes_FromStringAndSize(<const char*>body, size))
    if (
        PyBytes_GET_SIZE(head) == size + 1
        and <unsigned char>PyBytes_AS_STRING(head)[0] == flags
        and memcmp(PyBytes_AS_STRING(head) + 1, body, size) == 0
    ):
        return None
    return head


cdef int point_put(
    Point point, int flags, const unsigned char* body, Py_ssize_t size, int64_t source, int64_t server
) except -1:
    cdef Head old, new
    cdef bytes key
    cdef bint changed
    if flags < 0 or flags > 3 or (flags & STATUS and size < 4):
        raise ValueError(f"flags {flags} with a body of {size} bytes")
    if flags & STATUS and memcmp(body + size - 4, "\0\0\0\0", 4) == 0:
        flags ^= STATUS
        size -= 4
    key = canonical_key(flags, body, size)
    if key is None:
        new.flags = flags
        new.body = body
        new.size = size
    else:
        key_head(key, &new)
    point_head(point, &old)
    changed = not same_head(&old, &new)
    point_store(point, flags, body, size, source, server)
    point.key = key
    if point._items is not None and point._live is None:
        touch_items(point, changed, server)
    return 0


cdef inline int touch_items(Point point, bint changed, int64_t server) except -1:
    cdef Item item
    for item in point._items:
        if not item._dirty and (changed or item._timestamps):
            item_touch(item, server)
    return 0


cdef Py_ssize_t current_size(Point point, int which, int64_t now):
    cdef Py_ssize_t size = 1 + point.size
    if point._source and (which == SOURCE_ONLY or which == BOTH):
        size += 8
    if (which == SERVER_ONLY or which == BOTH) and (point._server or now):
        size += 8
    return size


cdef void write_current(Point point, int which, int64_t now, unsigned char* to):
    cdef int64_t server = point._server or now
    cdef unsigned char* at
    to[0] = point._flags
    memcpy(to + 1, point_body(point), point.size)
    at = to + 1 + point.size
    if point._source and (which == SOURCE_ONLY or which == BOTH):
        to[0] |= SOURCE
        memcpy(at, &point._source, 8)
        at += 8
    if (which == SERVER_ONLY or which == BOTH) and server:
        to[0] |= SERVER_TIME
        memcpy(at, &server, 8)


cdef bytes point_current(Point point, int which, int64_t now):
    cdef bytes wire
    if which == BOTH and point.kept and point.far is not None:
        return point.far
    wire = PyBytes_FromStringAndSize(NULL, current_size(point, which, now))
    write_current(point, which, now, <unsigned char*>PyBytes_AS_STRING(wire))
    return wire


def join_values(points, int which, int64_t now):
    """See `points.join_values`."""
    cdef Out out
    cdef Point point
    cdef Py_ssize_t size
    out_open(&out, len(points) * 32)
    try:
        for point in points:
            if point._live is not None:
                point._live()
            if which == BOTH and point.kept and point.far is None:
                size = 1 + point.size + times_size(point)
                out_reserve(&out, NEAR)
                memcpy(out.data + out.size, point.near, size)
            else:
                size = current_size(point, which, now)
                out_reserve(&out, size)
                write_current(point, which, now, out.data + out.size)
            out.size += size
        return PyBytes_FromStringAndSize(<const char*>out.data, out.size)
    finally:
        PyMem_Free(out.data)


cdef inline bint scalar_raw(int kind, object value, unsigned char* to) except -1:
    """Write a scalar of exactly the usual Python type; False when that is for `struct` to judge."""
    cdef double number
    cdef float single
    cdef long long whole
    cdef int overflow = 0
    if kind == 11:
        if PyFloat_CheckExact(value):
            number = PyFloat_AS_DOUBLE(value)
            memcpy(to, &number, 8)
            return True
        return False
    if kind == 10:
        if PyFloat_CheckExact(value):
            number = PyFloat_AS_DOUBLE(value)
            single = <float>number
            if isfinite(single):
                memcpy(to, &single, 4)
                return True
        return False
    if kind == 1:
        if value is True or value is False:
            to[0] = value is True
            return True
        return False
    if not PyLong_CheckExact(value):
        return False
    whole = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        return False
    if kind == 2:
        if whole < -0x80 or whole > 0x7F:
            return False
    elif kind == 3:
        if whole < 0 or whole > 0xFF:
            return False
    elif kind == 4:
        if whole < -0x8000 or whole > 0x7FFF:
            return False
    elif kind == 5:
        if whole < 0 or whole > 0xFFFF:
            return False
    elif kind == 6:
        if whole < -0x80000000LL or whole > 0x7FFFFFFFLL:
            return False
    elif kind == 7 or kind == 19:
        if whole < 0 or whole > 0xFFFFFFFFLL:
            return False
    elif kind == 9:
        if whole < 0:
            return False
    memcpy(to, &whole, SIZES[kind])
    return True


def put_scalars(points, int kind, values, int64_t source, int64_t server):
    """See `points.put_scalars`."""
    cdef list targets = points if type(points) is list else list(points)
    cdef tuple scalars = tuple(values)  # nobody changes it meanwhile
    cdef Py_ssize_t count = len(targets), size, width
    cdef unsigned char* packed
    cdef unsigned char* at
    cdef unsigned char body[16]
    cdef bint plain = source != 0 and server != 0
    cdef bint usual = True
    cdef bytes other
    cdef Point point
    if count != len(scalars):
        raise ValueError(f"{len(scalars)} values for {count} points")
    if kind < 1 or kind >= 20 or not SIZES[kind]:
        raise ValueError(f"built-in type {kind} is not of fixed size")
    width = SIZES[kind]
    packed = <unsigned char*>PyMem_Malloc(count * width + 1)
    if packed == NULL:
        raise MemoryError
    try:
        at = packed
        for value in scalars:
            if not scalar_raw(kind, value, at):
                usual = False
                break
            at += width
        if not usual:
            at = packed
            for value in scalars:
                other = variant(kind, value)
                memcpy(at, PyBytes_AS_STRING(other) + 1, width)
                at += width
        at = packed
        size = 1 + width
        body[0] = <unsigned char>kind
        for point in targets:
            if not plain or point._live is not None or ((kind == 10 or kind == 11) and at[width - 1] & 0x7F == 0x7F):
                memcpy(body + 1, at, width)
                point_put(point, VALUE, body, size, source, server)
            else:
                put_plain(point, kind, at, width, source, server)
            at += width
    finally:
        PyMem_Free(packed)


cdef inline int put_plain(
    Point point, int kind, const unsigned char* raw, Py_ssize_t width, int64_t source, int64_t server
) except -1:
    """A Good scalar that is no NaN, with both times, into a point that is not live."""
    cdef unsigned char* to = point.near
    cdef bint changed = (
        point.size != width + 1
        or point._flags != VALUE
        or point.key is not None
        or to[1] != kind
        or memcmp(to + 2, raw, width) != 0
    )
    if point.far is not None:
        point.far = None
    if point.key is not None:
        point.key = None
    to[0] = VALUE | SOURCE | SERVER_TIME
    to[1] = <unsigned char>kind
    memcpy(to + 2, raw, width)
    memcpy(to + 2 + width, &source, 8)
    memcpy(to + 10 + width, &server, 8)
    point._flags = VALUE
    point.kept = True
    point.size = <int32_t>(width + 1)
    point._source = source
    point._server = server
    if point._items is not None:
        touch_items(point, changed, server)
    return 0


# -- items

cdef class Group:
    """See `items.Group`."""

    cdef public list dirty
    cdef public list polled

    def __cinit__(self):
        self.dirty = []
        self.polled = []

    def tick(self, int64_t now):
        cdef list dirty = self.dirty
        cdef Py_ssize_t number = 0, count = len(dirty)
        cdef Item item
        self.dirty = []
        try:
            while number < count:
                item = <Item>dirty[number]
                number += 1
                item._dirty = False
                item_sample(item, now)
        finally:
            if number < count or self.polled:
                with ExitStack() as stack:
                    for item in reversed([*dirty[number:], *self.polled]):
                        item._dirty = False
                        stack.callback(item.sample, now)


cdef class Ready:
    """See `items.Ready`."""

    cdef public list items
    cdef public Py_ssize_t overflows
    cdef public Py_ssize_t stale

    def __cinit__(self):
        self.items = []

    def take(self, Py_ssize_t limit):
        cdef Out out
        cdef Item item
        cdef list items = self.items
        cdef Py_ssize_t number = 0, count = 0, length = len(items)
        out_open(&out, (limit if limit and limit < length else length) * 32)
        try:
            while number < length:
                item = <Item>items[number]
                if item.held_size != NOTHING and (item._mode == REPORTING or item._listed == TRIGGERED):
                    while item.held_size != NOTHING:
                        if count == limit and limit:
                            self.items = items[number:]
                            return PyBytes_FromStringAndSize(<const char*>out.data, out.size), count, True
                        item_write(item, &out)
                        count += 1
                        item_advance(item)
                item._listed = NOT_LISTED
                number += 1
            self.items = []
            self.stale = 0
            return PyBytes_FromStringAndSize(<const char*>out.data, out.size), count, False
        finally:
            PyMem_Free(out.data)

    def pending(self):
        cdef Item item
        for item in self.items:
            if item.held_size != NOTHING and (item._mode == REPORTING or item._listed == TRIGGERED):
                return True
        return False

    def deleted(self):
        cdef Item item
        self.stale += 1
        if self.stale * 2 > len(self.items):
            self.items = [item for item in self.items if item.held_size != NOTHING or item._mode != DISABLED]
            self.stale = 0


cdef class Item:
    """See `items.Item`."""

    cdef Point _point
    cdef Ready _ready
    cdef Group _group
    cdef list _links
    cdef object _queue  # deque of bytes behind the held value, or None
    cdef bytes held_far
    cdef bytes last_far  # encoding byte and body, maybe more
    cdef double _deadband
    cdef int64_t last_source
    cdef Py_ssize_t last_size
    cdef Py_ssize_t _size
    cdef Py_ssize_t held_size  # in `held_near`; NOTHING, or FAR when it is in `held_far`
    cdef uint32_t number
    cdef uint32_t bits
    cdef int last_flags  # -1: nothing was queued yet
    cdef int8_t _which
    cdef int8_t _mode
    cdef int8_t _listed
    cdef int8_t _trigger
    cdef bint _timestamps
    cdef bint _dirty
    cdef bint _discard_oldest
    cdef unsigned char held_near[NEAR]
    cdef unsigned char last_near[NEAR_BODY]

    def __cinit__(self, Point point not None, Ready ready not None, uint32_t handle, int which):
        self._point = point
        self._ready = ready
        self.number = handle
        self._which = <int8_t>which
        self.held_size = NOTHING
        self._size = 1
        self._discard_oldest = True
        self._trigger = ON_STATUS_VALUE
        self._deadband = -1.0
        self.last_flags = -1

    # -- settings

    @property
    def point(self):
        return self._point

    @point.setter
    def point(self, Point point not None):
        self._point = point

    @property
    def ready(self):
        return self._ready

    @property
    def handle(self):
        return self.number.to_bytes(4, "little")

    @property
    def mode(self):
        return self._mode

    @property
    def dirty(self):
        return bool(self._dirty)

    @property
    def listed(self):
        return self._listed

    @property
    def size(self):
        return self._size

    @property
    def discard_oldest(self):
        return bool(self._discard_oldest)

    @property
    def trigger(self):
        return self._trigger

    @property
    def timestamps(self):
        return bool(self._timestamps)

    @property
    def deadband(self):
        return self._deadband

    @property
    def held(self):
        return item_held(self)

    @property
    def queue(self):
        return self._queue

    @property
    def group(self):
        return self._group

    @group.setter
    def group(self, Group group):
        cdef Group old = self._group
        self._group = group
        if self._dirty and old is not group:
            if old is not None and self in old.dirty:
                old.dirty.remove(self)
            if group is not None:
                group.dirty.append(self)
            else:
                self._dirty = False
                item_sample(self, self._point._server)

    @property
    def which(self):
        return self._which

    @which.setter
    def which(self, int which):
        self._which = <int8_t>which

    @property
    def links(self):
        return self._links

    @links.setter
    def links(self, list links):
        self._links = links

    def set_handle(self, uint32_t handle):
        self.number = handle

    def set_queue(self, Py_ssize_t size, bint discard_oldest):
        cdef list waiting = self.waiting()
        cdef Py_ssize_t excess = len(waiting) - size
        cdef Py_ssize_t marked = 0
        if size < 1:
            raise ValueError(f"queue of {size}")
        self._size = size
        self._discard_oldest = discard_oldest
        if excess <= 0:
            return
        self._ready.overflows += excess
        if discard_oldest or size == 1:
            waiting = waiting[excess:]
        else:
            waiting = [*waiting[: size - 1], waiting[len(waiting) - 1]]
            marked = size - 1
        if size > 1:
            waiting[marked] = with_status_bits(waiting[marked], OVERFLOW_BITS)
        hold(self, waiting[0])
        self._queue = deque(waiting[1:]) if size > 1 else None

    def set_filter(self, int trigger, double deadband):
        self._trigger = <int8_t>trigger
        self._timestamps = trigger == ON_STATUS_VALUE_TIME and deadband < 0
        self._deadband = deadband

    def set_mode(self, int mode):
        self._mode = <int8_t>mode
        if mode == DISABLED:
            forget_held(self)
            self._queue = None
            self.last_flags = -1
            self.last_far = None
            self.bits = 0
        elif mode == REPORTING and self.held_size != NOTHING:
            item_list(self, LISTED)

    def attach(self):
        cdef list items = self._point._items
        if items is None:
            self._point._items = [self]
        elif self not in items:
            items.append(self)

    def detach(self):
        cdef list items = self._point._items
        if items is not None and self in items:
            items.remove(self)
            if not items:
                self._point._items = None

    # -- values

    def has_values(self):
        return self.held_size != NOTHING

    def waiting(self):
        if self.held_size == NOTHING:
            return []
        return [item_held(self)] if self._queue is None else [item_held(self), *self._queue]

    def touch(self, int64_t now):
        item_touch(self, now)

    def mark(self, uint32_t bits, int64_t now):
        if self._mode != DISABLED:
            self.bits |= bits
            item_sample(self, now)

    def resend(self, int64_t now):
        if self._mode == REPORTING and self.held_size == NOTHING:
            self.last_flags = -1
            item_sample(self, now)

    def sample(self, int64_t now):
        item_sample(self, now)

    def queue_up(self, bytes wire not None):
        if self.held_size == NOTHING or self._size == 1:
            hold(self, wire)
        else:
            enqueue(self, wire)
        announce(self)

    def drop(self):
        cdef Group group = self._group
        self.set_mode(DISABLED)
        self.detach()
        self._links = None
        if self._listed:
            self._ready.deleted()
        self._group = None
        if group is not None and self in group.polled:
            group.polled.remove(self)


cdef bytes item_held(Item item):
    if item.held_size == NOTHING:
        return None
    if item.held_size == FAR:
        return item.held_far
    return PyBytes_FromStringAndSize(<const char*>item.held_near, item.held_size)


cdef inline void forget_held(Item item):
    item.held_size = NOTHING
    if item.held_far is not None:
        item.held_far = None


cdef inline void hold(Item item, bytes wire):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(wire)
    if size <= NEAR:
        memcpy(item.held_near, PyBytes_AS_STRING(wire), size)
        item.held_size = size
        item.held_far = None
    else:
        item.held_size = FAR
        item.held_far = wire


cdef inline int item_write(Item item, Out* out) except -1:
    """One MonitoredItemNotification: client handle and the held value."""
    out_reserve(out, NEAR + 4)
    memcpy(out.data + out.size, &item.number, 4)
    out.size += 4
    if item.held_size == FAR:
        out_bytes(out, item.held_far)
    else:
        memcpy(out.data + out.size, item.held_near, item.held_size)
        out.size += item.held_size
    return 0


cdef inline int item_advance(Item item) except -1:
    """The next value in the queue, if any, becomes the held one."""
    if item._queue is not None and item._queue:
        hold(item, item._queue.popleft())
    else:
        forget_held(item)
    return 0


cdef inline int item_touch(Item item, int64_t now) except -1:
    if item._group is None:
        item_sample(item, now)
    elif not item._dirty:
        item._dirty = True
        item._group.dirty.append(item)
    return 0


cdef inline int item_list(Item item, int why) except -1:
    if item._listed:
        if why > item._listed:
            item._listed = <int8_t>why
    else:
        item._listed = <int8_t>why
        item._ready.items.append(item)
    return 0


cdef inline int announce(Item item) except -1:
    """Something was queued: list the item, fire its triggers."""
    cdef Item linked
    if item._mode == REPORTING and not item._listed:
        item._listed = LISTED
        item._ready.items.append(item)
    if item._links is not None:
        for linked in item._links:
            if linked._mode == SAMPLING:
                item_list(linked, TRIGGERED)
    return 0


cdef int enqueue(Item item, bytes wire) except -1:
    queue = item._queue
    if queue is None:
        queue = item._queue = deque()
    if len(queue) + 1 < item._size:
        queue.append(wire)
        return 0
    item._ready.overflows += 1
    if item._discard_oldest:
        queue.append(wire)
        hold(item, with_status_bits(queue.popleft(), OVERFLOW_BITS))
    else:
        queue.pop()
        queue.append(with_status_bits(wire, OVERFLOW_BITS))
    return 0


cdef inline void last_head(Item item, Head* head):
    head.flags = item.last_flags
    head.size = item.last_size
    if item.last_far is None:
        head.body = item.last_near
    else:
        head.body = <const unsigned char*>PyBytes_AS_STRING(item.last_far) + 1


cdef int item_sample(Item item, int64_t now) except -1:
    cdef Point point = item._point
    cdef Head head
    cdef bytes wire
    cdef Py_ssize_t size
    if item._mode == DISABLED:
        return 0
    if point._live is not None:
        point._live()
    point_head(point, &head)
    if item.last_flags >= 0 and not item.bits and not passes(item, &head):
        return 0
    item.last_flags = head.flags
    item.last_size = head.size
    if head.size <= NEAR_BODY:
        memcpy(item.last_near, head.body, head.size)
        if item.last_far is not None:
            item.last_far = None
    elif point.key is not None:
        item.last_far = point.key
    else:
        item.last_far = point.far
    if item._timestamps:
        item.last_source = point._source
    if item.bits:
        wire = with_status_bits(point_current(point, item._which, now), item.bits)
        item.bits = 0
    elif item.held_size != NOTHING and item._size > 1:
        wire = point_current(point, item._which, now)
    elif item._which == BOTH and point.kept:
        if point.far is None:
            item.held_size = 1 + point.size + times_size(point)
            memcpy(item.held_near, point.near, NEAR)
            if item.held_far is not None:
                item.held_far = None
        else:
            item.held_size = FAR
            item.held_far = point.far
        announce(item)
        return 0
    else:
        wire = point_current(point, item._which, now)
    if item.held_size == NOTHING or item._size == 1:
        hold(item, wire)
    else:
        enqueue(item, wire)
    announce(item)
    return 0


cdef bint passes(Item item, Head* head) except -1:
    """See `items.Item._passes`."""
    cdef Head last
    cdef Py_ssize_t new_size, last_size
    cdef int moved
    last_head(item, &last)
    if same_head(head, &last):
        return item._timestamps and item._point._source != item.last_source
    if item._deadband < 0 and item._trigger != ON_STATUS:
        return True
    new_size = head.size
    last_size = last.size
    if (head.flags ^ last.flags) & STATUS:
        return True
    if head.flags & STATUS:
        new_size -= 4
        last_size -= 4
        if memcmp(head.body + new_size, last.body + last_size, 4) != 0:
            return True
    if item._trigger == ON_STATUS:
        return False
    if not head.flags & last.flags & VALUE:
        return True
    moved = scalar_apart(head.body, new_size, last.body, last_size, item._deadband)
    if moved >= 0:
        return moved
    return apart(
        PyBytes_FromStringAndSize(<const char*>head.body, new_size),
        PyBytes_FromStringAndSize(<const char*>last.body, last_size),
        item._deadband,
    )


cdef int scalar_apart(
    const unsigned char* new, Py_ssize_t new_size, const unsigned char* old, Py_ssize_t old_size, double deadband
):
    """`values.apart` of two Doubles, Floats or integers up to 32 bits; -1: not these."""
    cdef double a, b
    cdef float single
    cdef int kind
    if new_size < 2 or old_size != new_size or new[0] != old[0]:
        return -1
    kind = new[0]
    if kind < 2 or kind > 11 or kind == 8 or kind == 9 or new_size != 1 + SIZES[kind]:
        return -1
    if kind == 11:
        memcpy(&a, new + 1, 8)
        memcpy(&b, old + 1, 8)
    elif kind == 10:
        memcpy(&single, new + 1, 4)
        a = single
        memcpy(&single, old + 1, 4)
        b = single
    else:
        a = small_integer(kind, new + 1)
        b = small_integer(kind, old + 1)
    if a == b or (isnan(a) and isnan(b)):
        return 0
    return not fabs(a - b) <= deadband


cdef double small_integer(int kind, const unsigned char* raw):
    cdef int16_t i16
    cdef uint16_t u16
    cdef int32_t i32
    cdef uint32_t u32
    if kind == 2:
        return <int8_t>raw[0]
    if kind == 3:
        return raw[0]
    if kind == 4:
        memcpy(&i16, raw, 2)
        return i16
    if kind == 5:
        memcpy(&u16, raw, 2)
        return u16
    if kind == 6:
        memcpy(&i32, raw, 4)
        return i32
    memcpy(&u32, raw, 4)
    return u32
