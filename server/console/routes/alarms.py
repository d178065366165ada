"""Alarms: what stands, and what operators do to one or many."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from server.console import shapes
from server.console.auth import READER, Acknowledger, Console
from server.console.context import ConsoleContext
from server.console.problems import ProblemError
from server.core.alarm_actions import AlarmAction, Verb
from server.core.errors import IntegrationError, NotFoundError
from server.core.status import name_of
from server.core.values import AlarmEvent

router = APIRouter(prefix="/api/alarms", tags=["alarms"])

LIST_LIMIT = 10_000
ACTIONS_LIMIT = 1_000
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


class Meant(BaseModel):
    """One alarm of many, and which state of it was seen."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(max_length=256)
    event_id: str | None = Field(default=None, max_length=64, description="Hex; absent: the state of now")


class Orders(BaseModel):
    """What an operator does to many alarms at once."""

    model_config = ConfigDict(extra="forbid")

    action: Verb
    alarms: list[Meant] = Field(min_length=1, max_length=ACTIONS_LIMIT)
    comment: str = Field(default="", max_length=1_000)
    duration_s: float | None = None


@router.get("", dependencies=READER)
async def list_alarms(
    context: Console,
    active: bool | None = None,
    acked: bool | None = None,
    device: Annotated[str, Query(max_length=64)] = "",
    every: Annotated[bool, Query(alias="all", description="Also those that nobody needs to see")] = False,
    severity: Annotated[int, Query(ge=0, le=1_000, description="At least")] = 0,
    priority: Annotated[list[str] | None, Query(max_length=4, description="critical, high, medium, low")] = None,
    kind: Annotated[str, Query(max_length=64)] = "",
    condition_class: Annotated[str, Query(alias="class", max_length=64)] = "",
    place: Annotated[str, Query(max_length=256, description="Beginning of the place, parts parted by /")] = "",
    hidden: Annotated[bool | None, Query(description="Suppressed, shelved or out of service")] = None,
    text: Annotated[str, Query(max_length=128, description="In the id, the message or the comment")] = "",
    limit: Annotated[int, Query(ge=1, le=LIST_LIMIT)] = LIST_LIMIT,
) -> list[dict[str, Any]]:
    """Alarms that are active, not acknowledged, not confirmed or latched, the gravest and newest first."""
    wanted = Wanted(
        active,
        acked,
        severity,
        frozenset(priority or ()),
        kind,
        condition_class,
        tuple(part for part in place.split("/") if part),
        hidden,
        text.casefold(),
    )
    await context.pipeline.settled()
    events = standing(context, device, every=every)
    return [shapes.alarm(event) for event in islice((one for one in events if wanted.fits(one, context)), limit)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alarms a list is asked for; what is None or empty asks for nothing."""

    active: bool | None
    acked: bool | None
    severity: int
    priorities: frozenset[str]
    kind: str
    condition_class: str
    place: tuple[str, ...]
    hidden: bool | None
    text: str

    def fits(self, event: AlarmEvent, context: ConsoleContext) -> bool:
        """Whether an alarm belongs into the list."""
        if (
            (self.active is not None and event.active != self.active)
            or (self.acked is not None and event.acked != self.acked)
            or event.severity < self.severity
            or (self.priorities and event.priority not in self.priorities)
            or (self.kind and event.kind != self.kind)
            or (self.condition_class and event.condition_class != self.condition_class)
            or (self.hidden is not None and event.suppressed_or_shelved != self.hidden)
        ):
            return False
        if self.place:
            device = context.plant.devices.get(event.device_id)
            if device is None or device.path[: len(self.place)] != self.place:
                return False
        return not self.text or any(
            self.text in words.casefold() for words in (event.condition_id, event.message, event.comment)
        )


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


@router.get("/{condition_id:path}", dependencies=READER)
async def alarm_state(condition_id: ConditionId, context: Console) -> dict[str, Any]:
    """The last state of one alarm."""
    await context.pipeline.settled()
    state = context.pipeline.alarms.state(condition_id)
    if state is None:
        raise NotFoundError(f"no alarm {condition_id!r}")
    return shapes.alarm(state)


@router.post("/actions")
async def act_on_many(body: Orders, context: Console, caller: Acknowledger) -> list[dict[str, Any]]:
    """Do the same to many alarms; each one's answer, in their order: what it is now, or why it was refused."""
    answers: list[dict[str, Any]] = []
    for one in body.alarms:
        order = AlarmAction(body.action, one.id, _event_id(one), body.comment or None, body.duration_s)
        try:
            event = await context.pipeline.alarm_action(order, caller)
        except IntegrationError as error:
            answers.append({"id": one.id, "status": name_of(error.status), "detail": error.text, "alarm": None})
        else:
            answers.append({"id": one.id, "status": "Good", "detail": "", "alarm": shapes.alarm(event)})
    return answers


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


def _event_id(remark: Remark | Meant) -> bytes | None:
    if remark.event_id is None:
        return None
    try:
        return bytes.fromhex(remark.event_id)
    except ValueError:
        raise ProblemError(422, "event_id: write it in hex, as the alarm shows it") from None
