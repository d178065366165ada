"""Monitored items by the standard: filters, queues, modes, triggering (OPC 10000-4, 5.13.1, 7.10, 7.22.2)."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from server.opcua.wire.items import (
    DISABLED,
    ON_STATUS,
    ON_STATUS_VALUE,
    ON_STATUS_VALUE_TIME,
    REPORTING,
    SAMPLING,
)
from server.opcua.wire.points import BOTH, NEITHER, with_status_bits

BAD = 0x80310000
OVERFLOW = 0x480


class Bench:
    """One item on one point, sampled at each change unless `grouped`."""

    def __init__(self, twin: Any, which: int = NEITHER, *, grouped: bool = False) -> None:
        self.twin = twin
        self.ready = twin.Ready()
        self.group = twin.Group()
        self.point = twin.Point()
        self.item = self.add(self.point, 7, which)
        if grouped:
            self.item.group = self.group
        self.time = 100

    def add(self, point: Any, handle: int, which: int = NEITHER, mode: int = REPORTING) -> Any:
        item = self.twin.Item(point, self.ready, handle, which)
        item.set_mode(mode)
        item.attach()
        return item

    def put(self, value: Any, status: int = 0, kind: int = 11) -> None:
        self.time += 1
        self.point.put_scalar(kind, value, status, self.time, self.time)

    def taken(self, limit: int = 0) -> list[bytes]:
        """DataValues of all notifications that carry handle 7 or 8 and stand in NEITHER form of a Double."""
        data, count, _more = self.ready.take(limit)
        found = []
        while data:
            assert data[:4] in (b"\x07\x00\x00\x00", b"\x08\x00\x00\x00")
            size = 1 + 9 * (data[4] & 1) + 4 * (data[4] >> 1 & 1)
            found.append(data[4 : 4 + size])
            data = data[4 + size :]
        assert len(found) == count
        return found


def double(value: float, status: int = 0) -> bytes:
    wire = b"\x01" + struct.pack("<Bd", 11, value)
    return with_status_bits(wire, status) if status else wire


def test_the_first_sample_is_reported_whatever_the_filter(twin: Any) -> None:
    bench = Bench(twin)
    bench.put(1.0)
    assert bench.taken() == [double(1.0)]
    other = bench.add(bench.point, 8)
    other.set_filter(ON_STATUS, 100.0)
    other.sample(1)
    assert bench.taken() == [double(1.0)]
    other.sample(2)
    assert bench.taken() == []


def test_a_group_takes_the_last_value_between_ticks(twin: Any) -> None:
    bench = Bench(twin, grouped=True)
    bench.put(1.0)
    bench.put(2.0)
    assert bench.taken() == []
    bench.group.tick(1)
    assert bench.taken() == [double(2.0)]
    bench.put(3.0)
    bench.put(2.0)  # back before anybody looked
    bench.group.tick(2)
    assert bench.taken() == []


def test_both_times_and_the_handle_are_in_the_notification(twin: Any) -> None:
    bench = Bench(twin, BOTH, grouped=True)
    bench.point.put_scalar(3, 5, 0, 0x10, 0x20)
    bench.group.tick(1)
    expected = b"\x07\x00\x00\x00\x0d\x03\x05" + (0x10).to_bytes(8, "little") + (0x20).to_bytes(8, "little")
    assert bench.ready.take(0) == (expected, 1, False)
    bench.put(1.0)
    bench.group.tick(1)
    bench.item.set_handle(0x01020304)  # in force for what waits too
    assert bench.ready.take(0)[0][:4] == b"\x04\x03\x02\x01"


def test_status_trigger_reports_status_changes_only(twin: Any) -> None:
    bench = Bench(twin)
    bench.item.set_filter(ON_STATUS, -1)
    bench.item.set_queue(10, True)
    for value, status in ((1.0, 0), (2.0, 0), (2.0, BAD), (3.0, BAD), (4.0, 0)):
        bench.put(value, status)
    assert bench.taken() == [double(1.0), double(2.0, BAD), double(4.0)]


def test_status_value_trigger_ignores_times(twin: Any) -> None:
    bench = Bench(twin)
    bench.item.set_queue(10, True)
    for value, status in ((1.0, 0), (1.0, 0), (1.0, BAD), (1.0, 0)):
        bench.put(value, status)
    assert bench.taken() == [double(1.0), double(1.0, BAD), double(1.0)]


@pytest.mark.parametrize("grouped", [False, True])
def test_time_trigger_reports_a_new_source_timestamp(twin: Any, grouped: bool) -> None:
    bench = Bench(twin, grouped=grouped)
    bench.item.set_filter(ON_STATUS_VALUE_TIME, -1)
    bench.item.set_queue(10, True)
    for value in (1.0, 1.0):
        bench.put(value)
        bench.group.tick(1)
    bench.point.put_scalar(11, 1.0, 0, bench.time, bench.time + 50)  # the server's time alone is none
    bench.group.tick(1)
    assert bench.taken() == [double(1.0)] * 2


def test_a_deadband_takes_the_time_trigger_away(twin: Any) -> None:
    """7.10: with a deadband STATUS_VALUE_TIMESTAMP behaves as STATUS_VALUE."""
    bench = Bench(twin)
    bench.item.set_filter(ON_STATUS_VALUE_TIME, 1.0)
    bench.item.set_queue(10, True)
    for value in (1.0, 1.0, 1.5, 2.5):
        bench.put(value)
    assert bench.taken() == [double(1.0), double(2.5)]


def test_the_deadband_is_measured_from_the_last_reported_value(twin: Any) -> None:
    """7.22.2: |last value pushed to the queue - value| > deadband."""
    bench = Bench(twin)
    bench.item.set_filter(ON_STATUS_VALUE, 1.0)
    bench.item.set_queue(10, True)
    for value in (10.0, 10.6, 11.0, 11.1, 12.0, 10.0):
        bench.put(value)
    assert bench.taken() == [double(10.0), double(11.1), double(10.0)]


def test_a_status_change_ignores_the_deadband(twin: Any) -> None:
    bench = Bench(twin)
    bench.item.set_filter(ON_STATUS_VALUE, 100.0)
    bench.item.set_queue(10, True)
    for value, status in ((1.0, 0), (1.0, BAD), (2.0, BAD), (2.0, 0)):
        bench.put(value, status)
    assert bench.taken() == [double(1.0), double(1.0, BAD), double(2.0)]


@pytest.mark.parametrize("deadband", [-1.0, 1.0])
def test_entering_nan_is_reported_once(twin: Any, deadband: float) -> None:
    """7.10: a single notification when the value becomes NaN, however the NaN is written."""
    bench = Bench(twin)
    bench.item.set_filter(ON_STATUS_VALUE, deadband)
    bench.item.set_queue(10, True)
    other = struct.unpack("<d", bytes.fromhex("010000000000f8ff"))[0]
    for value in (1.0, math.nan, other, math.nan, 5.0):
        bench.put(value)
    taken = bench.taken()
    assert len(taken) == 3
    assert (taken[0], taken[2]) == (double(1.0), double(5.0))
    assert math.isnan(struct.unpack_from("<d", taken[1], 2)[0])


@pytest.mark.parametrize(
    ("kind", "letter", "near", "far"),
    [(2, "b", 2, 3), (3, "B", 2, 3), (4, "h", 2, 3), (5, "H", 2, 3), (6, "i", 2, 3), (7, "I", 2, 3), (8, "q", 2, 3),
     (9, "Q", 2, 3), (10, "f", 2.0, 2.5), (11, "d", 2.0, 2.5)],
)  # fmt: skip
def test_every_number_type_has_a_deadband(twin: Any, kind: int, letter: str, near: Any, far: Any) -> None:
    bench = Bench(twin)
    bench.item.set_filter(ON_STATUS_VALUE, 2.0)
    bench.item.set_queue(10, True)
    for value in (0, near, far):
        bench.point.put(1, struct.pack(f"<B{letter}", kind, value), 5, 6)
    data, count, _ = bench.ready.take(0)
    assert count == 2
    assert data.endswith(struct.pack(f"<B{letter}", kind, far))


def test_one_array_element_beyond_the_deadband_reports_the_array(twin: Any) -> None:
    """7.22.2: the whole array, also when its size or its dimensions change."""

    def array(*values: float, dimensions: tuple[int, ...] = ()) -> bytes:
        head = 0xCB if dimensions else 0x8B
        body = struct.pack(f"<Bi{len(values)}d", head, len(values), *values)
        return body + struct.pack(f"<i{len(dimensions)}i", len(dimensions), *dimensions) if dimensions else body

    bench = Bench(twin)
    bench.item.set_filter(ON_STATUS_VALUE, 1.0)
    reported = []
    for body in (
        array(0, 0),
        array(1, -1),
        array(0, 1.1),
        array(0, 1.1, 0),
        array(0, 1.1, 0, 0, dimensions=(2, 2)),
        array(0.5, 1.1, 0, 0, dimensions=(2, 2)),
        array(0.5, 1.1, 0, 0, dimensions=(4, 1)),
        struct.pack("<Bi", 0x8B, 0),
        struct.pack("<Bi", 0x8B, -1),  # null is as empty
    ):
        bench.point.put(1, body, 5, 6)
        reported.append(bench.ready.take(0)[1])
    assert reported == [1, 0, 1, 1, 1, 0, 1, 1, 0]


def test_a_full_queue_drops_the_oldest_and_marks_the_oldest_kept(twin: Any) -> None:
    bench = Bench(twin)
    bench.item.set_queue(3, True)
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        bench.put(value)
    assert bench.ready.overflows == 2
    assert bench.taken() == [double(3.0, OVERFLOW), double(4.0), double(5.0)]


def test_or_replaces_the_newest_and_marks_it(twin: Any) -> None:
    bench = Bench(twin)
    bench.item.set_queue(3, False)
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        bench.put(value)
    assert bench.taken() == [double(1.0), double(2.0), double(5.0, OVERFLOW)]


def test_a_queue_of_one_holds_the_newest_without_a_bit(twin: Any) -> None:
    bench = Bench(twin)
    for discard_oldest in (True, False):
        bench.item.set_queue(1, discard_oldest)
        for value in (1.0, 2.0):
            bench.put(value)
        assert bench.taken() == [double(2.0)]
    assert bench.ready.overflows == 0


@pytest.mark.parametrize(
    ("size", "discard_oldest", "expected"),
    [
        (2, True, [double(3.0, OVERFLOW), double(4.0)]),
        (2, False, [double(1.0), double(4.0, OVERFLOW)]),
        (1, True, [double(4.0)]),
        (1, False, [double(4.0)]),
        (9, True, [double(1.0), double(2.0), double(3.0), double(4.0)]),
    ],
)
def test_a_smaller_queue_drops_by_its_policy(twin: Any, size: int, discard_oldest: bool, expected: list[bytes]) -> None:
    bench = Bench(twin)
    bench.item.set_queue(4, True)
    for value in (1.0, 2.0, 3.0, 4.0):
        bench.put(value)
    bench.item.set_queue(size, discard_oldest)
    assert bench.item.waiting() == expected
    assert bench.taken() == expected
    with pytest.raises(ValueError):
        bench.item.set_queue(0, True)


def test_the_limit_splits_between_and_inside_queues(twin: Any) -> None:
    bench = Bench(twin)
    bench.item.set_queue(10, True)
    other = bench.add(bench.point, 8)
    other.set_queue(10, True)
    for value in (1.0, 2.0, 3.0):
        bench.put(value)
    one, two, three = double(1.0), double(2.0), double(3.0)
    seven, eight = b"\x07\x00\x00\x00", b"\x08\x00\x00\x00"
    assert bench.ready.pending()
    assert bench.ready.take(2) == (seven + one + seven + two, 2, True)
    bench.put(4.0)
    assert bench.ready.take(3) == (seven + three + seven + double(4.0) + eight + one, 3, True)
    assert bench.ready.take(3) == (eight + two + eight + three + eight + double(4.0), 3, False)
    assert bench.ready.take(3) == (b"", 0, False)
    assert not bench.ready.pending()


def test_what_is_taken_fits_into_so_many_bytes(twin: Any) -> None:
    # One long value after another would fill the memory long before their number is a limit.
    bench = Bench(twin)
    bench.item.set_queue(10, True)
    other = bench.add(bench.point, 8)
    for value in (1.0, 2.0):
        bench.put(value)
    one, two = b"\x07\x00\x00\x00" + double(1.0), b"\x07\x00\x00\x00" + double(2.0)
    size = len(one)
    assert bench.ready.take(0, 1) == (one, 1, True)  # a single one is sent whatever its size
    assert bench.ready.take(0, 2 * size - 1) == (two, 1, True)
    bench.put(3.0)
    assert other.waiting() == [double(3.0)]
    assert bench.ready.take(0, size) == (b"\x08\x00\x00\x00" + double(3.0), 1, True)
    assert bench.ready.take(5, 2 * size) == (b"\x07\x00\x00\x00" + double(3.0), 1, False)
    for value in (4.0, 5.0):
        bench.put(value)
    assert bench.ready.take(0, 3 * size)[1:] == (3, False)


def test_more_is_said_only_when_something_is_left(twin: Any) -> None:
    bench = Bench(twin)
    silent = bench.add(bench.point, 8)
    bench.put(1.0)
    silent.set_mode(SAMPLING)
    assert bench.ready.take(1) == (b"\x07\x00\x00\x00" + double(1.0), 1, False)


def test_sampling_queues_and_reports_nothing(twin: Any) -> None:
    bench = Bench(twin)
    bench.item.set_queue(10, True)
    bench.item.set_mode(SAMPLING)
    bench.put(1.0)
    assert bench.taken() == []
    assert bench.item.has_values()
    bench.item.set_mode(REPORTING)
    bench.put(2.0)
    assert bench.taken() == [double(1.0), double(2.0)]


def test_disabled_forgets_and_begins_again(twin: Any) -> None:
    bench = Bench(twin)
    bench.item.set_queue(10, True)
    bench.put(1.0)
    bench.put(2.0)
    bench.item.set_mode(DISABLED)
    bench.put(3.0)
    assert bench.taken() == []
    bench.item.set_mode(REPORTING)
    bench.item.sample(1)  # the first sample again
    assert bench.taken() == [double(3.0)]


def test_a_trigger_sends_the_linked_item_once(twin: Any) -> None:
    """5.13.1.6: what a sampling item queued goes out when the triggering item fires, and only then."""
    bench = Bench(twin)
    other = twin.Point()
    linked = bench.add(other, 8, mode=SAMPLING)
    linked.set_queue(10, True)
    bench.item.links = [linked]
    other.put_scalar(11, 1.0, 0, 1, 1)
    assert bench.taken() == []
    bench.put(5.0)
    other.put_scalar(11, 2.0, 0, 2, 2)  # before the subscription is sent
    assert bench.taken() == [double(5.0), double(1.0), double(2.0)]
    other.put_scalar(11, 3.0, 0, 3, 3)
    assert bench.taken() == []
    bench.item.links = None
    bench.put(6.0)
    assert bench.taken() == [double(6.0)]


def test_a_sampling_item_triggers_without_being_sent(twin: Any) -> None:
    bench = Bench(twin)
    linked = bench.add(twin.Point(), 8, mode=SAMPLING)
    linked.point.put_scalar(11, 1.0, 0, 1, 1)
    bench.item.links = [linked]
    bench.item.set_mode(SAMPLING)
    bench.put(5.0)
    assert bench.taken() == [double(1.0)]
    bench.item.set_mode(DISABLED)
    linked.point.put_scalar(11, 2.0, 0, 1, 1)
    bench.put(6.0)
    assert bench.taken() == []


def test_a_mark_repeats_the_value_with_its_bits(twin: Any) -> None:
    """7.39.1: SemanticsChanged stands in one notification."""
    bench = Bench(twin)
    bench.put(1.0, BAD)
    bench.taken()
    bench.item.mark(0x4000, 1)
    assert bench.taken() == [double(1.0, BAD | 0x4000)]
    bench.put(2.0)
    assert bench.taken() == [double(2.0)]


def test_a_resend_repeats_the_value_unless_one_waits(twin: Any) -> None:
    bench = Bench(twin)
    bench.put(1.0)
    bench.item.resend(1)
    assert bench.taken() == [double(1.0)]
    bench.item.resend(1)
    assert bench.taken() == [double(1.0)]
    bench.item.set_mode(SAMPLING)
    bench.item.resend(1)
    assert not bench.item.has_values()


def test_one_failing_source_spoils_no_other_item(twin: Any) -> None:
    bench = Bench(twin, grouped=True)

    class OddError(Exception):
        pass

    def fails() -> None:
        raise OddError

    broken, late = twin.Point(), twin.Point()
    broken.live = fails
    polled = [bench.add(broken, 9), bench.add(late, 8)]
    bench.group.polled.extend(polled)
    bench.group.polled.append(bench.add(broken, 9))
    late.put_scalar(11, 3.0, 0, 1, 1)
    bench.put(1.0)
    bench.taken()
    bench.put(2.0)
    late.put_scalar(11, 4.0, 0, 1, 1)
    with pytest.raises(OddError):
        bench.group.tick(5)
    assert bench.taken() == [double(4.0), double(2.0)]


def test_a_live_point_tells_nobody_of_changes(twin: Any) -> None:
    bench = Bench(twin)
    bench.item.set_filter(ON_STATUS_VALUE_TIME, -1)
    moments = iter(range(1, 9))

    def live() -> None:
        moment = next(moments)
        bench.point.put_scalar(11, float(moment), 0, moment, moment)

    bench.point.live = live
    bench.item.sample(1)
    bench.item.sample(2)
    assert bench.taken() == [double(2.0)]
    assert next(moments) == 3


def test_an_item_takes_its_pending_change_to_another_group(twin: Any) -> None:
    bench = Bench(twin, grouped=True)
    other = twin.Group()
    bench.put(1.0)
    bench.item.group = other
    bench.group.tick(1)
    assert bench.taken() == []
    other.tick(1)
    assert bench.taken() == [double(1.0)]
    bench.put(2.0)
    bench.item.group = None
    assert bench.taken() == [double(2.0)]
    other.tick(2)
    assert bench.taken() == []


def test_a_deleted_item_leaves_nothing_behind(twin: Any) -> None:
    bench = Bench(twin, grouped=True)
    bench.group.polled.append(bench.item)
    bench.put(1.0)
    bench.group.tick(1)
    bench.put(2.0)
    bench.item.drop()
    bench.item.drop()
    bench.group.tick(2)
    assert bench.taken() == []
    assert (bench.point.items, bench.group.polled, bench.group.dirty, bench.ready.items) == (None, [], [], [])


def test_items_made_and_deleted_unpublished_do_not_pile_up(twin: Any) -> None:
    bench = Bench(twin)
    bench.put(1.0)
    for handle in range(100):
        item = bench.add(bench.point, handle)
        item.sample(1)
        item.drop()
    assert len(bench.ready.items) <= 3
    assert bench.taken() == [double(1.0)]
