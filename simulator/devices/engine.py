"""A gas engine of the Jenbacher J420 class: power follows load, exhaust temperature and gas follow power."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from simulator.device import CommandRejectedError, Device, Readings, Threshold, Topics, approach, clamp, no_parameters
from simulator.inputs import Inputs
from simulator.messages import iso_ms

STOPPED, RUNNING, TRIPPED = 0, 1, 2
RATED_KW = 1200.0  # planned power of one engine, 1.2 MW
GAS_M3_PER_KWH = 0.2555  # 301.5 m³/h at 1180 kW
UNCOOLED_C = 580.0  # where the exhaust of a running engine ends when all cooling is gone
PROTECTION_MARGIN_C = 40.0  # above the critical threshold the engine stops itself …
PROTECTION_DELAY_S = 15.0  # … after so long
OVERLOAD = 1.05  # load above what was asked, as for a test run
REPEAT_S = 60.0  # an engine that is well says so for this long, then leaves `diagnostics` out
STOPPED_ITSELF, COOLING, BEARINGS, TEST_RUN = 1, 2, 4, 8
"""Bits of `diagnostics`: the protection stopped the engine; exhaust, vibration beyond a limit; overload."""


class Engine(Device):
    """One engine; `load` asks for power, `cooling_loss` heats the exhaust, `wear` shakes the bearings."""

    KIND = "engine"
    PERIOD_S = 1.0
    ID_KEY = "engine_id"
    TIME_KEY = "time"
    THRESHOLDS: ClassVar[Mapping[str, Threshold]] = {
        "threshold_temp_exhaust_high": Threshold(500.0, 300.0, 700.0),
        "threshold_temp_exhaust_high_high": Threshold(520.0, 300.0, 700.0),
        "threshold_vibration_high": Threshold(10.0, 0.0, 50.0),
        "threshold_vibration_high_high": Threshold(15.0, 0.0, 50.0),
    }

    def __init__(self, device_id: str, seed: int | str = 0, model: str = "J420") -> None:
        root = f"engines/{device_id}"
        topics = Topics(f"{root}/telemetry", f"{root}/status", f"{root}/command", f"{root}/response")
        super().__init__(device_id, topics, seed)
        self.model = model
        rng = self.rng
        self._share = rng.uniform(0.93, 1.03)  # this engine's part of the asked load
        self._base_temp_c = rng.uniform(-6.0, 6.0)
        self._base_vibration = rng.uniform(-0.6, 0.6)
        self._hours = rng.uniform(9_000.0, 21_000.0)
        self._state = RUNNING
        self._power_kw = RATED_KW * 0.7 * self._share
        self._temp_c = 300.0 + 172.0 * self._power_kw / RATED_KW
        self._overheated_s = 0.0
        self._stopped_itself = False
        self._told_s = 0.0  # how long `diagnostics` is still sent
        self._readings: Readings = {}
        self.step(0.0, Inputs())

    def step(self, dt_s: float, inputs: Inputs) -> Readings:
        """Power settles within a minute, exhaust temperature a little behind it."""
        gauss = self.rng.gauss
        running = self._state == RUNNING
        asked = clamp(inputs.load * self._share * inputs.overload, 0.0, 1.08) if running else 0.0
        self._power_kw = approach(self._power_kw, RATED_KW * asked, dt_s, 20.0 if running else 3.0)
        part = self._power_kw / RATED_KW
        if running:
            burning = 300.0 + 172.0 * part + self._base_temp_c + 0.4 * (inputs.ambient_c - 23.0)
            target = burning + (UNCOOLED_C - burning) * inputs.cooling_loss
            self._hours += dt_s / 3600.0
        else:
            target = inputs.ambient_c
        self._temp_c = approach(self._temp_c, target, dt_s, 25.0 if running else 300.0)
        self._protect(dt_s)
        running = self._state == RUNNING
        vibration = (3.4 + 2.8 * part + self._base_vibration) * inputs.wear if running else 0.0
        power = max(0.0, self._power_kw + gauss(0.0, 3.0)) if running else 0.0
        test_run = running and inputs.overload >= OVERLOAD
        self._readings = {
            "power_kw": power,
            "temp_exhaust": self._temp_c + gauss(0.0, 0.5),
            "gas_consumption": power * GAS_M3_PER_KWH,
            "vibration": max(0.0, vibration + gauss(0.0, 0.12)) if running else 0.0,
            "gas_pressure": max(0.0, 2.25 - 0.15 * part + gauss(0.0, 0.01)),
            "total_hours": self._hours,
            "status": self._state,
        }
        bits = self._diagnostics(vibration) | (TEST_RUN if test_run else 0)
        self._told_s = REPEAT_S if bits else self._told_s - dt_s
        if self._told_s > 0.0:
            self._readings["diagnostics"] = bits
        return dict(self._readings)

    def readings(self) -> Readings:
        return dict(self._readings)

    def payload(self, readings: Readings, time_us: int) -> bytes:
        r = readings
        told = f',"diagnostics":{r["diagnostics"]:d}' if "diagnostics" in r else ""
        return (
            f'{{"engine_id":"{self.device_id}","model":"{self.model}","time":"{iso_ms(time_us)}",'
            f'"power_kw":{r["power_kw"]:.1f},"temp_exhaust":{r["temp_exhaust"]:.1f},'
            f'"gas_consumption":{r["gas_consumption"]:.1f},"vibration":{r["vibration"]:.2f},'
            f'"gas_pressure":{r["gas_pressure"]:.2f},"total_hours":{r["total_hours"]:.2f},"status":{r["status"]:d}'
            f"{told}}}"
        ).encode()

    def actions(self) -> Mapping[str, Callable[[Mapping[str, object]], None]]:
        return {
            "trip": self._trip,
            "reset": self._reset,
            "set_threshold": self.set_threshold,
            "get_diagnostics": self.diagnose,
            "configure": self.configure,
        }

    def execute(self, command: str, params: Mapping[str, object]) -> Readings:
        """A report holds the bits also while an engine that is well leaves them out of its messages."""
        told = super().execute(command, params)
        return {"diagnostics": 0, **told} if command == "get_diagnostics" else told

    def check_thresholds(self, wanted: Mapping[str, float]) -> None:
        for value in ("temp_exhaust", "vibration"):
            if wanted[f"threshold_{value}_high"] > wanted[f"threshold_{value}_high_high"]:
                raise CommandRejectedError(f"threshold_{value}_high must not exceed threshold_{value}_high_high")

    def _protect(self, dt_s: float) -> None:
        limit = self.thresholds["threshold_temp_exhaust_high_high"] + PROTECTION_MARGIN_C
        self._overheated_s = self._overheated_s + dt_s if self._temp_c > limit else 0.0
        if self._state == RUNNING and self._overheated_s >= PROTECTION_DELAY_S:
            self._stopped_itself = True
            self._stop()

    def _diagnostics(self, vibration: float) -> int:
        """What the controller says of the engine itself."""
        limits = self.thresholds
        bits = STOPPED_ITSELF if self._stopped_itself else 0
        bits |= COOLING if self._temp_c > limits["threshold_temp_exhaust_high_high"] else 0
        return bits | (BEARINGS if vibration > limits["threshold_vibration_high"] else 0)

    def _trip(self, params: Mapping[str, object]) -> None:
        no_parameters("trip", params)
        if self._state == TRIPPED:
            raise CommandRejectedError("the engine is tripped already")
        self._stop()

    def _stop(self) -> None:
        self._state = TRIPPED
        self._power_kw = 0.0
        self._readings.update(status=TRIPPED, power_kw=0.0, gas_consumption=0.0, vibration=0.0)

    def _reset(self, params: Mapping[str, object]) -> None:
        no_parameters("reset", params)
        if self._state != TRIPPED:
            raise CommandRejectedError("the engine is not tripped")
        self._state = RUNNING
        self._overheated_s = 0.0
        self._stopped_itself = False
        self._readings["status"] = RUNNING
