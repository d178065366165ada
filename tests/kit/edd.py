"""EDD sources for tests: the files of tests/data/eddl, and short sources built around one piece."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from server.fdi.eddl.errors import EddError, Problem
from server.fdi.eddl.imports import Identification
from server.fdi.eddl.limits import DEFAULT_LIMITS, EddLimits
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.nodes import Construct, Edd
from server.fdi.eddl.parser import grammar, parse
from server.fdi.eddl.resolve import resolve
from server.fdi.eddl.strings import parse_dictionary

FOLDER = Path(__file__).parent.parent / "data" / "eddl"
CORPUS = tuple(sorted(path.name for path in FOLDER.glob("*.ddl")))
UNRESOLVED = frozenset({"forms.ddl"})  # forms of the grammar without a meaning
HEADER = "MANUFACTURER 1, DEVICE_TYPE 2, DEVICE_REVISION 3, DD_REVISION 4\n"


def read(name: str) -> Edd:
    """A file of tests/data/eddl, parsed with its includes and its dictionary."""
    dictionary = parse_dictionary((FOLDER / "pump.dct").read_bytes())
    source = (FOLDER / name).read_bytes()
    return parse(source, file=name, include=lambda file: (FOLDER / file).read_bytes(), dictionary=dictionary)


def imported(wanted: Identification) -> Edd:
    """The EDDs that importing.ddl names; LookupError for any other."""
    names: dict[int | str | None, str] = {0x0A70: "imported.ddl", None: "standard.ddl"}
    return read(names[wanted.device_type])


def edd(body: str, limits: EddLimits = DEFAULT_LIMITS) -> Edd:
    """A short EDD: a header on line 1, the body from line 2."""
    return parse(HEADER + body, limits=limits)


def model(body: str) -> EddModel:
    """The static view of a short EDD."""
    return resolve(edd(body))


def construct(body: str, name: str = "x") -> Construct:
    """The construct `name` of a short EDD."""
    found = edd(body).items[name]
    assert isinstance(found, Construct)
    return found


def problems(body: str, limits: EddLimits = DEFAULT_LIMITS) -> tuple[Problem, ...]:
    """What parsing and resolving a short EDD complains about."""
    with pytest.raises(EddError) as caught:
        resolve(edd(body, limits), limits=limits)
    return caught.value.problems


def rules(body: str, limits: EddLimits = DEFAULT_LIMITS) -> list[str]:
    """The rules a short EDD breaks, in the order found."""
    return [problem.rule for problem in problems(body, limits)]


class _Recording(dict[Any, Any]):
    def __init__(self, callbacks: dict[Any, Any]) -> None:
        super().__init__(callbacks)
        self.seen: set[str] = set()

    def __getitem__(self, rule: Any) -> Any:
        self.seen.add(str(rule))
        return super().__getitem__(rule)


def forms_used(names: Iterable[str], monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], set[str]]:
    """(forms of grammar rules that reading these files used, all forms there are)."""
    tables = grammar().parser.parser.parser
    recording = _Recording(tables.callbacks)
    monkeypatch.setattr(tables, "callbacks", recording)
    for name in names:
        read(name)
    steps = [step for row in tables.parse_table.states.values() for _, step in row.values()]
    forms = {str(step) for step in steps if hasattr(step, "expansion")}
    return forms & recording.seen, forms
