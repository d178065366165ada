"""FunctionalGroups from the EDD's MENUs (docs/packages.md says which menus become which group)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from itertools import islice

from server.core.texts import Texts
from server.fdi.eddl.model import EddMenu, EddModel
from server.fdi.parameters import texts_of
from server.fdi.references import variables_of
from server.model.device_type import GroupSpec

MAX_DEPTH = 8
MAX_GROUPS = 500
MAX_ENTRIES = 50_000
"""References of menus looked at, those met again included."""

_ROOTS = ("device_root_menu", "root_menu", "offline_root_menu")
_STANDARD = {
    "process_variables": "Operational",
    "operational": "Operational",
    "diagnostic": "Diagnostics",
    "diagnostics": "Diagnostics",
    "maintenance": "Maintenance",
    "configuration": "Configuration",
    "tuning": "Tuning",
    "statistics": "Statistics",
    "operation_counters": "OperationCounters",
}
"""Menu name without `_root_menu` or `_menu` -> BrowseName that OPC 10000-100 recommends."""


def standard_name(menu: str) -> str | None:
    """The recommended group name a menu stands for, or None."""
    for suffix in ("_root_menu", "_menu"):
        menu = menu.removesuffix(suffix)
    return _STANDARD.get(menu)


def translate_groups(
    edd: EddModel, parameters: Container[str], methods: Mapping[str, str]
) -> tuple[tuple[GroupSpec, ...], list[str]]:
    """The groups at the device's top level, and what was left out.

    Args:
        parameters: names of the parameters shown outside.
        methods: UA method by EDD METHOD name, where the command table offers the same action.
    """
    builder = _Builder(edd, parameters, methods)
    groups: list[GroupSpec] = []
    taken: set[str] = set()
    for menu in _top_menus(edd):
        name = standard_name(menu.name)
        standard = name is not None and name not in taken
        group = builder.group(menu, name if standard and name else menu.name, standard, ())
        if group is not None:
            taken.add(group.name)
            groups.append(group)
    return tuple(groups), builder.warnings


def _top_menus(edd: EddModel) -> list[EddMenu]:
    names: dict[str, None] = {}
    for root in _ROOTS:
        if root in edd.menus:
            names.update((item.target, None) for item in edd.menus[root].items if item.kind == "menu" and item.target)
    names.update((name, None) for name in edd.menus if name.endswith("_root_menu") and standard_name(name))
    if not names:
        inner = {item.target for menu in edd.menus.values() for item in menu.items if item.kind == "menu"}
        names.update((name, None) for name in edd.menus if name not in inner)
    return [edd.menus[name] for name in names if name in edd.menus and name not in _ROOTS]


def offered_methods(edd: EddModel) -> tuple[str, ...]:
    """METHODs that a menu offers, also as members of what it shows, and that are not PRIVATE; in source order.

    The others only serve inside the EDD: as actions around reading, writing and editing, or for other METHODs.
    """
    found: set[str] = set()
    held: set[str] = set()
    for menu in edd.menus.values():
        for item in menu.items:
            if item.kind == "method" and item.target:
                found.add(item.target)
            elif item.kind in ("collection", "other") and item.target:
                held.add(item.target)
    entries = islice((name for target in sorted(held) for name in variables_of(edd, target)), MAX_ENTRIES)
    found.update(entries if edd.methods else ())
    return tuple(name for name, method in edd.methods.items() if name in found and not method.private)


class _Builder:
    def __init__(self, edd: EddModel, parameters: Container[str], methods: Mapping[str, str]) -> None:
        self._edd = edd
        self._parameters = parameters
        self._methods = methods
        self._offered = offered_methods(edd)
        self._count = 0
        self._entries = 0
        self.warnings: list[str] = []

    def group(self, menu: EddMenu, name: str, standard: bool, path: tuple[str, ...]) -> GroupSpec | None:
        """The group of a menu with all below it; None when nothing of it can be shown."""
        if menu.name in path:
            self._warn(f"menu {menu.name} contains itself; shown once")
            return None
        if len(path) >= MAX_DEPTH or self._count >= MAX_GROUPS:
            self._warn(f"menu {menu.name}: groups end at {MAX_DEPTH} levels and {MAX_GROUPS} groups")
            return None
        self._count += 1
        parameters: dict[str, None] = {}
        methods: dict[str, None] = {}
        groups: dict[str, GroupSpec] = {}
        actions: dict[str, None] = {}
        uips: dict[str, None] = {}
        for item in menu.items:
            target = item.target or ""
            if target in self._edd.plugins:
                uuid = (self._edd.plugins[target].uuid or "").strip("{}").lower()
                uips.update({uuid: None} if uuid else {})
            elif item.kind in ("variable", "collection", "other"):  # arrays stand among the others
                for found in self._shown(target):
                    (parameters if found in self._parameters else actions)[found] = None
            elif item.kind == "method":
                methods.update({self._methods[target]: None} if target in self._methods else {})
                actions.update({target: None} if target in self._offered else {})
            elif item.kind == "menu" and target in self._edd.menus and target not in groups:
                inner = self.group(self._edd.menus[target], target, False, (*path, menu.name))
                if inner is not None:
                    groups[target] = inner
        if not (parameters or methods or groups or actions or uips):
            return None
        return GroupSpec(
            name=name,
            label=texts_of(menu.label) or Texts.of(menu.name),
            help=texts_of(menu.help),
            parameters=tuple(parameters),
            methods=tuple(methods),
            groups=tuple(groups.values()),
            standard=standard,
            menu=menu.name,
            actions=tuple(actions),
            uips=tuple(uips),
        )

    def _shown(self, target: str) -> Iterator[str]:
        for found in variables_of(self._edd, target):
            self._entries += 1
            if self._entries > MAX_ENTRIES:
                self._warn(
                    f"menus name more than {MAX_ENTRIES} parameters, repeated ones included; the rest is left out"
                )
                return
            if found in self._parameters or found in self._offered:
                yield found

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
