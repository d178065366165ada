"""IMPORT: another EDD's constructs, all or some, changed as REDEFINITIONS say, before the EDD's own declarations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from server.fdi.eddl.errors import Findings
from server.fdi.eddl.inherit import Finished, Inheritance, finished
from server.fdi.eddl.inherit_work import Work
from server.fdi.eddl.keywords import KINDS
from server.fdi.eddl.limits import EddLimits
from server.fdi.eddl.nodes import Edd, HeaderEntry, Import, Position, Selection

EVERYTHING: Final = "EVERYTHING"
_PLURALS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        **{kind + "S": frozenset({kind}) for kind in KINDS if kind != "RESPONSE_CODES"},
        "RESPONSE_CODES": frozenset({"RESPONSE_CODES"}),
        "AXES": frozenset({"AXIS"}),
        "REFRESHES": frozenset({"REFRESH"}),
        "RELATIONS": frozenset({"UNIT", "REFRESH", "WRITE_AS_ONE"}),
    }
)


class Identification(NamedTuple):
    """What an IMPORT names, each as written; `standard` is the word after STANDARD in the HART form."""

    manufacturer: int | str | None
    device_type: int | str | None
    device_revision: int | str | None
    dd_revision: int | str | None
    standard: int | str | None = None

    def __str__(self) -> str:
        named = zip(("MANUFACTURER", "DEVICE_TYPE", "DEVICE_REVISION", "DD_REVISION", "STANDARD"), self, strict=True)
        return ", ".join(f"{name} {value}" for name, value in named if value is not None)


# Gives the parsed EDD an IMPORT names; raises LookupError when there is none. Its `file` should be a name of its own,
# since problems in it are shown by file and line.
ImportProvider: TypeAlias = Callable[[Identification], Edd]


def identification_of(entries: Mapping[str, HeaderEntry]) -> Identification:
    """The identification in the entries of a header or of an IMPORT."""

    def value(name: str) -> int | str | None:
        return entries[name].value if name in entries else None

    return Identification(
        value("MANUFACTURER"),
        value("DEVICE_TYPE"),
        value("DEVICE_REVISION"),
        value("DD_REVISION"),
        value("STANDARD"),
    )


class Imports:
    """Follows the IMPORTs of one EDD; each EDD is asked for and finished once, whoever imports it."""

    def __init__(
        self, provider: ImportProvider, findings: Findings, sources: dict[str, str], limits: EddLimits
    ) -> None:
        self._provider = provider
        self._findings = findings
        self._work = Work(findings, limits.inherited)
        self._sources = sources  # the texts of imported files are added, for the excerpts of problems
        self._limits = limits
        self._known: dict[Identification, dict[str, Finished] | None] = {}  # None: it cannot be had
        self._open: list[Identification] = []
        self.dictionary: dict[str, Mapping[str, str]] = {}
        self.complete = True  # False once an IMPORT could not be followed: names may then be missing

    def constructs(self, edd: Edd) -> dict[str, Finished]:
        """Everything of the EDD by name, what it imports first. Notes problems; GivenUpError past a limit."""
        self._open.append(identification_of(edd.identification))
        given: dict[str, Finished] = {}
        for order in edd.imports:
            for name, item in self._taken(order).items():
                if name in given and given[name] != item:
                    text = f"two IMPORTs bring different constructs called {name}"
                    self._findings.add(order.position, "duplicate-name", text)
                given.setdefault(name, item)
        if len(given) > self._limits.constructs:
            self._findings.give_up(
                edd.imports[-1].position, "limit", f"IMPORT brings more than {self._limits.constructs} constructs"
            )
        made = finished(edd, self._work, given, lenient=not self.complete)
        self._open.pop()
        return made

    def _taken(self, order: Import) -> dict[str, Finished]:
        found = self._imported(order)
        if found is None:
            return {}
        work = Inheritance(self._work, self._selected(order, found))
        for item in order.redefinitions:
            work.redefine(item)
        return work.finish(lenient=not self.complete)

    def _imported(self, order: Import) -> dict[str, Finished] | None:
        wanted = identification_of({entry.name: entry for entry in order.identification})
        if wanted in self._open:
            text = f"the EDD {wanted} imports itself" + (" by way of others" if self._open[-1] != wanted else "")
            self._refused(order.position, text)
            return None
        if wanted in self._known:
            return self._known[wanted]
        if len(self._open) > self._limits.import_depth:
            self._findings.give_up(
                order.position, "limit", f"EDDs import each other more than {self._limits.import_depth} deep"
            )
        if len(self._known) >= self._limits.imports:
            self._findings.give_up(order.position, "limit", f"more than {self._limits.imports} EDDs are imported")
        self._known[wanted] = None
        try:
            edd = self._provider(wanted)
        except LookupError:
            self._refused(order.position, f"the EDD {wanted} is not here; give it to the package")
            return None
        for file, text in edd.sources.items():
            self._sources.setdefault(file, text)
        for name, texts in (edd.dictionary or {}).items():
            self.dictionary.setdefault(name, texts)
        self._known[wanted] = self.constructs(edd)
        return self._known[wanted]

    def _refused(self, position: Position, text: str) -> None:
        self.complete = False
        self._findings.add(position, "import", text)

    def _selected(self, order: Import, found: Mapping[str, Finished]) -> dict[str, Finished]:
        taken: set[str] = set()
        for selection in order.selections:
            taken.update(self._names(selection, found))
        return {name: item for name, item in found.items() if name in taken}

    def _names(self, selection: Selection, found: Mapping[str, Finished]) -> list[str]:
        if selection.name is not None:
            item = found.get(selection.name)
            if item is not None and item.kind == selection.kind:
                return [selection.name]
            text = f"the imported EDD has no {selection.kind} {selection.name}"
            self._findings.add(selection.position, "missing-target", text)
            return []
        if selection.kind == EVERYTHING:
            return list(found)
        kinds = _PLURALS.get(selection.kind)
        if kinds is None:
            text = f"{selection.kind} is neither EVERYTHING nor a kind of construct such as VARIABLES"
            self._findings.add(selection.position, "import", text)
            return []
        return [name for name, item in found.items() if item.kind in kinds]
