"""Attacks below the session: connections, handshakes, chunks, secured messages, certificates."""

from __future__ import annotations

import asyncio
import secrets
import struct
from typing import Any

from asyncua import ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.fuzz.opcua_abuse.site import Site
from tests.fuzz.opcua_abuse.wire import fate, leave, name, request, said
from tests.kit.opcua import Identity, make_identity
from tests.kit.raw import EndedError, RawChannel, RawConnection, RefusedError, certificate_of, hello
from tests.kit.raw_channel import text

PART = 60_000


async def opened(site: Site, local: str) -> RawChannel | str:
    """A channel, or how it was refused."""
    try:
        return await site.channel(local)
    except RefusedError as error:
        return f"ERR {name(error.code)}"
    except (EndedError, ConnectionError):
        return "closed"
    except TimeoutError:
        return "silence"


async def unfinished_chunks(site: Site) -> str:
    """Connections that each hold most of a message and never send the rest."""
    answers: list[str] = []

    async def one() -> None:
        channel = await opened(site, site.address())
        if isinstance(channel, str):
            answers.append(channel)
            return
        try:
            for _ in range(16):
                await channel.connection.send(channel.chunk(bytes(PART), 7, b"C"))
        except EndedError:
            pass
        answers.append(await fate(channel, 10))
        await leave(channel)

    for _ in range(2 * site.scale):
        await asyncio.gather(*(one() for _ in range(200)))
    assert not {"open", "silence"} & set(answers), said(answers)
    return said(answers)


async def half_frames(site: Site) -> str:
    """Connections that announce a chunk of the largest size and stop a byte short of it."""
    answers: list[str] = []

    async def one() -> None:
        channel = await opened(site, site.address())
        if isinstance(channel, str):
            answers.append(channel)
            return
        frame = channel.chunk(bytes(65_000), 7)
        try:
            await channel.connection.send(frame[:-1])
        except EndedError:
            pass
        answers.append(await fate(channel, 10))
        await leave(channel)

    await asyncio.gather(*(one() for _ in range(200)))
    assert not {"open", "silence"} & set(answers), said(answers)
    return said(answers)


async def lying_frames(site: Site) -> str:
    """Frames of size 0, of impossible sizes, of unknown types, out of order."""
    greeting = hello(site.url)
    frames = [
        b"HELF" + struct.pack("<I", size) + bytes(20) for size in (0, 1, 7, 8, 2**31 - 1, 2**32 - 1)
    ] + [
        b"MSGF" + struct.pack("<I", 24) + bytes(16),
        b"XXXF" + struct.pack("<I", 8),
        b"HELC" + struct.pack("<I", 8),
        b"\x00" * 64,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        hello("x" * 5_000),
        hello(site.url, receive_buffer=1, send_buffer=1),
        greeting + greeting,
        greeting + b"MSGF" + struct.pack("<I", 0),
        greeting + b"MSGF" + struct.pack("<I", 2**31) + bytes(100),
        greeting + b"MSGF" + struct.pack("<IIIII", 24, 1, 1, 1, 1),
        greeting + b"OPNF" + struct.pack("<I", 12) + bytes(4),
        greeting + b"OPNF" + struct.pack("<IIi", 100, 0, 2**31 - 1) + bytes(84),
        greeting + b"OPNF" + struct.pack("<IIi", 100, 0, -2) + bytes(84),
        greeting + b"OPNC" + struct.pack("<I", 60) + bytes(52),
        greeting + b"ERRF" + struct.pack("<IIi", 16, 0, -1),
    ]  # fmt: skip
    answers = []
    for _ in range(2 * site.scale):
        for frame in frames:
            connection = await RawConnection.open(site.url, site.address())
            await connection.send(frame)
            answers.append(await fate(_Bare(connection), 5))
            await leave(connection)
    assert "open" not in answers, said(answers)
    return said(answers)


class _Bare:
    def __init__(self, connection: RawConnection) -> None:
        self.connection = connection


async def slow_handshakes(site: Site) -> str:
    """Connections that send their HEL or OPN a byte at a time, or nothing at all."""
    greeting = hello(site.url)
    answers: list[str] = []

    async def one(number: int) -> None:
        try:
            connection = await RawConnection.open(site.url, site.address())
        except (ConnectionError, TimeoutError):
            answers.append("refused")
            return
        try:
            if number % 3 == 1:
                await connection.send(greeting)
            for octet in greeting if number % 3 else b"":
                await connection.send(bytes([octet]))
                await asyncio.sleep(0.2)
        except EndedError:
            pass
        answers.append(await fate(_Bare(connection), 10))
        await leave(connection)

    await asyncio.gather(*(one(number) for number in range(200)))
    assert "open" not in answers, said(answers)
    return said(answers)


async def channel_flood(site: Site) -> str:
    """Channels opened and held by one address and by many; a newcomer from elsewhere still gets in."""
    one = [await opened(site, "127.0.0.3") for _ in range(230)]
    many = [await opened(site, site.address()) for _ in range(150)]
    await site.newcomer_works()
    answers = [channel if isinstance(channel, str) else "open" for channel in one + many]
    assert len(set(answers)) > 1, said(answers)
    await leave(*(channel for channel in one + many if not isinstance(channel, str)))
    return said(answers)


