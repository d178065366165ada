"""Takes out of the standard address space what this server does not offer: an optional node there is a promise."""

from __future__ import annotations

from asyncua import ua

from server.opcua.nodes.keys import Key, namespace_of
from server.opcua.nodes.store import HAS_MODELLING_RULE_KEY, NodeStore

_ids = ua.ObjectIds
_HAS_COMPONENT, _HAS_PROPERTY, _HAS_ORDERED, _ORGANIZES = 47, 46, 49, 35
_OWNING = (_HAS_COMPONENT, _HAS_PROPERTY, _HAS_ORDERED, _ORGANIZES)
_ROLE_TYPE, _MANDATORY = 15620, 78

UNSUPPORTED: tuple[Key, ...] = (
    _ids.Aliases,
    _ids.Locations,
    _ids.Server_UrisVersion,
    _ids.Server_EstimatedReturnTime,
    _ids.Server_LocalTime,
    _ids.Server_RequestServerStateChange,
    _ids.Server_ServerRedundancy_RedundantServerArray,
    _ids.Server_ServerCapabilities_ConformanceUnits,
    _ids.Server_ServerDiagnostics_SamplingIntervalDiagnosticsArray,
    _ids.Dictionaries,
    _ids.Quantities,
    _ids.DefaultHAConfiguration,
    _ids.DefaultHEConfiguration,
    _ids.ServerConfiguration,
    _ids.PublishSubscribe,
    _ids.Resources,
    _ids.ServerLog,
    _ids.WellKnownRole_TrustedApplication,
    _ids.WellKnownRole_SecurityKeyServerAdmin,
    _ids.WellKnownRole_SecurityKeyServerAccess,
    _ids.WellKnownRole_SecurityKeyServerPush,
)
"""Instances of namespace 0 that stand for features that are not there; their types stay."""

ROLES: tuple[Key, ...] = (
    _ids.WellKnownRole_Anonymous,
    _ids.WellKnownRole_AuthenticatedUser,
    _ids.WellKnownRole_Observer,
    _ids.WellKnownRole_Operator,
    _ids.WellKnownRole_Engineer,
    _ids.WellKnownRole_Supervisor,
    _ids.WellKnownRole_ConfigureAdmin,
    _ids.WellKnownRole_SecurityAdmin,
)


def prune(store: NodeStore) -> int:
    """Remove what is not offered; returns how many nodes went.

    What a NodeSet refers to stays: it has found a use for it.
    """
    removed = 0
    optional = [key for role in ROLES for key in _optional(store, role)]
    for root in (*UNSUPPORTED, *optional):
        if store.peek(root) is None:
            continue
        gone = _subtree(store, root)
        if not any(_used(store, key) for key in gone):
            removed += len(store.remove(gone))
    return removed


def _optional(store: NodeStore, role: Key) -> list[Key]:
    """What of a role only servers have that let clients configure it (OPC 10000-18, 4.4.1)."""
    mandatory = {
        store[key].name.Name
        for reference in (_HAS_COMPONENT, _HAS_PROPERTY)
        for key in store.targets(_ROLE_TYPE, reference)
        if _MANDATORY in store.targets(key, HAS_MODELLING_RULE_KEY)
    }
    return [
        key
        for reference in (_HAS_COMPONENT, _HAS_PROPERTY)
        for key in store.targets(role, reference)
        if store[key].name.Name not in mandatory
    ]


def _subtree(store: NodeStore, root: Key) -> set[Key]:
    """A node and everything below it that nobody else owns."""
    found = {root}
    waiting = [root]
    while waiting:
        key = waiting.pop()
        for reference in _OWNING:
            for below in store.targets(key, reference):
                if below not in found and all(
                    owner in found for kind in _OWNING for owner in store.targets(below, kind, forward=False)
                ):
                    found.add(below)
                    waiting.append(below)
    return found


def _used(store: NodeStore, key: Key) -> bool:
    return any(namespace_of(target) for _code, target in store[key].pairs())
