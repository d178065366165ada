"""Transfers through the flow with an EDD whose transfer MENUs bring the device out of service and back."""

from __future__ import annotations

from server.core import status
from server.core.status import name_of
from server.model.lock import owner_of
from tests.kit.actions import ENGINEER
from tests.kit.thing_flow import THING, ThingFlow, thing_flow

EDD = """
VARIABLE service { LABEL "Service"; TYPE DOUBLE; }
VARIABLE high { LABEL "High"; TYPE DOUBLE; }
VARIABLE low { LABEL "Low"; TYPE DOUBLE; }
MENU download_to_device_root_menu { LABEL "Download"; ITEMS { high, low }
    PRE_WRITE_ACTIONS { out_of_service } POST_WRITE_ACTIONS { in_service } }
MENU upload_from_device_root_menu { LABEL "Upload"; ITEMS { high } POST_READ_ACTIONS { count_up } }
METHOD out_of_service { DEFINITION { if (service == 7.0) abort("busy"); service = 1.0; send_all_values(); } }
METHOD in_service { LABEL "In"; DEFINITION { service = 0.0; send_on_exit(); } }
METHOD count_up { LABEL "Count"; DEFINITION { count = 5; } }
"""


async def transfer(room: ThingFlow, started: tuple[int, int]) -> tuple[int | None, dict[str, str]]:
    assert started[1] == 0
    await room.fdi.transfers.idle()
    answer = room.fdi.transfers.fetch(THING, started[0], 0, 0, False, ENGINEER)
    return answer.error, {result.name: name_of(result.status) for result in answer.results}


async def test_actions_of_the_download_menu_write_before_and_after_the_values() -> None:
    async with thing_flow(EDD, service=0.0, high=1.0, low=1.0) as room:
        room.fdi.locks.init_lock(THING, "", owner_of(ENGINEER))
        for name in ("low", "high"):
            assert await room.fdi.configuration.write(THING, name, 9.0, ENGINEER) == status.GOOD
        found = await transfer(room, room.fdi.transfers.to_device(THING, ENGINEER))
        assert found == (None, {"high": "Good", "low": "Good"})
        written = [(params["name"], params["value"]) for _, params in room.sent]
        assert written == [("service", 1.0), ("high", 9.0), ("low", 9.0), ("service", 0.0)]


async def test_an_action_that_aborts_before_a_download_leaves_everything_set() -> None:
    async with thing_flow(EDD, service=7.0, high=1.0) as room:
        room.fdi.locks.init_lock(THING, "", owner_of(ENGINEER))
        await room.fdi.configuration.write(THING, "high", 9.0, ENGINEER)
        assert await transfer(room, room.fdi.transfers.to_device(THING, ENGINEER)) == (-5, {})
        assert (room.sent, dict(room.fdi.configuration.offline(THING))) == ([], {"high": 9.0})


async def test_actions_of_the_upload_menu_run_after_reading() -> None:
    async with thing_flow(EDD, high=1.0) as room:
        room.fdi.locks.init_lock(THING, "", owner_of(ENGINEER))
        error, results = await transfer(room, room.fdi.transfers.from_device(THING, ENGINEER))
        assert (error, results["high"], room.value("count")) == (None, "Good", 5)
