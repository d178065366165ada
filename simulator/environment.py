"""What surrounds the devices: the plant's daily load curve and the ambient temperature, as functions of the hour."""

from __future__ import annotations

import math

from simulator.clock import MICROSECONDS
from simulator.inputs import Inputs

DAY_S = 86_400


def load_at(second_of_day: float) -> float:
    """Share of full load, 0.55 at night to about 0.95, with a morning and an evening peak (10 h and 19 h UTC)."""
    hour = second_of_day / 3600.0

    def bump(centre: float, width: float) -> float:
        distance = abs(hour - centre)
        distance = min(distance, 24.0 - distance)
        return math.exp(-((distance / width) ** 2))

    return 0.55 + 0.36 * bump(10.0, 3.5) + 0.38 * bump(19.0, 3.0)


def ambient_at(second_of_day: float) -> float:
    """Hall temperature in °C: 19 at four in the morning, 27 at four in the afternoon."""
    return 23.0 - 4.0 * math.cos(2.0 * math.pi * (second_of_day / 3600.0 - 4.0) / 24.0)


def inputs_at(time_us: int) -> Inputs:
    """The undisturbed inputs of every device at that moment (microseconds since 1970-01-01 UTC)."""
    second_of_day = (time_us / MICROSECONDS) % DAY_S
    return Inputs(load=load_at(second_of_day), ambient_c=ambient_at(second_of_day))
