"""What an EDD says of the parameters of one device type: one view, whether its logic is there or not."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Protocol, cast

from server.core import status
from server.core.status import StatusCode
from server.core.values import Scalar
from server.fdi.logic.type_logic import ValueSource
from server.model.device_type import DeviceType, ParameterSpec
from server.pipeline.commands import check_value

VALUE_BYTES = 65_536
"""Longest text or octets taken for a parameter that names no length itself."""


class Rules(Protocol):
    """The part of `TypeLogic` that editing needs."""

    @property
    def parameters(self) -> Mapping[str, ParameterSpec]:
        """Static specifications, PRIVATE parameters included."""

    def spec(self, name: str, values: ValueSource) -> ParameterSpec: ...

    def check(self, name: str, value: Scalar, values: ValueSource) -> StatusCode: ...

    def dependents(self, names: Iterable[str]) -> frozenset[str]: ...

    def dominants(self, name: str) -> frozenset[str]: ...

    def dependants(self, name: str) -> frozenset[str]: ...

    def write_together(self, name: str) -> tuple[str, ...]: ...

    def download_order(self) -> tuple[str, ...]: ...

    def upload_order(self) -> tuple[str, ...]: ...


class StaticRules:
    """A device type without an EDD that runs: its parameters do not depend on each other."""

    def __init__(self, device_type: DeviceType) -> None:
        self.parameters: Mapping[str, ParameterSpec] = {**device_type.parameters, **device_type.hidden}

    def spec(self, name: str, values: ValueSource) -> ParameterSpec:
        return self.parameters[name]

    def check(self, name: str, value: Scalar, values: ValueSource) -> StatusCode:
        spec = self.parameters[name]
        return check_value(spec, value) if spec.writable and spec.valid else status.BAD_NOT_WRITABLE

    def dependents(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset()

    def dominants(self, name: str) -> frozenset[str]:
        return frozenset()

    def dependants(self, name: str) -> frozenset[str]:
        return frozenset()

    def write_together(self, name: str) -> tuple[str, ...]:
        return ()

    def download_order(self) -> tuple[str, ...]:
        return tuple(self.parameters)

    def upload_order(self) -> tuple[str, ...]:
        return tuple(self.parameters)


def rules_of(device_type: DeviceType) -> Rules:
    """The rules of a device type."""
    if device_type.logic is None:
        return StaticRules(device_type)
    return cast(Rules, device_type.logic)


def check_type(spec: ParameterSpec, value: Scalar) -> StatusCode:
    """Good, BadTypeMismatch, or BadOutOfRange when the parameter's type cannot hold it, whatever its ranges say."""
    if isinstance(value, str | bytes) and spec.max_length is None and len(value) > VALUE_BYTES:
        return status.BAD_OUT_OF_RANGE
    return check_value(spec, value, ranges=False)


def as_typed(spec: ParameterSpec, value: Scalar) -> Scalar:
    """A number in the form of its parameter's type: 5 for a DOUBLE is 5.0; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not spec.data_type.numeric:
        return value
    if spec.data_type.integer:
        return int(value) if isinstance(value, int) or value.is_integer() else value
    return float(value) if abs(value) <= sys.float_info.max else value


def fits(spec: ParameterSpec, value: Scalar) -> bool:
    """True when the parameter's type can hold the value."""
    return status.is_good(check_type(spec, value))
