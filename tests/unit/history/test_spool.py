"""The spool keeps order, bytes and blocks over restarts; blocks keep every value."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core import status
from server.core.errors import ConfigurationError, LocalError
from server.history.batches import pack, unpack
from server.history.spool import Block, Spool, SpoolFullError
from server.history.store import HistoryRow

LIMIT = 1024**2


def block(text: bytes, rows: int = 1) -> Block:
    return Block(text, rows, 5)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(), max_size=20),
    st.binary(max_size=20),
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-(2**60), 2**60), SCALARS), max_size=20))
def test_a_block_gives_back_every_value_with_its_type(values: list[tuple[str, int, object]]) -> None:
    rows = [HistoryRow(name, "p", time, time + 7, value, status.GOOD) for name, time, value in values]  # type: ignore[arg-type]
    back = unpack(pack(rows))
    assert back == rows
    assert [type(row.value) for row in back] == [type(row.value) for row in rows]


def test_a_lone_surrogate_survives() -> None:
    rows = [HistoryRow("a", "p", 1, 2, "\ud800", status.GOOD)]
    assert unpack(pack(rows)) == rows


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_foreign_bytes_are_told_not_crashed_on(data: bytes) -> None:
    with pytest.raises(LocalError):
        unpack(data)


def test_an_index_outside_the_series_is_told() -> None:
    good = pack([HistoryRow("a", "p", 1, 2, 1.0, status.GOOD)])
    # [1, [["a", "p"]], [0], …]: the row's index becomes 5.
    with pytest.raises(LocalError):
        unpack(good.replace(b"\x91\x00\x91\x01", b"\x91\x05\x91\x01"))


def test_blocks_come_in_order_and_stay_until_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", LIMIT)
    spool.append([block(b"a", 10), block(b"b", 10)])
    spool.append([block(b"c", 10)])
    first = spool.first(15)
    assert [entry.block.data for entry in first] == [b"a", b"b"]
    assert [entry.block.data for entry in spool.first(1)] == [b"a"]
    spool.remove(first)
    spool.close()
    again = Spool(tmp_path / "spool.db", LIMIT)
    assert [entry.block for entry in again.first(1000)] == [block(b"c", 10)]
    assert (again.rows, again.size_bytes) == (10, 1)
    again.close()


def test_numbers_are_never_used_twice(tmp_path: Path) -> None:
    # A removal that comes late must not hit a newer block.
    spool = Spool(tmp_path / "spool.db", LIMIT)
    first = spool.append([block(b"a")])
    spool.remove(spool.first(1))
    assert spool.append([block(b"b")]) > first
    spool.close()


def test_a_full_spool_takes_all_of_an_append_or_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", 100)
    spool.append([block(b"x" * 60)])
    with pytest.raises(SpoolFullError, match="60 of 100 bytes"):
        spool.append([block(b"y" * 10), block(b"z" * 31)])
    assert (spool.rows, spool.size_bytes) == (1, 60)
    spool.append([block(b"y" * 40)])
    spool.remove(spool.first(1))
    spool.append([block(b"z" * 60)])
    spool.close()


def test_a_spool_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    Spool(tmp_path / "spool.db", LIMIT).close()
    raw = sqlite3.connect(tmp_path / "spool.db")
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(ConfigurationError, match="99 is newer"):
        Spool(tmp_path / "spool.db", LIMIT)
