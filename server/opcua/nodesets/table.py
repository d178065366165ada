"""The line format of `nodesets/src/*.nodes`: text -> header and a tree of lines with their words.

Two blanks of indentation make a line a child of the line above it. `#` at the start of a word begins a comment when a
blank follows; `"…"` holds blanks; `(…)` holds a list. What the words mean is decided in source.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from server.opcua.nodesets.model import UA_URI, RequiredModel, at

MAX_LINES = 50_000
_WORD = re.compile(r'[^\s"()]*"(?:[^"\\]|\\.)*"|\([^()]*\)|[^\s"()]+')
NO_VERSION = "-"
"""Stands for the version of a model that states none."""
_HEADER = ("model", "requires", "argument-dimensions")


@dataclass(slots=True)
class Line:
    """One line that is not a header, with the lines indented below it."""

    number: int
    words: list[str]
    children: list[Line] = field(default_factory=list)


@dataclass(slots=True)
class Table:
    """One source file as read: its header, the aliases of the models it names, and its lines."""

    path: Path
    alias: str = ""
    model: RequiredModel = field(default_factory=lambda: RequiredModel(""))
    required: list[RequiredModel] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=lambda: {"ua": UA_URI})
    count_arguments: bool = True
    lines: list[Line] = field(default_factory=list)


def read_table(path: Path, problems: list[str]) -> Table:
    """One source file. Mistakes are appended to `problems` with file and line; reading goes on behind them."""
    table = Table(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(at(path, 0, f"cannot be read: {error}"))
        return table
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        problems.append(at(path, 0, f"more than {MAX_LINES} lines"))
        return table
    stack: list[Line] = []
    for number, raw in enumerate(lines, start=1):
        words = _words(raw)
        if words is None:
            problems.append(at(path, number, "a quotation mark or bracket is not closed"))
            continue
        if not words:
            continue
        if words[0] in _HEADER:
            _header(table, number, words, problems)
            continue
        blanks = len(raw) - len(raw.lstrip(" "))
        level, rest = divmod(blanks, 2)
        if rest or raw.lstrip(" ").startswith("\t") or level > len(stack):
            problems.append(at(path, number, "indentation is two blanks a level, one level at a time"))
            continue
        line = Line(number, words)
        (stack[level - 1].children if level else table.lines).append(line)
        del stack[level:]
        stack.append(line)
    if not table.model.uri:
        problems.append(at(path, 0, "the line 'model ALIAS URI VERSION DATE' is missing"))
    return table


def _words(raw: str) -> list[str] | None:
    words = []
    position = 0
    while position < len(raw):
        if raw[position].isspace():
            position += 1
            continue
        if raw[position] == "#" and (position + 1 == len(raw) or raw[position + 1] in " #"):
            break
        found = _WORD.match(raw, position)
        if found is None:
            return None
        words.append(found.group())
        position = found.end()
    return words


def _header(table: Table, number: int, words: list[str], problems: list[str]) -> None:
    options = dict(word.split("=", 1) for word in words[1:] if word.startswith("schema="))
    plain = [word for word in words[1:] if not word.startswith("schema=")]
    if words[0] == "argument-dimensions":
        if plain not in (["count"], ["zero"]):
            problems.append(at(table.path, number, "'argument-dimensions' is followed by 'count' or 'zero'"))
        table.count_arguments = plain == ["count"]
        return
    if len(plain) != 4 or re.fullmatch(r"\d{4}-\d\d-\d\d", plain[3]) is None:
        problems.append(at(table.path, number, f"write '{words[0]} ALIAS URI VERSION YYYY-MM-DD [schema=URI]'"))
        return
    alias, uri, version, date = plain
    version = "" if version == NO_VERSION else version
    if table.aliases.get(alias, uri) != uri or uri in (
        table.aliases.get(other) for other in table.aliases if other != "ua"
    ):
        problems.append(at(table.path, number, f"alias '{alias}' or model {uri} is given twice"))
        return
    model = RequiredModel(uri, version, f"{date}T00:00:00Z", options.get("schema", ""), number)
    table.aliases[alias] = uri
    if words[0] == "model":
        if table.model.uri:
            problems.append(at(table.path, number, "one file holds one model"))
        table.alias, table.model = alias, model
    else:
        table.required.append(model)
