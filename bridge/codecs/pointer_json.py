"""JSON payloads read by JSON Pointers (RFC 6901), as `mqtt.toml` of a package says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import accumulate
from typing import Any

import msgspec

from bridge.codec import CodecLimits, Decoded, PayloadError
from bridge.routing import Route
from bridge.topics import NAME
from server.core import status
from server.core.binding import ParameterBinding, RowBinding
from server.core.clock import SECOND, TimeUs, from_datetime
from server.core.matching import MANUFACTURER, MODEL, REVISION
from server.core.status import StatusCode, from_quality_flag
from server.core.values import DeviceId, Measurement, RawMessage, Scalar

MISSING = object()
EPOCH_UNITS = {"epoch_s": SECOND, "epoch_ms": 1_000}
"""Microseconds of one in each form of a numeric time."""
FARTHEST = 253_402_300_800 * SECOND
"""The year 10000, where texts of times end."""
OUTCOMES = frozenset({"done", "rejected", "failed"})
REASON_LIMIT = 256
ANSWER_VALUES = 500
FIRST_SENSOR = "-1"
"""A loom's first sensor is the loom itself; it is the one whose id ends so, or that has no id."""
_DECODER = msgspec.json.Decoder()
_WIDEST_INT = 2**64
_TEXTS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # possessive: linear also when a text never ends
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {0x5B: 1, 0x7B: 1, 0x5D: -1, 0x7D: -1}


@lru_cache(maxsize=4_096)
def steps(pointer: str) -> tuple[str, ...]:
    """The reference tokens of a JSON Pointer."""
    if not pointer:
        return ()
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.lstrip("/").split("/"))


def resolve(value: Any, pointer: str) -> Any:
    """What a pointer leads to, or MISSING."""
    for step in steps(pointer):
        if isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
        if value is MISSING:
            return MISSING
    return value


