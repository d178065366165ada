"""One written alarm, the same in `alarms.toml` of a package and in a rule: a table of a document to `AlarmSpec`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from server.core.table import Table
from server.core.texts import NO_TEXT, Texts
from server.model.alarm_kinds import PRIORITIES
from server.model.alarm_spec import CLASSES, AlarmSpec, Life, Rationale, Source, SuppressionGroup

NAME = r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,63}"
"""ConditionName; also the last part of a NodeId."""
_NAME_HINT = "letters, digits, _ . - and blanks, at most 64"
_GROUP = r"/?[A-Za-z0-9_][A-Za-z0-9_. -]{0,63}"
LONGEST_S = 7 * 86_400.0
"""Greatest delay or period."""
SHORTEST_RE_ALARM_S = 1.0
"""An alarm asks again this often at most: each time is an event that is kept and told."""
_TIMES = ("on_delay_s", "off_delay_s", "re_alarm_s")
_FLAGS = ("enabled", "confirm", "latch")
_TEXTS = ("cause", "consequence", "action")
_TEXT_LIMIT = 2_000
_LABEL_LIMIT = 500
"""Characters of a label, which stands in every message, and of the name of a sound."""
_LONGEST_SHELVING_S = 365 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What is written of one alarm; what is not written is None or not in the mappings."""

    name: str
    kind: str = ""  # "" changes an alarm that is there already
    parameter: str = ""
    label: Texts = NO_TEXT
    sources: Mapping[str, Source] = field(default_factory=dict)
    severity: Mapping[str, int] | None = None
    life: Mapping[str, Any] = field(default_factory=dict)
    rationale: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] | None = None
    first_in_group: bool | None = None
    suppression: tuple[SuppressionGroup, ...] | None = None
    audible: str | None = None
    remove: bool = False  # the alarm is not there at all


def read_alarm(table: Table) -> Declaration:
    """Read one alarm; mistakes are noted in the table. Every key is looked at: the caller need not `finish`."""
    kind = table.text("kind")
    found = Declaration(
        name=table.text("name", None, pattern=NAME, hint=_NAME_HINT),
        kind=kind,
        parameter=table.text("input", None if kind else ""),
        label=table.texts("label"),
        sources=_sources(table),
        severity=_severity(table),
        life=_life(table),
        rationale=_rationale(table),
        groups=_groups(table),
        first_in_group=table.flag("first_in_group") if "first_in_group" in table else None,
        suppression=_suppression(table),
        audible=table.text("audible") if "audible" in table else None,
        remove=table.flag("remove"),
    )
    if any(len(words) > _LABEL_LIMIT for words in found.label.by_language.values()):
        table.note("label", f"is longer than {_LABEL_LIMIT} characters")
    if found.audible is not None and len(found.audible) > _LABEL_LIMIT:
        table.note("audible", f"is longer than {_LABEL_LIMIT} characters")
    if found.remove and kind:
        table.note("remove", "an alarm that is not there yet cannot be removed; leave out kind")
    table.finish()
    return found


def _sources(table: Table) -> dict[str, Source]:
    found: dict[str, Source] = {}
    inner = table.table("sources")
    for name, value in inner.entries():
        if isinstance(value, bool):
            found[name] = float(value)
        elif isinstance(value, str) and value:
            found[name] = value
        elif isinstance(value, int | float):
            found[name] = inner.measure(name)
        else:
            inner.note(name, f"must be a number or the name of a parameter, not {value!r}")
    return found


def _severity(table: Table) -> dict[str, int] | None:
    if "severity" not in table:
        return None
    if not table.is_table("severity"):
        return {"": table.whole("severity", 500, least=1, most=1000)}
    inner = table.table("severity")
    return {level: inner.whole(level, 500, least=1, most=1000) for level, _ in inner.entries()}


def _life(table: Table) -> dict[str, Any]:
    life: dict[str, Any] = {name: table.flag(name) for name in _FLAGS if name in table}
    life |= {name: table.amount(name, 0.0, most=LONGEST_S) for name in _TIMES if name in table}
    if 0 < life.get("re_alarm_s", 0.0) < SHORTEST_RE_ALARM_S:
        table.note("re_alarm_s", f"must be 0 or at least {SHORTEST_RE_ALARM_S:g}")
    if "deadband" in table:
        life["deadband"] = table.amount("deadband", 0.0)
    if "branches" in table:
        life["branches"] = table.whole("branches", 0, least=0, most=100)
    if "max_time_shelved_s" in table:
        longest = life["max_time_shelved_s"] = table.number("max_time_shelved_s", 1.0, above=0.0)
        if longest > _LONGEST_SHELVING_S:
            table.note("max_time_shelved_s", f"must be at most {_LONGEST_SHELVING_S:g}")
    return life


