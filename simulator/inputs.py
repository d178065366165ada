"""What acts on a device during one step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Inputs:
    """Environment and disturbances of one step; the defaults are a healthy device at 70 % load."""

    load: float = 0.7  # share of full load the plant asks for, 0..1
    ambient_c: float = 23.0  # °C around the device
    overload: float = 1.0  # factor on the asked load: a short, a jammed machine
    cooling_loss: float = 0.0  # share of the cooling that is gone, 0..1
    wear: float = 1.0  # factor on the vibration of bearings
    leakage_a: float = 0.0  # A flowing to ground
