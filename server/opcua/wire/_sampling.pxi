# What the items do at each sample and each taking: part of `_typed`.

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


cdef inline Py_ssize_t waiting_size(Item item):
    return PyBytes_GET_SIZE(item.held_far) if item.held_size == FAR else item.held_size


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
