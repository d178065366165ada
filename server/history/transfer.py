"""History as a file: gzipped JSON lines, whole or in part, from any store into any other without losing a digit.

The first line names the format. Then each series begins with its names, and lines of up to a thousand entries follow:

    {"fieldloom_history": 1}
    {"series": ["gpu-1", "power_kw"]}
    {"values": [[source time, server time, StatusCode, kind, number, text], ...]}
    {"modified": [[source time, server time, StatusCode, kind, number, text, modified at, how, user], ...]}
    {"annotations": [[source time, message, user, annotated at], ...]}
    {"end": {"series": 1, "values": 1, "modified": 0, "annotations": 0}}

Times are microseconds since 1970-01-01 UTC; kind, number and text are those of `values.to_columns`, a number without
end is the text "inf" or "-inf"; how is HistoryUpdateType (OPC 10000-11). Without its last line a file is cut short.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from server.core.clock import TimeUs
from server.core.errors import LocalError
from server.history.store import Annotation, Change, HistoryRow, HistoryStore, ModifiedValue, StoredValue
from server.history.values import EARLIEST, LATEST, from_columns, in_time, to_columns

FORMAT = 1
AT_ONCE = 1_000
LINE_BYTES = 256 * 1024 * 1024
"""A thousand of the longest texts fit in; a line beyond this is none of ours."""
WRITE_ROWS = 10_000

Progress = Callable[["Counts"], None]


@dataclass(slots=True)
class Counts:
    """What went through so far."""

    series: int = 0
    values: int = 0
    modified: int = 0
    annotations: int = 0
    new: int = 0  # of an import: what the store did not have


class TransferError(LocalError):
    """A file that cannot be read on; names the line. What came before it is stored."""


class _Totals(msgspec.Struct, forbid_unknown_fields=True):
    series: int
    values: int
    modified: int
    annotations: int


_Value = tuple[int, int, int, int, float | str | None, str | None]
_Modified = tuple[int, int, int, int, float | str | None, str | None, int, int, str]
_Annotation = tuple[int, str, str, int]


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    fieldloom_history: int | None = None
    series: tuple[str, str] | None = None
    values: list[_Value] | None = None
    modified: list[_Modified] | None = None
    annotations: list[_Annotation] | None = None
    end: _Totals | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)


# -- out


def export(
    store: HistoryStore,
    path: Path,
    *,
    devices: Sequence[str] = (),
    parameters: Sequence[str] = (),
    start: TimeUs | None = None,
    end: TimeUs | None = None,
    progress: Progress = lambda _: None,
) -> Counts:
    """Write what is stored with start <= source time < end; the file appears when it is whole.

    Raises:
        RemoteError: the database is away.
        OSError: the file cannot be written.
    """
    counts = Counts()
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with gzip.open(part, "wb", compresslevel=6) as file:
            out = cast("BinaryIO", file)
            _write(out, _Line(fieldloom_history=FORMAT))
            low, high = EARLIEST if start is None else start, LATEST if end is None else end
            for place in store.series():
                if (devices and place[0] not in devices) or (parameters and place[1] not in parameters):
                    continue
                _write(out, _Line(series=place))
                counts.series += 1
                for line in _lines(store, place, low, high, counts):
                    _write(out, line)
                    progress(counts)
            totals = _Totals(counts.series, counts.values, counts.modified, counts.annotations)
            _write(out, _Line(end=totals))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return counts


def _write(out: BinaryIO, line: _Line) -> None:
    out.write(_encoder.encode(line) + b"\n")


def _lines(store: HistoryStore, place: tuple[str, str], start: TimeUs, end: TimeUs, counts: Counts) -> Iterator[_Line]:
    first = start
    while True:
        found = store.fetch(*place, first, end - 1, AT_ONCE)
        if not found:
            break
        counts.values += len(found)
        yield _Line(values=[_value(each) for each in found])
        first = found[-1].source_time + 1
    resume = None
    while True:
        page = store.read_modified(*place, start, end, AT_ONCE, resume=resume)
        if page.values:
            counts.modified += len(page.values)
            yield _Line(
                modified=[(*_value(each.value), each.modified_at, int(each.how), each.user) for each in page.values]
            )
        resume = page.resume
        if resume is None:
            break
    after = 0
    while found_notes := store.annotations(*place, start, end, AT_ONCE, after=after):
        after += len(found_notes)
        counts.annotations += len(found_notes)
        yield _Line(annotations=[(each.time, each.message, each.user, each.annotated_at) for each in found_notes])


def _value(value: StoredValue) -> _Value:
    number, text, kind = to_columns(value.value)
    plain = str(number) if number is not None and math.isinf(number) else number
    return value.source_time, value.server_time, value.status, kind, plain, text


# -- in


def import_(store: HistoryStore, path: Path, *, progress: Progress = lambda _: None) -> Counts:
    """Store what a file holds and the store does not have; to be run again after an interruption.

    Where the store has lost the values of a series because of their age, earlier ones are passed over: its figures have
    them already.

    A value for a time at which the store has another one becomes a modified value, as everywhere.

    Raises:
        TransferError: the file is no export, is damaged or cut short; what came before the named line is stored.
        RemoteError: the database is away; run it again.
        OSError: the file cannot be read.
    """
    counts = Counts()
    rows: list[HistoryRow] = []

    def flush() -> None:
        if rows:
            counts.new += store.write(rows)
            rows.clear()
            progress(counts)

    number, place, is_whole = 0, ("", ""), False
    begins: TimeUs | None = None
    waiting: list[_Modified] = []  # of one time: where it goes on in the next line, they belong together

    def keep(modified: list[_Modified]) -> None:
        if modified:
            counts.new += store.keep_modified(*place, _modified(modified))

    try:
        with gzip.open(path, "rb") as file:
            lines = cast("BinaryIO", file)
            while text := lines.readline(LINE_BYTES):
                number += 1
                line = _line(text)
                if is_whole:
                    raise ValueError("nothing may follow the end")
                if (number == 1) != (line.fieldloom_history is not None):
                    raise ValueError("an export of history begins with its format")
                if number == 1 and line.fieldloom_history != FORMAT:
                    raise ValueError(f"it has format {line.fieldloom_history}, this program knows {FORMAT}")
                if line.series is not None or line.end is not None:
                    keep(waiting)
                    waiting = []
                if line.series is not None:
                    place = _names(line.series)
                    begins = store.begins(*place)
                    counts.series += 1
                if line.end is not None:
                    _check(line.end, counts)
                    is_whole = True
                if (line.values or line.modified or line.annotations) and not place[0]:
                    raise ValueError("values before the name of their series")
                # Whole first: of a line that is wrong nothing is stored.
                stored = [_stored(value) for value in line.values or ()]
                rows += [
                    HistoryRow(*place, each.source_time, each.server_time, each.value, each.status)
                    for each in stored
                    if begins is None or each.source_time >= begins
                ]
                counts.values += len(line.values or ())
                if len(rows) >= WRITE_ROWS:
                    flush()
                counts.modified += len(line.modified or ())
                if line.modified:
                    _modified(line.modified)
                    waiting += line.modified
                    last = waiting[-1][0]
                    keep([each for each in waiting if each[0] != last])
                    waiting = [each for each in waiting if each[0] == last]
                counts.annotations += len(line.annotations or ())
                if line.annotations:
                    codes = store.annotate(*place, _annotations(line.annotations), Change.UPDATE)
                    counts.new += sum(code == _INSERTED for code in codes)
        if not is_whole:
            number += 1
            raise ValueError("the file is cut short: its last line is missing")
    except (ValueError, OverflowError, msgspec.MsgspecError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        flush()
        raise TransferError(
            f"{path}, line {max(number, 1)}: {error}; what came before is stored, and is passed over the next time"
        ) from error
    flush()
    return counts


_INSERTED = 0x00A20000  # GoodEntryInserted


def _line(text: bytes) -> _Line:
    if len(text) == LINE_BYTES:
        raise ValueError(f"it is longer than {LINE_BYTES} bytes")
    line = _decoder.decode(text)
    if any(len(entries or ()) > AT_ONCE for entries in (line.values, line.modified, line.annotations)):
        raise ValueError(f"it has more than {AT_ONCE} entries")
    return line


def _names(series: tuple[str, str]) -> tuple[str, str]:
    if not all(0 < len(name) <= 256 and name.isprintable() for name in series):
        raise ValueError("a series has the names of a device and a parameter, of 256 characters at most")
    return series


def _stored(value: Sequence[Any]) -> StoredValue:
    source_time, server_time, code, kind, number, text = value
    if not (in_time(source_time) and in_time(server_time)):
        raise ValueError(f"source time {source_time} or server time {server_time} is outside years 1 to 9998")
    if not 0 <= code < 2**32:
        raise ValueError(f"{code} is no StatusCode")
    if isinstance(number, str):
        if number not in ("inf", "-inf"):
            raise ValueError(f"{number!r} is no number")
        number = float(number)
    held = from_columns(number, text, kind)
    if code & 0x80000000 and held is not None:
        raise ValueError(f"a value with the Bad status {code:#010x}")
    if to_columns(held) != (number, text, kind):
        raise ValueError(f"kind {kind}, number {number!r} and text {text!r} are no value together")
    return StoredValue(source_time, server_time, held, code)


def _modified(given: Iterable[_Modified]) -> list[ModifiedValue]:
    found = []
    for *value, modified_at, how, user in given:
        if not in_time(modified_at):
            raise ValueError(f"time {modified_at} is outside years 1 to 9998")
        found.append(ModifiedValue(_stored(value), modified_at, Change(how), user, 0))
    # The file has the last change first; they are kept in the order they happened.
    return found[::-1]


def _annotations(given: Iterable[_Annotation]) -> list[Annotation]:
    found = [Annotation(time, message, user, annotated_at) for time, message, user, annotated_at in given]
    if any(not (in_time(each.time) and in_time(each.annotated_at)) for each in found):
        raise ValueError("the time of an annotation is outside years 1 to 9998")
    return found


def _check(end: _Totals, counts: Counts) -> None:
    for field in fields(Counts):
        if field.name != "new" and getattr(end, field.name) != getattr(counts, field.name):
            raise ValueError(
                f"{field.name}: the file says {getattr(end, field.name)}, but has {getattr(counts, field.name)}"
            )
