"""Alarm rules: what operators change of the alarms that packages declare, and alarms of their own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Response

from server.alarms.rule import RULE_ID
from server.alarms.rule_service import RuleConflictError
from server.console.auth import READER, Console, RuleMaker
from server.console.problems import ProblemError

router = APIRouter(prefix="/api/alarm-rules", tags=["alarms"])

RuleId = Annotated[str, Path(pattern=f"^{RULE_ID}$", description="Letters, digits, _ and -")]
Written = Annotated[dict[str, Any], Body(description="match, alarm, enabled, note; see docs/alarms.md")]
IfMatch = Annotated[str | None, Header(description="The version that was read; 412 when it is another by now")]
IfNoneMatch = Annotated[str | None, Header(description="* makes a rule and never changes one")]


@router.get("", dependencies=READER)
async def list_rules(context: Console) -> list[dict[str, Any]]:
    """Every rule, with the devices it is for and what keeps it from some of them."""
    return context.rules.list()


@router.post("/{rule_id}/check")
async def check_rule(rule_id: RuleId, body: Written, context: Console, caller: RuleMaker) -> dict[str, Any]:
    """What a rule would do, without doing it."""
    return context.rules.check(rule_id, body, caller)


@router.get("/{rule_id}", dependencies=READER)
async def show_rule(rule_id: RuleId, context: Console, response: Response) -> dict[str, Any]:
    """One rule; its ETag names this version."""
    return _tagged(context.rules.get(rule_id), response)


@router.put("/{rule_id}")
async def put_rule(
    rule_id: RuleId,
    body: Written,
    context: Console,
    caller: RuleMaker,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> dict[str, Any]:
    """Make or change a rule; it takes effect at once."""
    seen = "" if if_none_match == "*" else _version(if_match)
    if if_match is not None and seen in (None, ""):
        _require_there(rule_id, context)
    try:
        return _tagged(await context.rules.put(rule_id, body, caller, seen), response)
    except RuleConflictError as error:
        raise ProblemError(412, error.text) from None


@router.delete("/{rule_id}", status_code=204)
async def remove_rule(rule_id: RuleId, context: Console, caller: RuleMaker, if_match: IfMatch = None) -> None:
    """Let a rule go; alarms that it made end."""
    try:
        await context.rules.remove(rule_id, caller, _version(if_match))
    except RuleConflictError as error:
        raise ProblemError(412, error.text) from None


def _require_there(rule_id: str, context: Console) -> None:
    """`If-Match` of any version, and of none that could ever be, changes a rule that is there and makes none."""
    if context.rules.has(rule_id):
        return
    raise ProblemError(412, f"there is no alarm rule {rule_id!r}")


def _version(if_match: str | None) -> str | None:
    if if_match is None or if_match.strip() == "*":
        return None
    return if_match.strip().removeprefix("W/").strip('"')


def _tagged(rule: dict[str, Any], response: Response) -> dict[str, Any]:
    response.headers["ETag"] = f'"{rule["etag"]}"'
    return rule
