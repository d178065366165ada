"""HistoryRead in general: what one request may bring (OPC 10000-4, 5.11.3)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from server.opcua.nodes.keys import node_id_of
from server.opcua.nodes.node import VARIABLE
from server.opcua.services import history
from server.opcua.services.history import HistoryDoors, HistoryService
from server.opcua.services.limits import OperationLimits
from tests.kit.service_space import ServiceRig, ServiceSpace, answer_of, result_of

S = ua.StatusCodes
RECORDED = 2 << 32 | 1


class Reader:
    """Ten values, whatever is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, *_what: Any) -> ua.HistoryReadResult:
        self.asked += 1
        return ua.HistoryReadResult(HistoryData=ua.HistoryData(DataValues=[ua.DataValue(ua.Variant(1.0))] * 10))

    def release(self, _session: Any, _point: bytes) -> bool:
        return False


class NoAudit:
    def history_updated(self, *_what: Any) -> None: ...


@pytest.mark.parametrize(("nodes", "code", "asked"), [(3, S.Good, 3), (9, S.BadResponseTooLarge, 4)])
async def test_one_request_brings_so_many_values_at_most(
    monkeypatch: pytest.MonkeyPatch, nodes: int, code: int, asked: int
) -> None:
    # Ten thousand nodes with a page of ten thousand values each would fill the memory, not the message.
    monkeypatch.setattr(history, "VALUES", 30)
    space = ServiceSpace()
    space.add(RECORDED, "Recorded", VARIABLE, index=2, access=5)
    rig, reader = ServiceRig(space), Reader()
    session = rig.session()
    HistoryService(
        space.store, OperationLimits(), HistoryDoors({ua.ReadRawModifiedDetails: reader}, {}), NoAudit()
    ).register(rig.dispatcher)
    request = ua.HistoryReadRequest()
    request.Parameters.HistoryReadDetails = ua.ReadRawModifiedDetails()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
    request.Parameters.ReleaseContinuationPoints = False
    request.Parameters.NodesToRead = [ua.HistoryReadValueId(NodeId=node_id_of(RECORDED))] * nodes
    rig.dispatcher.message(rig.channel, 1, rig.body(session, request))
    (work,) = rig.dispatcher._tasks
    await work
    ((_number, body),) = rig.channel.sent
    assert (result_of(answer_of(body)), reader.asked) == (code, asked)