class PointerJson:
    """The codec; it keeps nothing between messages."""

    def decode(self, message: RawMessage, route: Route, limits: CodecLimits) -> Decoded:
        row = route.row
        found = Decoded()
        if row is None or row.count_only:
            return found
        content = load(message.payload, limits)
        if isinstance(content, list):
            if not row.rows:
                raise PayloadError("wrong_type", "", "an object")
            if len(content) > limits.rows:
                raise PayloadError("too_many_rows", "", f"at most {limits.rows} rows")
            rows = content
        else:
            rows = [content]
        for number, entry in enumerate(rows):
            where = f"/{number}" if isinstance(content, list) else ""
            try:
                measurement = self._row(entry, row, route, message, limits, found, where)
            except PayloadError as problem:
                found.problems.append(problem)
                continue
            if measurement is not None:
                found.measurements.append(measurement)
        return found

    def _row(
        self,
        entry: Any,
        row: RowBinding,
        route: Route,
        message: RawMessage,
        limits: CodecLimits,
        found: Decoded,
        where: str,
    ) -> Measurement | None:
        if not isinstance(entry, dict):
            raise PayloadError("wrong_type", where, "an object")
        if route.ambiguous:
            raise PayloadError("bad_device_id", where, "topic parts that make one device id only")
        device_id = _device(entry, row, route, where)
        source_time = _time(entry, row, message.received_at, limits, where)
        code = _quality(entry, row, where)
        refused = len(found.problems)
        values = tuple(self._values(entry, row, code, limits, found, where))
        if not values:
            found.empty += len(found.problems) == refused
            return None
        return Measurement(
            type_id=route.binding.type_id,
            device_id=DeviceId(device_id),
            values=values,
            source_time=source_time,
            received_at=message.received_at,
            retained=message.retained,
            facility=route.parts.get("facility"),
            attributes=_attributes(entry, row),
        )

    def identify(self, message: RawMessage, route: Route, limits: CodecLimits) -> tuple[str, Mapping[str, str]]:
        content = load(message.payload, limits)
        entry = content[0] if isinstance(content, list) and content else content
        if route.row is None or not isinstance(entry, dict):
            raise PayloadError("wrong_type", "", "an object")
        return _device(entry, route.row, route, ""), _attributes(entry, route.row)

    def _values(
        self,
        entry: dict[str, Any],
        row: RowBinding,
        code: StatusCode,
        limits: CodecLimits,
        found: Decoded,
        where: str,
    ) -> Iterator[tuple[str, Scalar | None, StatusCode]]:
        metrics = _metrics(entry, row, where) if row.list_pointer or row.key_name else None
        for binding in row.parameters:
            if metrics is not None and binding.key:
                item = metrics.get(binding.key)
                value = item.get(row.value_name, MISSING) if item is not None else MISSING
                unit = item.get(row.unit_name) if item is not None and row.unit_name else None
                path = f"{where}{row.list_pointer}/{binding.key}"
            else:
                value = resolve(entry, binding.pointer)
                unit = resolve(entry, binding.unit_pointer) if binding.unit_pointer else None
                path = where + binding.pointer
            if value is MISSING:
                if not binding.optional:
                    raise PayloadError("missing", path, binding.kind)
                continue
            try:
                checked = check(value, binding, limits, path)
            except PayloadError as problem:
                found.problems.append(problem)
                continue
            if isinstance(unit, str) and binding.unit and unit != binding.unit:
                found.unit_mismatches += 1  # the EDD's unit stands
            yield binding.parameter, checked, code

    def decode_answer(
        self, message: RawMessage, route: Route, limits: CodecLimits, problems: list[PayloadError] | None = None
    ) -> tuple[str, str, str, dict[str, Scalar]]:
        content = load(message.payload, limits)
        if not isinstance(content, dict):
            raise PayloadError("wrong_type", "", "an object")
        command_id = content.get("command_id")
        if command_id is None and message.correlation is not None:
            command_id = message.correlation.decode("utf-8", "replace")
        outcome = content.get("status")
        reason = content.get("reason") or ""
        values = content.get("values")
        if not isinstance(command_id, str) or not 0 < len(command_id) <= REASON_LIMIT:
            raise PayloadError("wrong_type", "/command_id", "the command's id as text")
        if not isinstance(outcome, str) or outcome not in OUTCOMES:
            raise PayloadError("wrong_type", "/status", "done, rejected or failed")
        if not isinstance(reason, str):
            raise PayloadError("wrong_type", "/reason", "text")
        if "\0" in reason:
            raise PayloadError("bad_text", "/reason", "text without NUL")
        if values is None:
            values = {}
        if not isinstance(values, dict) or len(values) > ANSWER_VALUES:
            raise PayloadError("wrong_type", "/values", f"an object of at most {ANSWER_VALUES} values")
        known = {binding.parameter: binding for row in reversed(route.binding.rows) for binding in row.parameters}
        plain: dict[str, Scalar] = {}
        for name, value in values.items():
            binding = known.get(name)
            if binding is None:  # part of a report
                if len(name) <= REASON_LIMIT and _is_scalar(value, limits):
                    plain[name] = value
                continue
            try:
                plain[name] = check(value, binding, limits, f"/values/{name}")
            except PayloadError as problem:
                if problems is not None:
                    problems.append(problem)
        return command_id, outcome, reason[:REASON_LIMIT], plain

    def encode_command(self, command_id: str, name: str, params: dict[str, object]) -> bytes:
        return msgspec.json.encode({"command_id": command_id, "command": name, "params": params})


def load(payload: bytes, limits: CodecLimits) -> Any:
    """The JSON value of a payload within the limits. Raises PayloadError."""
    if len(payload) > limits.payload_bytes:
        raise PayloadError("too_large", "", f"at most {limits.payload_bytes} bytes")
    if _depth(payload, limits.depth) > limits.depth:
        raise PayloadError("too_deep", "", f"at most {limits.depth} levels")
    try:
        return _DECODER.decode(payload)
    except msgspec.DecodeError as error:
        raise PayloadError("not_json", "", f"JSON ({error})") from None
    except (UnicodeDecodeError, RecursionError):
        raise PayloadError("not_json", "", "JSON in UTF-8") from None


def _depth(payload: bytes, enough: int) -> int:
    """The nesting of a payload, or 0 when it has too few brackets to matter. Brackets in texts do not count."""
    if payload.count(b"[") + payload.count(b"{") <= enough:
        return 0
    brackets = _TEXTS.sub(b"", payload).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def _attributes(entry: Mapping[str, Any], row: RowBinding) -> dict[str, str]:
    """Nameplate facts; ids of manufacturer, model and revision may be numbers."""
    found = {}
    for name, pointer in row.attributes.items():
        text = resolve(entry, pointer)
        if type(text) is int and name in (MANUFACTURER, MODEL, REVISION):
            text = str(text)
        if isinstance(text, str) and len(text) <= REASON_LIMIT and text.isprintable():
            found[name] = text
    return found


