"""Reads a mapping that came as TOML or JSON field by field and notes every mistake with its key, not only the first."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from server.core.texts import NO_TEXT, Texts

_LANGUAGE = re.compile(r"[a-z]{2,3}")


class Table:
    """One table of a document: typed look-ups by key; `finish` notes the keys nobody asked for."""

    def __init__(self, values: Mapping[str, Any], path: str, problems: list[str]) -> None:
        self._values = values
        self._path = path
        self._asked: set[str] = set()
        self.problems = problems

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def is_table(self, key: str) -> bool:
        """Whether a table stands there, where something else might."""
        return isinstance(self._values.get(key), dict)

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
        if not _is_number(value) or not above < value:
            self.note(key, f"must be a number above {above:g}, not {value!r}")
            return default
        return float(value)

    def amount(self, key: str, default: float, *, most: float = math.inf) -> float:
        """A number from 0 to `most`."""
        value = self._get(key)
        if value is None:
            return default
        if not _is_number(value) or not 0 <= value <= most:
            span = "of 0 or more" if most == math.inf else f"from 0 to {most:g}"
            self.note(key, f"must be a number {span}, not {value!r}")
            return default
        return float(value)

    def measure(self, key: str) -> float:
        """Any number that a Double holds; true is 1. It must be there."""
        value = self._get(key)
        if isinstance(value, bool):
            return float(value)
        if not _is_number(value):
            self.note(key, f"must be a number, not {value!r}")
            return 0.0
        return float(value)

    def whole(self, key: str, default: int, *, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        value = self._get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.note(key, f"must be a whole number from {least} to {most}, not {value!r}")
            return default
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false; `default` when absent."""
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.note(key, f"must be true or false, not {value!r}")
        return value is True

    def strings(self, key: str, *, pattern: str = "", hint: str = "") -> tuple[str, ...]:
        """A list of texts; empty when absent. `hint` says what the pattern asks for."""
        value = self._get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(entry, str) and entry for entry in value):
            self.note(key, "must be a list of texts")
            return ()
        for entry in value:
            if pattern and not re.fullmatch(pattern, entry):
                self.note(key, f"{entry!r} is not right: {hint}")
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


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    # JSON knows whole numbers that no float holds.
    return abs(value) < 2**63 if isinstance(value, int) else isinstance(value, float) and math.isfinite(value)
