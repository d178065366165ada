"""A plant asset (turbine, boiler, reactor, compressor, …): four values that follow the plant's daily load curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from simulator.device import Device, Readings, Threshold, Topics, approach, clamp, ordered
from simulator.inputs import Inputs
from simulator.messages import iso_ms

RANGES = {  # what the plant's sheet gives as the span of each value
    "temperature": (60.0, 120.0),
    "pressure": (1.0, 10.0),
    "power_consumption": (100.0, 500.0),
    "production_output": (50.0, 200.0),
}
# Where an asset of a type sits inside these spans at full load: temperature, pressure, power as shares of the span.
CHARACTERS = {
    "turbine": (0.70, 0.55, 0.90),
    "boiler": (0.80, 0.75, 0.55),
    "generator": (0.55, 0.25, 0.80),
    "reactor": (0.65, 0.70, 0.65),
    "compressor": (0.50, 0.80, 0.70),
    "pump": (0.30, 0.60, 0.40),
    "furnace": (0.85, 0.20, 0.85),
    "press": (0.40, 0.85, 0.60),
    "conveyor": (0.20, 0.10, 0.30),
}


class Asset(Device):
    """One asset; `load` drives its power, output follows power, `cooling_loss` heats it, `overload` raises pressure."""

    KIND = "asset"
    PERIOD_S = 5.0
    THRESHOLDS: ClassVar[Mapping[str, Threshold]] = {
        "temperature_min": Threshold(60.0, 0.0, 200.0),
        "temperature_max": Threshold(120.0, 0.0, 200.0),
        "pressure_min": Threshold(1.0, 0.0, 20.0),
        "pressure_max": Threshold(10.0, 0.0, 20.0),
        "power_consumption_min": Threshold(100.0, 0.0, 1000.0),
        "power_consumption_max": Threshold(500.0, 0.0, 1000.0),
        "production_output_min": Threshold(50.0, 0.0, 400.0),
        "production_output_max": Threshold(200.0, 0.0, 400.0),
    }

    def __init__(self, facility: str, asset: str, asset_type: str, seed: int | str = 0) -> None:
        root = f"plant/{facility}/{asset}"
        topics = Topics(f"{root}/readings", f"{root}/status", f"{root}/command", f"{root}/response")
        super().__init__(f"{facility}.{asset}", topics, seed)
        self.facility = facility
        self.asset = asset
        self.asset_type = asset_type
        temperature, pressure, power = CHARACTERS[asset_type]
        vary = self.rng.uniform
        self._temperature_share = temperature + vary(-0.05, 0.05)
        self._pressure_share = pressure + vary(-0.05, 0.05)
        self._power_share = power + vary(-0.08, 0.08)
        self._efficiency = vary(0.9, 1.0)
        self._power = 300.0
        self._temperature = 85.0
        self._readings: Readings = {}
        self._head = f'{{"facility":"{facility}","asset":"{asset}","type":"{asset_type}","timestamp":"'
        self.step(0.0, Inputs())

    def step(self, dt_s: float, inputs: Inputs) -> Readings:
        """Power settles within minutes, temperature within a quarter of an hour; undisturbed it stays in RANGES."""
        gauss = self.rng.gauss
        asked = 100.0 + 400.0 * self._power_share * inputs.load * inputs.overload
        self._power = approach(self._power, asked, dt_s, 60.0)
        part = (self._power - 100.0) / 400.0
        warm = 60.0 + 60.0 * self._temperature_share * (0.35 + 0.65 * inputs.load) + 0.3 * (inputs.ambient_c - 23.0)
        self._temperature = approach(self._temperature, warm + 70.0 * inputs.cooling_loss, dt_s, 240.0)
        pressure = 1.0 + 9.0 * self._pressure_share * (0.5 + 0.5 * inputs.load) * inputs.overload
        disturbed = inputs.overload != 1.0 or inputs.cooling_loss != 0.0
        values = {
            "temperature": self._temperature + gauss(0.0, 0.2),
            "pressure": pressure + gauss(0.0, 0.03),
            "power_consumption": self._power + gauss(0.0, 2.0),
            "production_output": 50.0 + 150.0 * clamp(part * self._efficiency, 0.0, 1.1) + gauss(0.0, 0.8),
        }
        if not disturbed:
            values = {name: clamp(value, *RANGES[name]) for name, value in values.items()}
        self._readings = {**values}
        return dict(self._readings)

    def readings(self) -> Readings:
        return dict(self._readings)

    def payload(self, readings: Readings, time_us: int) -> bytes:
        r = readings
        return (
            f'{self._head}{iso_ms(time_us)}","readings":['
            f'{{"metric":"temperature","value":{r["temperature"]:.1f},"unit":"°C"}},'
            f'{{"metric":"pressure","value":{r["pressure"]:.2f},"unit":"bar"}},'
            f'{{"metric":"power_consumption","value":{r["power_consumption"]:.1f},"unit":"kW"}},'
            f'{{"metric":"production_output","value":{r["production_output"]:.1f},"unit":"units/h"}}]}}'
        ).encode()

    def identity(self) -> dict[str, str]:
        return {"facility": self.facility, "asset": self.asset, "type": self.asset_type}

    def actions(self) -> Mapping[str, Callable[[Mapping[str, object]], None]]:
        return {"set_threshold": self.set_threshold, "configure": self.configure, "get_diagnostics": self.diagnose}

    def check_thresholds(self, wanted: Mapping[str, float]) -> None:
        for name in RANGES:
            ordered(wanted, f"{name}_min", f"{name}_max")
