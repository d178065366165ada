"""Export and import: from the embedded store into every store, without losing a digit; files that are none."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.core.clock import from_iso
from server.history import transfer
from server.history.store import Annotation, Change, HistoryRow, HistoryStore, StoredValue
from server.history.stores.memory import MemoryStore
from server.history.tiers import HOUR
from tests.contract.test_history_store import VALUES

START = from_iso("2026-01-05T00:00:00Z")
FAR = 2**62
PLACES = (("gpu-1", "power_kw"), ("loom-7", "Статус"))


def filled() -> MemoryStore:
    store = MemoryStore()
    for place in PLACES:
        store.write(
            [
                HistoryRow(*place, START + number * HOUR // 7, START + number * HOUR // 7 + 1500, value, 0)
                for number, value in enumerate(VALUES)
            ]
        )
        store.write([HistoryRow(*place, START + 99 * HOUR, START, None, 0x80310000)])
        store.write([HistoryRow(*place, START, START, 7.0, 0)])  # another value for a time that has one
        store.change(*place, [StoredValue(START + HOUR // 7, START, 1.5, 0)], Change.REPLACE, "anna", START + 5)
        store.change(*place, [StoredValue(START + HOUR // 7, START, 2.5, 0)], Change.UPDATE, "boris", START + 6)
        notes = [Annotation(START + each, f"note {each} \N{SNOWMAN}", "anna", START + each) for each in range(3)]
        store.annotate(*place, notes, Change.INSERT)
    return store


def everything(store: HistoryStore) -> list[Any]:
    found: list[Any] = []
    for place in store.series():
        values = store.fetch(*place, None, None, 10_000)
        found.append(
            (
                place,
                [(each.source_time, each.server_time, type(each.value), each.value, each.status) for each in values],
            )
        )
        modified = store.read_modified(*place, -FAR, FAR, 10_000).values
        found.append([(each.value, each.modified_at, each.how, each.user) for each in modified])
        found.append(store.annotations(*place, -FAR, FAR, 10_000))
    return found


def test_what_is_exported_is_imported_whole_and_once(store: HistoryStore, tmp_path: Path) -> None:
    source, file = filled(), tmp_path / "history.jsonl.gz"
    out = transfer.export(source, file)
    assert (out.series, out.values, out.modified, out.annotations) == (2, 2 * (len(VALUES) + 1), 2 * 3, 2 * 3)
    done = transfer.import_(store, file)
    assert (done.new, done.values, done.modified) == (
        out.values + out.modified + out.annotations,
        out.values,
        out.modified,
    )
    assert everything(store) == everything(source)
    assert transfer.import_(store, file).new == 0
    assert everything(store) == everything(source)
    # And out again: the same file but for its own time stamp.
    again = tmp_path / "again.jsonl.gz"
    transfer.export(store, again)
    assert gzip.decompress(again.read_bytes()) == gzip.decompress(file.read_bytes())
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".part"] == []


def test_a_part_is_exported(tmp_path: Path) -> None:
    file = tmp_path / "part.gz"
    counts = transfer.export(
        filled(), file, devices=["gpu-1"], parameters=["power_kw"], start=START + HOUR // 7, end=START + 3 * HOUR // 7
    )
    assert (counts.series, counts.values, counts.modified, counts.annotations) == (1, 2, 2, 0)


HEAD = '{"fieldloom_history":1}'
SERIES = '{"series":["gpu-1","power_kw"]}'
GOOD = json.dumps({"values": [[START, START, 0, 0, 1.5, None]]})
END = '{"end":{"series":1,"values":1,"modified":0,"annotations":0}}'


def line(name: str, *entry: object) -> str:
    return json.dumps({name: [entry]})


@pytest.mark.parametrize(
    ("lines", "number", "reason"),
    [
        ([], 1, "cut short"),
        (["{}"], 1, "begins with its format"),
        (['{"fieldloom_history":2}'], 1, "format 2"),
        ([HEAD, HEAD], 2, "begins with its format"),
        ([HEAD, GOOD], 2, "before the name"),
        ([HEAD, '{"series":["gpu-1"]}'], 2, "length 2"),
        ([HEAD, '{"series":["","power_kw"]}'], 2, "names of a device"),
        ([HEAD, json.dumps({"series": ["x" * 300, "y"]})], 2, "names of a device"),
        ([HEAD, '{"series":["a\\u0000","y"]}'], 2, "names of a device"),
        ([HEAD, SERIES, GOOD, '{"values":[[1,2]]}'], 4, "length 6"),
        ([HEAD, SERIES, GOOD, line("values", 2**62, START, 0, 0, 1.0, None)], 4, "outside years"),
        ([HEAD, SERIES, GOOD, line("values", START, START, 2**32, 0, 1.0, None)], 4, "no StatusCode"),
        ([HEAD, SERIES, GOOD, line("values", START, START, 0, 0, "nan", None)], 4, "'nan' is no number"),
        ([HEAD, SERIES, GOOD, line("values", START, START, 0, 9, 1.0, None)], 4, "no value together"),
        (
            [HEAD, SERIES, GOOD, line("values", START, START, 0, 4, None, "%%%")],
            4,
            "base64|padding|together",
        ),
        (
            [HEAD, SERIES, GOOD, line("modified", START, START, 0, 0, 1.0, None, START, 9, "")],
            4,
            "9 is not",
        ),
        (
            [HEAD, SERIES, GOOD, line("modified", START, START, 0, 0, 1.0, None, 2**62, 1, "")],
            4,
            "outside years",
        ),
        ([HEAD, SERIES, GOOD, line("annotations", 2**62, "x", "anna", START)], 4, "outside years"),
        ([HEAD, SERIES, GOOD, "no json"], 4, "malformed"),
        ([HEAD, SERIES, GOOD, line("values", START, START, 0x80000000, 0, 1.5, None)], 4, "Bad status 0x80000000"),
        (
            [
                HEAD,
                SERIES,
                GOOD,
                json.dumps({"values": [[START + 9, START, 0, 0, 1.5, None], [1, 1, 2**32, 0, 1.5, None]]}),
            ],
            4,
            "no StatusCode",
        ),
        ([HEAD, SERIES, GOOD, json.dumps({"values": [[START, START, 0, 0, 1.5, None]] * 1001})], 4, "more than 1000"),
        ([HEAD, SERIES, GOOD, '{"else":1}'], 4, "unknown field"),
        ([HEAD, SERIES, GOOD], 4, "cut short"),
        ([HEAD, SERIES, GOOD, END.replace('"values":1', '"values":2')], 4, "values: the file says 2, but has 1"),
        ([HEAD, SERIES, GOOD, END, GOOD], 5, "nothing may follow"),
    ],
)
def test_a_file_that_is_wrong_is_refused_at_its_line(
    lines: list[str], number: int, reason: str, tmp_path: Path
) -> None:
    store, file = MemoryStore(), tmp_path / "wrong.gz"
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(transfer.TransferError, match=rf"line {number}: .*({reason})"):
        transfer.import_(store, file)
    # What came before stays, and nothing of what is wrong.
    assert len(store.fetch(*PLACES[0], None, None, 9)) == (GOOD in lines[:3] and SERIES in lines)


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gzip.compress("\n".join([HEAD, SERIES, GOOD, END]).encode())
    file = tmp_path / "file.gz"
    damaged = bytearray(whole)
    damaged[20] ^= 0xFF
    for data in (b"", b"plain text", whole[:-9], whole[:30], bytes(damaged), whole + b"rubbish"):
        file.write_bytes(data)
        with pytest.raises((transfer.TransferError, OSError)):
            transfer.import_(MemoryStore(), file)
    # A bomb is one line that does not end.
    monkeypatch.setattr(transfer, "LINE_BYTES", 1024 * 1024)
    bomb = zlib.compressobj(9, wbits=31)
    file.write_bytes(bomb.compress(b" " * (64 * 1024 * 1024)) + bomb.flush())
    with pytest.raises(transfer.TransferError, match="longer than 1048576 bytes"):
        transfer.import_(MemoryStore(), file)


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    for number in range(2):
        monkeypatch.setenv("FIELDLOOM_DATA_DIR", str(tmp_path / f"data{number}"))
        if number == 0:
            assert run.invoke(app, ["history", "seed", "--hours", "0.1"]).exit_code == 0
            made = run.invoke(app, ["history", "export", "out.gz", "--parameter", "temperature"])
            assert "16 series, 192 values" in made.output
        else:
            assert (
                "16 series, 192 entries: 192 new, 0 were there"
                in run.invoke(app, ["history", "import", "out.gz"]).output
            )
            assert "0 new, 192 were there" in run.invoke(app, ["history", "import", "out.gz"]).output
    assert run.invoke(app, ["history", "export", "out.gz", "--start", "yesterday"]).exit_code != 0
    assert run.invoke(app, ["history", "import", "nowhere.gz"]).exit_code != 0


def test_many_changes_of_one_time_keep_their_order(store: HistoryStore, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(transfer, "AT_ONCE", 2)
    store.write([HistoryRow("d", "p", 10, 10, 0.0, 0)])
    for number in range(1, 6):
        store.change("d", "p", [StoredValue(10, 10, float(number), 0)], Change.UPDATE, "eva", 100 + number)
    transfer.export(store, tmp_path / "file")
    other = MemoryStore()
    transfer.import_(other, tmp_path / "file")
    before = [each.value.value for each in store.read_modified("d", "p", 0, 20, 100).values]
    assert before == [4.0, 3.0, 2.0, 1.0, 0.0]
    assert [each.value.value for each in other.read_modified("d", "p", 0, 20, 100).values] == before
