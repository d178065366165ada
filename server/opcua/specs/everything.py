"""Binds every companion specification that has behaviour, in order."""

from __future__ import annotations

from typing import Any

from server.opcua.specs import (
    actions,
    alarm_metrics,
    alarm_performance,
    audit_message,
    communication,
    declared_conditions,
    device_events,
    dialogs,
    dictionary,
    direct_access,
    edit_context,
    health,
    locking,
    plug_ins,
    semantics,
    server_version,
    structures,
    topology,
    transfer,
    twins,
    ui,
)
from server.opcua.specs.binding import Binding


def bind(binding: Binding, fdi: Any) -> None:
    """Bind all of them. `fdi` is the FDI runtime (server.fdi.runtime), None where no package runs."""
    events = (declared_conditions, alarm_performance, alarm_metrics, device_events)
    for always in (semantics, health, topology, audit_message, server_version, *events):
        always.bind(binding, fdi)
    if fdi is None:
        return
    data_sets = (structures, locking, twins, edit_context, actions, dialogs, transfer)
    for spec in (*data_sets, plug_ins, ui, dictionary, communication, direct_access):
        spec.bind(binding, fdi)
