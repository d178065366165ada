"""Reads the bytes of a TOML document within bounds; `server.core.table` takes it from there."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from server.fdi.errors import PackageError

MAX_BYTES = 256 * 1024
MAX_DOTS = 200  # in one line: tomllib takes time with the second power of the steps of a key


def read_toml(data: bytes, *, part: str) -> dict[str, Any]:
    """The document as plain values.

    Raises:
        PackageError: too large, a line with hundreds of dots, not UTF-8, not TOML.
    """
    if len(data) > MAX_BYTES:
        raise PackageError(f"{len(data)} bytes of TOML, at most {MAX_BYTES}", part=part, rule="toml.size")
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.count(b".") > MAX_DOTS:
            reason = f"more than {MAX_DOTS} dots in one line"
            raise PackageError(reason, part=part, line=number, rule="toml.syntax")
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PackageError(f"not UTF-8: {error.reason}", part=part, rule="toml.syntax") from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        at = int(found.group(1)) if found else data.count(b"\n") + 1
        raise PackageError(f"not TOML: {error}", part=part, line=at, rule="toml.syntax") from None
    except RecursionError:
        raise PackageError("brackets nested too deep", part=part, rule="toml.syntax") from None
    except ValueError as error:
        # A number of more digits than Python converts; tomllib lets it through.
        raise PackageError(f"not TOML: {error}", part=part, rule="toml.syntax") from None
    if _has_wide_number(document):
        raise PackageError("a whole number of more than 64 bits", part=part, rule="toml.syntax")
    return document


def _has_wide_number(document: object) -> bool:
    """Whether some number is beyond what TOML promises; messages could not even show it."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            return True
    return False
