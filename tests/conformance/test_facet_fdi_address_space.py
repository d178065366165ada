"""The rules of the address space hold for all that FDI adds to it (OPC 10000-3; see test_facet_address_space)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import pytest_asyncio

from server.model.device_type import DeviceType
from tests.conformance.test_facet_address_space import *  # noqa: F403 - the same tests in another room
from tests.conformance.test_facet_address_space import _walk
from tests.kit.fdi import acting_type, equipped_type, services
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _everything() -> DeviceType:
    """METHODs, MENUs, plug-ins and files in one type."""
    acting, equipped = acting_type(), equipped_type()
    groups = (replace(acting.groups[0], uips=(equipped.uips[0].uip_id,)), *acting.groups[1:])
    return replace(
        acting,
        groups=groups,
        uips=equipped.uips,
        protocol_support=equipped.protocol_support,
        images=equipped.images,
        documents=equipped.documents,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(walker: RawSession) -> Whole:  # noqa: F405
    """Walked twice: parts that the first one made have changed nodes that it had seen before."""
    await _walk(walker)
    return await _walk(walker)


ROOM = {"fdi": services(), "types": (_everything(),)}


async def test_the_walk_met_what_fdi_adds(whole: Whole) -> None:  # noqa: F405
    # Control: parts of devices are made only when somebody looks.
    met = {str(node.Identifier) for node in whole.references}
    parts = ("Lock/InitLock", "Online/ParameterSet/level", "Offline/ParameterSet/limit", "EditContext", "Transfer")
    assert {f"pump-1/{part}" for part in (*parts[1:], "Lock/Locked", "ActionSet", "main/UIElement")} <= met
    assert "pump/UIPlugIns/7d1c2f0a/0" in met
