"""Names from outside as names of ours: EDD identifiers, labels, and texts inside EDD and TOML sources."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from server.fdi.eddl.keywords import KEYWORDS, KINDS

CONTAINERS = frozenset(
    {
        "body", "content", "data", "fields", "measurements", "metrics", "params", "payload", "readings", "reported",
        "telemetry", "values",
    }
)  # fmt: skip
"""Words that only hold what is measured: they stand in front of no identifier."""
LONE = frozenset({"value", "val"})
UNIT_WORDS = frozenset({"unit", "units", "uom"})
TIME_WORDS = frozenset({"date", "datetime", "time", "timestamp", "ts"})
IDENTIFIER_LENGTH = 60
LABEL_LENGTH = 80
MENUS = ("process_variables_root_menu", "device_root_menu")
"""What the draft itself calls its menus."""
_RESERVED = frozenset(word.lower() for word in (*KEYWORDS, *KINDS)) | frozenset(MENUS) | {"true", "false", "this"}
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words(name: str) -> list[str]:
    """The words of a name in lower case: `bearingTemp_C` gives bearing, temp, c. Only ASCII letters and digits stay."""
    return list(_words(name))


@lru_cache(maxsize=4_096)  # every value of every message asks for those of its key
def _words(name: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return tuple(re.sub(r"[^a-z0-9]+", " ", _HUMP.sub(" ", plain).lower()).split())


def identifier(path: Sequence[str]) -> str:
    """The EDD identifier of the value at a path (design rules: leaf path joined by `_`; see docs/tutorial-package.md).

    Leading containers are left out, a lone `value` takes its parent's name, and the result is no word of EDDL.
    """
    parts = list(path)
    if len(parts) > 1 and "_".join(words(parts[-1])) in LONE:
        parts.pop()
    while len(parts) > 1 and "_".join(words(parts[0])) in CONTAINERS:
        parts.pop(0)
    name = "_".join(word for part in parts for word in words(part))[:IDENTIFIER_LENGTH].strip("_")
    if not name:
        return "value"
    if name[0].isdigit():
        name = f"v_{name}"
    return f"{name}_value" if name in _RESERVED else name


def type_name(text: str) -> str:
    """A device type id: lower case letters, digits and `_`, at most 64."""
    name = "_".join(words(text))[:64].strip("_")
    return name if name and name[0].isalpha() else f"device_{name}".strip("_")


def label(path: Sequence[str]) -> str:
    """How people read the value at a path."""
    parts = [part for part in path if "_".join(words(part)) not in CONTAINERS | LONE] or list(path[-1:])
    text = printable(" ".join(" ".join(_HUMP.sub(" ", part).replace("_", " ").split()) for part in parts))
    text = text[:LABEL_LENGTH].strip() or "Value"
    return text[0].upper() + text[1:]


def printable(text: str) -> str:
    """The text with everything that does not print as a space."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def edd_text(text: str) -> str:
    """A text as an EDD literal; bars would begin a language and are escaped."""
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("|", "\\|") + '"'


def edd_comment(text: str) -> str:
    """A text as an EDD comment on one line."""
    return f"/* {printable(text).replace('*/', '* /').replace('/*', '/ *')} */"


def toml_text(text: str) -> str:
    """A text as a TOML string."""
    # JSON escapes all that TOML wants escaped but DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_comment(text: str) -> str:
    """A text as a TOML comment on one line."""
    return f"# {printable(text)}"


def pointer(path: Sequence[str]) -> str:
    """The JSON Pointer (RFC 6901) of a path."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
