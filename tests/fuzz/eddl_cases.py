"""One case for any fuzzer of the EDDL front end: octets in, nothing but an EddError may come out."""

from __future__ import annotations

from server.fdi.eddl.comparing import same
from server.fdi.eddl.errors import EddError
from server.fdi.eddl.imports import ImportProvider
from server.fdi.eddl.limits import EddLimits
from server.fdi.eddl.nodes import Edd
from server.fdi.eddl.parser import parse
from server.fdi.eddl.printing import print_edd
from server.fdi.eddl.resolve import resolve

LIMITS = EddLimits(source_bytes=256 * 1024, tokens=50_000, expansions=20_000, constructs=2_000, inherited=50_000)
# Brackets the printer must add may cross the limits the source just kept.
ROOMY = EddLimits(nesting=1_000, operators=10_000, open_rules=10_000, string_chars=1 << 20)


class NotTheSameError(Exception):
    """What was printed read back as something else."""


def one_edd_case(data: bytes) -> None:
    """Parse, resolve with and without the EDD as its own import, print and parse again.

    Returns for a good source and for one refused with an EddError that names its problems; raises anything else.
    """

    def include(name: str) -> bytes:
        if len(name) > 40:
            raise LookupError(name)
        return b"VARIABLE from_include { TYPE FLOAT; }\n"

    try:
        source = parse(data, include=include, limits=LIMITS)
    except EddError as refused:
        check(refused)
        return
    for imports in (None, _itself(source)):
        try:
            resolve(source, imports=imports, limits=LIMITS)
        except EddError as refused:
            check(refused)
    printed = print_edd(source)
    if not same(parse(printed, limits=ROOMY), source):
        raise NotTheSameError(printed)


def _itself(source: Edd) -> ImportProvider:
    return lambda _: source


def check(refused: EddError) -> None:
    """Every problem says where it is and what is wrong. Raises ValueError."""
    if not refused.problems:
        raise ValueError("an EddError without problems")
    for problem in refused.problems:
        if problem.line < 1 or problem.column < 1 or not problem.text or not problem.shown():
            raise ValueError(f"a problem without its place or text: {problem!r}")
