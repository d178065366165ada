"""A client with bad intentions at the running product: calls with anything, names and structures written by hand."""

from __future__ import annotations

import asyncio
import struct
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from asyncua import Client, ua

from tests.kit.product import Product

DI, FDI5, FDI7 = (
    "http://opcfoundation.org/UA/DI/",
    "http://fdi-cooperation.com/OPCUA/FDI5/",
    "http://fdi-cooperation.com/OPCUA/FDI7/",
)
PLANT = "urn:fieldloom:plant"
REGISTRATION_PARAMETERS = 118  # Default Binary, IEC 62769-5
TEXT_BYTES = 200_000
V = ua.VariantType


@dataclass
class Attacker:
    """One session; its ApplicationUri is its own, so that it owns its own locks."""

    client: Client
    user: str
    names: list[str]
    slowest_s: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)

    def id(self, identifier: int | str, uri: str = PLANT) -> ua.NodeId:
        return ua.NodeId(identifier, self.names.index(uri))

    async def call(self, obj: ua.NodeId, method: ua.NodeId, *arguments: ua.Variant) -> tuple[str, list[Any]]:
        """(status, outputs) of a Method; what the whole request is answered with counts as its status."""
        wanted = ua.CallMethodRequest(ObjectId=obj, MethodId=method, InputArguments=list(arguments))
        begin = perf_counter()
        try:
            (result,) = await self.client.uaclient.call([wanted])
            code, outputs = result.StatusCode.name, [each.Value for each in result.OutputArguments or []]
        except ua.UaStatusCodeError as error:
            code, outputs = ua.StatusCode(error.code).name, []
        self.slowest_s = max(self.slowest_s, perf_counter() - begin)
        self.answers[code] = self.answers.get(code, 0) + 1
        return code, outputs

    async def at(self, path: str, number: int, *arguments: ua.Variant, uri: str = FDI5) -> list[Any]:
        """Outputs of a Good call of a standard's Method at a part of a device."""
        code, outputs = await self.call(self.id(path), self.id(number, uri), *arguments)
        assert code == "Good", (path, number, code)
        return outputs

    def registration(self, *names: str) -> ua.Variant:
        """RegistrationParameters[]: one path of one element per name, all four nodes wanted."""
        entries = [self._entry(name.encode()) for name in names]
        return ua.Variant(entries, V.ExtensionObject, is_array=True)

    def _entry(self, name: bytes) -> ua.ExtensionObject:
        # RelativePath with one element (null ReferenceTypeId, forward, subtypes, target in namespace 0), then flags.
        body = struct.pack("<iBBBBHi", 1, 0, 0, 0, 1, 0, len(name)) + name + struct.pack("<I", 15)
        return ua.ExtensionObject(TypeId=self.id(REGISTRATION_PARAMETERS, FDI5), Body=body)

    async def lock(self, device: str) -> int:
        """InitLockStatus."""
        (code,) = await self.at(f"{device}/Lock", 6393, text("attack"), uri=DI)
        return int(code)

    def cut(self) -> None:
        """The line breaks: no Service ends the session."""
        self.client.uaclient.protocol.transport.abort()

    async def read(self, node: ua.NodeId) -> ua.DataValue:
        """A Value with whatever status."""
        (value,) = await self.client.uaclient.read_attributes([node], ua.AttributeIds.Value)
        return value


@asynccontextmanager
async def attacker(server: Product, user: str = "") -> AsyncIterator[Attacker]:
    """A session of a demo account, anonymous without one."""
    client = Client(server.opcua_url, timeout=30)
    client.application_uri = f"urn:attacker:{uuid.uuid4().hex}"
    if user:
        client.set_user(user)
        client.set_password(server.password(user))
    async with client:
        yield Attacker(client, user, await client.get_namespace_array())


class Bystander:
    """Reads one value all the time and remembers the slowest answer."""

    def __init__(self, session: Attacker, node: ua.NodeId) -> None:
        self._session, self._node = session, node
        self.slowest_s = 0.0
        self.reads = 0

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(stop))
            try:
                yield
            finally:
                stop.set()

    async def _read(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            begin = perf_counter()
            assert (await self._session.read(self._node)).Value is not None
            self.slowest_s = max(self.slowest_s, perf_counter() - begin)
            self.reads += 1
            try:
                async with asyncio.timeout(0.02):
                    await stop.wait()
            except TimeoutError:
                pass


def text(content: str | None) -> ua.Variant:
    """A String."""
    return ua.Variant(content, V.String)


def whole(number: int) -> ua.Variant:
    """An Int32."""
    return ua.Variant(number, V.Int32)


def anything(plant: int) -> Iterator[ua.Variant]:
    """Values of many types, none of which an honest client would send."""
    for content in (
        None,
        "",
        "x" * TEXT_BYTES,
        "\x00\ufffe<a>&;]]>",
        "<a>" * 30_000,
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        "[" * 50_000,
    ):
        yield text(content)
    for number in (0, -1, 1, 2**31 - 1, -(2**31)):
        yield whole(number)
    yield from (
        ua.Variant(None, V.Null),
        ua.Variant(2**64 - 1, V.UInt64),
        ua.Variant(float("nan"), V.Double),
        ua.Variant(True, V.Boolean),
        ua.Variant(b"\xff" * TEXT_BYTES, V.ByteString),
        ua.Variant([1] * 5_000, V.Int32, is_array=True),
        ua.Variant([], V.ExtensionObject, is_array=True),
        ua.Variant(ua.Argument(), V.ExtensionObject),
        ua.Variant([ua.QualifiedName("x", 99)] * 3, V.QualifiedName, is_array=True),
        ua.Variant([ua.Variant(1, V.Int32)], V.Variant, is_array=True),
    )
    for node_id in (
        ua.NodeId(),
        ua.NodeId(2**32 - 1, 65_535),
        ua.NodeId("x" * 3_000, plant),
        ua.NodeId(f"breaker-001/ActionSet/{'0' * 32}", plant),
        ua.NodeId("breaker-001/EditContext/../x", plant),
        ua.NodeId(uuid.UUID(int=7), plant, ua.NodeIdType.Guid),
        ua.NodeId(b"\x00/\xff", plant, ua.NodeIdType.ByteString),
    ):
        yield ua.Variant(node_id, V.NodeId)


def argument_lists(values: Sequence[ua.Variant], plain: Sequence[ua.Variant]) -> Iterator[list[ua.Variant]]:
    """None, too many, the same everywhere, and each at one place of an otherwise plain list."""
    yield []
    yield [*plain, text("one more")]
    for value in values:
        yield [value] * len(plain)
        for place in range(len(plain)):
            yield [*plain[:place], value, *plain[place + 1 :]]
