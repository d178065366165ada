"""A plain Write through the whole flow while the METHODs of the EDD have their say: what is sent, what is answered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from server.core import status
from server.core.errors import LockedError, NotFoundError
from server.core.status import StatusCode
from server.core.values import Caller, DeviceId, Scalar
from server.model.lock import owner_of
from tests.kit.actions import OPERATOR
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
VARIABLE tally { LABEL "Tally"; CLASS LOCAL; HANDLING READ; TYPE UNSIGNED_INTEGER (2); }
VARIABLE counted { LABEL "C"; TYPE DOUBLE; PRE_WRITE_ACTIONS { count_up } }
VARIABLE gate { CLASS LOCAL; PRIVATE TRUE; TYPE UNSIGNED_INTEGER (1); }
VARIABLE lever { LABEL "Lever"; TYPE DOUBLE; POST_WRITE_ACTIONS { move_gate } }
VARIABLE yard { LABEL "Yard"; VALIDITY IF (gate == 1) { FALSE; } ELSE { TRUE; } TYPE DOUBLE; }
VARIABLE dial { LABEL "D"; CLASS LOCAL; TYPE DOUBLE { MAX_VALUE 10; INITIAL_VALUE 1; } PRE_WRITE_ACTIONS { turn_up } }
METHOD count_up { LABEL "Count"; DEFINITION { tally = tally + 1; } }
METHOD move_gate { LABEL "Move"; DEFINITION { gate = lever > 5.0; } }
METHOD turn_up { LABEL "Turn"; DEFINITION { fsetval(fgetval() * 4.0); } }
VARIABLE serviced { LABEL "Serviced"; CLASS LOCAL; TYPE DATE; }
VARIABLE until { LABEL "Until"; CLASS LOCAL; TYPE DATE_AND_TIME (7); }
VARIABLE planned { LABEL "Planned"; TYPE DOUBLE; PRE_WRITE_ACTIONS { plan } }
METHOD plan { LABEL "Plan"; DEFINITION { serviced = (1 << 16) | (2 << 8) | 126; until = 86400; } }
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


async def test_a_local_value_that_nobody_has_set_begins_at_zero_for_methods() -> None:
    # eddl.md 7.11 leaves open what a LOCAL variable without INITIAL_VALUE holds: as a static variable of C does.
    async with rig() as room:
        assert room.value("tally") is None  # clients still see that it was never set
        assert await room.write("counted", 1.0) == status.GOOD
        assert room.value("tally") == 1


async def test_moments_can_be_written_and_assigned() -> None:
    async with rig() as room:
        assert await room.write("serviced", 1_700_000_000_000_000) == status.GOOD
        assert room.value("serviced") == 1_700_000_000_000_000
        assert await room.write("serviced", "tomorrow") == status.BAD_TYPE_MISMATCH
        assert await room.write("planned", 1.0) == status.GOOD
        assert room.value("serviced") == 1_769_904_000_000_000  # 1 February 2026
        assert room.value("until") == 86_400_000_000


async def test_a_private_local_value_turns_the_validity_of_what_depends_on_it() -> None:
    async with rig() as room:
        assert await room.write("yard", 1.0) == status.GOOD
        assert await room.write("lever", 9.0) == status.GOOD
        assert not room.plant.device(THING).points["yard"].spec.valid
        assert await room.write("yard", 2.0) == status.BAD_NOT_WRITABLE
        assert await room.write("lever", 1.0) == status.GOOD
        assert room.plant.device(THING).points["yard"].spec.valid
        told = [changes for kind, changes in room.points.seen if kind == "specs"]
        assert [[(change.parameter, change.new.valid) for change in changes] for changes in told] == [
            [("yard", False)],
            [("yard", True)],
        ]


async def test_what_an_action_makes_of_a_local_value_is_checked_like_what_a_client_writes() -> None:
    async with rig() as room:
        assert await room.write("dial", 2.0) == status.GOOD
        assert room.value("dial") == 8.0
        assert await room.write("dial", 3.0) == status.BAD_OUT_OF_RANGE  # 12 after the action
        assert room.value("dial") == 8.0


class Meanwhile:
    """Actions during which something else happens."""

    def __init__(self, happen: Callable[[], object]) -> None:
        self.happen = happen

    async def before_write(
        self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller
    ) -> tuple[StatusCode, Scalar]:
        self.happen()
        return status.GOOD, value

    async def after_write(self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller) -> StatusCode:
        return status.GOOD


async def test_a_lock_that_somebody_takes_while_actions_run_stops_the_write() -> None:
    async with rig() as room:
        room.pipeline.hook(Meanwhile(lambda: room.fdi.locks.init_lock(THING, "", owner_of(OPERATOR))))
        for name in ("limit", "dial"):  # a LOCAL one too
            with pytest.raises(LockedError):
                await room.write(name, 3.0)
        assert room.sent == []


async def test_a_device_that_is_removed_while_actions_run_is_not_written() -> None:
    async with rig() as room:
        room.pipeline.hook(Meanwhile(lambda: list(room.plant.uninstall("thing"))))
        with pytest.raises(NotFoundError):
            await room.write("limit", 3.0)
        assert room.sent == []
