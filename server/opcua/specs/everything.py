"""Binds every companion specification that has behaviour, in order."""

from __future__ import annotations

from typing import Any

from server.opcua.specs import (
    actions,
    dictionary,
    edit_context,
    health,
    locking,
    plug_ins,
    semantics,
    structures,
    transfer,
    twins,
    ui,
)
from server.opcua.specs.binding import Binding


def bind(binding: Binding, fdi: Any) -> None:
    """Bind all of them. `fdi` is the FDI runtime (server.fdi.runtime), None where no package runs."""
    for always in (semantics, health):
        always.bind(binding, fdi)
    if fdi is None:
        return
    for spec in (structures, locking, twins, edit_context, actions, transfer, plug_ins, ui, dictionary):
        spec.bind(binding, fdi)
