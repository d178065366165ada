"""Services without a network: one session on a channel that remembers, a small address space, requests by name."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from server.core.clock import ManualClock
from server.core.values import Caller
from server.opcua.nodes.keys import Key, node_id_of
from server.opcua.nodes.node import DATA_TYPE, METHOD, OBJECT, VARIABLE, A, Node, Shape
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import put_data_value
from server.opcua.roles import MODE_SIGN_AND_ENCRYPT, OPEN, ROLE_NAMES, Permissions, Rights
from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import Dispatcher
from server.opcua.wire import Point
from tests.kit.channels import FakeChannel

TOKEN = ua.NodeId(bytes(range(32)), 0)
TOKEN_BYTES = b"\x05\x00\x00\x20\x00\x00\x00" + bytes(range(32))
NS = 2


class Remembered(FakeChannel):
    """Keeps the bodies alone."""

    sent: list[bytes]  # type: ignore[assignment]

    def send(self, request_id: int, body: bytes) -> None:
        """Keep an answer."""
        self.sent.append(body)


class Sessions:
    """One session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find(self, token: bytes) -> Session | None:
        return self.session if token == TOKEN_BYTES else None


class Untranslated:
    """An address space of one language, but for `texts`."""

    def __init__(self, texts: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.texts = texts or {}

    def translated(self, shown: ua.LocalizedText, locales: Iterable[str]) -> ua.LocalizedText:
        known = self.texts.get(shown.Text or "", {})
        for locale in locales:
            if locale in known:
                return ua.LocalizedText(known[locale], locale)
        return shown


class Listening:
    """An audit that keeps what it is told while it listens."""

    def __init__(self, wanted: bool = False) -> None:
        self.wanted = wanted
        self.writes: list[tuple[Any, ...]] = []

    def written(self, request: Request, *what: Any) -> None:
        self.writes.append(what)

    def called(self, request: Request, *what: Any) -> None:
        self.writes.append(what)


class Device:
    """A door that answers at once with a code, or later with the awaitable it was given for a node."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.later: dict[Key, Any] = {}
        self.asked: list[tuple[Key, Any]] = []

    def write(self, node: Node, value: ua.DataValue, request: Request) -> Any:
        self.asked.append((node.key, value.Value.Value))
        made = self.later.get(node.key)
        return made() if made is not None else self.code


class Room:
    """A store, rights, a clock and a dispatcher with one activated session."""

    def __init__(self, role: str = "operator", mode: int = MODE_SIGN_AND_ENCRYPT) -> None:
        self.store = NodeStore()
        self.rights = Rights()
        self.clock = ManualClock()
        self.channel = Remembered(mode=mode)
        self.session = Session(
            ua.NodeId(1, 1),
            TOKEN_BYTES,
            self.channel,
            Caller("somebody", role, "opcua"),
            self.rights.audience(ROLE_NAMES[role], mode),
        )
        self.session.activated = True
        self.dispatcher = Dispatcher(Sessions(self.session), self.clock)

    # -- nodes

    def add(self, key: Key, name: str, **shape: Any) -> Node:
        """A node of any class."""
        return self.store.add(Node(key, self.store.shape(Shape(**shape)), ua.QualifiedName(name, NS)))

    def variable(
        self,
        key: Key,
        value: ua.Variant | None,
        *,
        data_type: Key = 11,
        access: int = 3,
        direct: bool = True,
        permissions: Permissions | None = OPEN,
        dimensions: list[int] | None = None,
        status: int = 0,
        times: tuple[int, int] = (0, 0),
        **shape: Any,
    ) -> Node:
        """A Variable with a value; `times` are ticks."""
        node = self.add(
            key,
            str(key),
            node_class=VARIABLE,
            data_type=data_type,
            access=access,
            direct=direct,
            permissions=permissions,
            **shape,
        )
        node.point = Point()
        put_data_value(node.point, ua.DataValue(value or ua.Variant(), ua.StatusCode(status)))
        if times != (0, 0):
            node.point.put(node.point.flags, node.point.body, *times)
        if dimensions is not None:
            node.extra = {int(A.ArrayDimensions): ua.Variant(dimensions, ua.VariantType.UInt32, is_array=True)}
        return node

    def data_type(self, key: Key, above: Key, *, name: str = "") -> Node:
        """A DataType below another, which is made when it is not there."""
        if above not in self.store:
            self.add(above, str(above), node_class=DATA_TYPE)
        node = self.add(key, name or str(key), node_class=DATA_TYPE)
        self.store.link(above, 45, key)
        return node

    def method(self, owner: Key, key: Key, permissions: Permissions | None = OPEN) -> Node:
        """A Method of an Object, which is made when it is not there."""
        if owner not in self.store:
            self.add(owner, "Methods", node_class=OBJECT, permissions=permissions)
        node = self.add(key, "Method", node_class=METHOD, permissions=permissions)
        self.store.link(owner, 47, key)
        return node

    # -- requests

    def send(self, body: bytes) -> bytes:
        """The answer to a whole request; it comes at once."""
        del self.channel.sent[:]
        self.dispatcher.message(self.channel, 1, body)
        (answer,) = self.channel.sent
        return answer

    def read(self, *wanted: ua.ReadValueId, which: int = 3, max_age: float = 0.0) -> list[DataValue]:
        """The DataValues of a Read, or the Bad service result as an exception."""
        answer = self.send(read_request(wanted, which=which, max_age=max_age))
        return data_values(good(answer))

    def read_value(self, key: Key, index_range: str | None = None, **more: Any) -> DataValue:
        """The Value attribute of one node."""
        return self.read(value_id(key, index_range), **more)[0]

    def write(self, *wanted: ua.WriteValue) -> list[int]:
        """The operation results of a Write that is answered at once."""
        return status_codes(good(self.send(write_request(wanted))))


class RefusedError(Exception):
    """A Bad service result."""

    def __init__(self, code: int) -> None:
        super().__init__(f"0x{code:08X} {ua.status_codes.get_name_and_doc(code)[0]}")
        self.code = code


DataValue = Any


def head(name: str, handle: int = 7) -> bytes:
    """TypeId and RequestHeader."""
    header = ua.RequestHeader()
    header.AuthenticationToken = TOKEN
    header.RequestHandle = handle
    number = getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary")
    return struct.pack("<BBH", 1, 0, number) + struct_to_binary(header)


def read_request(wanted: Iterable[ua.ReadValueId], *, which: int = 3, max_age: float = 0.0) -> bytes:
    """A whole Read request; `which` may be no TimestampsToReturn."""
    rows = [struct_to_binary(each) for each in wanted]
    return head("Read") + struct.pack("<dii", max_age, which, len(rows)) + b"".join(rows)


def write_request(wanted: Iterable[ua.WriteValue]) -> bytes:
    """A whole Write request, as the stack encodes its rows."""
    rows = [struct_to_binary(each) for each in wanted]
    return head("Write") + struct.pack("<i", len(rows)) + b"".join(rows)


def value_id(
    key: Key, index_range: str | None = None, attribute: int = 13, encoding: ua.QualifiedName | None = None
) -> ua.ReadValueId:
    """What to read."""
    return ua.ReadValueId(node_id_of(key), attribute, index_range, encoding or ua.QualifiedName())


def write_value(
    key: Key, value: ua.Variant | ua.DataValue, index_range: str | None = None, attribute: int = 13
) -> ua.WriteValue:
    """What to write; a Variant goes without status and times."""
    if not isinstance(value, ua.DataValue):
        value = ua.DataValue(value, None)
    return ua.WriteValue(node_id_of(key), attribute, index_range, value)


def good(answer: bytes) -> bytes:
    """What follows the ResponseHeader.

    Raises:
        RefusedError: the service result is Bad.
    """
    code = struct.unpack_from("<I", answer, 16)[0]
    if code:
        raise RefusedError(code)
    return answer[28:]


def status_codes(content: bytes) -> list[int]:
    """An array of StatusCodes and no diagnostics."""
    count = struct.unpack_from("<i", content)[0]
    assert content[4 + 4 * count :] == bytes(4)
    return list(struct.unpack_from(f"<{count}I", content, 4))


def data_values(content: bytes) -> list[DataValue]:
    """An array of DataValues without picoseconds and no diagnostics."""
    buffer = Buffer(content)
    (count,) = struct.unpack("<i", buffer.read(4))
    found = [struct_from_binary(ua.DataValue, buffer) for _ in range(count)]
    assert buffer.read(len(buffer)) == bytes(4)
    return found
