"""A whole OPC UA room on a real port, certificates made at test time, and clients of every kind."""

from __future__ import annotations

import asyncio
import datetime
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from server.alarms.condition_set import by_package
from server.alarms.engine import AlarmEngine
from server.alarms.watch import PerformanceWatch
from server.core.clock import Clock, SystemClock, TimeUs
from server.core.texts import Texts
from server.core.values import CommandResponse, DeviceId, Scalar
from server.database.site import SiteDatabase
from server.fdi.logic.live import LiveLogic
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device
from server.model.device_type import ArgumentSpec, DataType, DeviceType, EnumValue, MethodSpec
from server.model.plant import Plant
from server.opcua.nodesets import build_all
from server.opcua.server import OpcUaServer
from server.opcua.test_nodes import TEST, TEST_TYPE
from server.pipeline import Pipeline
from server.security.audit import AuditWriter
from server.security.pki import CertificateFolder
from server.settings import DeadbandSettings, LimitSettings, OpcUaSettings
from tests.kit.history import MemoryHistory
from tests.kit.plant import measured, pump_type
from tests.kit.sinks import RememberedPoints

ROOT = Path(__file__).resolve().parents[2]
CLIENT_URI = "urn:test:client"
APPLICATION_URI = "urn:fieldloom:test"
PASSWORDS = {
    "vera": ("viewer", "see"),
    "olga": ("operator", "turn"),
    "emma": ("engineer", "build"),
    "ada": ("admin", "rule"),
}


@cache
def nodesets() -> Path:
    """DI, FDI5 and our own types, built once a process."""
    folder = Path(mkdtemp(prefix="nodesets"))
    build_all(ROOT / "nodesets" / "src", folder)
    return folder


@cache
def snapshots() -> Path:
    """Where rooms of this process keep the snapshot of the standard nodes: building them takes a second."""
    return Path(mkdtemp(prefix="snapshots"))


@cache
def own_pair() -> Path:
    """A server certificate for all rooms of this process: keys are slow to make."""
    folder = Path(mkdtemp(prefix="own"))
    CertificateFolder(folder, SystemClock()).own(APPLICATION_URI, ["127.0.0.1", "localhost"])
    return folder


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, in memory and as files."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    certificate_file: Path
    key_file: Path

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def thumbprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA1()).hex().upper()


def make_identity(
    folder: Path,
    name: str = "client",
    *,
    uri: str = CLIENT_URI,
    issuer: Identity | None = None,
    authority: bool = False,
    bits: int = 2048,
    days: tuple[int, int] = (-1, 30),
    digest: hashes.HashAlgorithm | None = None,
) -> Identity:
    """A certificate of a client (or an authority), self-signed or signed by an issuer."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if uri:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(issuer.key if issuer else key, digest or hashes.SHA256())
    folder.mkdir(parents=True, exist_ok=True)
    certificate_file, key_file = folder / f"{name}.der", folder / f"{name}.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Identity(certificate, key, certificate_file, key_file)


class MemoryNamespaces:
    """The namespace table, without a database."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = list(names) or ["http://opcfoundation.org/UA/", APPLICATION_URI]

    def application_uri(self) -> str:
        return APPLICATION_URI

    def namespaces(self) -> list[str]:
        return list(self.names)

    def add_namespace(self, uri: str) -> int:
        if uri not in self.names:
            self.names.append(uri)
        return self.names.index(uri)


class AnsweringSender:
    """A field full of devices that answer at once, as told; a silent one never does."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, object]]] = []
        self.outcome = "done"
        self.values: Callable[[str, dict[str, object]], dict[str, Scalar]] = lambda _name, _params: {}
        self.silent = False
        self.pipeline: Pipeline | None = None

    async def send_command(
        self, type_id: str, device_id: str, command_id: str, name: str, params: dict[str, object]
    ) -> None:
        self.sent.append((device_id, name, params))
        if not self.silent and self.pipeline is not None:
            values = self.values(name, params)
            now = SystemClock().now()
            self.pipeline.answered(
                CommandResponse(command_id, self.outcome, "because", values, now, DeviceId(device_id))
            )


def machine_type() -> DeviceType:
    """The pump of the plant kit with every kind of method, Russian names and a loom's quality."""
    pump = pump_type()
    commands = pump.binding.commands
    report = replace(commands[0], name="get_diagnostics", method="GetDiagnostics", answer="report")
    state = replace(
        pump.parameters["state"],
        label=Texts.of("State", ru="Состояние"),
        enum_values=tuple(EnumValue(n, Texts.of(t)) for n, t in enumerate(("stopped", "running", "tripped"))),
    )
    return replace(
        pump,
        parameters={**pump.parameters, "state": state},
        methods=(
            MethodSpec(name="Trip", command="trip", description=Texts.of("Stop at once")),
            MethodSpec(
                name="SetThreshold",
                command="set_threshold",
                inputs=(
                    ArgumentSpec("Name", DataType.STRING, Texts.of("EDD identifier")),
                    ArgumentSpec("Value", DataType.DOUBLE, Texts.of("New limit")),
                ),
                params=("name", "value"),
            ),
            MethodSpec(
                name="GetDiagnostics",
                command="get_diagnostics",
                outputs=(ArgumentSpec("Report", DataType.STRING, Texts.of("JSON")),),
            ),
        ),
        binding=replace(pump.binding, commands=(*commands, report)),
    )


