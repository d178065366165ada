"""Direct access to devices (IEC 62769-5, DirectDeviceAccessType): for the owner of the lock, one a device."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from server.core import status
from server.core.clock import ManualClock
from server.core.errors import RemoteError
from server.core.status import StatusCode
from server.core.values import Caller, Command, CommandResult, DeviceId
from server.fdi.direct_access import LIMITS, DirectAccess, read_send_data
from server.model.lock import NETWORK, Locks, owner_of
from server.model.plant import Plant
from tests.kit.plant import measured, small_plant

EMMA = Caller("emma", "engineer", "opcua", session="1", application="urn:a")
ERIC = Caller("eric", "engineer", "opcua", session="2", application="urn:b")
OK, NOT_LOCKED, ALREADY_OPEN, NOT_ONLINE, NOT_OPEN, NO_ANSWER, INVALID_REQUEST = 0, -1, -2, -3, -4, -6, -9
TRIP = '<GP:sendData xmlns:GP="urn:any" Header="trip" RequestData=""/>'


class Field:
    """Answers commands; tells whether the lock could end meanwhile."""

    def __init__(self, locks: Locks) -> None:
        self.locks = locks
        self.sent: list[Command] = []
        self.refreshed: list[str] = []
        self.code: StatusCode = status.GOOD
        self.held: list[bool] = []

    async def submit(self, command: Command) -> CommandResult:
        self.sent.append(command)
        self.locks.break_lock("pump-1")
        self.held.append(self.locks.state("pump-1").locked)
        return CommandResult(self.code, values={"state": 2})

    async def refresh(self, device_id: str, caller: Caller) -> StatusCode:
        self.refreshed.append(device_id)
        if self.code == status.BAD_NOT_CONNECTED:
            raise RemoteError("away", status_code=self.code)
        return self.code


class Bench:
    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.plant: Plant = small_plant()
        for device in ("pump-1", "pump-2"):
            self.plant.apply(measured(clock.now(), device, temperature=1.0), clock.now())
        self.plant.restore(DeviceId("pump-3"), "pump", ("hall",), clock.now(), {})
        self.locks = Locks(clock, 30.0)
        self.field = Field(self.locks)
        self.access = DirectAccess(self.field, self.plant, self.locks, self.field)

    def lock(self, caller: Caller = EMMA, scope: str = "pump-1") -> None:
        assert self.locks.init_lock(scope, "", owner_of(caller)) == 0


@pytest.fixture
def bench(clock: ManualClock) -> Bench:
    return Bench(clock)


def test_only_the_owner_of_the_lock_begins(bench: Bench) -> None:
    assert bench.access.init("pump-1", EMMA) == NOT_LOCKED
    bench.lock()
    assert bench.access.init("pump-1", ERIC) == NOT_LOCKED
    assert bench.access.init("pump-1", EMMA) == OK


def test_there_is_one_access_a_device(bench: Bench) -> None:
    bench.lock()
    bench.lock(scope="pump-2")
    assert [bench.access.init(name, EMMA) for name in ("pump-1", "pump-1", "pump-2")] == [OK, ALREADY_OPEN, OK]


def test_a_silent_device_cannot_be_accessed(bench: Bench) -> None:
    bench.lock(scope="pump-3")
    assert bench.access.init("pump-3", EMMA) == NOT_ONLINE


async def test_a_request_goes_out_and_the_answer_comes_as_a_document(bench: Bench) -> None:
    bench.lock()
    bench.access.init("pump-1", EMMA)
    data = b'{"name": "limit_high", "value": 5}'.hex()
    document = f'<sendData Header="set_threshold" RequestData="{data}"><RequestDataTypes/></sendData>'
    answer, code = await bench.access.transfer("pump-1", document, EMMA)
    assert code == OK
    assert [(each.name, dict(each.params)) for each in bench.field.sent] == [
        ("set_threshold", {"name": "limit_high", "value": 5})
    ]
    root = ElementTree.fromstring(answer)
    assert root.tag.endswith("}receiveData")
    assert root.attrib == {
        "ServiceError": "0",
        "ResponseData": b'{"state":2}'.hex().upper(),
        "ResponseCodes": "00000000",
    }


async def test_the_lock_cannot_end_while_a_request_runs(bench: Bench) -> None:
    bench.lock()
    bench.access.init("pump-1", EMMA)
    await bench.access.transfer("pump-1", TRIP, EMMA)  # BreakLock comes meanwhile
    assert bench.field.held == [True]
    assert not bench.locks.state("pump-1").locked
    assert await bench.access.transfer("pump-1", TRIP, EMMA) == ("", NOT_OPEN)


async def test_without_access_nothing_is_sent(bench: Bench) -> None:
    bench.lock()
    assert await bench.access.transfer("pump-1", TRIP, EMMA) == ("", NOT_OPEN)
    bench.access.init("pump-1", EMMA)
    assert await bench.access.transfer("pump-1", TRIP, ERIC) == ("", NOT_OPEN)
    assert await bench.access.end("pump-1", ERIC, invalidate=False) == NOT_OPEN
    assert bench.field.sent == []


@pytest.mark.parametrize("scope", ["pump-1", NETWORK])
@pytest.mark.parametrize("how", ["exit", "break", "time-out", "session"])
async def test_access_ends_with_the_lock(bench: Bench, scope: str, how: str) -> None:
    bench.lock(scope=scope)
    bench.access.init("pump-1", EMMA)
    if how == "exit":
        bench.locks.exit_lock(scope, owner_of(EMMA))
    elif how == "break":
        bench.locks.break_lock(scope)
    elif how == "session":
        bench.locks.session_closed("1")
    else:
        bench.clock.advance(31)
        bench.locks.tick()
    assert await bench.access.transfer("pump-1", TRIP, EMMA) == ("", NOT_OPEN)
    bench.lock(ERIC, scope)
    assert bench.access.init("pump-1", ERIC) == OK


async def test_access_ends_with_the_device(bench: Bench) -> None:
    bench.lock()
    bench.access.init("pump-1", EMMA)
    bench.access.device_gone("pump-1")
    assert await bench.access.end("pump-1", EMMA, invalidate=True) == NOT_OPEN


@pytest.mark.parametrize(
    ("invalidate", "code", "answer", "refreshed"),
    [
        (False, status.GOOD, OK, []),
        (True, status.GOOD, OK, ["pump-1"]),
        (True, status.BAD_TIMEOUT, NO_ANSWER, ["pump-1"]),
        (True, status.BAD_NOT_CONNECTED, NO_ANSWER, ["pump-1"]),
    ],
    ids=["keep", "read-anew", "timeout", "away"],
)
async def test_what_the_server_knows_is_read_anew_when_asked(
    bench: Bench, invalidate: bool, code: StatusCode, answer: int, refreshed: list[str]
) -> None:
    # InvalidateCache: the server could not see what the raw requests changed.
    bench.lock()
    bench.access.init("pump-1", EMMA)
    bench.field.code = code
    assert await bench.access.end("pump-1", EMMA, invalidate=invalidate) == answer
    assert bench.field.refreshed == refreshed
    assert await bench.access.end("pump-1", EMMA, invalidate=False) == NOT_OPEN


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<sendData",
        '<other Header="trip" RequestData=""/>',
        '<sendData RequestData=""/>',
        '<sendData Header="trip"/>',
        '<sendData Header="trip" RequestData="0"/>',
        '<sendData Header="trip" RequestData="zz"/>',
        '<!DOCTYPE a [<!ENTITY b "c">]><sendData Header="trip" RequestData=""/>',
        '<sendData Header="trip" RequestData="">' + "<a>" * 20 + "</a>" * 20 + "</sendData>",
        '<sendData Header="trip" RequestData="">' + "<a/>" * 2_000 + "</sendData>",
        '<sendData Header="trip" RequestData="' + "0" * LIMITS.max_bytes + '"/>',
        '<sendData Header="trip" RequestData="\ud800"/>',
    ],
    ids=["empty", "cut", "other", "header", "data", "odd", "no-hex", "dtd", "deep", "many", "long", "surrogate"],
)
async def test_what_is_no_send_data_document_is_refused(bench: Bench, document: str) -> None:
    assert read_send_data(document) is None
    bench.lock()
    bench.access.init("pump-1", EMMA)
    assert await bench.access.transfer("pump-1", document, EMMA) == ("", INVALID_REQUEST)
    assert bench.field.sent == []
