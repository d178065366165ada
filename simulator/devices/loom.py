"""A loom's board that measures the width of the back beam; it keeps its rows while the link is down."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import ClassVar

from simulator.device import Device, Readings, Threshold, Topics, approach, no_parameters, ordered
from simulator.inputs import Inputs
from simulator.messages import iso_ms

FIRMWARE = "1.4.2"


class Loom(Device):
    """One loom with one sensor; `load` is its speed, `wear` shakes it, `overload` pulls the width."""

    KIND = "loom"
    PERIOD_S = 1.0
    BUFFERS = True
    ID_KEY = "loom_id"
    TIME_KEY = "time"
    THRESHOLDS: ClassVar[Mapping[str, Threshold]] = {
        "threshold_bbw_low": Threshold(1480.0, 0.0, 3000.0),
        "threshold_bbw_high": Threshold(1560.0, 0.0, 3000.0),
    }

    def __init__(self, device_id: str, seed: int | str = 0, sensor_id: str = "bbw-1") -> None:
        root = f"kaldor/loom/{device_id}"
        topics = Topics(f"{root}/bbw/raw", f"{root}/status", f"{root}/config", f"{root}/response")
        super().__init__(device_id, topics, seed)
        self.sensor_id = sensor_id
        self._nominal_mm = self.rng.uniform(1515.0, 1530.0)
        self._wander_mm = 0.0
        self._temp_c = self.rng.uniform(25.0, 28.0)
        self._readings: Readings = {}
        self._head = f'{{"loom_id":"{device_id}","sensor_id":"{sensor_id}","time":"'
        self.step(0.0, Inputs())

    def step(self, dt_s: float, inputs: Inputs) -> Readings:
        """The width wanders by a few millimetres around its nominal value within minutes."""
        gauss = self.rng.gauss
        self._wander_mm = approach(self._wander_mm, 0.0, dt_s, 180.0) + gauss(0.0, 0.35) * math.sqrt(dt_s)
        pull_mm = 60.0 * (inputs.overload - 1.0)
        target = inputs.ambient_c + 2.0 + 4.0 * inputs.load + 30.0 * inputs.cooling_loss
        self._temp_c = approach(self._temp_c, target, dt_s, 300.0)
        vibration = max(0.0, (0.5 + 0.9 * inputs.load) * inputs.wear + gauss(0.0, 0.05))
        self._readings = {
            "bbw_value": self._nominal_mm + self._wander_mm + pull_mm + gauss(0.0, 0.15),
            "temperature": self._temp_c + gauss(0.0, 0.05),
            "vibration": vibration,
            # A beam that shakes this much blurs the optical edge: the board calls its own value uncertain.
            "quality_flag": 1 if vibration > 5.0 else 0,
        }
        return dict(self._readings)

    def readings(self) -> Readings:
        return dict(self._readings)

    def payload(self, readings: Readings, time_us: int) -> bytes:
        r = readings
        return (
            f'{self._head}{iso_ms(time_us)}","bbw_value":{r["bbw_value"]:.2f},"temperature":{r["temperature"]:.2f},'
            f'"vibration":{r["vibration"]:.3f},"quality_flag":{r["quality_flag"]:d},'
            f'"metadata":{{"firmware":"{FIRMWARE}"}}}}'
        ).encode()

    def actions(self) -> Mapping[str, Callable[[Mapping[str, object]], None]]:
        return {
            "reset": self._reset,
            "set_threshold": self.set_threshold,
            "configure": self.configure,
            "get_diagnostics": self.diagnose,
        }

    def check_thresholds(self, wanted: Mapping[str, float]) -> None:
        ordered(wanted, "threshold_bbw_low", "threshold_bbw_high")

    def execute(self, command: str, params: Mapping[str, object]) -> Readings:
        changed = super().execute(command, params)
        changed.pop("quality_flag", None)  # a quality, not a parameter
        return changed

    def _reset(self, params: Mapping[str, object]) -> None:
        """Restarts the board: the width is centred anew, thresholds stay."""
        no_parameters("reset", params)
        self._wander_mm = 0.0
