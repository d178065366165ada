"""kill -9 in the middle of ingest: what was acknowledged is in history, once."""

import asyncio
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from server.core.clock import SystemClock
from server.history.reader import HistoryReader
from server.history.recorder import Recorder
from server.history.stores.sqlite import SqliteStore
from server.settings import HistorySettings

ROUNDS = 4
BATCH = 20
SETTINGS = HistorySettings(commit_ms=1, flush_ms=1, batch_rows=50)

# Records batch after batch, its own number as value, and says which ones were acknowledged.
CHILD = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from server.core.clock import SystemClock
    from server.core.values import PointUpdate
    from server.history.recorder import Recorder
    from server.history.stores.sqlite import SqliteStore
    from server.settings import HistorySettings

    async def main(folder: Path, first: int) -> None:
        settings = HistorySettings(commit_ms=1, flush_ms=1, batch_rows=50)
        recorder = Recorder(SqliteStore(folder / "history.db"), settings, folder, SystemClock())
        await recorder.start()
        for number in range(first, first + 1_000_000):
            await recorder.record([PointUpdate("d", f"p{p}", float(number), 0, number, number) for p in range(20)])
            print(f'ack {number}', flush=True)

    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
    """
)


def ingest_and_kill(folder: Path, first: int, after: int) -> int:
    """The last batch acknowledged by a child that is killed once `after` batches were."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(first)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert child.stdout is not None
    last = -1
    try:
        with child.stdout:
            for line in child.stdout:
                if line.startswith("ack ") and line.endswith("\n"):  # log lines come between; the last may be cut
                    last = int(line[4:])
                    if last >= first + after and child.poll() is None:
                        child.kill()
    finally:
        child.kill()
        code = child.wait(30)
    assert code == -9
    return last


@pytest.mark.timeout(120)
async def test_what_was_acknowledged_is_there_once_after_kill_9(tmp_path: Path) -> None:
    acknowledged: list[range] = []
    first = 0
    for turn in range(ROUNDS):
        last = await asyncio.to_thread(ingest_and_kill, tmp_path, first, 20 + 13 * turn)
        acknowledged.append(range(first, last + 1))
        first = last + 1000  # a gap between the rounds, in which nothing was acknowledged
    store = SqliteStore(tmp_path / "history.db")
    recorder = Recorder(store, SETTINGS, tmp_path, SystemClock())
    await recorder.start()
    reader = HistoryReader(store, recorder)
    await recorder.flushed(30)
    for parameter in range(BATCH):
        page = await reader.read_raw("d", f"p{parameter}", 0, None, 100_000)
        times = Counter(value.source_time for value in page.values)
        assert max(times.values()) == 1
        assert all(value.value == value.source_time for value in page.values)
        missing = [number for part in acknowledged for number in part if number not in times]
        assert missing == []
        # At most the one batch in flight at each kill is there without having been acknowledged.
        assert len(times) <= sum(map(len, acknowledged)) + ROUNDS
    await recorder.stop()
