# The twin of `points`: part of `_typed`.

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
    cdef Py_ssize_t most = JOINED_BYTES
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
                if out.size + size > most:
                    raise OverflowError(f"the values take more than {most} bytes")
                out_reserve(&out, size)
                write_current(point, which, now, out.data + out.size)
            out.size += size
        if out.size > most:
            raise OverflowError(f"the values take more than {most} bytes")
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
