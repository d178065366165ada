"""Requests that go on beside their channel: every one is answered, once."""

from __future__ import annotations

import asyncio

from asyncua import ua
from structlog.testing import capture_logs

from server.opcua.services.context import Request
from tests.kit.service_space import ServiceRig, ServiceSpace, answer_of, result_of

S = ua.StatusCodes


async def test_a_request_whose_work_fails_is_answered_all_the_same() -> None:
    # A client would wait for ever for an answer that a defect of ours has swallowed.
    rig = ServiceRig(ServiceSpace())
    session = rig.session()

    async def fail(_request: Request) -> None:
        raise LookupError("a defect")

    rig.dispatcher.register("Read", lambda request, _params: fail(request))
    with capture_logs() as logs:
        rig.dispatcher.message(rig.channel, 1, rig.body(session, ua.ReadRequest()))
        async with asyncio.timeout(5):
            while session.pending:
                await asyncio.sleep(0)
    ((_number, body),) = rig.channel.sent
    assert result_of(answer_of(body)) == S.BadInternalError
    assert [entry["event"] for entry in logs] == ["request_failed"]


def test_an_answer_that_is_too_large_counts_as_refused() -> None:
    # OPC 10000-5, 12.9 and 12.11: RejectedRequestsCount, and the errors of the service's own counter.
    rig = ServiceRig(ServiceSpace())
    session = rig.session()
    session.max_response_bytes = 200
    answers = [ua.ReadResponse(Results=[ua.DataValue(ua.Variant("x" * size))]) for size in (50, 500)]
    rig.dispatcher.register("Read", lambda _request, _params: answers.pop(0))
    assert result_of(rig.ask(session, ua.ReadRequest())) == S.Good
    assert result_of(rig.ask(session, ua.ReadRequest())) == S.BadResponseTooLarge
    assert (session.counters["Read"], rig.dispatcher.rejected) == ([2, 1], 1)
