"""Commands in, answers out: checks what arrived, lets the device obey once, and repeats the answer on a repeat."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from simulator.device import CommandRejectedError, Device
from simulator.messages import Message

MAX_COMMAND_BYTES = 64 * 1024
REMEMBERED_ANSWERS = 64  # per device; a command_id older than this would be obeyed again


class CommandMessage(msgspec.Struct, frozen=True):
    """The payload of a command topic."""

    command_id: str
    command: str
    params: dict[str, Any] = msgspec.field(default_factory=dict)


_decoder = msgspec.json.Decoder(CommandMessage)


class CommandDesk:
    """Answers the commands of one device, each command_id carried out once."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._answers: OrderedDict[str, bytes] = OrderedDict()

    def answer(
        self,
        payload: bytes,
        *,
        retained: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> Message | None:
        """The answer to publish; None when the device has nowhere to answer.

        Goes to `response_topic` when it is one that can be published to, else to the device's own. A retained command
        is refused: it would be carried out again at every reconnect.
        """
        topic = response_topic if response_topic and _publishable(response_topic) else self._device.topics.response
        if topic is None:
            return None
        return Message(topic, self._body(payload, retained), qos=1, correlation=correlation)

    def _body(self, payload: bytes, retained: bool) -> bytes:
        if len(payload) > MAX_COMMAND_BYTES:
            return _encode("", "rejected", f"command of {len(payload)} bytes; at most {MAX_COMMAND_BYTES} are read")
        try:
            message = _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _encode("", "rejected", f"not a command: {error}")
        if retained:
            return _encode(message.command_id, "rejected", "retained commands are not carried out")
        known = self._answers.get(message.command_id)
        if known is not None:
            return known
        try:
            values = self._device.execute(message.command, message.params)
        except CommandRejectedError as error:
            body = _encode(message.command_id, "rejected", str(error))
        else:
            shown = {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
            body = _encode(message.command_id, "done", "", shown)
        self._answers[message.command_id] = body
        if len(self._answers) > REMEMBERED_ANSWERS:
            self._answers.popitem(last=False)
        return body


def _encode(command_id: str, status: str, reason: str, values: dict[str, Any] | None = None) -> bytes:
    return msgspec.json.encode({"command_id": command_id, "status": status, "reason": reason, "values": values or {}})


def _publishable(topic: str) -> bool:
    return not topic.startswith("$") and not any(character in topic for character in "+#\0") and len(topic) <= 512
