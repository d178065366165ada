"""The order in which parameters are transferred (fdi-information-model.md, section 12)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Final

from server.fdi.eddl.model import EddModel
from server.fdi.logic.relations import Relations
from server.fdi.references import variables_of
from server.model.device_type import ParameterSpec

DOWNLOAD: Final = ("download_to_device_root_menu", "download_variables")
UPLOAD: Final = ("upload_from_device_root_menu", "upload_variables")
_DEPTH: Final = 32


def download_order(model: EddModel, specs: Mapping[str, ParameterSpec], relations: Relations) -> tuple[str, ...]:
    """What is sent to the device: the EDD's menu, else every writable parameter with what dominates it before it."""
    stored = [name for name, spec in specs.items() if spec.writable and not spec.local and not spec.private]
    return _listed(model, DOWNLOAD, stored) or _dominants_first(stored, relations)


def upload_order(model: EddModel, specs: Mapping[str, ParameterSpec]) -> tuple[str, ...]:
    """What is read from the device: the EDD's menu, else every readable parameter in the order of the source."""
    stored = [name for name, spec in specs.items() if spec.readable and not spec.local and not spec.private]
    return _listed(model, UPLOAD, stored) or tuple(stored)


def transfer_menu(model: EddModel, menus: Sequence[str]) -> str | None:
    """The MENU that orders a transfer and whose actions run around it (`DOWNLOAD` or `UPLOAD`); None without one."""
    return next((name for name in menus if name in model.menus), None)


def _listed(model: EddModel, menus: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    root = transfer_menu(model, menus)
    if root is None:
        return ()
    known = frozenset(wanted)
    return tuple(dict.fromkeys(_items(model, root, known, set(), 0)))


def _items(model: EddModel, menu: str, known: Container[str], seen: set[str], depth: int) -> Iterator[str]:
    if menu in seen or depth > _DEPTH:
        return
    seen.add(menu)
    for item in model.menus[menu].items:
        if item.target is None:
            continue
        if item.kind == "menu" and item.target in model.menus:
            yield from _items(model, item.target, known, seen, depth + 1)
        elif item.kind in ("variable", "collection", "other"):
            yield from (name for name in variables_of(model, item.target) if name in known)


def _dominants_first(names: Sequence[str], relations: Relations) -> tuple[str, ...]:
    """The order of the source but for dominants, which move before what they dominate; circles stay as they are."""
    known = frozenset(names)
    done: dict[str, None] = {}
    looked_at: set[str] = set()
    followed: set[str] = set()  # relations: each one's dominants are put down once
    for first in names:
        stack = [first]
        while stack:
            name = stack[-1]
            if name in looked_at:
                stack.pop()
                done[name] = None
                continue
            looked_at.add(name)
            for relation in relations.over(name):
                if relation.name not in followed:
                    followed.add(relation.name)
                    stack += [
                        other for other in reversed(relation.dominants) if other in known and other not in looked_at
                    ]
    return tuple(done)
