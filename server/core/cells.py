"""Cells of tables that a spreadsheet opens: a text that it would take for a formula begins with an apostrophe."""

from __future__ import annotations

_SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_SKIPPED = ("\t", "\r", "\n")


def plain_cell(value: object) -> object:
    """The value, harmless."""
    # Blanks and line ends before it are skipped by some; the wide forms are taken for the same signs.
    formula = isinstance(value, str) and (value[:1] in _SKIPPED or value.lstrip()[:1] in _SIGNS)
    return f"'{value}" if formula else value
