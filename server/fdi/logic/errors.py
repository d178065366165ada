"""What goes wrong while an EDD is evaluated for a device."""

from __future__ import annotations


class EvaluationError(Exception):
    """An expression that is wrong for the values at hand: division by zero, a text where a number belongs, a cycle."""
