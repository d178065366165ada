"""Which devices there are: the demo plant, or so many of each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulator.device import Device
from simulator.devices.asset import Asset
from simulator.devices.breaker import Breaker
from simulator.devices.engine import Engine
from simulator.devices.loom import Loom
from simulator.devices.sensor import Sensor

MAX_DEVICES = 2_000
DEMO = {"engine": 6, "breaker": 6, "loom": 10, "asset": 16, "sensor": 300}

# facility, asset, type: the demo's sixteen, in this order
DEMO_ASSETS = (
    ("power-station-alpha", "turbine-a", "turbine"),
    ("power-station-alpha", "turbine-b", "turbine"),
    ("power-station-alpha", "boiler-a", "boiler"),
    ("power-station-alpha", "generator-a", "generator"),
    ("power-station-alpha", "compressor-a", "compressor"),
    ("chemical-plant-beta", "reactor-a", "reactor"),
    ("chemical-plant-beta", "reactor-b", "reactor"),
    ("chemical-plant-beta", "boiler-a", "boiler"),
    ("chemical-plant-beta", "compressor-a", "compressor"),
    ("chemical-plant-beta", "compressor-b", "compressor"),
    ("chemical-plant-beta", "pump-a", "pump"),
    ("manufacturing-gamma", "furnace-a", "furnace"),
    ("manufacturing-gamma", "press-a", "press"),
    ("manufacturing-gamma", "press-b", "press"),
    ("manufacturing-gamma", "conveyor-a", "conveyor"),
    ("manufacturing-gamma", "compressor-a", "compressor"),
)


class FleetError(Exception):
    """The wanted devices cannot be made; the text says why."""


def _asset(number: int, seed: int) -> Device:
    if number <= len(DEMO_ASSETS):
        return Asset(*DEMO_ASSETS[number - 1], seed=seed)
    facility, _, asset_type = DEMO_ASSETS[(number - 1) % len(DEMO_ASSETS)]
    return Asset(facility, f"{asset_type}-{number:03d}", asset_type, seed=seed)


def _engine(number: int, seed: int) -> Device:
    return Engine(f"gpu-{number}", seed, model="J624" if number % 3 == 0 else "J420")


MAKERS: Mapping[str, Callable[[int, int], Device]] = {
    "engine": _engine,
    "breaker": lambda number, seed: Breaker(f"breaker-{number:03d}", seed),
    "loom": lambda number, seed: Loom(f"loom-{number:02d}", seed),
    "asset": _asset,
    "sensor": lambda number, seed: Sensor(f"sensor-{number:03d}", seed),
}


def build(counts: Mapping[str, int], seed: int = 0) -> list[Device]:
    """The devices of each kind, numbered from 1; the same ids and the same physics for the same seed."""
    unknown = sorted(set(counts) - set(MAKERS))
    if unknown:
        raise FleetError(f"unknown device kind {unknown[0]!r}; there are: {', '.join(MAKERS)}")
    if any(count < 0 for count in counts.values()):
        raise FleetError("a number of devices is 0 or more")
    total = sum(counts.values())
    if not 1 <= total <= MAX_DEVICES:
        raise FleetError(f"{total} devices asked for; one simulator runs 1 to {MAX_DEVICES}")
    return [make(number, seed) for kind, make in MAKERS.items() for number in range(1, counts.get(kind, 0) + 1)]
