"""An energy sensor at a consumer: a current that follows the load, a warm housing, a pressure."""

from __future__ import annotations

import math

from simulator.device import Device, Readings, Topics, approach
from simulator.inputs import Inputs
from simulator.messages import iso_ms


class Sensor(Device):
    """One sensor; it takes no commands and holds no thresholds."""

    KIND = "sensor"
    PERIOD_S = 2.0
    QOS = 0  # many, cheap, each value replaced two seconds later: a lost one is not worth a retry
    ID_KEY = "sensor_id"

    def __init__(self, device_id: str, seed: int | str = 0) -> None:
        super().__init__(device_id, Topics(f"sensors/{device_id}/telemetry"), seed)
        rng = self.rng
        self._full_load_a = rng.uniform(35.0, 75.0)
        self._pressure_bar = rng.uniform(2.6, 3.6)
        self._wander = 0.0
        self._temp_c = rng.uniform(32.0, 38.0)
        self._readings: Readings = {}
        self._head = f'{{"sensor_id":"{device_id}","timestamp":"'
        self.step(0.0, Inputs())

    def step(self, dt_s: float, inputs: Inputs) -> Readings:
        """The current follows the load at once, the temperature follows the current within minutes."""
        gauss = self.rng.gauss
        self._wander = approach(self._wander, 0.0, dt_s, 90.0) + gauss(0.0, 0.006) * math.sqrt(dt_s)
        current = max(0.0, self._full_load_a * inputs.load * inputs.overload * (1.0 + self._wander) + gauss(0.0, 0.2))
        target = inputs.ambient_c + 0.3 * current + 40.0 * inputs.cooling_loss
        self._temp_c = approach(self._temp_c, target, dt_s, 240.0)
        self._readings = {
            "current": current,
            "temperature": self._temp_c + gauss(0.0, 0.1),
            "pressure": max(0.0, self._pressure_bar * (1.0 + 0.3 * self._wander) + gauss(0.0, 0.01)),
        }
        return dict(self._readings)

    def readings(self) -> Readings:
        return dict(self._readings)

    def payload(self, readings: Readings, time_us: int) -> bytes:
        r = readings
        return (
            f'{self._head}{iso_ms(time_us)}","current":{r["current"]:.2f},"temperature":{r["temperature"]:.2f},'
            f'"pressure":{r["pressure"]:.2f}}}'
        ).encode()
