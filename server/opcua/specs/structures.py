"""Structures of the DI and FDI5 models as the stack's codec takes them (IEC 62769-5 edit contexts; OPC 10000-100)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from asyncua import ua

from server.opcua.names import DI_URI, FDI5_URI, FDI7_URI
from server.opcua.specs.binding import Binding
from server.opcua.specs.runtime import Runtime


@dataclass
class RegistrationParameters:
    """One parameter to register, and which of its four nodes are wanted."""

    data_type: ClassVar[ua.NodeId] = ua.NodeId()

    Path: ua.RelativePath = field(default_factory=ua.RelativePath)
    SelectionFlags: ua.UInt32 = 0


@dataclass
class RegisteredNode:
    """The nodes of one registered parameter; those not asked for are null."""

    data_type: ClassVar[ua.NodeId] = ua.NodeId()

    NodeStatus: ua.Int32 = 0
    OnlineContextNodeId: ua.NodeId = field(default_factory=ua.NodeId)
    OnlineDeviceNodeId: ua.NodeId = field(default_factory=ua.NodeId)
    OfflineContextNodeId: ua.NodeId = field(default_factory=ua.NodeId)
    OfflineDeviceNodeId: ua.NodeId = field(default_factory=ua.NodeId)


@dataclass
class RegisterNodesResult:
    """What RegisterNodesById and RegisterNodesByRelativePath answer."""

    data_type: ClassVar[ua.NodeId] = ua.NodeId()

    Status: ua.Int32 = 0
    RegisteredNodes: list[RegisteredNode] = field(default_factory=list)


@dataclass
class TransferIncident:
    """One value that Apply could not bring over."""

    data_type: ClassVar[ua.NodeId] = ua.NodeId()

    ContextNodeId: ua.NodeId = field(default_factory=ua.NodeId)
    StatusCode: ua.StatusCode = field(default_factory=ua.StatusCode)
    Diagnostics: ua.DiagnosticInfo = field(default_factory=ua.DiagnosticInfo)


@dataclass
class ApplyResult:
    """What Apply answers."""

    data_type: ClassVar[ua.NodeId] = ua.NodeId()

    Status: ua.Int32 = 0
    TransferIncidents: list[TransferIncident] = field(default_factory=list)


@dataclass
class ParameterResultDataType:
    """How the transfer of one parameter ended."""

    data_type: ClassVar[ua.NodeId] = ua.NodeId()

    NodePath: list[ua.QualifiedName] = field(default_factory=list)
    StatusCode: ua.StatusCode = field(default_factory=ua.StatusCode)
    Diagnostics: ua.DiagnosticInfo = field(default_factory=ua.DiagnosticInfo)


@dataclass
class TransferResultErrorDataType:
    """A transfer that failed as a whole."""

    data_type: ClassVar[ua.NodeId] = ua.NodeId()

    Status: ua.Int32 = 0
    Diagnostics: ua.DiagnosticInfo = field(default_factory=ua.DiagnosticInfo)


@dataclass
class TransferResultDataDataType:
    """A portion of the results of a transfer."""

    data_type: ClassVar[ua.NodeId] = ua.NodeId()

    SequenceNumber: ua.Int32 = 0
    EndOfResults: ua.Boolean = False
    ParameterDefs: list[ParameterResultDataType] = field(default_factory=list)


@dataclass
class EddDataTypeInfo:
    """How one item of a generic request or response is to be read."""

    data_type: ClassVar[ua.NodeId] = ua.NodeId()

    EddDataType: ua.Int32 = 0
    Size: ua.UInt32 = 0


FDI5_STRUCTURES: tuple[tuple[type, int, int], ...] = (
    (RegistrationParameters, 37, 118),
    (RegisteredNode, 38, 119),
    (RegisterNodesResult, 39, 120),
    (TransferIncident, 43, 121),
    (ApplyResult, 44, 122),
)
DI_STRUCTURES: tuple[tuple[type, int, int], ...] = (
    (ParameterResultDataType, 6525, 6554),
    (TransferResultErrorDataType, 15888, 15891),
    (TransferResultDataDataType, 15889, 15892),
)
FDI7_STRUCTURES: tuple[tuple[type, int, int], ...] = ((EddDataTypeInfo, 2050, 2213),)
"""(class, DataType, Default Binary encoding)."""


def bind(binding: Binding, _fdi: Runtime) -> None:
    """Let the stack decode and encode them under the namespace indexes of this server."""
    indexes = binding.space.indexes
    for uri, structures in ((FDI5_URI, FDI5_STRUCTURES), (DI_URI, DI_STRUCTURES), (FDI7_URI, FDI7_STRUCTURES)):
        for kind, data_type, encoding in structures:
            node_id = ua.NodeId(data_type, indexes[uri])
            kind.data_type = node_id  # type: ignore[attr-defined]
            # Under names of our own: the stack's Services have structures of the same names.
            ua.register_extension_object(f"Fdi{kind.__name__}", ua.NodeId(encoding, indexes[uri]), kind, node_id)


def diagnosed(text: str) -> ua.DiagnosticInfo:
    """A sentence for the operator; an empty one says nothing."""
    return ua.DiagnosticInfo(AdditionalInfo=text) if text else ua.DiagnosticInfo()
