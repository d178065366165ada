"""A recording played through the bridge: in order, once, and again when it could not be stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.intake import Bridge
from bridge.sources.replay import ReplaySource
from server.core.binding import CommandBinding, DeviceBinding, ParameterBinding, RowBinding
from server.core.clock import ManualClock
from server.core.errors import ConfigurationError, RemoteError
from server.core.values import Measurement

TIMEOUT_S = 5.0
PUMP = DeviceBinding(
    type_id="pump",
    codec="pointer_json",
    rows=(RowBinding("pumps/{device}/raw", (ParameterBinding("level", "/level", "float"),)),),
    command_topic="pumps/{device}/command",
    commands=(CommandBinding("trip", "Trip"),),
)


class Listener:
    """An inlet that stores at once, unless it is told to fail so many times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.taken: list[tuple[str, object]] = []

    async def offer(self, measurements: Sequence[Measurement]) -> asyncio.Future[None]:
        self.taken += [(m.device_id, value) for m in measurements for _, value, _ in m.values]
        commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.failures:
            self.failures -= 1
            commit.set_exception(RemoteError("the disk is full"))
        else:
            commit.set_result(None)
        return commit


@asynccontextmanager
async def played(source: ReplaySource, listener: Listener, clock: ManualClock) -> AsyncIterator[Bridge]:
    bridge = Bridge(source, [PUMP], inlet=listener.offer, answered=lambda answer: None, clock=clock)
    work = asyncio.ensure_future(bridge.run())
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await source.finished.wait()
        yield bridge
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def recording(count: int) -> list[str]:
    return [f'pumps/p-{number % 3}/raw\t{{"level": {number}}}\n' for number in range(count)]


async def test_a_recording_plays_once_in_its_order(clock: ManualClock) -> None:
    source, listener = ReplaySource(recording(2_500), clock), Listener()
    async with played(source, listener, clock) as bridge:
        assert [value for _, value in listener.taken] == [float(number) for number in range(2_500)]
        assert (source.played, source.acknowledged) == (2_500, 2_500)
        assert bridge.health()["connected"] is True
    assert source.health()["connected"] is False


async def test_what_could_not_be_stored_is_played_again(clock: ManualClock) -> None:
    source, listener = ReplaySource(recording(10), clock, batch=4), Listener(failures=1)
    async with played(source, listener, clock):
        # The first batch failed; all that was handed over by then came again, nothing of the rest was skipped.
        assert {value for _, value in listener.taken} == {float(number) for number in range(10)}
        assert [value for _, value in listener.taken].count(0.0) == 2
        assert source.acknowledged == 10


async def test_comments_and_empty_lines_are_no_messages(clock: ManualClock) -> None:
    lines = ["# recorded in the morning\n", "\n", 'pumps/p-1/raw\t{"level": 1}\r\n', "   \n"]
    source, listener = ReplaySource(lines, clock), Listener()
    async with played(source, listener, clock):
        assert listener.taken == [("p-1", 1.0)]


async def test_a_payload_may_hold_tabs_and_any_rubbish(clock: ManualClock) -> None:
    lines = ["pumps/p-1/raw\t\n", "pumps/p-1/raw\t{\t\n", "nobody\tknows\tme\n", 'pumps/p-1/raw\t{"level":\t7}\n']
    source, listener = ReplaySource(lines, clock), Listener()
    async with played(source, listener, clock) as bridge:
        assert listener.taken == [("p-1", 7.0)]
        assert bridge.unknown_topics() == {"nobody": 1}
        assert bridge.counters()["bridge_refused_not_json"] == 2


async def test_commands_are_kept_to_be_looked_at(clock: ManualClock) -> None:
    source = ReplaySource([], clock)
    async with played(source, Listener(), clock) as bridge:
        await bridge.send_command("pump", "p-1", "c1", "trip", {})
    assert [message.topic for message in source.sent] == ["pumps/p-1/command"]


async def test_a_file_is_played(clock: ManualClock, tmp_path: Path) -> None:
    file = tmp_path / "morning.tsv"
    file.write_text("".join(recording(3)), encoding="utf-8")
    listener = Listener()
    async with played(ReplaySource.of_file(file, clock), listener, clock):
        assert [value for _, value in listener.taken] == [0.0, 1.0, 2.0]


def test_every_wrong_line_of_a_file_is_named(clock: ManualClock, tmp_path: Path) -> None:
    file = tmp_path / "morning.tsv"
    file.write_text('pumps/p-1/raw {"level": 1}\npumps/p-1/raw\t{}\n\t{}\n', encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        ReplaySource.of_file(file, clock)
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [f"{file}:1", f"{file}:3"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_told(clock: ManualClock, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "morning.tsv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="morning"):
        ReplaySource.of_file(file, clock)
