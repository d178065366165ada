"""Packages and simulated devices agree on the command that reads: its answer holds every parameter of the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from server.core import status
from server.fdi.build import assemble, check_package, read_sources
from server.pipeline.commands import check_value
from simulator.device import Device
from simulator.devices.asset import Asset
from simulator.devices.breaker import Breaker
from simulator.devices.engine import Engine
from simulator.devices.loom import Loom

SOURCES = Path(__file__).parents[2] / "fdi_packages" / "src"


@pytest.mark.parametrize(
    ("package", "make"),
    [
        ("fieldloom.smart_breaker", lambda: Breaker("x-1")),
        ("fieldloom.gas_engine", lambda: Engine("x-1")),
        ("fieldloom.loom_bbw", lambda: Loom("x-1")),
        ("fieldloom.plant_asset", lambda: Asset("f", "a", "pump")),
    ],
    ids=["breaker", "engine", "loom", "asset"],
)
def test_a_device_answers_its_reading_command_with_every_parameter(package: str, make: Callable[[], Device]) -> None:
    device_type = check_package(assemble(read_sources(SOURCES / package))[0]).device_types[0]
    reader = next(command for command in device_type.binding.commands if command.reads)
    told = make().execute(reader.name, {})
    assert set(told) == set(device_type.parameters)
    wrong = [
        name
        for name, value in told.items()
        if not status.is_good(check_value(device_type.parameters[name], value, ranges=False))
    ]
    assert wrong == []
