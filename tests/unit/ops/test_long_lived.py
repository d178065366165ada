"""When the nodes of devices go out of the garbage collector's sight."""

from __future__ import annotations

from server.ops.long_lived import LongLived


def test_it_freezes_once_many_devices_have_come_and_no_more_come() -> None:
    # Each figure is one look: 338 devices of a first start come within seconds, then a few now and then.
    seen = iter((10, 10, 200, 338, 338, 338, 339, 339, 437, 437, 438, 438, 100, 100))
    frozen: list[int] = []
    now = next(seen)

    def devices() -> int:
        return now

    long_lived = LongLived(devices, lambda: frozen.append(now))
    for now in seen:  # noqa: B007  # read by `devices`
        long_lived.look()
    assert frozen == [338, 438]
