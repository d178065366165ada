"""A small plant for tests: one type with one of everything, and ways to feed it."""

from __future__ import annotations

from server.core import status
from server.core.binding import ArgumentBinding, CommandBinding, DeviceBinding
from server.core.texts import Texts
from server.core.units import unit_of
from server.core.values import DeviceId, Measurement, Scalar
from server.model.alarm_spec import exclusive_limit, trip
from server.model.device_type import (
    DataType,
    DeviceType,
    EnumValue,
    MethodSpec,
    ParameterSpec,
)
from server.model.plant import Plant

PACKAGE_ID = "0c5a3f9e-3d1f-4d6a-9a53-5a5a0f6b7c01"


def parameter(name: str, data_type: DataType = DataType.DOUBLE, **more: object) -> ParameterSpec:
    """A measured parameter unless told otherwise."""
    return ParameterSpec(name=name, label=Texts.of(name), data_type=data_type, **{"dynamic": True, **more})  # type: ignore[arg-type]


def pump_type(type_id: str = "pump") -> DeviceType:
    """A pump: a measured temperature with two limits, a state that can be tripped, a text, a flag."""
    return DeviceType(
        type_id=type_id,
        package_id=PACKAGE_ID,
        version="1.0.0",
        namespace_uri=f"urn:fieldloom:fdi:{PACKAGE_ID}",
        label=Texts.of("Pump"),
        manufacturer=Texts.of("Example"),
        model=Texts.of("P1"),
        parameters={
            "temperature": parameter("temperature", unit=unit_of("°C"), unit_symbol="°C", ranges=((0.0, 150.0),)),
            "state": parameter(
                "state",
                DataType.BYTE,
                edd_type="ENUMERATED",
                enum_values=tuple(EnumValue(n, Texts.of(t)) for n, t in enumerate(("stopped", "running", "tripped"))),
            ),
            "note": parameter("note", DataType.STRING, max_length=32),
            "door_open": parameter("door_open", DataType.BOOLEAN),
            "limit_high": parameter(
                "limit_high", dynamic=False, writable=True, default_value=80.0, ranges=((0.0, 150.0),)
            ),
            "limit_high_high": parameter(
                "limit_high_high", dynamic=False, writable=True, default_value=100.0, ranges=((0.0, 150.0),)
            ),
        },
        methods=(MethodSpec(name="Trip", command="trip"),),
        alarms=(
            exclusive_limit(
                parameter="temperature",
                label=Texts.of("Temperature"),
                high="limit_high",
                high_high="limit_high_high",
                low=10.0,
            ),
            trip(name="Trip", parameter="state", tripped_value=2, label=Texts.of("Pump tripped")),
        ),
        binding=DeviceBinding(
            type_id=type_id,
            codec="pointer_json",
            rows=(),
            command_topic="pumps/{device}/command",
            response_topic="pumps/{device}/response",
            commands=(
                CommandBinding(name="trip", method="Trip"),
                CommandBinding(
                    name="set_threshold",
                    method="SetThreshold",
                    arguments=(ArgumentBinding("Name", "name", "String"), ArgumentBinding("Value", "value", "Double")),
                    writes="parameter",
                ),
            ),
            uncertain_after_s=5.0,
            bad_after_s=30.0,
        ),
    )


def small_plant(**options: object) -> Plant:
    """A plant that knows the pump."""
    plant = Plant(**options)  # type: ignore[arg-type]
    plant.install(pump_type())
    return plant


def measured(
    time_us: int, device: str = "pump-1", *, retained: bool = False, type_id: str = "pump", **values: Scalar
) -> Measurement:
    """One Good measurement."""
    return Measurement(
        type_id=type_id,
        device_id=DeviceId(device),
        values=tuple((name, value, status.GOOD) for name, value in values.items()),
        source_time=time_us,
        received_at=time_us,
        retained=retained,
    )
