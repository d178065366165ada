"""Edits through the flow while the EDD's edit actions have their say; nothing leaves before Apply."""

from __future__ import annotations

from server.core import status
from server.core.values import Scalar
from server.fdi.edit_values import Side
from server.model.lock import owner_of
from tests.kit.actions import ENGINEER
from tests.kit.thing_flow import ThingFlow, thing_flow

EDD = """
VARIABLE low { LABEL "Low"; TYPE DOUBLE { MIN_VALUE 0; MAX_VALUE 100; } POST_EDIT_ACTIONS { push_high } }
VARIABLE high { LABEL "High"; TYPE DOUBLE { MIN_VALUE 0; MAX_VALUE 100; } PRE_EDIT_ACTIONS { whole } }
VARIABLE asking { LABEL "A"; TYPE DOUBLE; PRE_EDIT_ACTIONS { ask } }
VARIABLE picky { LABEL "P"; TYPE DOUBLE; POST_EDIT_ACTIONS { IF (picky > 5.0) { raise_high, give_up } } }
METHOD raise_high { LABEL "R"; DEFINITION { high = 99.0; } }
METHOD give_up { LABEL "G"; DEFINITION { abort("no"); } }
METHOD push_high { LABEL "Push"; DEFINITION { if (high < low + 10.0) high = low + 10.0; } }
METHOD whole { LABEL "Whole"; DEFINITION { fsetval(floor(fgetval())); } }
METHOD ask { LABEL "Ask"; DEFINITION { ACKNOWLEDGE("Sure?"); } }
"""


def opened(room: ThingFlow) -> str:
    room.fdi.locks.init_lock("thing-1", "", owner_of(ENGINEER))
    context, code = room.fdi.contexts.get("thing-1", "", 1, ENGINEER)
    assert code == 0
    assert room.fdi.contexts.register(context, ("low", "high", "asking"), ENGINEER) == [0, 0, 0]
    return context


async def edit(room: ThingFlow, context: str, name: str, value: Scalar) -> int:
    return await room.fdi.contexts.write(context, Side.ONLINE, name, value, ENGINEER)


def shown(room: ThingFlow, context: str, name: str) -> tuple[Scalar | None, int]:
    found = room.fdi.contexts.read(context, Side.ONLINE, name)
    return found.value, found.status


async def test_an_edit_action_edits_other_values_in_the_context_and_apply_writes_both() -> None:
    async with thing_flow(EDD, low=1.0, high=20.0) as room:
        context = opened(room)
        assert await edit(room, context, "low", 50.0) == status.GOOD
        assert shown(room, context, "low") == (50.0, status.GOOD_EDITED)
        assert shown(room, context, "high") == (60.0, status.GOOD_EDITED)
        assert (room.sent, room.value("high")) == ([], 20.0)
        outcome = await room.fdi.contexts.apply(context, ENGINEER)
        assert (outcome.status, outcome.incidents) == (0, ())
        assert sorted((params["name"], params["value"]) for _, params in room.sent) == [("high", 60.0), ("low", 50.0)]
        assert (room.value("low"), room.value("high")) == (50.0, 60.0)


async def test_an_action_before_an_edit_changes_what_is_edited() -> None:
    async with thing_flow(EDD, low=1.0, high=20.0) as room:
        context = opened(room)
        assert await edit(room, context, "high", 33.9) == status.GOOD
        assert shown(room, context, "high") == (33.0, status.GOOD_EDITED)


async def test_an_action_that_gives_up_rejects_the_edit() -> None:
    # Nobody can answer inside an edit: the dialog aborts the action.
    async with thing_flow(EDD, low=1.0, high=20.0, asking=2.0) as room:
        context = opened(room)
        assert await edit(room, context, "asking", 3.0) == status.BAD_INVALID_STATE
        assert shown(room, context, "asking") == (2.0, status.GOOD)


async def test_an_action_after_an_edit_that_gives_up_rejects_it_with_all_it_brought() -> None:
    # eddl.md 5.2; what an earlier action of the list had assigned goes too.
    async with thing_flow(EDD, low=1.0, high=20.0, picky=2.0) as room:
        context = opened(room)
        assert await edit(room, context, "picky", 4.0) == status.GOOD  # the condition is asked with the edited value
        assert await edit(room, context, "picky", 6.0) == status.BAD_INVALID_STATE
        assert shown(room, context, "picky") == (4.0, status.GOOD_EDITED)
        assert shown(room, context, "high") == (20.0, status.GOOD)
