"""One connection fed by hand: no cut of the stream changes what is heard, and no bytes break it."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.clock import ManualClock, SystemClock
from server.opcua.transport.connection import Connection
from server.opcua.transport.framing import KINDS
from server.opcua.transport.limits import TransportLimits
from server.opcua.transport.listener import Listener
from server.opcua.transport.security import MODE_ENCRYPT, MODE_NONE, MODE_SIGN, POLICY_NONE
from server.security.pki import CertificateFolder, thumbprint_of
from tests.kit.transport import BASIC256SHA256, ENDPOINTS, RawClient, Remembering, Trust, hello, listening, pair

S = ua.StatusCodes


class Sink(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.ended = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1)

    def set_write_buffer_limits(self, high: Any = None, low: Any = None) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = True


class Fed:
    """A connection on a sink, and a client whose chunks are given to it by hand."""

    def __init__(self, loop: asyncio.AbstractEventLoop, uri: str, mode: int) -> None:
        self.receiver = Remembering()
        limits = TransportLimits()
        self.listener = Listener(ENDPOINTS, self.receiver, limits, Trust(), pair("server"), ManualClock())
        self.sink = Sink()
        self.loop = loop
        loop.run_until_complete(self._open(uri, mode))

    async def _open(self, uri: str, mode: int) -> None:
        self.connection = Connection(self.listener)
        self.connection.connection_made(self.sink)
        reader = asyncio.StreamReader()
        self.client = RawClient(reader, None, pair("server"))  # type: ignore[arg-type]
        self.connection.data_received(hello() + self.client.opening(uri, mode))
        for data in self.sink.written:
            reader.feed_data(data)
        assert (await self.client.read())[0] == b"ACKF"
        await self.client.take_opening()
        self.sink.written.clear()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


CUTS = st.lists(st.integers(0, 700), max_size=12)
MESSAGES = st.lists(
    st.tuples(st.sampled_from([b"MSGF", b"MSGC", b"MSGA"]), st.integers(1, 3), st.binary(max_size=60)), max_size=8
)
SECURITY = st.sampled_from([(POLICY_NONE, MODE_NONE), (BASIC256SHA256, MODE_SIGN), (BASIC256SHA256, MODE_ENCRYPT)])


@settings(deadline=None)
@given(MESSAGES, CUTS, SECURITY)
def test_no_cut_of_the_stream_changes_what_is_heard(
    loop: asyncio.AbstractEventLoop,
    messages: list[tuple[bytes, int, bytes]],
    cuts: list[int],
    security: tuple[str, int],
) -> None:
    fed = Fed(loop, *security)
    expected, parts = [], dict[int, bytes]()
    for kind, request_id, body in messages:
        if kind == b"MSGA":
            parts.pop(request_id, None)
        elif kind == b"MSGC":
            parts[request_id] = parts.get(request_id, b"") + body
        else:
            expected.append((request_id, parts.pop(request_id, b"") + body))
    stream = b"".join(fed.client.chunk(body, kind, request_id) for kind, request_id, body in messages)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for start, stop in itertools.pairwise(edges):
        fed.connection.data_received(stream[start:stop])
    assert fed.receiver.messages == expected
    assert not fed.sink.ended
    fed.connection.connection_lost(None)
    assert (fed.listener.connection_count, fed.listener.budget.used, len(fed.receiver.closed)) == (0, 0, 1)


RUBBISH = st.binary(max_size=80)
FRAMES = st.builds(
    lambda kind, size, body: struct.pack("<II", kind, size if size is not None else 8 + len(body)) + body,
    st.sampled_from(sorted(KINDS)),
    st.one_of(st.none(), st.integers(0, 0xFFFFFFFF), st.integers(0, 200)),
    RUBBISH,
)


@settings(deadline=None)
@given(st.lists(st.one_of(RUBBISH, FRAMES), max_size=6), st.booleans(), SECURITY)
def test_no_bytes_break_a_connection(
    loop: asyncio.AbstractEventLoop, stream: list[bytes], rewritten: bool, security: tuple[str, int]
) -> None:
    fed = Fed(loop, *security)
    channel_id, token_id = fed.client.channel_id, fed.client.token_id
    for data in stream:
        if rewritten and len(data) >= 16:  # so that what follows the right numbers is reached too
            data = data[:8] + struct.pack("<II", channel_id, token_id) + data[16:]
        fed.connection.data_received(data)
    if fed.sink.ended and fed.sink.written:
        assert fed.sink.written[-1][:4] in (b"ERRF", b"MSGF")
        assert fed.receiver.closed == [fed.receiver.opened[0][0]]
    fed.connection.connection_lost(None)
    assert (fed.listener.connection_count, fed.listener.budget.used) == (0, 0)


# -- with the real trust list


async def test_trust_is_read_anew_for_every_opening_and_renewal(tmp_path: Path) -> None:
    folder = CertificateFolder(tmp_path, SystemClock())
    folder.prepare()
    async with listening() as rig:
        rig.listener.opener._certificates = folder
        client = await rig.raw()
        await client.greet()
        client.writer.write(client.opening(BASIC256SHA256, MODE_ENCRYPT))
        assert await client.error() == S.BadSecurityChecksFailed
        assert rig.receiver.refused[0][1] == S.BadCertificateUntrusted
        thumbprint = thumbprint_of(pair("client").der)
        assert [info.thumbprint for info in folder.list_rejected()] == [thumbprint]
        folder.trust(thumbprint)
        client = await rig.raw()
        await client.greet()
        await client.open(BASIC256SHA256, MODE_ENCRYPT)
        assert await client.echo(b"in") == b"in"
        folder.reject(thumbprint)
        client.writer.write(client.opening(BASIC256SHA256, MODE_ENCRYPT, request_type=1))
        assert await client.error() == S.BadSecurityChecksFailed


async def test_what_lands_among_the_rejected_was_presented_by_the_owner_of_its_key(tmp_path: Path) -> None:
    # Otherwise anybody could push the certificates an operator waits for out of the list.
    folder = CertificateFolder(tmp_path, SystemClock())
    folder.prepare()
    async with listening() as rig:
        rig.listener.opener._certificates = folder
        client = await rig.raw()
        await client.greet()
        chunk = client.opening(BASIC256SHA256, MODE_SIGN)
        mine, other = pair("client").der, pair("stranger").der
        chunk = chunk.replace(struct.pack("<i", len(mine)) + mine, struct.pack("<i", len(other)) + other)
        client.writer.write(chunk[:4] + struct.pack("<I", len(chunk)) + chunk[8:])
        assert await client.error() == S.BadSecurityChecksFailed
        assert folder.list_rejected() == []


async def test_a_certificate_without_an_rsa_key_is_refused_for_its_key(tmp_path: Path) -> None:
    folder = CertificateFolder(tmp_path, SystemClock())
    folder.prepare()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 5)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    async with listening() as rig:
        rig.listener.opener._certificates = folder
        client = await rig.raw()
        await client.greet()
        rest = bytes(4)
        for text in (BASIC256SHA256.encode(), certificate, bytes(20)):
            rest += struct.pack("<i", len(text)) + text
        client.writer.write(b"OPNF" + struct.pack("<I", 8 + len(rest) + 256) + rest + bytes(256))
        assert await client.error() == S.BadSecurityChecksFailed
        assert rig.receiver.refused[0][1] == S.BadCertificatePolicyCheckFailed
