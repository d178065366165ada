"""A parsed EDD to its static view: names resolved, types and ranges checked, every problem listed at once."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from server.fdi.eddl.commands import EddCommand
from server.fdi.eddl.errors import EddError, Findings, GivenUpError
from server.fdi.eddl.imports import ImportProvider, Imports
from server.fdi.eddl.inherit import Finished, finished
from server.fdi.eddl.inherit_work import Work
from server.fdi.eddl.kinds import VIEWS
from server.fdi.eddl.limits import DEFAULT_LIMITS, EddLimits
from server.fdi.eddl.menu_depth import deepest
from server.fdi.eddl.model import (
    EddArray,
    EddCollection,
    EddMenu,
    EddMethod,
    EddModel,
    EddRelation,
    EddVariable,
    OtherConstruct,
)
from server.fdi.eddl.nodes import Construct, Edd, Position, RelationItem
from server.fdi.eddl.reading import Reader
from server.fdi.eddl.reference_checks import ReferenceChecks, relation_references
from server.fdi.eddl.references import References
from server.fdi.eddl.spelling import check_spelling
from server.fdi.eddl.static_view import StaticView
from server.fdi.eddl.structures import array, collection, menu, method
from server.fdi.eddl.texts import Described
from server.fdi.eddl.variables import variable
from server.fdi.eddl.writing import written


def resolve(edd: Edd, *, limits: EddLimits = DEFAULT_LIMITS, imports: ImportProvider | None = None) -> EddModel:
    """The static view of an EDD. Raises EddError with every problem found.

    `imports` gives the EDDs that IMPORTs name. Without it names that an IMPORT may bring are not missed, and what the
    IMPORT redefines is not part of the view.
    """
    sources = dict(edd.sources)
    findings = Findings(sources, limits.problems)
    try:
        model = _Resolver(edd, findings, limits, imports, sources).model()
    except GivenUpError:
        raise EddError(findings.problems, findings.warnings) from None
    findings.raise_if_any()
    return model


class _Resolver:
    def __init__(
        self,
        edd: Edd,
        findings: Findings,
        limits: EddLimits,
        provider: ImportProvider | None,
        sources: dict[str, str],
    ) -> None:
        self._edd = edd
        self._findings = findings
        self._limits = limits
        self._dictionary = edd.dictionary
        lenient = bool(edd.imports)
        if provider is None or not edd.imports:
            self._items: dict[str, Finished] = finished(edd, Work(findings, limits.inherited), lenient=lenient)
        else:
            followed = Imports(provider, findings, sources, limits)
            self._items = followed.constructs(edd)
            lenient = not followed.complete
            if followed.dictionary:
                self._dictionary = {**followed.dictionary, **(edd.dictionary or {})}
        # An EDD read without a dictionary shows the names of texts, whatever its imports bring along.
        self._view = StaticView(findings, self._dictionary, strict=edd.dictionary is not None)
        self._references = References(self._items, self._view, findings, imported=lenient)

    def model(self) -> EddModel:
        manufacturer, device_type = self._identity("MANUFACTURER"), self._identity("DEVICE_TYPE")
        revision, dd_revision = self._revision("DEVICE_REVISION"), self._revision("DD_REVISION")
        ReferenceChecks(self._items, self._references, self._view).run()
        variables: dict[str, EddVariable] = {}
        menus: dict[str, EddMenu] = {}
        methods: dict[str, EddMethod] = {}
        collections: dict[str, EddCollection] = {}
        arrays: dict[str, EddArray] = {}
        relations: list[EddRelation] = []
        other: list[OtherConstruct] = []
        views: dict[str, dict[str, Described]] = {}
        for name, item in self._items.items():
            if isinstance(item, RelationItem):
                relations.append(_relation(item))
                continue
            match item.kind:
                case "VARIABLE":
                    found = variable(item, self._view)
                    if found is not None:
                        variables[name] = found
                case "MENU":
                    menus[name] = menu(item, self._view, self._references)
                case "METHOD":
                    methods[name] = method(item, self._view)
                case "COLLECTION" | "RECORD":
                    collections[name] = collection(item, self._view)
                case "ARRAY" | "ITEM_ARRAY":
                    arrays[name] = array(item, self._view)
                case kind if kind in VIEWS:
                    kept, view = VIEWS[kind]
                    views.setdefault(kept, {})[name] = view(Reader(item, self._view, self._items))
                case kind:
                    text = f"{kind} {name}: there is no construct {kind}; is the word spelled right?"
                    self._findings.add(item.position, "construct-unknown", text)
                    other.append(OtherConstruct(kind, name))
        self._menu_depth(menus)
        self._written_together(relations, variables)
        self._command_numbers(views.get("commands", {}))
        check_spelling((item for item in self._items.values() if isinstance(item, Construct)), self._findings)
        model = EddModel(
            manufacturer=manufacturer,
            device_type=device_type,
            device_revision=revision,
            dd_revision=dd_revision,
            variables=variables,
            menus=menus,
            methods=methods,
            collections=collections,
            arrays=arrays,
            relations=tuple(relations),
            other=tuple(other),
            constructs=MappingProxyType(self._items),
            dictionary=self._dictionary or MappingProxyType({}),
            warnings=(*self._edd.warnings, *self._findings.warnings),
        )
        typed: dict[str, Any] = dict(views)
        return replace(model, **typed)

    def _identity(self, name: str) -> int | str:
        entry = self._edd.identification.get(name)
        if entry is None:
            self._findings.add(Position(self._edd.file, 1, 1), "identification", f"the identification lacks {name}")
            return 0
        return entry.value

    def _revision(self, name: str) -> int:
        value = self._identity(name)
        if isinstance(value, int):
            return value
        self._findings.add(self._edd.identification[name].position, "identification", f"{name} must be a number")
        return 0

    def _written_together(self, relations: list[EddRelation], variables: dict[str, EddVariable]) -> None:
        for relation in relations:
            for name in relation.causes if relation.kind == "WRITE_AS_ONE" else ():
                if name in variables and not variables[name].writable:
                    text = f"WRITE_AS_ONE {relation.name}: {name} is never written"
                    self._findings.warn(self._items[relation.name].position, "relation", text)

    def _command_numbers(self, commands: dict[str, Described]) -> None:
        known: dict[int, str] = {}
        for name, command in commands.items():
            if not isinstance(command, EddCommand) or command.number is None:
                continue
            other = known.setdefault(command.number, name)
            if other != name and command.position is not None:
                text = f"COMMAND {name} has the number {command.number} of {other}"
                self._findings.warn(command.position, "number", text)

    def _menu_depth(self, menus: dict[str, EddMenu]) -> None:
        shown = {
            name: [item.target for item in entry.items if item.kind == "menu" and item.target is not None]
            for name, entry in menus.items()
        }
        for name, depth in deepest(shown).items():
            position = menus[name].position
            if depth > self._limits.menu_depth and position is not None:
                text = f"MENU {name} leads {depth} menus deep; at most {self._limits.menu_depth} are taken"
                self._findings.add(position, "menu-depth", text)


def _relation(item: RelationItem) -> EddRelation:
    causes = tuple(written(reference) for reference in relation_references(item.causes))
    effects = tuple(written(reference) for reference in relation_references(item.effects))
    return EddRelation(item.kind, item.name, causes, effects)
