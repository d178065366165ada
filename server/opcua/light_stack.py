"""Imports of the stack without its client and server: its packages load them eagerly, which costs a tenth of our start.

`asyncua` and `asyncua.common` are put in place as packages that know their folder; what their own `__init__` would
define is made when somebody asks for it (tests use the client). The version is pinned in pyproject.toml.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

LIGHT = ("asyncua", "asyncua.common")


class _LightPackage(ModuleType):
    """A package whose `__init__` runs at the first name that is none of its submodules."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        spec: ModuleSpec = self.__dict__["__spec__"]
        if importlib.util.find_spec(f"{spec.name}.{name}") is not None:
            return importlib.import_module(f"{spec.name}.{name}")
        if self.complete() and name in self.__dict__:
            return self.__dict__[name]
        raise AttributeError(f"module {spec.name!r} has no attribute {name!r}")

    def complete(self) -> bool:
        """Run the package's own `__init__`; False when that was done before."""
        spec: ModuleSpec = self.__dict__["__spec__"]
        if self.__dict__.get("_whole") or spec.loader is None:
            return False
        self.__dict__["_whole"] = True
        spec.loader.exec_module(self)
        return True


def complete() -> None:
    """Import the packages whole: for modules of the stack that count on it, before they are imported."""
    for name in LIGHT:
        package = sys.modules.get(name)
        if isinstance(package, _LightPackage):
            package.complete()


def prepare() -> None:
    """Put the packages in place; those that are imported already stay as they are."""
    for name in LIGHT:
        if name in sys.modules:
            continue
        spec = importlib.util.find_spec(name)
        if spec is None or spec.submodule_search_locations is None:
            return  # not installed: the import that follows says so
        package = _LightPackage(name)
        package.__spec__ = spec
        package.__path__ = list(spec.submodule_search_locations)
        package.__file__ = spec.origin
        package.__loader__ = spec.loader
        package.__package__ = name
        sys.modules[name] = package
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, package)
