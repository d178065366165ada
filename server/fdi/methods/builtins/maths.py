"""Mathematical builtins with C's results: NaN outside a function's domain, infinities past its range."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.table import Arg, Builtin, builtin
from server.fdi.methods.constants import CONSTANTS
from server.fdi.methods.machine import Machine
from server.fdi.methods.places import Place
from server.fdi.methods.program import Site

FAMILY: Final = "maths"
_SMALLEST_NORMAL: Final = 2.0**-1022


def _safe(function: Callable[..., float], poles: Mapping[float, float] | None = None) -> Callable[..., float]:
    """Python's function with C's answers where Python raises; `poles` gives the values at single points."""

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> float:
        first = arguments[0]
        if poles is not None and first in poles:
            return poles[first]
        try:
            return float(function(*arguments))
        except ValueError:
            return math.nan
        except OverflowError:
            return math.copysign(math.inf, first) if function in _ODD else math.inf

    return run


_ODD: Final = (math.sinh,)


def _pow(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        odd = exponent == math.trunc(exponent) and math.trunc(exponent) % 2
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base == 0.0 and exponent < 0:  # a pole; C keeps the sign of zero for odd whole exponents
            odd = exponent == math.trunc(exponent) and math.trunc(exponent) % 2
            return math.copysign(math.inf, base) if odd else math.inf
        return math.nan


def _rounded(value: float) -> float:
    """To the nearest whole number, halves away from zero."""
    if not math.isfinite(value):
        return value
    whole = math.trunc(value)
    return (
        float(whole + int(math.copysign(1, value))) if abs(value - whole) >= 0.5 else math.copysign(abs(whole), value)
    )


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    """floor, ceil and trunc of C: an infinity or NaN stays what it is."""
    return lambda value: math.copysign(float(abs(function(value))), value) if math.isfinite(value) else value


def _floor(value: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else value


def _ceil(value: float) -> float:
    return float(math.ceil(value)) if math.isfinite(value) else value


def _classified(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    value = arguments[0]
    if math.isnan(value):
        word = "FP_NAN"
    elif math.isinf(value):
        word = "FP_INFINITE"
    elif value == 0:
        word = "FP_ZERO"
    else:
        word = "FP_SUBNORMAL" if abs(value) < _SMALLEST_NORMAL else "FP_NORMAL"
    return int(CONSTANTS[word])


def _nan(machine: Machine, arguments: Sequence[Any], site: Site) -> float:
    return math.nan


def _nan_value(machine: Machine, arguments: Sequence[Any], site: Site) -> float:
    """`NaN_value()`; the FOUNDATION form `NaN_value(&x)` also puts it there."""
    if arguments and arguments[0] is not None:
        place: Place = arguments[0]
        place.set(machine, math.nan)
    return math.nan


def _is_nan(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    return int(math.isnan(arguments[0]))


def _of_one(function: Callable[..., float], poles: Mapping[float, float] | None = None) -> Builtin:
    return builtin(FAMILY, Kind.DOUBLE, _safe(function, poles), Arg.REAL)


_LOG_POLE: Final = {0.0: -math.inf}

BUILTINS: Final[Mapping[str, Builtin]] = {
    "abs": _of_one(abs),
    "acos": _of_one(math.acos),
    "asin": _of_one(math.asin),
    "atan": _of_one(math.atan),
    "cbrt": _of_one(math.cbrt),
    "ceil": _of_one(_ceil),
    "cos": _of_one(math.cos),
    "cosh": _of_one(math.cosh),
    "exp": _of_one(math.exp),
    "floor": _of_one(_floor),
    "fmod": builtin(FAMILY, Kind.DOUBLE, _safe(math.fmod), Arg.REAL, Arg.REAL),
    "log": _of_one(math.log, _LOG_POLE),
    "log10": _of_one(math.log10, _LOG_POLE),
    "log2": _of_one(math.log2, _LOG_POLE),
    "pow": builtin(FAMILY, Kind.DOUBLE, _safe(_pow), Arg.REAL, Arg.REAL),
    "round": _of_one(_rounded),
    "sin": _of_one(math.sin),
    "sinh": _of_one(math.sinh),
    "sqrt": _of_one(math.sqrt),
    "tan": _of_one(math.tan),
    "tanh": _of_one(math.tanh),
    "trunc": _of_one(_whole(math.trunc)),
    "fpclassify": builtin(FAMILY, Kind.INT32, _classified, Arg.REAL),
    "nan": builtin(FAMILY, Kind.DOUBLE, _nan, Arg.TEXT, least=0),
    "nanf": builtin(FAMILY, Kind.FLOAT, _nan, Arg.TEXT, least=0),
    "NaN_value": builtin(FAMILY, Kind.DOUBLE, _nan_value, Arg.OUT, least=0),
    "is_NaN": builtin(FAMILY, Kind.INT32, _is_nan, Arg.REAL),
}
