"""Finds declarations (`CODEC`, `STORE`, `CONDITION` …) in a package, one module each."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from server.core.errors import ConfigurationError


def discover(package: ModuleType, declaration: str) -> dict[str, object]:
    """Import every module of a package and collect its declaration, keyed by module name.

    A module without the declaration is skipped; one that does not import ends the start.

    Raises:
        ConfigurationError: every module that failed to import, with its reason.
    """
    found: dict[str, object] = {}
    problems: list[str] = []
    for info in pkgutil.iter_modules(package.__path__):
        name = f"{package.__name__}.{info.name}"
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            problems.append(f"{name}: {error}")
            continue
        value = getattr(module, declaration, None)
        if value is not None:
            found[info.name] = value
    if problems:
        raise ConfigurationError(problems, what="plug-ins that do not import")
    return found
