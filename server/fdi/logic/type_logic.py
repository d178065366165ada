"""The EDD of one device type ready to run: what depends on what, and what its attributes are for given values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from server.core.values import Scalar
from server.fdi.eddl.model import EddModel
from server.model.device_type import ParameterSpec


class ValueSource(Protocol):
    """Values that expressions read: the device's, an offline data set or an edit context."""

    def value(self, name: str) -> Scalar | None:
        """The value of a parameter by EDD identifier (`<array>_<n>` for an array's element), private and local ones
        included; None while it is not known.
        """


class TypeLogic:
    """Made once per installed version of a device type; keeps no state of devices, so all of them share it."""

    def __init__(self, model: EddModel, parameters: Mapping[str, ParameterSpec]) -> None:
        """`parameters`: the static specifications of all parameters, PRIVATE ones included."""
        self.model = model
        self.parameters = parameters