def _device(entry: Mapping[str, Any], row: RowBinding, route: Route, where: str) -> str:
    device_id = route.device_id
    if row.device_pointer:
        told = resolve(entry, row.device_pointer)
        if told is MISSING and device_id:
            told = device_id
        if not isinstance(told, str) or NAME.fullmatch(told) is None:
            raise PayloadError("bad_device_id", where + row.device_pointer, "a device id")
        if device_id and told != device_id:
            raise PayloadError("other_device", where + row.device_pointer, f"{device_id}, as the topic says")
        device_id = told
    if row.sensor_pointer:
        sensor = resolve(entry, row.sensor_pointer)
        if sensor is not MISSING and sensor is not None:
            if not isinstance(sensor, str) or NAME.fullmatch(sensor) is None:
                raise PayloadError("bad_sensor_id", where + row.sensor_pointer, "a sensor id")
            if not sensor.endswith(FIRST_SENSOR):
                device_id = f"{device_id}.{sensor}"
    if NAME.fullmatch(device_id) is None:
        raise PayloadError("bad_device_id", where, "a device id of at most 64 characters")
    return device_id


def _time(entry: Mapping[str, Any], row: RowBinding, received_at: TimeUs, limits: CodecLimits, where: str) -> TimeUs:
    if not row.time_pointer:
        return received_at
    told = resolve(entry, row.time_pointer)
    path = where + row.time_pointer
    time_us = _since_epoch(told, EPOCH_UNITS[row.time_form], path) if row.time_form else _iso(told, path)
    if time_us > received_at + round(limits.future_s * SECOND):
        raise PayloadError("future_time", path, f"a time at most {limits.future_s:g} s ahead of ours")
    if time_us < limits.earliest:
        raise PayloadError("past_time", path, "a time since 2000")
    return time_us


def _iso(told: object, path: str) -> TimeUs:
    if not isinstance(told, str) or len(told) > 64:
        raise PayloadError("bad_time", path, "ISO 8601 text with a time zone")
    try:
        return from_datetime(datetime.fromisoformat(told))
    except (ValueError, OverflowError):
        raise PayloadError("bad_time", path, "ISO 8601 text with a time zone") from None


def _since_epoch(told: object, unit: TimeUs, path: str) -> TimeUs:
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told * unit < FARTHEST:
        raise PayloadError("bad_time", path, "a number since 1970-01-01T00:00:00Z")
    return round(told * unit)


def _quality(entry: Mapping[str, Any], row: RowBinding, where: str) -> StatusCode:
    if not row.quality_pointer:
        return status.GOOD
    flag = resolve(entry, row.quality_pointer)
    if flag is MISSING:
        return status.GOOD
    if isinstance(flag, bool) or not isinstance(flag, int):
        raise PayloadError("wrong_type", where + row.quality_pointer, "a quality flag (0, 1, 2)")
    return from_quality_flag(flag)


def _metrics(entry: Mapping[str, Any], row: RowBinding, where: str) -> dict[str, dict[str, Any]]:
    listed = resolve(entry, row.list_pointer)
    if not isinstance(listed, list):
        raise PayloadError("wrong_type", where + row.list_pointer, "a list of metrics")
    return {
        item[row.key_name]: item
        for item in listed
        if isinstance(item, dict) and isinstance(item.get(row.key_name), str)
    }


def check(value: object, binding: ParameterBinding, limits: CodecLimits, path: str) -> Scalar:
    """A JSON value as its parameter's kind. Raises PayloadError."""
    kind = binding.kind
    if kind == "boolean":
        if isinstance(value, bool):
            return value
        raise PayloadError("wrong_type", path, "true or false")
    if kind == "string":
        if not isinstance(value, str):
            raise PayloadError("wrong_type", path, "text")
        if len(value) > limits.text_length:
            raise PayloadError("too_long", path, f"at most {limits.text_length} characters")
        if "\0" in value:
            raise PayloadError("bad_text", path, "text without NUL")  # PostgreSQL could not keep it
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PayloadError("wrong_type", path, "a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise PayloadError("not_a_number", path, "a finite number")
    if kind == "integer":
        if isinstance(value, float):
            if not value.is_integer():
                raise PayloadError("wrong_type", path, "a whole number")
            value = int(value)
    elif isinstance(value, int):
        try:
            value = float(value)
        except OverflowError:
            raise PayloadError("out_of_range", path, "a number that fits a double") from None
    low, high = binding.minimum, binding.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise PayloadError("out_of_range", path, f"{low} to {high}")
    return value


def _is_scalar(value: Any, limits: CodecLimits) -> bool:
    if isinstance(value, str):
        return len(value) <= limits.text_length and "\0" not in value
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _WIDEST_INT)


CODEC = PointerJson()
