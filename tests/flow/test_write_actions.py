"""A plain Write through the whole flow while the METHODs of the EDD have their say: what is sent, what is answered."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest

from server.core import status
from server.core.values import Scalar
from tests.kit.thing_flow import THING, ThingFlow, thing_flow

# Halves what is written and counts; the twin follows by a write of its own.
EDD = """
VARIABLE times { LABEL "Times"; CLASS LOCAL; HANDLING READ; TYPE UNSIGNED_INTEGER (2) { INITIAL_VALUE 5; } }
VARIABLE target { LABEL "Target"; TYPE DOUBLE { MIN_VALUE 0; MAX_VALUE 100; }
    PRE_WRITE_ACTIONS { halve } POST_WRITE_ACTIONS { follow } }
VARIABLE twin { LABEL "Twin"; TYPE DOUBLE { MIN_VALUE 0; MAX_VALUE 100; } PRE_WRITE_ACTIONS { halve } }
VARIABLE asking { LABEL "A"; TYPE DOUBLE; PRE_WRITE_ACTIONS { ask } }
VARIABLE sorry { LABEL "S"; TYPE DOUBLE; POST_WRITE_ACTIONS { ask } }
VARIABLE round { LABEL "R"; TYPE DOUBLE; POST_WRITE_ACTIONS { again } }
METHOD halve { LABEL "Halve"; DEFINITION { fsetval(fgetval() / 2.0); times = times + 1; } }
METHOD follow { LABEL "Follow"; DEFINITION { twin = 40.0; send_all_values(); } }
METHOD ask { LABEL "Ask"; DEFINITION { ACKNOWLEDGE("Sure?"); } }
METHOD again { LABEL "Again"; DEFINITION { round = 1.0; send_all_values(); } }
"""


def rig() -> AbstractAsyncContextManager[ThingFlow]:
    return thing_flow(EDD, target=1.0, twin=1.0, limit=1.0)


async def test_the_device_gets_what_the_actions_made_of_a_value_and_their_own_writes_follow() -> None:
    async with rig() as room:
        assert await room.write("target", 30.0) == status.GOOD
        assert room.sent == [
            ("set_threshold", {"name": "target", "value": 15.0}),
            ("set_threshold", {"name": "twin", "value": 20.0}),  # an action's write has actions of its own
        ]
        assert (room.value("target"), room.value("twin")) == (15.0, 20.0)


async def test_local_values_that_actions_set_are_seen_by_everybody() -> None:
    async with rig() as room:
        await room.write("twin", 8.0)
        assert (room.value("times"), room.fdi.configuration.local(THING, "times")) == (6, 6)


async def test_an_action_that_wants_a_user_refuses_the_write_before_and_is_told_after() -> None:
    async with rig() as room:
        assert await room.write("asking", 3.0) == status.BAD_INVALID_STATE
        assert room.sent == []
        assert await room.write("sorry", 3.0) == status.GOOD_POST_ACTION_FAILED
        assert room.value("sorry") == 3.0


async def test_actions_that_set_one_another_off_end() -> None:
    async with rig() as room:
        # Each write but the innermost was carried out with its actions; that one's actions were refused.
        assert await room.write("round", 3.0) == status.GOOD
        assert [params["value"] for _, params in room.sent] == [3.0, 1.0, 1.0, 1.0, 1.0]


async def test_a_plain_parameter_is_written_as_it_is() -> None:
    async with rig() as room:
        assert await room.write("limit", 30.0) == status.GOOD
        assert room.sent == [("set_threshold", {"name": "limit", "value": 30.0})]


@pytest.mark.parametrize("value", [101.0, float("nan"), "much"])
async def test_actions_do_not_see_what_the_type_refuses(value: Scalar) -> None:
    async with rig() as room:
        assert await room.write("target", value) in (status.BAD_OUT_OF_RANGE, status.BAD_TYPE_MISMATCH)
        assert room.sent == []
