"""Mosquitto on a free loopback port, with its files in the test's folder; and a client to publish and listen with."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.kit.parts import require

HOST = "127.0.0.1"
READY_S = 15.0
ANSWER_S = 20.0


@dataclass(frozen=True)
class Certificates:
    """An authority of the test's own and what it signed for 127.0.0.1."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """A fresh authority and a server certificate."""
    now = datetime.datetime.now(datetime.UTC)
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the test")])

    def builder(subject: x509.Name, public_key: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )

    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    root = (
        builder(issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")]), key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = Certificates(folder / "ca.pem", folder / "broker.pem", folder / "broker.key")
    files.authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """One broker. `kill` and `start` again keep port and, with persistence, what it stored."""

    def __init__(
        self,
        folder: Path,
        *,
        accounts: dict[str, str] | None = None,
        tls: Certificates | None = None,
        persistence: bool = False,
        acl: str = "",
        more: str = "",
    ) -> None:
        self._program = require("mosquitto")
        self._folder = folder
        self.port = free_port()
        self.tls = tls
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            f"listener {self.port} {HOST}",
            f"allow_anonymous {'false' if accounts else 'true'}",
            "user root",  # it would change to another user, who may not read the test's folder
            "max_queued_messages 0",
            "max_inflight_messages 0",
        ]
        if accounts:
            passwords = folder / "passwords"
            passwords.touch(0o600)
            for user, password in accounts.items():
                subprocess.run(
                    [require("mosquitto_passwd"), "-b", str(passwords), user, password], check=True, capture_output=True
                )
            lines.append(f"password_file {passwords}")
        if acl:
            (folder / "acl").write_text(acl)
            lines.append(f"acl_file {folder / 'acl'}")
        if tls is not None:
            lines += [f"certfile {tls.certificate}", f"keyfile {tls.key}"]
        if persistence:
            # Written after every change: a kill must find it on disk.
            lines += [
                "persistence true",
                f"persistence_location {folder}/",
                "autosave_on_changes true",
                "autosave_interval 1",
            ]
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text("\n".join([*lines, more, ""]))
        self._process: asyncio.subprocess.Process | None = None

    def url(self, user: str = "", password: str = "") -> str:
        """What a client is given."""
        account = f"{user}:{password}@" if user else ""
        return f"{'mqtts' if self.tls else 'mqtt'}://{account}{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait for its word that it runs."""
        process = await asyncio.create_subprocess_exec(
            self._program, "-c", str(self._settings), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._process = process
        assert process.stderr is not None
        said = b""
        async with asyncio.timeout(READY_S):
            while b" running" not in said:
                said = await process.stderr.readline()
                assert said, "mosquitto did not start"
        self._listening = asyncio.ensure_future(_drain(process.stderr))

    async def kill(self) -> None:
        """End it at once, as a power cut would."""
        await self._end("kill")

    async def stop(self) -> None:
        """End it in order: with persistence it stores what it knows."""
        await self._end("terminate")

    async def _end(self, how: str) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            getattr(process, how)()
        await process.wait()
        await self._listening


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass


@asynccontextmanager
async def mosquitto(folder: Path, **options: Any) -> AsyncIterator[Mosquitto]:
    """A running broker, ended with the test."""
    broker = Mosquitto(folder, **options)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


class Peer:
    """A client in a thread of its own: what it publishes is with the broker, what it heard can be waited for."""

    def __init__(self, client_id: str, session_expiry_s: int = 0) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Condition()
        self._open: dict[int, asyncio.Future[None]] = {}
        self.heard: list[paho.MQTTMessage] = []
        self._expiry = session_expiry_s
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5)
        self.client.max_inflight_messages_set(1_000)
        self._connected: asyncio.Future[str] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self.client.on_connect = lambda _c, _u, _f, code, _p: self._tell(self._settle, self._connected, str(code))
        self.client.on_subscribe = lambda *_: self._tell(self._settle, self._subscribed, None)
        self.client.on_publish = lambda _c, _u, mid, _r, _p: self._tell(self._published, mid)
        self.client.on_message = lambda _c, _u, message: self._tell(self._hear, message)

    def _tell(self, function: Callable[..., None], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)

    @staticmethod
    def _settle(future: asyncio.Future[Any], value: object) -> None:
        if not future.done():
            future.set_result(value)

    def _published(self, mid: int) -> None:
        self._settle(self._open.setdefault(mid, self._loop.create_future()), None)

    def _hear(self, message: paho.MQTTMessage) -> None:
        self.heard.append(message)
        self._notifying = asyncio.ensure_future(self._notify())

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def connect(
        self, broker: Mosquitto | None = None, *, port: int = 0, user: str = "", password: str = ""
    ) -> None:
        """Connect; raises ConnectionError when refused."""
        if user:
            self.client.username_pw_set(user, password)
        if broker is not None and broker.tls is not None:
            self.client.tls_set_context(ssl.create_default_context(cafile=str(broker.tls.authority)))
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._expiry
        await asyncio.to_thread(
            self.client.connect, HOST, broker.port if broker else port, 30, clean_start=False, properties=properties
        )
        self.client.loop_start()
        async with asyncio.timeout(ANSWER_S):
            said = await self._connected
        if said != "Success":
            raise ConnectionError(said)

    async def subscribe(self, *topics: str) -> None:
        """Hear these at QoS 1."""
        self._subscribed = self._loop.create_future()
        self.client.subscribe([(topic, 1) for topic in topics])
        async with asyncio.timeout(ANSWER_S):
            await self._subscribed

    async def publish(
        self, topic: str, *payloads: bytes | str, qos: int = 1, retain: bool = False, properties: Any = None
    ) -> None:
        """Publish these and wait until the broker has them all."""
        waiting = []
        for payload in payloads:
            info = self.client.publish(topic, payload, qos=qos, retain=retain, properties=properties)
            waiting.append((info.mid, self._open.setdefault(info.mid, self._loop.create_future())))
        async with asyncio.timeout(ANSWER_S * 3):
            for mid, done in waiting:
                await done
                self._open.pop(mid, None)

    async def until(self, ready: Callable[[list[paho.MQTTMessage]], bool]) -> list[paho.MQTTMessage]:
        """What was heard, as soon as it is what is waited for."""
        async with asyncio.timeout(ANSWER_S), self._news:
            await self._news.wait_for(lambda: ready(self.heard))
        return list(self.heard)

    async def close(self) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)
        self.client._reset_sockets()  # paho leaves its waking pair to the garbage collector, which warns


@asynccontextmanager
async def peer(
    client_id: str, broker: Mosquitto | None = None, *, port: int = 0, user: str = "", password: str = ""
) -> AsyncIterator[Peer]:
    """A connected client, closed with the test."""
    client = Peer(client_id)
    try:
        await client.connect(broker, port=port, user=user, password=password)
        yield client
    finally:
        await client.close()
