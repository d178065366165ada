"""FDIServerVersion (IEC 62769-5): the FDI technology version that this server implements, a Property of Server."""

from __future__ import annotations

from typing import Any

from asyncua import ua

from server.fdi.literals import FDI_VERSION
from server.opcua.names import FDI5_URI
from server.opcua.nodes.values import put_data_value
from server.opcua.space import data_value
from server.opcua.specs.binding import Binding

FDI_SERVER_VERSION = 94


def bind(binding: Binding, _fdi: Any) -> None:
    """Say it once."""
    point = binding.space.point(binding.space.id(FDI5_URI, FDI_SERVER_VERSION))
    put_data_value(point, data_value(".".join(map(str, FDI_VERSION)), ua.VariantType.String))
