"""The grammar's LALR tables: read from the file beside this one, or built when the file is of another grammar or lark.

After a change of grammar.lark write the file anew: `PYTHONHASHSEED=0 python -m server.fdi.eddl.tables`.
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any, Final

import lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

from server.fdi.eddl.tree import Tree

STARTS: Final = ("header", "toplevel")
_GRAMMAR: Final = "grammar.lark"
_TABLES: Final = "grammar_tables.json"  # plain numbers and words: reading it runs nothing


def source() -> str:
    """The text of the grammar."""
    return resources.files("server.fdi.eddl").joinpath(_GRAMMAR).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """What the tables depend on: the grammar and the lark that built them."""
    return hashlib.sha256(f"{lark.__version__}\n{text}".encode()).hexdigest()


def build(text: str) -> Any:
    """The parser made from the grammar itself (0.25 s on the machine of 2026-11)."""
    return lark.Lark(
        text, parser="lalr", lexer="basic", start=list(STARTS), maybe_placeholders=False, transformer=Tree()
    )


def dump(text: str) -> str:
    """The tables of a grammar as JSON, one state or rule a line."""
    built = build(text)
    data, rules = built.memo_serialize([TerminalDef, Rule])
    data["options"]["transformer"] = None
    states = data["parser"]["parser"].pop("states")
    parts = {
        "digest": json.dumps(digest(text)),
        "data": json.dumps(data),
        "rules": _lines(rules),
        "states": _lines(states),
    }
    return "{\n" + ",\n".join(f'"{name}": {part}' for name, part in parts.items()) + "\n}\n"


def _lines(rows: dict[int, Any]) -> str:
    listed = (f'"{number}": {json.dumps(row, separators=(",", ":"))}' for number, row in rows.items())
    return "{\n" + ",\n".join(listed) + "\n}"


def load(text: str) -> Any | None:
    """The parser from the stored tables (0.03 s); None when they were made from something else."""
    stored = resources.files("server.fdi.eddl").joinpath(_TABLES)
    if not stored.is_file():
        return None
    tables = json.loads(stored.read_text(encoding="utf-8"))
    if tables["digest"] != digest(text):
        return None
    data = tables["data"]
    parser = data["parser"]["parser"]
    parser["tokens"] = _numbered(parser["tokens"])
    parser["states"] = {int(state): _numbered(row) for state, row in tables["states"].items()}
    return lark.Lark._load_from_dict(data, _numbered(tables["rules"]), transformer=Tree())


def _numbered(rows: dict[str, Any]) -> dict[int, Any]:
    return {int(number): row for number, row in rows.items()}


def write(folder: Path) -> None:
    """Store the tables of today's grammar."""
    folder.joinpath(_TABLES).write_text(dump(source()), encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parent)
