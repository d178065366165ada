"""Changing alarm rules: checks rights, keeps the rule, lets it take effect, leaves an audit record."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from server.alarms.rule import Rule, RuleError, read_rule
from server.alarms.rules import AlarmRules, Effect
from server.core import status
from server.core.clock import Clock, to_iso
from server.core.errors import IntegrationError, NotFoundError, RemoteError
from server.core.status import name_of
from server.core.values import Caller, DeviceId
from server.database.rule_store import RuleRow
from server.pipeline import Pipeline
from server.security.access import Right, require
from server.security.audit import AuditTrail, AuditWriter

MOST_RULES = 1_000

log = structlog.get_logger(__name__)


class RuleKeeper(Protocol):
    """Keeps rules over restarts. All calls block (`SiteDatabase`)."""

    def alarm_rules(self) -> Sequence[RuleRow]: ...

    def save_alarm_rule(self, row: RuleRow) -> None: ...

    def delete_alarm_rule(self, rule_id: str) -> None: ...


class RuleConflictError(RemoteError):
    """Somebody else has changed the rule since it was read."""

    status = status.BAD_INVALID_STATE


def etag(rule: Rule) -> str:
    """What names one version of a rule."""
    seen = f"{rule.text}\0{rule.changed_at}\0{rule.changed_by}"
    return hashlib.sha256(seen.encode()).hexdigest()[:32]


class RuleService:
    """The rules of a site for every door."""

    def __init__(self, rules: AlarmRules, keeper: RuleKeeper, audit: AuditWriter, clock: Clock) -> None:
        self._rules = rules
        self._keeper = keeper
        self._clock = clock
        self._trail = AuditTrail(audit, clock)
        self._pipeline: Pipeline | None = None
        self._turn = asyncio.Lock()

    def attach(self, pipeline: Pipeline) -> None:
        """Where changes take effect; before the first one."""
        self._pipeline = pipeline

    async def load(self) -> None:
        """Take the rules of earlier runs; one that can no longer be read is left out and named in the log."""
        rows = await asyncio.to_thread(self._keeper.alarm_rules)
        found: list[Rule] = []
        for row in rows:
            try:
                body = json.loads(row.body)
                found.append(read_rule(row.rule_id, body, changed_at=row.changed_at, changed_by=row.changed_by))
            except (ValueError, RuleError) as error:
                log.error("alarm_rule_left_out", rule=row.rule_id, reason=str(error))
        self._rules.load(found)

    def list(self) -> list[dict[str, Any]]:
        """Every rule with its effect."""
        effects = self._rules.effects()
        return [_shape(rule, effects[rule.rule_id]) for rule in self._rules.all]

    def get(self, rule_id: str) -> dict[str, Any]:
        """One rule with its effect. Raises NotFoundError."""
        rule = self._known(rule_id)
        return _shape(rule, self._rules.effect(rule))

    def has(self, rule_id: str) -> bool:
        """Whether there is such a rule."""
        return self._rules.get(rule_id) is not None

    def _known(self, rule_id: str) -> Rule:
        rule = self._rules.get(rule_id)
        if rule is None:
            raise NotFoundError(f"no alarm rule {rule_id!r}")
        return rule

    def check(self, rule_id: str, body: object, caller: Caller) -> dict[str, Any]:
        """What a rule would do; nothing changes.

        Raises:
            DeniedError: the caller may not change rules.
            RuleError: it cannot even be read.
        """
        require(caller, Right.ALARM_RULES, "check alarm rules")
        return _told(self._rules.effect(read_rule(rule_id, body)))

    async def put(self, rule_id: str, body: object, caller: Caller, seen: str | None = None) -> dict[str, Any]:
        """Make or change a rule; `seen` is the version that its author has read, "" that there was none.

        Raises:
            DeniedError: the caller may not.
            RuleError: it makes no sense, or not for a device it is for.
            RuleConflictError: somebody else was faster.
        """

        async def change() -> dict[str, Any]:
            before = self._rules.get(rule_id)
            self._require_seen(before, rule_id, seen)
            if before is None and len(self._rules.all) >= MOST_RULES:
                raise RemoteError(f"{MOST_RULES} rules at most", status_code=status.BAD_RESOURCE_UNAVAILABLE)
            rule = read_rule(rule_id, body, changed_at=self._clock.now(), changed_by=caller.user)
            effect = self._rules.effect(rule)
            if effect.problems:
                raise RuleError(list(effect.problems))
            row = RuleRow(rule_id, rule.text, rule.changed_at, rule.changed_by)
            await self._take(lambda: self._keeper.save_alarm_rule(row), lambda: self._rules.put(rule))
            # Of this version: by the time it is on record the next editor may have made another.
            return _shape(rule, effect)

        put: dict[str, Any] = await self._audited(caller, "put alarm rule", rule_id, change)
        return put

    async def remove(self, rule_id: str, caller: Caller, seen: str | None = None) -> None:
        """Let a rule go; alarms that it made end.

        Raises:
            DeniedError, NotFoundError, RuleConflictError: may not; not there; somebody else was faster.
        """

        async def change() -> None:
            self._require_seen(self._known(rule_id), rule_id, seen)
            await self._take(lambda: self._keeper.delete_alarm_rule(rule_id), lambda: self._rules.remove(rule_id))

        await self._audited(caller, "remove alarm rule", rule_id, change)

    @staticmethod
    def _require_seen(before: Rule | None, rule_id: str, seen: str | None) -> None:
        if seen is not None and seen != (etag(before) if before is not None else ""):
            raise RuleConflictError(f"alarm rule {rule_id!r} has been changed since it was read")

    async def _take(self, keep: Callable[[], None], apply: Callable[[], Sequence[DeviceId]]) -> None:
        """Keep first: what operators are shown is what a restart shows, too."""
        await asyncio.to_thread(keep)
        if self._pipeline is None:
            apply()
        else:
            await self._pipeline.redeclare(apply)

    async def _audited(self, caller: Caller, action: str, rule_id: str, change: Callable[[], Any]) -> Any:
        try:
            require(caller, Right.ALARM_RULES, f"{action} {rule_id}")
            async with self._turn:
                made = await change()
        except IntegrationError as error:
            await self._trail.write(caller, action, rule_id, name_of(error.status), error.text)
            raise
        await self._trail.write(caller, action, rule_id, "Good", "")
        return made


def _shape(rule: Rule, effect: Effect) -> dict[str, Any]:
    return {
        "id": rule.rule_id,
        "body": rule.body,
        "etag": etag(rule),
        "changed_at": to_iso(rule.changed_at),
        "changed_by": rule.changed_by,
        **_told(effect),
    }


def _told(effect: Effect) -> dict[str, Any]:
    return {"devices": list(effect.devices), "problems": list(effect.problems)}
