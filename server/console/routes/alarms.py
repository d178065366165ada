"""Alarms: what stands, acknowledge, comment."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from server.alarms.measures import as_json
from server.console import shapes
from server.console.auth import READER, Acknowledger, Console
from server.console.context import ConsoleContext
from server.console.problems import ProblemError
from server.core.alarm_actions import AlarmAction, Verb
from server.core.errors import NotFoundError
from server.core.values import AlarmEvent

router = APIRouter(prefix="/api/alarms", tags=["alarms"])

# Ids hold slashes: "<device_id>/Alarms/<name>".
ConditionId = Annotated[str, Path(max_length=256, description="Condition id")]


class Remark(BaseModel):
    """What an operator says, and which state he has seen."""

    model_config = ConfigDict(extra="forbid")

    comment: str = Field(default="", max_length=1_000)
    event_id: str | None = Field(default=None, max_length=64, description="Hex; absent: the state of now")


class Order(Remark):
    """What an operator does, with what it needs."""

    duration_s: float | None = Field(default=None, description="shelve: for how long")


@router.get("", dependencies=READER)
async def list_alarms(
    context: Console,
    active: bool | None = None,
    acked: bool | None = None,
    device: Annotated[str, Query(max_length=64)] = "",
    every: Annotated[bool, Query(alias="all", description="Also those that nobody needs to see")] = False,
) -> list[dict[str, Any]]:
    """Alarms that are active or not acknowledged, the gravest and newest first."""
    return [shapes.alarm(event) for event in standing(context, device, every=every) if _fits(event, active, acked)]


def standing(context: ConsoleContext, device: str = "", *, every: bool = False) -> list[AlarmEvent]:
    """Alarms of the plant or of one device, the gravest and newest first; `every` includes the quiet ones."""
    alarms = context.pipeline.alarms
    if every:
        devices = [device] if device else list(context.plant.devices)
        states = [alarms.state(found) for name in devices for found in alarms.condition_ids(name)]
        events = [state for state in states if state is not None]
    else:
        events = [event for event in alarms.retained() if not device or event.device_id == device]
    return sorted(events, key=lambda event: (not event.active, -event.severity, -event.time))


def _fits(event: AlarmEvent, active: bool | None, acked: bool | None) -> bool:
    return (active is None or event.active == active) and (acked is None or event.acked == acked)


@router.get("/performance", dependencies=READER)
async def performance(context: Console) -> dict[str, Any]:
    """How the alarm system itself performs, by ISA-18.2: rates, floods, chattering, stale, the ten most frequent."""
    return as_json(context.performance())


@router.get("/{condition_id:path}", dependencies=READER)
async def alarm_state(condition_id: ConditionId, context: Console) -> dict[str, Any]:
    """The last state of one alarm."""
    state = context.pipeline.alarms.state(condition_id)
    if state is None:
        raise NotFoundError(f"no alarm {condition_id!r}")
    return shapes.alarm(state)


@router.post("/{condition_id:path}/acknowledge")
async def acknowledge(
    condition_id: ConditionId, context: Console, caller: Acknowledger, body: Remark | None = None
) -> dict[str, Any]:
    """Acknowledge an alarm; 409 when it already is, or has changed since the event named."""
    remark = body or Remark()
    event = await context.pipeline.acknowledge(condition_id, _event_id(remark), remark.comment, caller)
    return shapes.alarm(event)


@router.post("/{condition_id:path}/comment")
async def comment(condition_id: ConditionId, body: Remark, context: Console, caller: Acknowledger) -> dict[str, Any]:
    """Add a comment to an alarm."""
    return shapes.alarm(await context.pipeline.comment(condition_id, _event_id(body), body.comment, caller))


@router.post("/{condition_id:path}/{action}")
async def act(
    condition_id: ConditionId,
    action: Annotated[Verb, Path(description="What to do")],
    context: Console,
    caller: Acknowledger,
    body: Order | None = None,
) -> dict[str, Any]:
    """Confirm, shelve, suppress, silence, reset, enable an alarm …; 409 when its state does not allow it.

    Engineers suppress, disable and take out of service; all else is the operators'.
    """
    order = body or Order()
    wanted = AlarmAction(action, condition_id, _event_id(order), order.comment or None, order.duration_s)
    return shapes.alarm(await context.pipeline.alarm_action(wanted, caller))


def _event_id(remark: Remark) -> bytes | None:
    if remark.event_id is None:
        return None
    try:
        return bytes.fromhex(remark.event_id)
    except ValueError:
        raise ProblemError(422, "event_id: write it in hex, as the alarm shows it") from None
