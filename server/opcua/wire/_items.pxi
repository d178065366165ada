# The classes of `items`: part of `_typed`.

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

    def take(self, Py_ssize_t limit, Py_ssize_t most=0):
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
                        if (count == limit and limit) or (
                            most and count and out.size + 4 + waiting_size(item) > most
                        ):
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
