"""Stored values as files: CSV, JSON, text and Parquet, written part by part while they are read."""

from __future__ import annotations

import csv
import importlib
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, ClassVar

from server.console import shapes
from server.core.cells import plain_cell
from server.core.clock import TimeUs, to_datetime
from server.core.errors import RemoteError
from server.core.status import StatusCode, name_of
from server.core.values import Scalar

COLUMNS = ("time", "device", "parameter", "value", "unit", "status")


@dataclass(frozen=True, slots=True)
class Row:
    """One stored value."""

    time: TimeUs
    device: str
    parameter: str
    value: Scalar | None
    unit: str
    status: StatusCode


class Format(ABC):
    """How rows become bytes; begin, any number of parts, end."""

    media_type: ClassVar[str]
    suffix: ClassVar[str]

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def time(self, time: TimeUs) -> str:
        """ISO 8601 with the offset of the zone at that time."""
        return to_datetime(time).astimezone(self._zone).isoformat(timespec="microseconds")

    def begin(self) -> bytes:
        """What stands before all rows."""
        return b""

    @abstractmethod
    def part(self, rows: Sequence[Row]) -> bytes:
        """Some rows."""

    def end(self) -> bytes:
        """What stands behind all rows."""
        return b""


class Csv(Format):
    """RFC 4180 in UTF-8 with a byte order mark, without which spreadsheets take it for something else."""

    media_type, suffix = "text/csv; charset=utf-8", "csv"

    def begin(self) -> bytes:
        return b"\xef\xbb\xbf" + self._lines([COLUMNS])

    def part(self, rows: Sequence[Row]) -> bytes:
        return self._lines(
            [
                (
                    self.time(row.time),
                    plain_cell(row.device),
                    plain_cell(row.parameter),
                    plain_cell(_text(row.value)) if isinstance(row.value, str | bytes) else _text(row.value),
                    plain_cell(row.unit),
                    name_of(row.status),
                )
                for row in rows
            ]
        )

    @staticmethod
    def _lines(rows: Sequence[Sequence[object]]) -> bytes:
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        return text.getvalue().encode("utf-8", "replace")


class Json(Format):
    """An array of objects."""

    media_type, suffix = "application/json", "json"

    def __init__(self, zone: tzinfo) -> None:
        super().__init__(zone)
        self._first = True

    def begin(self) -> bytes:
        return b"["

    def part(self, rows: Sequence[Row]) -> bytes:
        found = []
        for row in rows:
            body = {
                "time": self.time(row.time),
                "device": row.device,
                "parameter": row.parameter,
                "value": shapes.scalar(row.value),
                "unit": row.unit,
                "status": name_of(row.status),
            }
            found.append(("" if self._first else ",") + "\n" + json.dumps(body, ensure_ascii=False))
            self._first = False
        return "".join(found).encode("utf-8", "replace")

    def end(self) -> bytes:
        return b"\n]\n"


class Text(Format):
    """Columns for people, parted by tabs; line ends and tabs of values are shown as blanks."""

    media_type, suffix = "text/plain; charset=utf-8", "txt"

    def begin(self) -> bytes:
        return ("\t".join(COLUMNS) + "\n").encode()

    def part(self, rows: Sequence[Row]) -> bytes:
        lines = []
        for row in rows:
            cells = (self.time(row.time), row.device, row.parameter, _text(row.value), row.unit, name_of(row.status))
            lines.append("\t".join("".join(c if c.isprintable() else " " for c in cell) for cell in cells) + "\n")
        return "".join(lines).encode("utf-8", "replace")


class Parquet(Format):
    """Columns with types: numbers and texts apart, times in UTC with the zone beside."""

    media_type, suffix = "application/vnd.apache.parquet", "parquet"

    def __init__(self, zone: tzinfo) -> None:
        """Raises RemoteError: the library is not installed."""
        super().__init__(zone)
        try:
            pyarrow: Any = importlib.import_module("pyarrow")
            parquet: Any = importlib.import_module("pyarrow.parquet")
        except ImportError:
            raise RemoteError("Parquet needs its library: pip install 'fieldloom[parquet]'") from None
        self._arrow = pyarrow
        self._sink = io.BytesIO()
        self._schema = pyarrow.schema(
            [
                ("time", pyarrow.timestamp("us", tz=str(zone))),
                ("device", pyarrow.string()),
                ("parameter", pyarrow.string()),
                ("value", pyarrow.float64()),
                ("text", pyarrow.string()),
                ("unit", pyarrow.string()),
                ("status", pyarrow.uint32()),
            ]
        )
        self._writer: Any = parquet.ParquetWriter(self._sink, self._schema)

    def _taken(self) -> bytes:
        # The writer only goes forward: what it has written is sent and forgotten.
        found = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return found

    def part(self, rows: Sequence[Row]) -> bytes:
        numbers = [float(row.value) if isinstance(row.value, bool | int | float) else None for row in rows]
        exact = [not isinstance(row.value, int) or float(row.value) == row.value for row in rows]
        texts = [
            None if row.value is None or (number is not None and whole) else _text(row.value)
            for row, number, whole in zip(rows, numbers, exact, strict=True)
        ]
        columns = [
            [row.time for row in rows],
            [row.device for row in rows],
            [row.parameter for row in rows],
            numbers,
            [None if text is None else text.encode("utf-8", "replace").decode() for text in texts],
            [row.unit for row in rows],
            [row.status for row in rows],
        ]
        arrays = [self._arrow.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        return self._taken()

    def end(self) -> bytes:
        self._writer.close()
        return self._taken()


FORMATS: Mapping[str, Callable[[tzinfo], Format]] = {"csv": Csv, "json": Json, "text": Text, "parquet": Parquet}


def _text(value: Scalar | None) -> str:
    """A value as a person reads it, with every digit that it has."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.hex() if isinstance(value, bytes) else str(value)
