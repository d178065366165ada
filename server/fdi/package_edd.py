"""The EDD of a device type out of its package: includes, dictionaries, imported EDDs; problems by part and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from server.fdi import literals, part_names
from server.fdi.container import Container, Part, Relationship
from server.fdi.eddl.errors import EddError, Problem, excerpt_of
from server.fdi.eddl.imports import Identification, identification_of
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.nodes import Edd
from server.fdi.eddl.parser import parse
from server.fdi.eddl.resolve import resolve
from server.fdi.eddl.strings import DictionaryError, decode_bytes, parse_dictionary
from server.fdi.errors import Finding, PackageError, Severity

EDD_SUFFIX = ".ddl"


class EddPlaces:
    """From the file names in problems of one EDD to the parts they stand for."""

    def __init__(self, container: Container, part: str) -> None:
        self._container = container
        self._part = part
        self._folder, _, self._file = part.rpartition("/")

    def beside(self, file: str) -> str:
        """The name of the part that a file beside the EDD is."""
        return f"{self._folder}/{file}"

    def part_of(self, file: str) -> str:
        """The name of the part that a file of the EDD is."""
        return self._part if file == self._file else self.beside(file)

    def findings(self, problems: Iterable[Problem], severity: Severity, *, lead: str = "") -> list[Finding]:
        """Problems of the EDD as findings of the package; those without an excerpt get one. `lead` begins each text."""
        lines: dict[str, list[str]] = {}
        return [
            Finding(
                severity=severity,
                rule=f"edd.{problem.rule}",
                text=f"{lead}{problem.text}",
                part=self.part_of(problem.file),
                line=problem.line,
                column=problem.column,
                excerpt=problem.excerpt or self._excerpt(problem, lines),
            )
            for problem in problems
        ]

    def _excerpt(self, problem: Problem, lines: dict[str, list[str]]) -> str:
        name = self.part_of(problem.file)
        if name not in lines:
            part = self._container.part(name)
            text = decode_bytes(part.data) if part is not None else ""
            lines[name] = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        found = lines[name]
        return excerpt_of(found[problem.line - 1], problem.column)[0] if 0 < problem.line <= len(found) else ""


class EddParts:
    """The EDD part and the parts related from it: `#include` and IMPORT find files by name and identification there."""

    def __init__(self, container: Container, part: Part) -> None:
        self._container = container
        self._part = part
        self.places = EddPlaces(container, part.name)
        self._related = container.relationships(part.name)
        self._files = {
            part_names.key_of(entry.target): container.follow(entry, source=part.name)
            for entry in self._related
            if entry.type == literals.RELATIONSHIP_EDD_INCLUDE and not entry.external
        }
        self._dictionary: dict[str, Mapping[str, str]] = {}
        self._importable: dict[Identification, Edd] | None = None
        self._model: EddModel | None = None

    def model(self) -> EddModel:
        """The EDD read and resolved, once.

        Raises:
            PackageError: every problem found, by part and line.
        """
        if self._model is not None:
            return self._model
        for entry in self._related:
            if entry.type == literals.RELATIONSHIP_EDD_DICTIONARY:
                self._add_dictionary(entry)
        try:
            self._model = resolve(self._parsed(self._part), imports=self._imported)
        except EddError as error:
            first = error.problems[0]
            more = len(error.problems) - 1
            raise PackageError(
                f"{first.text}{f' (and {more} more)' if more else ''}",
                part=self.places.part_of(first.file),
                line=first.line,
                rule=f"edd.{first.rule}",
                problems=[str(problem) for problem in error.problems],
                findings=[
                    *self.places.findings(error.problems, Severity.ERROR),
                    *self.places.findings(error.warnings, Severity.WARNING),
                ],
            ) from None
        return self._model

    def _parsed(self, part: Part) -> Edd:
        file = part.name.rpartition("/")[2]
        return parse(part.data, file=file, include=self._include, dictionary=self._dictionary)

    def _include(self, name: str) -> bytes:
        return self._files[part_names.key_of(self.places.beside(name))].data

    def _imported(self, wanted: Identification) -> Edd:
        """The EDD beside this one that has the identification. Raises LookupError, and EddError where it is wrong."""
        if self._importable is None:
            self._importable = {}
            for part in self._files.values():
                # A file that only serves for inclusion has no identification of its own.
                if part.name.casefold().endswith(EDD_SUFFIX) and b"MANUFACTURER" in part.data:
                    edd = self._parsed(part)
                    self._importable.setdefault(identification_of(edd.identification), edd)
        for known, edd in self._importable.items():
            if known == wanted or (wanted.standard is not None and _standard(known, wanted)):
                return edd
        raise LookupError(str(wanted))

    def _add_dictionary(self, entry: Relationship) -> None:
        part = self._container.follow(entry, source=self._part.name)
        try:
            for name, texts in parse_dictionary(part.data).items():
                self._dictionary.setdefault(name, texts)
        except DictionaryError as error:
            raise PackageError(str(error), part=part.name, line=error.line, rule="edd.dictionary") from None


def _standard(known: Identification, wanted: Identification) -> bool:
    """`IMPORT STANDARD _X` names a device type of the standard's own manufacturer."""
    return (known.device_type, known.device_revision, known.dd_revision) == (
        wanted.standard,
        wanted.device_revision,
        wanted.dd_revision,
    )
