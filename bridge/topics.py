"""The topic grammar of packages, both ways: "engines/{device}/telemetry" matches, and is filled in to send."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PART = re.compile(r"\{([a-z][a-z0-9_]*)\}")
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
TOPIC_LIMIT = 1_024


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """One pattern, split into its levels; a level is a literal or a named part."""

    text: str
    levels: tuple[tuple[str, bool], ...]  # (literal or part name, is a part)

    @classmethod
    def of(cls, text: str) -> TopicPattern:
        """Parse a pattern.

        Raises:
            ValueError: an MQTT wildcard, an empty level, a part that is not a whole level, or the same part twice.
        """
        levels = []
        for level in text.split("/"):
            found = _PART.fullmatch(level)
            if found is not None:
                levels.append((found.group(1), True))
            elif not level or set(level) & set("+#{}\0"):
                raise ValueError(f"topic {text!r}: level {level!r} is neither a plain name nor one {{part}}")
            else:
                levels.append((level, False))
        named = [name for name, part in levels if part]
        if len(set(named)) != len(named):
            raise ValueError(f"topic {text!r}: the same {{part}} twice")
        return cls(text, tuple(levels))

    @property
    def filter(self) -> str:
        """The MQTT topic filter."""
        return "/".join("+" if part else level for level, part in self.levels)

    @property
    def specificity(self) -> tuple[int, ...]:
        """Sorts literal levels before parts: the more exact pattern wins."""
        return tuple(int(part) for _, part in self.levels)

    def match(self, topic: str) -> dict[str, str] | None:
        """The named parts of a topic, or None. Parts are ids: letters, digits, '.', '_', '-', 64 at most."""
        given = topic.split("/")
        if len(given) != len(self.levels):
            return None
        found: dict[str, str] = {}
        for text, (level, part) in zip(given, self.levels, strict=True):
            if not part:
                if text != level:
                    return None
            elif NAME.fullmatch(text) is None:
                return None
            else:
                found[level] = text
        return found

    def fill(self, parts: Mapping[str, str]) -> str:
        """The topic with its parts filled in.

        Raises:
            ValueError: a part is missing or would change the topic's shape.
        """
        levels = []
        for level, part in self.levels:
            text = parts.get(level, "") if part else level
            if part and NAME.fullmatch(text) is None:
                raise ValueError(f"topic {self.text!r}: {level} cannot be {text!r}")
            levels.append(text)
        return "/".join(levels)


def names_in(template: str) -> list[str]:
    """The parts that a device id is built of."""
    return [found.group(1) for found in _PART.finditer(template)]


def join_id(template: str, parts: Mapping[str, str]) -> str:
    """The device id that a topic's parts make; "" when a part is missing, or the id could be read in another way.

    `a.b` + `c` and `a` + `b.c` would both be `a.b.c`: only the one that `split_id` gives back is taken.
    """
    if any(name not in parts for name in names_in(template)):
        return ""
    joined = _PART.sub(lambda found: parts[found.group(1)], template)
    split = split_id(template, joined)
    return joined if split is not None and all(parts[name] == text for name, text in split.items()) else ""


def split_id(template: str, device_id: str) -> dict[str, str] | None:
    """The topic parts that make a device id ("{facility}.{asset}"), or None; each part takes as little as it can."""
    pattern = ""
    position = 0
    for found in _PART.finditer(template):
        pattern += re.escape(template[position : found.start()]) + f"(?P<{found.group(1)}>[A-Za-z0-9._-]+?)"
        position = found.end()
    matched = re.fullmatch(pattern + re.escape(template[position:]), device_id)
    return matched.groupdict() if matched is not None else None
