"""What the address space says of history: configurations, aggregates (OPC 10000-11, 5.2; OPC 10000-13, 4.2).

All Variables whose values move in steps share one HistoricalDataConfiguration, all others the other one. A parameter
with a deadband has one of its own, which all devices of its type share.
"""

from __future__ import annotations

from datetime import UTC, datetime

from asyncua import ua

from server.core.clock import TimeUs
from server.history.aggregates.catalogue import AGGREGATES, ANNOTATION_COUNT
from server.history.aggregates.results import DEFAULTS
from server.model.device_type import DataType
from server.opcua.datavalues import moment
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import key_of
from server.opcua.nodes.values import put_data_value
from server.opcua.space import HAS_PROPERTY, ORGANIZES, Space, data_value
from server.settings import DeadbandSettings

_IDS = ua.ObjectIds
_V = ua.VariantType
HAS_CONFIGURATION = ua.NodeId(_IDS.HasHistoricalConfiguration)
CONFIGURATIONS = {True: "Fieldloom/History/Stepped", False: "Fieldloom/History/Sloped"}
"""Identifiers of the two configurations, by Stepped."""
ANNOTATIONS = "Annotations"
"""BrowseName of the Property, and the end of its identifier."""
_NEVER = datetime(1601, 1, 1, tzinfo=UTC)
"""The zero of the wire: no time."""
_AGGREGATE_DEFAULTS = {
    "TreatUncertainAsBad": (DEFAULTS.treat_uncertain_as_bad, _V.Boolean),
    "PercentDataBad": (DEFAULTS.percent_data_bad, _V.Byte),
    "PercentDataGood": (DEFAULTS.percent_data_good, _V.Byte),
    "UseSlopedExtrapolation": (DEFAULTS.use_sloped_extrapolation, _V.Boolean),
}


def add_history_nodes(space: Space) -> None:
    """The configurations, and which aggregates there are."""
    for stepped, path in CONFIGURATIONS.items():
        _add_configuration(space, path, stepped)
    for name, deadband in space.deadbands.items():
        for stepped, path in CONFIGURATIONS.items():
            _add_deadband(space, f"{path}/{name}", stepped, deadband)
    for folder in (
        _IDS.Server_ServerCapabilities_AggregateFunctions,
        _IDS.HistoryServerCapabilities_AggregateFunctions,
    ):
        for number in (*AGGREGATES, ANNOTATION_COUNT.node_id):
            if number in space.store and folder in space.store:
                space.link(ua.NodeId(folder), ORGANIZES, ua.NodeId(number))


def _add_configuration(space: Space, path: str, stepped: bool) -> ua.NodeId:
    root = space.id(PLANT_URI, path)
    space.object(root, ua.QualifiedName("HA Configuration", 0), ua.NodeId(_IDS.HistoricalDataConfigurationType))
    _property(space, root, path, "Stepped", stepped, _V.Boolean)
    _property(space, root, path, "ServerTimestampSupported", True, _V.Boolean)
    below = f"{path}/AggregateConfiguration"
    aggregates = space.id(PLANT_URI, below)
    browse_name = ua.QualifiedName("AggregateConfiguration", 0)
    space.object(aggregates, browse_name, ua.NodeId(_IDS.AggregateConfigurationType), parent=root)
    for name, (value, kind) in _AGGREGATE_DEFAULTS.items():
        _property(space, aggregates, below, name, value, kind)
    for name in ("StartOfArchive", "StartOfOnlineArchive"):
        _property(space, root, path, name, _NEVER, _V.DateTime)
    return root


def show_archive(space: Space, start: TimeUs | None) -> None:
    """Say in every configuration where the archive begins; None: it has not begun."""
    value = _NEVER if start is None else moment(start)
    for path in _paths(space):
        for name in ("StartOfArchive", "StartOfOnlineArchive"):
            put_data_value(space.point(space.id(PLANT_URI, f"{path}/{name}")), data_value(value, _V.DateTime))


def _paths(space: Space) -> list[str]:
    return [f"{path}/{name}" if name else path for path in CONFIGURATIONS.values() for name in ("", *space.deadbands)]


def _add_deadband(space: Space, path: str, stepped: bool, deadband: DeadbandSettings) -> None:
    """A configuration that says what is left out: of compression the deviation from the line between stored values."""
    root = _add_configuration(space, path, stepped)
    deviation = max(deadband.exception or 0.0, deadband.compression or 0.0)
    _property(space, root, path, "ExceptionDeviation", deviation, _V.Double)
    _property(
        space,
        root,
        path,
        "ExceptionDeviationFormat",
        ua.ExceptionDeviationFormat.AbsoluteValue,
        _V.Int32,
        ua.NodeId(_IDS.ExceptionDeviationFormat),
    )
    _property(space, root, path, "MaxTimeInterval", deadband.longest_s * 1_000, _V.Double, ua.NodeId(_IDS.Duration))


def configure(space: Space, node_id: ua.NodeId, data_type: DataType, type_id: str = "") -> None:
    """Say how the history of a Variable is configured; `type_id`: of the device whose parameter it is.

    One direction, as with types: a shared configuration does not list the thousands that use it.
    """
    path = CONFIGURATIONS[data_type.stepped]
    if space.deadbands:
        name = f"{type_id}/{str(node_id.Identifier).rpartition('/')[2]}"
        path = f"{path}/{name}" if name in space.deadbands else path
    target = space.id(PLANT_URI, path)
    space.link(node_id, HAS_CONFIGURATION, target, inverse=False)


def announce_annotations(space: Space, variable: ua.NodeId) -> None:
    """Let a recorded Variable have its Annotations; the node is made when somebody looks at it."""
    target = ua.NodeId(f"{variable.Identifier}/{ANNOTATIONS}", variable.NamespaceIndex)
    space.store.announce(key_of(variable), key_of(HAS_PROPERTY), key_of(target))


def _property(
    space: Space,
    parent: ua.NodeId,
    path: str,
    name: str,
    value: object,
    kind: ua.VariantType,
    data_type: ua.NodeId | None = None,
) -> None:
    space.property(
        space.id(PLANT_URI, f"{path}/{name}"),
        ua.QualifiedName(name, 0),
        data_value(value, kind),
        data_type or ua.NodeId(kind.value),
        parent=parent,
    )
