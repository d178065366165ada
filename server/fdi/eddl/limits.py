"""Every bound an EDD source meets, with its default and unit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EddLimits:
    """Bounds on one EDD; crossing one is a problem of the source, never a crash or a long wait."""

    source_bytes: int = 8 * 1024 * 1024  # octets of the source and all it includes, together
    include_depth: int = 32  # files open inside one another
    includes: int = 500  # files read in all
    tokens: int = 2_000_000  # after macro expansion
    macros: int = 20_000  # defined at one time
    expansions: int = 500_000  # tokens brought in by macros
    string_chars: int = 64 * 1024  # characters of one text after concatenation
    nesting: int = 64  # brackets inside one another
    operators: int = 200  # operators on one path of an expression
    open_rules: int = 1_000  # unfinished grammar rules, bounds chains such as else-if
    constructs: int = 20_000  # top-level constructs
    inherited: int = 2_000_000  # nodes that LIKE and changes repeat; no more than tokens can be written out
    problems: int = 20  # listed before the rest of the file is given up
    import_depth: int = 8  # EDDs importing one another
    imports: int = 64  # EDDs imported in all
    menu_depth: int = 32  # menus inside one another, members of a cycle counted once each


DEFAULT_LIMITS = EddLimits()
