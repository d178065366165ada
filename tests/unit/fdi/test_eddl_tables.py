"""The stored tables belong to today's grammar; tables of another grammar are not used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.fdi.eddl import tables
from tests.kit.edd import HEADER


def test_the_stored_tables_are_those_of_the_grammar() -> None:
    # Else every process start pays for building them: PYTHONHASHSEED=0 python -m server.fdi.eddl.tables
    stored = json.loads(Path(tables.__file__).with_name("grammar_tables.json").read_text(encoding="utf-8"))
    assert stored["digest"] == tables.digest(tables.source())


def test_stored_and_built_tables_take_and_refuse_the_same_words() -> None:
    loaded, built = tables.load(tables.source()), tables.build(tables.source())
    assert loaded is not None

    def rows(parser: object) -> list[tuple[tuple[str, bool], ...]]:
        states = parser.parser.parser.parser.parse_table.states  # type: ignore[attr-defined]
        return sorted(
            tuple(sorted((word, hasattr(step[1], "expansion")) for word, step in row.items()))
            for row in states.values()
        )

    assert rows(loaded) == rows(built)  # states are numbered by chance, so their order is left out


def test_tables_of_another_grammar_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tables.load(tables.source() + "\n// changed") is None
    monkeypatch.setattr("lark.__version__", "0.0.0")  # another lark may lay its tables out in another way
    assert tables.load(tables.source()) is None


def test_a_missing_file_means_building(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from server.fdi.eddl.parser import grammar, parse

    monkeypatch.setattr(tables.resources, "files", lambda _: tmp_path)
    assert tables.load("anything") is None
    monkeypatch.undo()
    monkeypatch.setattr(tables, "load", lambda _: None)
    grammar.cache_clear()
    assert list(parse(HEADER + "VARIABLE x { TYPE FLOAT; }").items) == ["x"]
    grammar.cache_clear()


def test_writing_puts_the_tables_of_today_beside_the_grammar(tmp_path: Path) -> None:
    tables.write(tmp_path)
    assert json.loads((tmp_path / "grammar_tables.json").read_text(encoding="utf-8"))["digest"] == tables.digest(
        tables.source()
    )