async def connection_storm(site: Site) -> str:
    """Connect and leave, at every stage of the handshake."""
    answers: list[str] = []
    for number in range(400 * site.scale):
        try:
            connection = await RawConnection.open(site.url, site.address())
        except (ConnectionError, TimeoutError):
            answers.append("refused")
            continue
        answers.append("connected")
        if number % 4 > 0:
            await connection.send(hello(site.url))
        if number % 4 > 1:
            await connection.send(b"OPNF" + struct.pack("<I", 60)[: number % 5])
        await leave(connection)
    for _ in range(200 * site.scale):
        channel = await opened(site, site.address())
        answers.append(channel if isinstance(channel, str) else "opened")
        if not isinstance(channel, str):
            await leave(channel)
    return said(answers)


async def broken_sequences(site: Site) -> str:
    """Sequence numbers repeated, turned back and jumped over, on open and on secured channels."""
    answers = []
    body = request("GetEndpoints", None, text(site.url) + b"\xff\xff\xff\xff" * 2)
    for secured in (False, True):
        for wrong in (0, 1, 2, 7, 2**32 - 1):
            channel = await site.channel(site.address(), secured=secured)
            await channel.request(body)
            await channel.send_request(body, sequence=wrong)
            answers.append(await fate(channel, 5))
            await leave(channel)
    assert set(answers) == {"ERR BadSequenceNumberInvalid"} or "open" not in answers, said(answers)
    return said(answers)


async def replayed_and_tampered(site: Site) -> str:
    """A recorded secured message again, with bits changed, in a foreign channel, under an old token."""
    answers = []
    body = request("GetEndpoints", None, text(site.url) + b"\xff\xff\xff\xff" * 2)

    def flipped(at: int) -> Any:
        return lambda whole: whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]

    channel = await site.channel(site.address(), secured=True)
    recorded = channel.chunk(body, 100)
    await channel.connection.send(recorded)
    await channel.receive(100)
    await channel.connection.send(recorded)
    answers.append(f"replay {await fate(channel, 5)}")
    other = await site.channel(site.address(), secured=True)
    await other.connection.send(recorded)
    answers.append(f"replay elsewhere {await fate(other, 5)}")
    await leave(channel, other)
    for at in (8, 12, 20, 40, -1):
        channel = await site.channel(site.address(), secured=True)
        await channel.send_request(body, tamper=flipped(at))
        answers.append(f"flipped {await fate(channel, 5)}")
        await leave(channel)
    channel = await site.channel(site.address(), secured=True)
    old = channel.token_id
    await channel.issue(renew=True)
    await channel.request(body)
    new, channel.token_id = channel.token_id, old
    await channel.send_request(body)
    answers.append(f"old token {await fate(channel, 5)}")
    assert new != old and not any(answer.endswith("open") for answer in answers), answers
    await leave(channel)
    return said(answers)


def _huge_key(owner: Identity) -> bytes:
    """A certificate for an RSA key of 16384 bits that nobody has."""
    key = rsa.RSAPublicNumbers(65537, secrets.randbits(16_384) | 1 << 16_383 | 1).public_key()
    subject = owner.certificate.subject
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key)
    builder = builder.serial_number(1).not_valid_before(owner.certificate.not_valid_before_utc)
    built = builder.not_valid_after(owner.certificate.not_valid_after_utc).sign(owner.key, hashes.SHA256())
    return built.public_bytes(Encoding.DER)


async def odd_certificates(site: Site) -> str:
    """Chains that loop, that are long, huge keys, broken DER, in OPN messages that only their owner could sign."""
    folder = site.folder / "odd"
    plain = make_identity(folder, "stranger")
    first = make_identity(folder, "first", authority=True)
    second = make_identity(folder, "second", issuer=first, authority=True)
    looped = make_identity(folder, "first", issuer=second, authority=True)
    leaf = make_identity(folder, "leaf", issuer=looped)
    der = plain.certificate.public_bytes(Encoding.DER)
    server = await certificate_of(site.url)
    chains = {
        "stranger": der,
        "loop": leaf.der + looped.der + second.der + looped.der + second.der,
        "long chain": der + first.der * 8,
        "too long": der * 40,
        "key of 16384 bits": _huge_key(plain),
        "broken DER": der[:-20],
        "lying length": der[:2] + b"\xff\xff" + der[4:],
        "garbage": bytes(range(256)) * 4,
        "endless DER": b"\x30\x80" * 2_000,
        "empty": b"",
    }
    answers = []
    for _ in range(3 * site.scale):
        for label, chain in chains.items():
            connection = await RawConnection.open(site.url, site.address())
            ack = await connection.hello()
            identity = leaf if label == "loop" else plain
            channel = RawChannel(
                connection,
                ack,
                SecurityPolicyBasic256Sha256.URI,
                ua.MessageSecurityMode.SignAndEncrypt,
                identity,
                server,
            )
            asked = ua.OpenSecureChannelRequest()
            asked.Parameters = ua.OpenSecureChannelParameters(
                0, ua.SecurityTokenRequestType.Issue, channel.mode, bytes(range(32)), 60_000
            )
            await connection.send(channel.opn(asked, certificate=chain))
            answers.append(f"{label}: {await fate(channel, 5)}")
            await leave(connection)
    assert not any(answer.endswith("open") for answer in answers), said(answers)
    return said(answers)


ATTACKS = (
    unfinished_chunks,
    half_frames,
    lying_frames,
    slow_handshakes,
    channel_flood,
    connection_storm,
    broken_sequences,
    replayed_and_tampered,
    odd_certificates,
)
