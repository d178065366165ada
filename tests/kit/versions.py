"""Versions of the pump that differ in everything an update may change, and the served nodes in a form to compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from server.core.texts import Texts
from server.core.units import unit_of
from server.model.alarm_spec import exclusive_limit
from server.model.device_type import (
    ArgumentSpec,
    Attachment,
    DataType,
    DeviceType,
    EnumValue,
    GroupSpec,
    MethodSpec,
)
from server.opcua.nodes.keys import Key, namespace_of
from server.opcua.server import OpcUaServer
from tests.kit.opcua import machine_type
from tests.kit.plant import parameter


def pump_as_built() -> DeviceType:
    """Version 1.0.0."""
    return replace(
        machine_type(),
        groups=(
            GroupSpec("Operation", Texts.of("Operation"), parameters=("temperature", "state", "note")),
            GroupSpec("Service", Texts.of("Service"), parameters=("limit_high",), methods=("Trip",)),
        ),
        documents=(Attachment("manual.txt", Texts.of("Manual"), "text/plain", b"first"),),
    )


def pump_updated() -> DeviceType:
    """Version 2.0.0: of each kind of thing one came, one went, one changed, and the rest stayed."""
    old = pump_as_built()
    parameters = dict(old.parameters)
    del parameters["note"]
    parameters["speed"] = parameter("speed", unit=unit_of("m/s"), unit_symbol="m/s", ranges=((0.0, 12.0),))
    parameters["mode"] = parameter(
        "mode", DataType.BYTE, edd_type="ENUMERATED", enum_values=(EnumValue(1, Texts.of("manual")),)
    )
    parameters["temperature"] = replace(
        parameters["temperature"], ranges=((-20.0, 200.0),), help=Texts.of("Of the bearing")
    )
    parameters["door_open"] = replace(parameters["door_open"], data_type=DataType.UINT16)
    parameters["state"] = replace(
        parameters["state"],
        label=Texts.of("Operating state", ru="Режим"),
        enum_values=tuple(EnumValue(n, Texts.of(t)) for n, t in enumerate(("halted", "running", "tripped"))),
    )
    parameters["limit_high"] = replace(parameters["limit_high"], writable=False)
    return replace(
        old,
        version="2.0.0",
        label=Texts.of("Pump, second edition"),
        model=Texts.of("P2"),
        parameters=parameters,
        methods=(
            old.methods[0],
            replace(old.methods[1], inputs=(*old.methods[1].inputs, ArgumentSpec("Why", DataType.STRING))),
            MethodSpec(name="Flush", command="trip", label=Texts.of("Flush")),
        ),
        groups=(
            GroupSpec("Operation", Texts.of("Running"), parameters=("temperature", "speed")),
            GroupSpec("Diagnosis", Texts.of("D"), parameters=("mode",), groups=(GroupSpec("Deep", Texts.of("D")),)),
        ),
        alarms=(
            replace(old.alarms[0], sources={"High": "limit_high"}),
            exclusive_limit(parameter="speed", label=Texts.of("Speed"), high=10.0),
        ),
        documents=(
            Attachment("manual.txt", Texts.of("Manual"), "text/plain", b"second"),
            Attachment("notes.txt", Texts.of("Notes"), "text/plain", b"new"),
        ),
    )


def drawn(server: OpcUaServer, namespaces: tuple[int, ...]) -> dict[Key, Mapping[str, Any]]:
    """Attributes, references and what does not change by itself of every node in some namespaces."""
    store = server._space.store
    return {
        node.key: {
            "shape": node.shape,
            "name": node.name,
            "display": node.display,
            "description": node.description,
            "references": {(store.reference_type(code), code & 1, target) for code, target in node.pairs()},
            "value": (node.point.flags, node.point.body) if node.point is not None else None,
        }
        for node in store.nodes()
        if namespace_of(node.key) in namespaces
    }
