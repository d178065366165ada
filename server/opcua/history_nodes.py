"""What the address space says of history: configurations, aggregates (OPC 10000-11, 5.2; OPC 10000-13, 4.2).

All Variables whose values move in steps share one HistoricalDataConfiguration, all others the other one.
"""

from __future__ import annotations

from asyncua import ua

from server.history.aggregates.catalogue import AGGREGATES, ANNOTATION_COUNT
from server.history.aggregates.results import DEFAULTS
from server.model.device_type import DataType
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import key_of
from server.opcua.space import HAS_PROPERTY, ORGANIZES, Space, data_value

_IDS = ua.ObjectIds
_V = ua.VariantType
HAS_CONFIGURATION = ua.NodeId(_IDS.HasHistoricalConfiguration)
CONFIGURATIONS = {True: "Fieldloom/History/Stepped", False: "Fieldloom/History/Sloped"}
"""Identifiers of the two configurations, by Stepped."""
ANNOTATIONS = "Annotations"
"""BrowseName of the Property, and the end of its identifier."""
_AGGREGATE_DEFAULTS = {
    "TreatUncertainAsBad": (DEFAULTS.treat_uncertain_as_bad, _V.Boolean),
    "PercentDataBad": (DEFAULTS.percent_data_bad, _V.Byte),
    "PercentDataGood": (DEFAULTS.percent_data_good, _V.Byte),
    "UseSlopedExtrapolation": (DEFAULTS.use_sloped_extrapolation, _V.Boolean),
}


def add_history_nodes(space: Space) -> None:
    """The configurations, and which aggregates there are."""
    for stepped, path in CONFIGURATIONS.items():
        root = space.id(PLANT_URI, path)
        space.object(root, ua.QualifiedName("HA Configuration", 0), ua.NodeId(_IDS.HistoricalDataConfigurationType))
        _property(space, root, path, "Stepped", stepped, _V.Boolean)
        _property(space, root, path, "ServerTimestampSupported", True, _V.Boolean)
        aggregates = space.id(PLANT_URI, f"{path}/AggregateConfiguration")
        space.object(
            aggregates,
            ua.QualifiedName("AggregateConfiguration", 0),
            ua.NodeId(_IDS.AggregateConfigurationType),
            parent=root,
        )
        for name, (value, kind) in _AGGREGATE_DEFAULTS.items():
            _property(space, aggregates, f"{path}/AggregateConfiguration", name, value, kind)
    for folder in (
        _IDS.Server_ServerCapabilities_AggregateFunctions,
        _IDS.HistoryServerCapabilities_AggregateFunctions,
    ):
        for number in (*AGGREGATES, ANNOTATION_COUNT.node_id):
            if number in space.store and folder in space.store:
                space.link(ua.NodeId(folder), ORGANIZES, ua.NodeId(number))


def configure(space: Space, node_id: ua.NodeId, data_type: DataType) -> None:
    """Say how the history of a Variable is configured.

    One direction, as with types: a shared configuration does not list the thousands that use it.
    """
    target = space.id(PLANT_URI, CONFIGURATIONS[data_type.stepped])
    space.link(node_id, HAS_CONFIGURATION, target, inverse=False)


def announce_annotations(space: Space, variable: ua.NodeId) -> None:
    """Let a recorded Variable have its Annotations; the node is made when somebody looks at it."""
    target = ua.NodeId(f"{variable.Identifier}/{ANNOTATIONS}", variable.NamespaceIndex)
    space.store.announce(key_of(variable), key_of(HAS_PROPERTY), key_of(target))


def _property(space: Space, parent: ua.NodeId, path: str, name: str, value: object, kind: ua.VariantType) -> None:
    space.property(
        space.id(PLANT_URI, f"{path}/{name}"),
        ua.QualifiedName(name, 0),
        data_value(value, kind),
        ua.NodeId(kind.value),
        parent=parent,
    )
