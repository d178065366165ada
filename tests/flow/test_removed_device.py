"""A type is uninstalled while somebody holds a lock, edits, and answers a METHOD of one of its devices."""

from __future__ import annotations

import asyncio

from server.fdi.actions.states import ActionState
from server.fdi.edit_values import Side
from server.model.lock import LockState, owner_of
from tests.kit.actions import ENGINEER
from tests.kit.thing_flow import THING, thing_flow

WAIT_S = 10.0
EDD = """
METHOD ask { LABEL "Ask"; CLASS OPERATE; DEFINITION { ACKNOWLEDGE("Sure?"); limit = 3.0; send_all_values(); } }
MENU device_root_menu { LABEL "Device"; ITEMS { ask } }
"""


async def test_lock_context_and_action_end_with_the_device() -> None:
    async with thing_flow(EDD, limit=1.0) as room:
        fdi, released = room.fdi, []
        fdi.locks.on_released.append(lambda *what: released.append(what))
        fdi.locks.init_lock(THING, "", owner_of(ENGINEER))
        context, _ = fdi.contexts.get(THING, "", 1, ENGINEER)
        await fdi.contexts.write(context, Side.ONLINE, "limit", 2.0, ENGINEER)
        changed = asyncio.Event()
        fdi.actions.on_changed.append(lambda _action_id: changed.set())
        running = asyncio.create_task(fdi.run())
        await asyncio.sleep(0)  # its tasks have begun
        await asyncio.sleep(0)
        assert fdi.actions.invoke(THING, "ask", "", ENGINEER, online=True)[1] == 0
        (action,) = fdi.actions._actions.values()

        async def comes_to(state: ActionState) -> None:
            while action.state is not state:
                changed.clear()
                await asyncio.wait_for(changed.wait(), WAIT_S)

        await comes_to(ActionState.WAITING)
        await room.pipeline.uninstall("thing")
        assert released == [(THING, owner_of(ENGINEER), "removed")]
        assert fdi.locks.state(THING) == LockState()
        assert len(fdi.contexts) == 0
        await comes_to(ActionState.ABORTED)
        assert room.sent == []
        await fdi.stop()
        await running
