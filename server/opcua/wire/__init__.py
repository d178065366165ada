"""The hot codec: values kept encoded, monitored items that queue them, joins of both. No stack type comes in here.

Two twins of one interface: `points` and `items` in Python, `_typed` compiled. The compiled one is taken when it was
built, unless FIELDLOOM_PURE=1 is in the environment; `TWIN` tells which one is in force.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from server.opcua.wire.ticks import to_ticks, to_us

API = 3
"""What `_typed` has to be built from; raised with every change that an older build must not serve."""

if TYPE_CHECKING or os.environ.get("FIELDLOOM_PURE") == "1":
    _typed = None
else:
    try:
        from server.opcua.wire import _typed
    except ImportError:  # no C compiler was there when the product was installed
        _typed = None
    else:
        if getattr(_typed, "API", None) != API:  # built from other sources
            _typed = None

if TYPE_CHECKING or _typed is None:
    from server.opcua.wire.items import Group, Item, Ready
    from server.opcua.wire.points import Point, join_values, put_scalars

    TWIN = "pure"
else:
    Point, join_values, put_scalars = _typed.Point, _typed.join_values, _typed.put_scalars
    Group, Item, Ready = _typed.Group, _typed.Item, _typed.Ready
    TWIN = "typed"

__all__ = ["TWIN", "Group", "Item", "Point", "Ready", "join_values", "put_scalars", "to_ticks", "to_us"]
