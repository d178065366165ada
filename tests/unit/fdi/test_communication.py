"""The communication server of the MQTT network (IEC 62769-7): relations, requests, scan."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from server.core import status
from server.core.clock import ManualClock
from server.core.errors import DeniedError
from server.core.values import Caller, Command, CommandResult, DeviceId, Scalar
from server.fdi.communication import (
    RELATION_BYTES,
    RELATIONS_PER_SESSION,
    CommunicationServer,
    scan_result,
)
from server.fdi.exchange import DATA_BYTES, read_data
from server.model.plant import Plant
from tests.kit.plant import measured, small_plant

OLGA = Caller("olga", "operator", "opcua", session="1")
VERA = Caller("vera", "viewer", "opcua", session="2")
OK, NOT_FOUND, INVALID_ADDRESS, NO_ANSWER, NO_RELATION, TOO_MANY, INVALID_REQUEST = 0, -3, -4, -6, -7, -8, -9
NS = "{http://fdi-cooperation.com/2010/generic}"


class Field:
    """Answers every command as told."""

    def __init__(self) -> None:
        self.sent: list[Command] = []
        self.result = CommandResult(status.GOOD, values={"state": 2})

    async def submit(self, command: Command) -> CommandResult:
        self.sent.append(command)
        if command.caller.role == "viewer":
            raise DeniedError("operators only")
        return self.result


@pytest.fixture
def plant(clock: ManualClock) -> Plant:
    plant = small_plant()
    for device in ("pump-1", "pump-2"):
        plant.apply(measured(clock.now(), device, temperature=20.0), clock.now())
    plant.restore(DeviceId("pump-3"), "pump", ("hall",), clock.now(), {"serial_number": "<7>\x00"})
    return plant


@pytest.fixture
def field() -> Field:
    return Field()


@pytest.fixture
def server(plant: Plant, field: Field) -> CommunicationServer:
    return CommunicationServer(field, plant)


# -- relations


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        (b"pump-1", OK),
        (b"pump-9", NOT_FOUND),
        (b"pump-3", NOT_FOUND),  # known, but never heard
        (b"", INVALID_ADDRESS),
        (b"\xff\xfe", INVALID_ADDRESS),
        (b"p" * 65, INVALID_ADDRESS),  # no device id is that long
    ],
    ids=["known", "unknown", "silent", "empty", "no-text", "long"],
)
def test_a_relation_needs_a_device_that_is_there(server: CommunicationServer, address: bytes, answer: int) -> None:
    assert server.connect(b"r", address, OLGA) == answer
    assert server.relations == (answer == OK)


@pytest.mark.parametrize("relation", [b"", b"r" * (RELATION_BYTES + 1)], ids=["empty", "long"])
def test_a_relation_needs_an_id_of_bounded_length(server: CommunicationServer, relation: bytes) -> None:
    assert server.connect(relation, b"pump-1", OLGA) == NO_RELATION


def test_a_session_has_no_more_than_its_share_of_relations(server: CommunicationServer) -> None:
    codes = [server.connect(f"r{n}".encode(), b"pump-1", OLGA) for n in range(RELATIONS_PER_SESSION + 1)]
    assert codes == [OK] * RELATIONS_PER_SESSION + [TOO_MANY]
    assert server.connect(b"r0", b"pump-2", OLGA) == OK  # one that exists is moved
    assert server.connect(b"r0", b"pump-1", VERA) == OK  # others are not disturbed
    assert server.disconnect(b"r1", OLGA) == OK
    assert server.connect(b"new", b"pump-1", OLGA) == OK


async def test_relations_are_the_sessions_own_and_end_with_it(server: CommunicationServer) -> None:
    server.connect(b"r", b"pump-1", OLGA)
    assert server.disconnect(b"r", VERA) == NO_RELATION
    assert (await server.transfer(b"r", "trip", b"", VERA)).error == NO_RELATION
    server.session_closed("1")
    assert server.relations == 0
    assert (await server.transfer(b"r", "trip", b"", OLGA)).error == NO_RELATION
    server.session_closed("1")
    assert server.relations == 0


async def test_reset_ends_all_relations(server: CommunicationServer) -> None:
    server.connect(b"r", b"pump-1", OLGA)
    server.connect(b"r", b"pump-1", VERA)
    assert (server.initialize(), server.reset()) == (OK, OK)
    assert server.relations == 0
    assert server.disconnect(b"r", OLGA) == NO_RELATION


# -- requests


async def test_a_request_is_a_command_and_its_answer_the_values(server: CommunicationServer, field: Field) -> None:
    server.connect(b"r", b"pump-1", OLGA)
    answer = await server.transfer(b"r", "set_threshold", b'{"name": "limit_high", "value": 70.5}', OLGA)
    assert field.sent == [Command(DeviceId("pump-1"), "set_threshold", {"name": "limit_high", "value": 70.5}, OLGA)]
    assert (answer.error, json.loads(answer.data), answer.codes) == (OK, {"state": 2}, bytes(4))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (status.BAD_INVALID_STATE, OK),  # the device has answered: it rejects
        (status.BAD_DEVICE_FAILURE, OK),
        (status.BAD_TIMEOUT, NO_ANSWER),
        (status.BAD_NO_COMMUNICATION, NO_ANSWER),
        (status.BAD_INVALID_ARGUMENT, INVALID_REQUEST),
        (status.BAD_ARGUMENTS_MISSING, INVALID_REQUEST),
        (status.BAD_TOO_MANY_ARGUMENTS, INVALID_REQUEST),
    ],
    ids=["rejected", "failed", "timeout", "away", "argument", "missing", "many"],
)
async def test_how_a_command_ended_is_told(server: CommunicationServer, field: Field, code: int, error: int) -> None:
    server.connect(b"r", b"pump-1", OLGA)
    field.result = CommandResult(code)
    answer = await server.transfer(b"r", "trip", b"", OLGA)
    assert (answer.error, int.from_bytes(answer.codes, "big")) == (error, code)


async def test_a_command_that_the_package_does_not_have_is_not_sent(server: CommunicationServer, field: Field) -> None:
    server.connect(b"r", b"pump-1", OLGA)
    assert (await server.transfer(b"r", "explode", b"", OLGA)).error == INVALID_REQUEST
    assert field.sent == []


async def test_rights_are_those_of_every_command(server: CommunicationServer) -> None:
    server.connect(b"r", b"pump-1", VERA)
    with pytest.raises(DeniedError):
        await server.transfer(b"r", "trip", b"", VERA)


async def test_a_device_that_went_has_no_relation_left(server: CommunicationServer, plant: Plant) -> None:
    server.connect(b"r", b"pump-1", OLGA)
    del plant.devices[DeviceId("pump-1")]
    assert (await server.transfer(b"r", "trip", b"", OLGA)).error == NOT_FOUND


@pytest.mark.parametrize(
    ("data", "params"),
    [
        (b"", {}),
        (b"{}", {}),
        (b'{"a": 1, "b": 2.5, "c": "x", "d": true}', {"a": 1, "b": 2.5, "c": "x", "d": True}),
        (b"[1]", None),
        (b"7", None),
        (b'{"a": [1]}', None),
        (b'{"a": null}', None),
        (b'{"a": {"b": 1}}', None),
        (b'{"a": 1', None),
        (b'{"a": "\xff"}', None),
        (b"[" * 20_000, None),
        (b'{"a": "' + b"x" * DATA_BYTES + b'"}', None),
        (json.dumps({f"n{n}": n for n in range(65)}).encode(), None),
    ],
    ids=[
        "none",
        "empty",
        "plain",
        "list",
        "number",
        "array",
        "null",
        "object",
        "cut",
        "no-text",
        "deep",
        "long",
        "many",
    ],
)
def test_only_objects_of_plain_values_are_data(data: bytes, params: dict[str, Scalar] | None) -> None:
    assert read_data(data) == params


# -- scan


def test_a_scan_identifies_every_known_device(server: CommunicationServer) -> None:
    root = ElementTree.fromstring(scan_result(server.found()))
    assert root.tag == f"{NS}TopologyScanResult"
    points = {bytes.fromhex(each.attrib["Address"]).decode(): each for each in root}
    assert set(points) == {"pump-1", "pump-2", "pump-3"}
    assert {each.attrib["ProtocolIdentifier"] for each in root} == {"mqtt_json"}
    (identification,) = points["pump-3"]
    facts = {each.tag.removeprefix(NS): each.text for each in identification}
    # What a device tells of itself is text from outside: control characters would break the document.
    assert facts == {
        "Manufacturer": "Example",
        "DeviceModel": "P1",
        "DeviceRevision": None,
        "SerialNumber": "<7> ",
        "Tag": "pump-3",
    }