def _rationale(table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "priority" in table:
        found["priority"] = table.choice("priority", "", ("", *PRIORITIES))
    if "class" in table:
        found["condition_class"] = table.choice("class", "", ("", *CLASSES))
    for name in _TEXTS:
        if name in table:
            text = found[name] = table.texts(name)
            if any(len(words) > _TEXT_LIMIT for words in text.by_language.values()):
                table.note(name, f"is longer than {_TEXT_LIMIT} characters")
    if "response_s" in table:
        found["response_s"] = table.amount("response_s", 0.0, most=LONGEST_S)
    return found


def _groups(table: Table) -> tuple[str, ...] | None:
    return (
        table.strings("groups", pattern=_GROUP, hint="names, those of the whole site with / before")
        if ("groups" in table)
        else None
    )


def _suppression(table: Table) -> tuple[SuppressionGroup, ...] | None:
    if "suppressed_while" not in table:
        return None
    found = []
    for entry in table.tables("suppressed_while"):
        name = entry.text("name", None, pattern=NAME, hint=_NAME_HINT)
        values = entry.table("inputs")
        inputs = tuple((parameter, values.measure(parameter)) for parameter, _ in values.entries())
        if not inputs:
            entry.note("inputs", "names no parameter; write { parameter = value }")
        found.append(SuppressionGroup(name=name, inputs=inputs, label=entry.texts("label")))
        entry.finish()
    if len({group.name for group in found}) != len(found):
        table.note("suppressed_while", "the same name twice")
    return tuple(found)


def spec_of(declaration: Declaration, base: AlarmSpec | None, *, rule: str = "") -> AlarmSpec:
    """The alarm that a declaration makes of what is there (`base`), or, with a kind of its own, makes anew."""
    if declaration.kind or base is None:
        base = AlarmSpec(
            kind=declaration.kind,
            name=declaration.name,
            parameter=declaration.parameter,
            label=declaration.label or Texts.of(declaration.name),
        )
    changes: dict[str, Any] = {
        name: value
        for name in ("severity", "groups", "first_in_group", "suppression", "audible")
        if (value := getattr(declaration, name)) is not None
    }
    if declaration.label:
        changes["label"] = declaration.label
    if declaration.parameter:
        changes["parameter"] = declaration.parameter
    return replace(
        base,
        sources={**base.sources, **declaration.sources},
        life=replace(base.life, **declaration.life) if declaration.life else base.life,
        rationale=replace(base.rationale, **declaration.rationale) if declaration.rationale else base.rationale,
        rule=rule or base.rule,
        **changes,
    )


def written(spec: AlarmSpec) -> dict[str, Any]:
    """A declaration as a document says it, whole: what `read_alarm` takes to make the same alarm anew."""
    life, rationale, usual = spec.life, spec.rationale, (Life(), Rationale())
    document: dict[str, Any] = {
        "name": spec.name,
        "kind": spec.kind,
        "input": spec.parameter,
        "label": dict(spec.label.by_language),
        "sources": dict(spec.sources),
        "severity": dict(spec.severity),
        **{name: getattr(life, name) for name in (*_FLAGS, *_TIMES, "deadband")},
        "branches": life.branches,
        "max_time_shelved_s": life.max_time_shelved_s,
        "priority": rationale.priority,
        "class": rationale.condition_class,
        **{name: dict(getattr(rationale, name).by_language) for name in _TEXTS},
        "response_s": rationale.response_s,
        "groups": list(spec.groups),
        "first_in_group": spec.first_in_group,
        "suppressed_while": [
            {"name": group.name, "inputs": dict(group.inputs), "label": dict(group.label.by_language)}
            for group in spec.suppression
        ],
        "audible": spec.audible,
    }
    unsaid = {name: getattr(usual[0], name) for name in (*_FLAGS, *_TIMES, "deadband", "branches")}
    return {
        name: value
        for name, value in document.items()
        if value not in (None, "", {}, []) and not (name in unsaid and value == unsaid[name])
    }