@dataclass
class OpcUaRig:
    """Everything around one OPC UA room."""

    server: OpcUaServer
    plant: Plant
    pipeline: Pipeline
    sender: AnsweringSender
    history: MemoryHistory
    records: RememberedPoints
    certificates: CertificateFolder
    namespaces: MemoryNamespaces
    clock: Clock = field(default_factory=SystemClock)

    def node(self, path: str, uri: str = "urn:fieldloom:plant") -> ua.NodeId:
        return ua.NodeId(path, self.namespaces.names.index(uri))

    async def live(self, device: str = "pump-1", **values: Scalar) -> TimeUs:
        """A measurement of now."""
        now = self.clock.now()
        await self.pipeline.offer([measured(now, device, **values)])
        return now

    @asynccontextmanager
    async def client(
        self,
        user: str = "",
        password: str = "",
        identity: Identity | None = None,
        mode: ua.MessageSecurityMode = ua.MessageSecurityMode.SignAndEncrypt,
        policy: Any = SecurityPolicyBasic256Sha256,
    ) -> AsyncIterator[Client]:
        """A connected asyncua client; without an identity over the open channel."""
        client = Client(self.server.url, timeout=10)
        client.application_uri = CLIENT_URI
        if user:
            client.set_user(user)
            client.set_password(password or PASSWORDS[user][1])
        if identity is not None:
            await client.set_security(policy, identity.certificate_file, identity.key_file, mode=mode)
        await client.connect()
        try:
            yield client
        finally:
            await client.disconnect()


def verify(user: str, password: str) -> str | None:
    """Role of one of the test's users."""
    role, secret = PASSWORDS.get(user, ("", None))
    return role if secret == password else None


@asynccontextmanager
async def running(
    folder: Path,
    *,
    devices: Sequence[str] = ("pump-1",),
    namespaces: MemoryNamespaces | None = None,
    types: Sequence[DeviceType] | None = None,
    page_rows: int = 10_000,
    command_timeout_s: float = 1.0,
    limits: LimitSettings | None = None,
    audit: AuditWriter | None = None,
    fdi: Callable[[Plant, Clock], Any] | None = None,
    network: Callable[[], tuple[bool, str]] = lambda: (False, ""),
    clock: Clock | None = None,
    site: SiteDatabase | None = None,
    declared: Callable[[Device], Sequence[AlarmSpec]] = by_package,
    performance: PerformanceWatch | None = None,
    deadbands: Mapping[str, DeadbandSettings] | None = None,
    archive_from: Callable[[], int | None] = lambda: None,
    **settings: Any,
) -> AsyncIterator[OpcUaRig]:
    """A listening OPC UA room with a few pumps; the open channel is allowed unless told otherwise.

    `clock`: of everything but the subscriptions, which publish in real time. `site`: keeps alarms and their journal.

    `fdi` makes the FDI runtime of the room; without it devices have no locks, edit contexts or actions.
    """
    clock = clock or SystemClock()
    plant, sender, history, records = Plant(), AnsweringSender(), MemoryHistory(), RememberedPoints()
    names = namespaces or MemoryNamespaces()
    shutil.copytree(own_pair(), folder / "certs", dirs_exist_ok=True)
    certificates = CertificateFolder(folder / "certs", clock, rejected_limit=3)
    runtime = fdi(plant, clock) if fdi is not None else None
    options = OpcUaSettings(**{"port": 0, "allow_none": True, **settings})
    room = OpcUaServer(
        options,
        plant=plant,
        certificates=certificates,
        namespaces=names,
        nodesets=nodesets(),
        verify=verify,
        clock=clock,
        page_rows=page_rows,
        limits=limits,
        cache=snapshots(),
        audit=audit,
        fdi=runtime,
        network=network,
        journal=site,
        deadbands=deadbands,
        archive_from=archive_from,
        performance=(lambda: performance.snapshot) if performance is not None else None,
        metrics=performance.metrics if performance is not None else None,
    )
    engine = AlarmEngine(plant, declared=declared)
    pipeline = Pipeline(
        plant=plant,
        clock=clock,
        points=[room] if runtime is None else [room, runtime],
        alarms=engine,
        alarm_sinks=[room] if performance is None else [room, performance],
        history=history,
        feeds=[],
        sender=sender,
        records=site or records,
        command_timeout_s=command_timeout_s,
        logic=LiveLogic(plant) if runtime is None else runtime.live,
        guard=runtime.locks if runtime is not None else None,
    )
    sender.pipeline = pipeline
    if runtime is not None:
        runtime.attach(pipeline)
    counters: Callable[[], Mapping[str, int | float]] = pipeline.counters
    await room.prepare(pipeline, history, counters)
    for device_type in types if types is not None else (machine_type(),):
        await pipeline.install(device_type)
    if options.test_nodes:
        await pipeline.install(TEST_TYPE)
        await pipeline.restore([(TEST, TEST, ("unassigned",), clock.now(), {})])
    await pipeline.restore([(name, "pump", ("hall",), clock.now(), {}) for name in devices])
    await room.start()
    task = asyncio.create_task(room.run())
    services = asyncio.create_task(runtime.run()) if runtime is not None else None
    try:
        yield OpcUaRig(room, plant, pipeline, sender, history, records, certificates, names, clock)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await room.stop()
        await pipeline.stop()
        if runtime is not None and services is not None:
            await runtime.stop()
            await services
