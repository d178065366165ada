"""The communication server of IEC 62769-7 for the MQTT network: relations to devices, requests, what the network holds.

A relation belongs to the session that made it. Nothing is sent when one is made: MQTT has no connection to a device.
"""

from __future__ import annotations

from collections.abc import Iterable

from server.core.values import Caller, DeviceId
from server.fdi.communication_literals import (
    CONNECTION_POINT,
    DEVICE_NOT_FOUND,
    GENERIC_NAMESPACE,
    IDENTIFICATION,
    INVALID_ADDRESS,
    NO_RELATION,
    PROTOCOL_IDENTIFIER,
    SCAN_RESULT,
    SERVICE_OK,
    TOO_MANY_RELATIONS,
)
from server.fdi.exchange import Answer, Commands, exchange
from server.fdi.xml_reader import escape
from server.model.device import Device
from server.model.plant import Plant
from server.security.audit import one_line

RELATIONS = 10_000
RELATIONS_PER_SESSION = 100
RELATION_BYTES = 256
"""Length of a CommunicationRelationId, which the client chooses; at least one byte."""
ADDRESS_BYTES = 64
_TEXT_LIMIT = 256


class CommunicationServer:
    """All relations, by session and CommunicationRelationId."""

    def __init__(self, commands: Commands, plant: Plant) -> None:
        self._commands = commands
        self._plant = plant
        self._relations: dict[str, dict[bytes, str]] = {}  # session -> relation -> device
        self._count = 0

    # -- services

    def initialize(self) -> int:
        """The server is always ready: SERVICE_OK."""
        return SERVICE_OK

    def reset(self) -> int:
        """End every relation of every session."""
        self._relations.clear()
        self._count = 0
        return SERVICE_OK

    def connect(self, relation: bytes, address: bytes, caller: Caller) -> int:
        """A relation to the device at an address, which is its id; one of the same id is moved there."""
        if not 1 <= len(relation) <= RELATION_BYTES:
            return NO_RELATION
        device_id = _device_at(address)
        if device_id is None:
            return INVALID_ADDRESS
        device = self._plant.devices.get(DeviceId(device_id))
        if device is None or device.silent:
            return DEVICE_NOT_FOUND
        own = self._relations.setdefault(caller.session, {})
        if relation not in own:
            if len(own) >= RELATIONS_PER_SESSION or self._count >= RELATIONS:
                return TOO_MANY_RELATIONS
            self._count += 1
        own[relation] = device_id
        return SERVICE_OK

    def disconnect(self, relation: bytes, caller: Caller) -> int:
        """End a relation of this session."""
        if self._relations.get(caller.session, {}).pop(relation, None) is None:
            return NO_RELATION
        self._count -= 1
        return SERVICE_OK

    async def transfer(self, relation: bytes, header: str, data: bytes, caller: Caller) -> Answer:
        """One request over a relation; see `exchange` for what it raises."""
        device_id = self._relations.get(caller.session, {}).get(relation)
        if device_id is None:
            return Answer(NO_RELATION)
        if device_id not in self._plant.devices:
            return Answer(DEVICE_NOT_FOUND)
        return await exchange(self._commands, self._plant, device_id, header, data, caller)

    def session_closed(self, session: str) -> None:
        """Its relations end with it."""
        self._count -= len(self._relations.pop(session, {}))

    @property
    def relations(self) -> int:
        """How many there are."""
        return self._count

    # -- scan

    def found(self) -> list[tuple[str, str, str, str, str, str]]:
        """(id, manufacturer, model, revision, serial number, tag) of every known device."""
        return [_identification(device) for device in self._plant.devices.values()]


def scan_result(found: Iterable[tuple[str, str, str, str, str, str]]) -> str:
    """What `found` says as an XML document, by which a host finds packages and compares devices. Any thread."""
    points = []
    for device_id, *facts in found:
        names = ("Manufacturer", "DeviceModel", "DeviceRevision", "SerialNumber", "Tag")
        inner = "".join(
            f"<{name}>{escape(one_line(text, _TEXT_LIMIT))}</{name}>" for name, text in zip(names, facts, strict=True)
        )
        points.append(
            f'<{CONNECTION_POINT} Address="{device_id.encode().hex()}" ProtocolIdentifier="{PROTOCOL_IDENTIFIER}">'
            f"<{IDENTIFICATION}>{inner}</{IDENTIFICATION}></{CONNECTION_POINT}>"
        )
    return f'<{SCAN_RESULT} xmlns="{GENERIC_NAMESPACE}">{"".join(points)}</{SCAN_RESULT}>'


def _identification(device: Device) -> tuple[str, str, str, str, str, str]:
    kind, facts = device.device_type, device.attributes
    return (
        device.device_id,
        kind.manufacturer_id or kind.manufacturer.default,
        kind.model_id or kind.model.default,
        kind.device_revision,
        facts.get("serial_number", ""),
        device.name or device.device_id,
    )


def _device_at(address: bytes) -> str | None:
    try:
        text = address.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if 1 <= len(address) <= ADDRESS_BYTES else None
