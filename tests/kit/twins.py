"""Both twins of the wire: the Python one always, the compiled one where it was built."""

from __future__ import annotations

import importlib
import os
from types import SimpleNamespace
from typing import Any

import pytest

import server.opcua.wire as wire
from server.opcua.wire import items, points

PURE: Any = SimpleNamespace(
    Point=points.Point,
    join_values=points.join_values,
    put_scalars=points.put_scalars,
    Item=items.Item,
    Group=items.Group,
    Ready=items.Ready,
)


def _typed() -> Any:
    try:
        module = importlib.import_module("server.opcua.wire._typed")
    except ImportError:
        return None
    return module if module.API == wire.API else None


TYPED: Any = _typed()
MISSING = "no compiled twin"
TWINS = [pytest.param(PURE, id="pure"), pytest.param(TYPED, id="typed")]


def require(twin: Any) -> Any:
    """The twin; without one the test skips, or fails when CI=true."""
    if twin is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return twin
