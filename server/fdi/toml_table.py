"""Reads a TOML document field by field and notes every mistake with its key, instead of stopping at the first."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from server.core.texts import NO_TEXT, Texts
from server.fdi.errors import PackageError

MAX_BYTES = 256 * 1024
MAX_DOTS = 200  # in one line: tomllib takes time with the second power of the steps of a key
_LANGUAGE = re.compile(r"[a-z]{2,3}")


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


class Table:
    """One table of a document: typed look-ups by key; `finish` notes the keys nobody asked for."""

    def __init__(self, values: Mapping[str, Any], path: str, problems: list[str]) -> None:
        self._values = values
        self._path = path
        self._asked: set[str] = set()
        self.problems = problems

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def where(self, key: str) -> str:
        """The key as a reader finds it in the file: `message[2].topic`."""
        return f"{self._path}.{key}" if self._path else key

    def note(self, key: str, reason: str) -> None:
        """Note a mistake at a key."""
        self.problems.append(f"{self.where(key) if key else self._path or 'file'}: {reason}")

    def text(self, key: str, default: str | None = "", *, pattern: str = "", hint: str = "") -> str:
        """A text; without a default (None) it must be there. `hint` says what the pattern asks for."""
        value = self._get(key)
        if value is None:
            if default is None:
                self.note(key, f"is missing{f'; {hint}' if hint else ''}")
            return default or ""
        if not isinstance(value, str):
            self.note(key, f"must be a text, not {value!r}")
            return default or ""
        if pattern and not re.fullmatch(pattern, value):
            self.note(key, f"{value!r} is not right: {hint}")
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        """One of several words."""
        value = self.text(key, default)
        if value not in choices:
            self.note(key, f"{value!r} is none of {', '.join(repr(word) for word in choices)}")
            return default
        return value

    def number(self, key: str, default: float, *, above: float) -> float:
        """A number larger than `above`."""
        value = self._get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not above < value < float("inf"):
            self.note(key, f"must be a number above {above:g}, not {value!r}")
            return default
        return float(value)

    def flag(self, key: str) -> bool:
        """True or false; false when absent."""
        value = self._get(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            self.note(key, f"must be true or false, not {value!r}")
        return value is True

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty when absent."""
        value = self._get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(entry, str) and entry for entry in value):
            self.note(key, "must be a list of texts")
            return ()
        return tuple(value)

    def texts(self, key: str, *, required: bool = False) -> Texts:
        """A text in several languages, `{ en = "…", ru = "…" }`, or one plain English text."""
        value = self._get(key)
        if value is None:
            if required:
                self.note(key, 'is missing; write { en = "…", ru = "…" } or one text')
            return NO_TEXT
        if isinstance(value, str):
            return Texts.of(value)
        if not isinstance(value, dict) or not value or not all(isinstance(text, str) for text in value.values()):
            self.note(key, 'must be a text or { en = "…", ru = "…" }')
            return NO_TEXT
        for language in value:
            if not _LANGUAGE.fullmatch(language):
                self.note(key, f"{language!r} is no language code such as en")
        return Texts(dict(value))

    def table(self, key: str) -> Table:
        """A table; an empty one when absent."""
        value = self._get(key)
        if value is not None and not isinstance(value, dict):
            self.note(key, "must be a table")
            value = None
        return Table(value or {}, self.where(key), self.problems)

    def tables(self, key: str) -> list[Table]:
        """A list of tables (`[[key]]`); empty when absent. Places count from 1."""
        value = self._get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            self.note(key, f"must be a list of tables, [[{key}]]")
            return []
        return [Table(entry, f"{self.where(key)}[{n}]", self.problems) for n, entry in enumerate(value, 1)]

    def entries(self) -> Iterator[tuple[str, Any]]:
        """All keys with their raw values, as asked for."""
        for key, value in self._values.items():
            self._asked.add(key)
            yield key, value

    def finish(self) -> None:
        """Note every key that means nothing here."""
        for key in self._values:
            if key not in self._asked:
                known = ", ".join(sorted(self._asked))
                self.note(key, f"means nothing here; known: {known}")

    def _get(self, key: str) -> Any:
        self._asked.add(key)
        return self._values.get(key)
