"""A smart breaker on a three-phase 117 V feeder: power from voltage, current and factor; trips open its contacts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import ClassVar

import msgspec

from simulator.device import CommandRejectedError, Device, Readings, Threshold, Topics, approach, clamp, no_parameters
from simulator.inputs import Inputs
from simulator.messages import Message, iso_us

OPEN, CLOSED, TRIPPED = 0, 1, 2
RATED_A = 110.0  # the phase current that counts as 100 % load
OVERCURRENT_DELAY_S = 3.0  # a current above the threshold opens the contacts after so long …
INSTANT_FACTOR = 3.0  # … and at once when it exceeds this many times the threshold
PHASES = ("a", "b", "c")
TREND_VALUES = ("power_active", "current_phase_a", "current_phase_b", "current_phase_c", "voltage_phase_a")


class Breaker(Device):
    """One breaker; `overload` raises its currents, `leakage_a` flows to ground, both trip it."""

    KIND = "breaker"
    PERIOD_S = 1.0
    THRESHOLDS: ClassVar[Mapping[str, Threshold]] = {
        "threshold_overcurrent": Threshold(90.0, 1.0, 200.0),
        "threshold_ground_fault": Threshold(0.5, 0.01, 10.0),
        "threshold_temperature": Threshold(70.0, 20.0, 120.0),
    }

    def __init__(self, device_id: str, seed: int | str = 0) -> None:
        root = f"iot/{device_id}"
        topics = Topics(f"{root}/raw", f"{root}/status", f"{root}/command", f"{root}/response")
        super().__init__(device_id, topics, seed)
        rng = self.rng
        self._phase_load_a = (rng.uniform(60.0, 78.0), rng.uniform(32.0, 48.0), rng.uniform(45.0, 66.0))
        self._sag_v = 0.0  # slow common wander of the supply
        self._hours = rng.uniform(400.0, 1400.0)
        self._trips = rng.randrange(0, 8)
        self._temp_c = 32.0
        self._state = CLOSED
        self._over_s = 0.0
        self._hot_s = 0.0
        self._readings: Readings = {}
        self._window_s = 0.0
        self._burst_s = rng.uniform(3.0, 7.0)
        self._trend: dict[str, list[float]] = {}
        self.step(0.0, Inputs())

    def step(self, dt_s: float, inputs: Inputs) -> Readings:
        """Currents follow the load at once, the temperature follows the current with minutes of lag."""
        gauss = self.rng.gauss
        self._sag_v = clamp(approach(self._sag_v, 0.0, dt_s, 120.0) + gauss(0.0, 0.05) * math.sqrt(dt_s), -3.0, 3.0)
        volts = [117.0 - 1.2 * index + self._sag_v + gauss(0.0, 0.4) for index in range(3)]
        closed = self._state == CLOSED
        amps = [0.0, 0.0, 0.0]
        if closed:
            asked = inputs.load * inputs.overload
            amps = [max(0.0, full * asked * (1.0 + gauss(0.0, 0.012))) for full in self._phase_load_a]
            self._hours += dt_s / 3600.0
        leakage = inputs.leakage_a if closed else 0.0
        heat = 18.0 * (sum(amps) / 3.0 / RATED_A) ** 2 * 3.0
        target = inputs.ambient_c + 2.0 + heat + 60.0 * inputs.cooling_loss * (1.0 if closed else 0.0)
        self._temp_c = approach(self._temp_c, target, dt_s, 180.0)
        if self._relay(max(amps), leakage, dt_s):
            self._open()
            amps, leakage = [0.0, 0.0, 0.0], 0.0
        factor = clamp(0.948 + gauss(0.0, 0.006), 0.85, 0.99) if self._state == CLOSED else 1.0
        self._readings = {
            **{f"voltage_phase_{phase}": volts[index] for index, phase in enumerate(PHASES)},
            **self._loads(volts, amps, factor),
            "frequency": 60.0 + gauss(0.0, 0.02),
            "temperature": self._temp_c + gauss(0.0, 0.05),
            "status_communication": 1,
            "protection_ground_fault_current": leakage,
            "protection_arc_fault_detected": False,
            **self._counters(),
        }
        return dict(self._readings)

    def readings(self) -> Readings:
        return dict(self._readings)

    def payload(self, readings: Readings, time_us: int) -> bytes:
        r = readings
        arc = "true" if r["protection_arc_fault_detected"] else "false"
        due = "true" if r["operational_maintenance_due"] else "false"
        return (
            f'{{"device_id":"{self.device_id}","device_type":"smart_breaker","timestamp":"{iso_us(time_us)}",'
            f'"event_type":"telemetry","measurements":{{'
            f'"voltage":{{"phase_a":{r["voltage_phase_a"]:.2f},"phase_b":{r["voltage_phase_b"]:.2f},'
            f'"phase_c":{r["voltage_phase_c"]:.2f},"unit":"V"}},'
            f'"current":{{"phase_a":{r["current_phase_a"]:.2f},"phase_b":{r["current_phase_b"]:.2f},'
            f'"phase_c":{r["current_phase_c"]:.2f},"unit":"A"}},'
            f'"power":{{"active":{r["power_active"]:.2f},"reactive":{r["power_reactive"]:.2f},'
            f'"apparent":{r["power_apparent"]:.2f},"factor":{r["power_factor"]:.3f},"unit":"W"}},'
            f'"frequency":{{"value":{r["frequency"]:.2f},"unit":"Hz"}},'
            f'"temperature":{{"value":{r["temperature"]:.2f},"unit":"°C"}},'
            f'"status":{{"breaker":{r["status_breaker"]:d},"position":{r["status_position"]:d},'
            f'"communication":{r["status_communication"]:d}}},'
            f'"protection":{{"trip_count":{r["protection_trip_count"]:d},'
            f'"ground_fault_current":{r["protection_ground_fault_current"]:.3f},"arc_fault_detected":{arc}}},'
            f'"operational":{{"load_percentage":{r["operational_load_percentage"]:.1f},'
            f'"operating_hours":{r["operational_operating_hours"]:.2f},"maintenance_due":{due}}}}}}}'
        ).encode()

    def bursts(self, readings: Readings, dt_s: float, time_us: int) -> tuple[Message, ...]:
        """Aggregates on `iot/{id}/trends`, each over a window of 3 to 8 s that the board draws anew."""
        self._window_s += dt_s
        for name in TREND_VALUES:
            self._trend.setdefault(name, []).append(float(readings[name]))
        if self._window_s < self._burst_s:
            return ()
        body = {
            "device_id": self.device_id,
            "timestamp": iso_us(time_us),
            "event_type": "trends",
            "window_s": round(self._window_s, 3),
            "aggregates": {
                name: {"avg": round(sum(v) / len(v), 2), "min": round(min(v), 2), "max": round(max(v), 2)}
                for name, v in self._trend.items()
            },
        }
        self._window_s = 0.0
        self._trend = {}
        self._burst_s = self.rng.uniform(3.0, max(3.0, 8.0 - dt_s))
        return (Message(f"iot/{self.device_id}/trends", msgspec.json.encode(body), qos=1),)

    def actions(self) -> Mapping[str, Callable[[Mapping[str, object]], None]]:
        return {
            "trip": self._trip,
            "reset": self._reset,
            "set_threshold": self.set_threshold,
            "get_diagnostics": self.diagnose,
            "configure": self.configure,
        }

    def _loads(self, volts: list[float], amps: list[float], factor: float) -> Readings:
        # The board reports the mean of the three phases as its power, as the recorded sample does.
        apparent = sum(v * a for v, a in zip(volts, amps, strict=True)) / 3.0
        return {
            **{f"current_phase_{phase}": amps[index] for index, phase in enumerate(PHASES)},
            "power_active": apparent * factor,
            "power_reactive": apparent * math.sqrt(1.0 - factor * factor),
            "power_apparent": apparent,
            "power_factor": factor,
            "operational_load_percentage": sum(amps) / 3.0 / RATED_A * 100.0,
        }

    def _counters(self) -> Readings:
        return {
            "status_breaker": self._state,
            "status_position": 1 if self._state == CLOSED else 0,
            "protection_trip_count": self._trips,
            "operational_operating_hours": self._hours,
            "operational_maintenance_due": self._hours >= 950.0 or self._trips >= 10,
        }

    def _relay(self, highest_a: float, leakage_a: float, dt_s: float) -> bool:
        limit = self.thresholds["threshold_overcurrent"]
        self._over_s = self._over_s + dt_s if highest_a > limit else 0.0
        self._hot_s = self._hot_s + dt_s if self._temp_c > self.thresholds["threshold_temperature"] else 0.0
        return self._state == CLOSED and (
            self._over_s >= OVERCURRENT_DELAY_S
            or highest_a > INSTANT_FACTOR * limit
            or leakage_a > self.thresholds["threshold_ground_fault"]
            or self._hot_s >= 10.0
        )

    def _trip(self, params: Mapping[str, object]) -> None:
        no_parameters("trip", params)
        if self._state != CLOSED:
            raise CommandRejectedError("the breaker is tripped already")
        self._open()
        volts = [float(self._readings[f"voltage_phase_{phase}"]) for phase in PHASES]
        self._readings.update(self._loads(volts, [0.0, 0.0, 0.0], 1.0))
        self._readings.update(self._counters(), protection_ground_fault_current=0.0)

    def _open(self) -> None:
        self._state = TRIPPED
        self._trips += 1
        self._over_s = 0.0
        self._hot_s = 0.0

    def _reset(self, params: Mapping[str, object]) -> None:
        no_parameters("reset", params)
        if self._state != TRIPPED:
            raise CommandRejectedError("the breaker is not tripped")
        self._state = CLOSED
        self._readings.update(self._counters())
