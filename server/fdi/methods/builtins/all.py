"""All builtins by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from server.fdi.methods.builtins import (
    abort,
    communication,
    dialogs,
    lists,
    maths,
    references,
    status,
    strings,
    texts,
    time,
    transfer,
    values,
)
from server.fdi.methods.builtins.table import Builtin

BUILTINS: Final[Mapping[str, Builtin]] = MappingProxyType(
    {
        **abort.BUILTINS,
        **communication.BUILTINS,
        **dialogs.BUILTINS,
        **lists.BUILTINS,
        **maths.BUILTINS,
        **references.BUILTINS,
        **status.BUILTINS,
        **strings.BUILTINS,
        **texts.BUILTINS,
        **time.BUILTINS,
        **transfer.BUILTINS,
        **values.BUILTINS,
    }
)
