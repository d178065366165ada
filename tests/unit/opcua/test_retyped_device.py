"""A device for which another type was chosen by hand, as clients see it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from asyncua import ua

from server.core.values import DeviceId
from tests.kit.editing import boiler_type
from tests.kit.fdi import services
from tests.kit.opcua import running
from tests.kit.plant import measured
from tests.kit.versions import pump_as_built


class Codes:
    """StatusCodes that a subscription reports."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.gone = asyncio.Event()

    def datachange_notification(self, _node: Any, _value: object, data: Any) -> None:
        self.seen.append(data.monitored_item.Value.StatusCode.value)
        if self.seen[-1] == ua.StatusCodes.BadNodeIdUnknown:
            self.gone.set()


async def test_its_nodes_are_those_of_the_other_type_at_once(tmp_path: Path) -> None:
    # Same NodeIds, another type: what is monitored ends once with BadNodeIdUnknown, parts that were looked at are new.
    other = boiler_type()
    async with running(tmp_path, types=[pump_as_built(), other], fdi=services()) as rig, rig.client() as client:
        device = client.get_node(rig.node("pump-1"))
        before = await device.read_type_definition()
        lock = client.get_node(rig.node("pump-1/Lock/Locked"))
        assert await lock.read_value() is False
        offline = client.get_node(rig.node("pump-1/Offline/ParameterSet"))
        old_names = {child.nodeid.Identifier for child in await offline.get_children()}
        codes = Codes()
        subscription = await client.create_subscription(50, codes)
        await subscription.subscribe_data_change(client.get_node(rig.node("pump-1/ParameterSet/temperature")))
        await rig.pipeline.retype(DeviceId("pump-1"), other.type_id)
        async with asyncio.timeout(10):
            await codes.gone.wait()
        assert codes.seen.count(ua.StatusCodes.BadNodeIdUnknown) == 1
        after = await device.read_type_definition()
        assert (before.Identifier, after.Identifier) == ("pump", other.type_id)
        assert await lock.read_value() is False
        names = {child.nodeid.Identifier for child in await offline.get_children()}
        assert names
        assert names != old_names
        # Its messages count from now on as those of the other type.
        now = rig.clock.now()
        assert not rig.plant.apply(measured(now, "pump-1", type_id=other.type_id, pressure=1.0), now).refused
