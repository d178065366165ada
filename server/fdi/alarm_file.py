"""`alarms.toml`: alarms of a device type beyond those that its EDD declares, and what the EDD cannot say of an alarm.

docs/packages.md explains the file; docs/examples holds a complete commented one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.core.table import Table
from server.fdi.errors import PackageError
from server.fdi.toml_table import read_toml
from server.model.alarm_declaration import read_alarm, spec_of
from server.model.alarm_kinds import mistakes
from server.model.alarm_spec import AlarmSpec
from server.model.device_type import ParameterSpec

MOST = 1_000
"""Alarms of one device type."""


def read_alarm_file(
    data: bytes, *, part: str, parameters: Mapping[str, ParameterSpec], declared: Sequence[AlarmSpec]
) -> tuple[AlarmSpec, ...]:
    """All alarms of the device type: those of the EDD (`declared`), as the file changes them, then its own.

    Raises:
        PackageError: not TOML, or any mistake in it; `problems` lists all of them with their places.
    """
    problems: list[str] = []
    root = Table(read_toml(data, part=part), "", problems)
    tables = root.tables("alarm")
    if len(tables) > MOST:
        root.note("alarm", f"{len(tables)} of them; at most {MOST}")
        tables = tables[:MOST]
    found = {spec.name: spec for spec in declared}
    seen: set[str] = set()
    for table in tables:
        before = len(problems)
        declaration = read_alarm(table)
        name = declaration.name
        base = found.get(name)
        if name in seen:
            table.note("name", f"{name!r} stands here twice")
        elif declaration.kind and base is not None:
            table.note("kind", f"{name!r} is declared by the EDD already; leave out kind to change it")
        elif not declaration.kind and base is None:
            table.note("kind", f"is missing: there is no alarm {name!r} in the EDD to change")
        seen.add(name)
        if len(problems) != before:
            continue
        if declaration.remove:
            del found[name]
            continue
        spec = spec_of(declaration, base)
        for sentence in mistakes(spec, parameters):
            table.note("", sentence)
        found[name] = spec
    root.finish()
    if problems:
        summary = "; ".join(problems[:5]) + (f" (and {len(problems) - 5} more)" if len(problems) > 5 else "")
        raise PackageError(summary, part=part, rule="alarms", problems=problems)
    return tuple(found.values())
