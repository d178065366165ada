"""Every default, limit and path of the server, with its unit. One tree, from `fieldloom.toml` and the environment.

Sources, later ones win: defaults, `fieldloom.toml` (or the file named by `--settings`), `FIELDLOOM_SECTION__KEY`.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from server.core.errors import ConfigurationError

PREFIX = "FIELDLOOM_"
NOT_SETTINGS = frozenset({"FIELDLOOM_ORACLE_DIR", "FIELDLOOM_PURE", "FIELDLOOM_SETTINGS"})
"""Environment names with our prefix that are no settings: the test oracle's folder, no compiled module, the file."""


def is_loopback(host: str) -> bool:
    """True for a name or address that only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class OpcUaSettings(_Section):
    """The OPC UA endpoint."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=4840, ge=0, le=65535)
    """TCP port; 0 takes a free one."""
    advertised_host: str = ""
    """Host name in the endpoint URLs; empty: the address to listen on."""
    allow_none: bool = False
    """Offer SecurityPolicy None (loopback only); anonymous there only reads."""
    allow_anonymous: bool = True
    """Accept anonymous sessions, which only read."""
    test_nodes: bool = False
    """Expose the test nodes, writable by anonymous clients (loopback only)."""
    load_nodes: int = Field(default=0, ge=0, le=100_000)
    """How many load nodes to expose (loopback only); 0: none."""
    load_period_ms: int = Field(default=1000, ge=10, le=3_600_000)
    """Every so many milliseconds all load nodes count up."""
    max_sessions: int = Field(default=100, ge=1, le=10_000)
    """Sessions at once."""
    min_session_timeout_ms: int = Field(default=10_000, ge=1_000, le=3_600_000)
    """Shortest time-out of a session without requests, milliseconds; less is revised to it."""
    max_session_timeout_ms: int = Field(default=3_600_000, ge=1_000, le=86_400_000)
    """Longest time-out of a session without requests, milliseconds; more is revised to it."""
    session_activation_s: float = Field(default=30.0, gt=0, le=600)
    """A session that nobody activates ends after so many seconds."""
    login_attempts: int = Field(default=10, ge=1, le=1_000)
    """Failed sign-ins of one user or address within a minute before further ones are refused unseen."""
    user_certificates_file: Path | None = None
    """TOML file of certificates that sign users in (X.509 user tokens); absent: not offered."""
    jwt_keys_file: Path | None = None
    """TOML file of the issuers whose JSON Web Tokens sign users in; absent: not offered."""
    diagnostics: bool = True
    """Collect ServerDiagnostics from the start; administrators switch EnabledFlag at run time."""
    auditing: bool = True
    """Send audit events to administrators who subscribe to them."""

    @model_validator(mode="after")
    def _check_timeouts(self) -> OpcUaSettings:
        if self.min_session_timeout_ms > self.max_session_timeout_ms:
            raise ValueError("min_session_timeout_ms must not be above max_session_timeout_ms")
        return self


class LimitSettings(_Section):
    """What OPC UA clients may cost, before and after they sign in. Excess gets the standard's StatusCode."""

    chunk_bytes: int = Field(default=65_535, ge=8_192, le=16 * 1024 * 1024)
    """Largest chunk taken and sent."""
    message_bytes: int = Field(default=16 * 1024 * 1024, ge=65_535, le=256 * 1024 * 1024)
    """Largest request, all its chunks together."""
    message_bytes_unactivated: int = Field(default=1024 * 1024, ge=65_535)
    """Largest request of a connection on which nobody has signed in."""
    pending_bytes: int = Field(default=64 * 1024 * 1024, ge=1024 * 1024)
    """Unfinished requests of all connections together."""
    chunks: int = Field(default=4_096, ge=1)
    """Chunks of one request."""
    unread_bytes: int = Field(default=32 * 1024 * 1024, ge=1024 * 1024)
    """Answers that wait for a slow client; beyond it the connection is ended."""
    handshake_s: float = Field(default=10.0, gt=0, le=600)
    """HEL and the first OPN must have come within so many seconds."""
    assembly_s: float = Field(default=30.0, gt=0, le=600)
    """A request may take so many seconds from its first byte to its last."""
    idle_channel_s: float = Field(default=120.0, gt=0, le=3_600)
    """A channel on which nobody has signed in ends after so many seconds without a message."""
    connections: int = Field(default=512, ge=2, le=100_000)
    """TCP connections at once; each carries at most one secure channel."""
    connections_per_address: int = Field(default=256, ge=1, le=100_000)
    """TCP connections at once from one address."""
    nesting: int = Field(default=100, ge=100, le=250)
    """Variants, ExtensionObjects and DiagnosticInfos inside each other; the standard wants 100 to be taken."""
    array_elements: int = Field(default=1_000_000, ge=1_000)
    """Elements of one array that a client sends."""
    text_bytes: int = Field(default=16 * 1024 * 1024, ge=1_024)
    """Bytes of one String or ByteString that a client sends."""
    decoded_bytes: int = Field(default=64 * 1024 * 1024, ge=1024 * 1024)
    """What decoding one request may cost: memory, or 15 ns a byte of time, whichever is more."""
    decoded_bytes_unactivated: int = Field(default=2 * 1024 * 1024, ge=65_536)
    """The same on a channel on which nobody has signed in."""
    waiting_requests: int = Field(default=64, ge=1, le=10_000)
    """Requests of one channel that wait for devices or disks at once; further ones stand in line."""
    queued_requests: int = Field(default=1_000, ge=0, le=100_000)
    """Requests of one channel that stand in line; beyond it Bad_ResourceUnavailable."""
    operations: int = Field(default=10_000, ge=1, le=1_000_000)
    """Elements of one request; published under OperationLimits."""
    browse_points: int = Field(default=20, ge=5, le=1_000)
    """Continuation points of Browse that one session may hold."""
    history_points: int = Field(default=100, ge=5, le=10_000)
    """Continuation points of HistoryRead that one session may hold."""
    subscriptions: int = Field(default=2_000, ge=1)
    """Subscriptions of all sessions together."""
    subscriptions_per_session: int = Field(default=100, ge=5)
    """Subscriptions of one session."""
    items: int = Field(default=500_000, ge=500)
    """Monitored items of all subscriptions together."""
    items_per_subscription: int = Field(default=100_000, ge=500)
    """Monitored items of one subscription."""
    items_per_node: int = Field(default=5_000, ge=100)
    """Monitored items of all subscriptions on one node."""
    queue_size: int = Field(default=1_000, ge=1, le=1_000_000)
    """Values or events that one monitored item holds."""
    queue_slots: int = Field(default=5_000_000, ge=10_000)
    """Queue sizes of all monitored items together; items made later get smaller queues."""
    queue_slots_per_subscription: int = Field(default=1_000_000, ge=10_000)
    """Queue sizes of the monitored items of one subscription together."""
    publish_requests: int = Field(default=100, ge=5, le=10_000)
    """Publish requests that wait in one session; beyond it the oldest is answered."""
    retransmission_messages: int = Field(default=100, ge=2)
    """Messages of one subscription kept for Republish."""
    publishing_ms: float = Field(default=50.0, ge=1.0, le=60_000)
    """Shortest publishing interval, milliseconds."""
    sampling_ms: float = Field(default=50.0, ge=1.0, le=60_000)
    """Shortest sampling interval above 0, milliseconds; 0 samples every change."""
    durable_hours: int = Field(default=168, ge=1, le=8_760)
    """Longest lifetime of a durable subscription, hours."""
    added_nodes: int = Field(default=10_000, ge=0)
    """Nodes that clients may have added (AddNodes)."""


class HttpSettings(_Section):
    """REST, streams and console."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """TCP port; 0 takes a free one."""
    public_view: bool = False
    """Let the start page be read without signing in (the demo does)."""
    session_s: int = Field(default=28_800, ge=60)
    """A sign-in is good for so many seconds."""
    upload_limit_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Largest package upload taken."""
    body_limit_bytes: int = Field(default=1024 * 1024, ge=1024)
    """Largest other request body taken."""
    login_attempts: int = Field(default=10, ge=1)
    """Failed sign-ins of one user or address within a minute before it has to wait."""


class MqttSettings(_Section):
    """The MQTT broker that devices talk to."""

    url: str = ""
    """mqtt://user:password@host:1883 or mqtts://host:8883 of an outside broker; empty: the embedded one."""
    port: int = Field(default=1883, ge=0, le=65535)
    """Port of the embedded broker on 127.0.0.1; 0 takes a free one."""
    client_id: str = Field(default="fieldloom", min_length=1, max_length=128)
    """Fixed, so that the broker keeps our session while we are away."""
    ca_file: Path | None = None
    """Certificate authority of an mqtts broker; absent: the system's."""
    cert_file: Path | None = None
    """Client certificate for an mqtts broker."""
    key_file: Path | None = None
    """Private key of the client certificate."""
    session_expiry_s: int = Field(default=86_400, ge=0)
    """How long the broker keeps our session and queue while we are away, seconds."""
    receive_maximum: int = Field(default=2_000, ge=1, le=65_535)
    """QoS 1 messages open at once: bounds what is unacknowledged in memory."""
    payload_limit_bytes: int = Field(default=262_144, ge=1_024)
    """Largest payload decoded; larger ones are counted and refused."""
    keepalive_s: int = Field(default=30, ge=5, le=3_600)
    """MQTT keep-alive, seconds."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value:
            parts = urlsplit(value)
            if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
                raise ValueError("must look like mqtt://host:1883 or mqtts://host:8883")
        return value


class PipelineSettings(_Section):
    """The flow from messages to sinks."""

    command_timeout_s: float = Field(default=5.0, gt=0, le=300)
    """How long a command waits for its device's answer, seconds."""
    max_devices: int = Field(default=5_000, ge=1, le=100_000)
    """Devices at most; further ones are refused and counted."""
    future_tolerance_s: float = Field(default=60.0, ge=0)
    """A device clock may run ahead by so many seconds; later source times are refused and counted."""


class HistorySettings(_Section):
    """The historian."""

    url: str = ""
    """SQLAlchemy URL, postgresql+psycopg://user:password@host/database; empty: the embedded store."""
    batch_rows: int = Field(default=10_000, ge=1)
    """Rows per write to the store."""
    flush_ms: int = Field(default=200, ge=1)
    """A batch waits at most so long for more rows, milliseconds."""
    commit_ms: int = Field(default=20, ge=1)
    """Group commit of the spool, milliseconds: MQTT is acknowledged after it."""
    spool_limit_bytes: int = Field(default=4 * 1024**3, ge=1024**2)
    """Store-and-forward on disk takes at most so much while the store is away."""
    page_rows: int = Field(default=10_000, ge=1, le=100_000)
    """Values per node in one HistoryRead answer; the rest comes by continuation point."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value and not value.startswith(("sqlite", "postgresql")):
            raise ValueError("must be a sqlite or postgresql SQLAlchemy URL")
        return value


class SecuritySettings(_Section):
    """Certificates and accounts."""

    certs_dir: Path | None = None
    """Folder with own, trusted, issuers and rejected; absent: `certs` in the data folder."""
    rejected_limit: int = Field(default=100, ge=1)
    """Rejected certificates kept for review."""


class PackageSettings(_Section):
    """FDI packages."""

    max_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Largest package file."""
    max_unpacked_bytes: int = Field(default=128 * 1024 * 1024, ge=1024)
    """Largest sum of all parts after unpacking."""
    max_ratio: int = Field(default=200, ge=2)
    """Largest ratio of unpacked to packed size of one part."""
    max_parts: int = Field(default=1_000, ge=1)
    """Parts at most."""
    trust_dir: Path = Path("fdi_packages/trust")
    """Folder of the certificates (PEM or DER) whose signatures on packages are trusted; may be absent."""
    unsigned: Literal["allow", "refuse"] = "refuse"
    """Uploaded packages without signature (the demo allows and shows them)."""
    builtin_unsigned: Literal["allow", "refuse"] = "allow"
    """Packages of packages_dir without signature, or of an unknown signer: who can write there owns the site."""
    untrusted: Literal["allow", "refuse"] = "refuse"
    """Packages with a right signature of a signer that no trusted certificate stands for."""
    accept_sha1: bool = False
    """Read old signatures made with SHA-1; they are shown with a warning."""
    drafts: int = Field(default=4, ge=0, le=100)
    """Drafts of packages that learn from live traffic, at once; ended ones count until they are removed."""
    draft_messages: int = Field(default=20_000, ge=1, le=1_000_000)
    """Messages that one draft keeps."""
    draft_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, le=1024**3)
    """Topics and payloads that one draft keeps; no room is taken before they come."""
    draft_s: float = Field(default=3_600.0, ge=1, le=86_400)
    """A draft listens so many seconds at most."""


class FdiSettings(_Section):
    """Locks, edit contexts, transfers and actions of the FDI information model."""

    lock_timeout_s: float = Field(default=60.0, ge=1, le=86_400)
    """A device's lock ends after so many seconds without a call of its owner (MaxInactiveLockTime)."""
    edit_contexts_per_device: int = Field(default=16, ge=1, le=1_000)
    """Edit contexts of one device at once."""
    edit_contexts_per_session: int = Field(default=64, ge=1, le=10_000)
    """Edit contexts that one session may have opened at once."""
    edit_context_depth: int = Field(default=8, ge=1, le=100)
    """Edit contexts inside each other."""
    registered_nodes: int = Field(default=2_000, ge=1, le=100_000)
    """Parameters registered in one edit context."""
    transfer_result_s: float = Field(default=300.0, ge=1, le=86_400)
    """Results of a transfer can be fetched for so many seconds after its end."""
    action_result_s: float = Field(default=30.0, ge=1, le=3_600)
    """State of an action that has ended can be read for so many seconds."""
    actions: int = Field(default=64, ge=1, le=10_000)
    """Actions that run at once."""
    actions_per_device: int = Field(default=4, ge=1, le=1_000)
    """Actions of one device at once; one of them works, the others wait for their turn."""
    method_s: float = Field(default=600.0, ge=1, le=86_400)
    """An action ends after so many seconds, dialogs and waits included."""
    method_steps: int = Field(default=1_000_000, ge=1_000, le=1_000_000_000)
    """Steps that one METHOD may take."""
    hook_s: float = Field(default=30.0, ge=0.1, le=3_600)
    """An action before or after a read, write or edit ends after so many seconds."""


class LogSettings(_Section):
    """What the server says while it runs."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level written."""
    format: Literal["json", "text"] = "json"
    """One JSON object a line, or text for a terminal."""


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    data_dir: Path = Path("data")
    """Folder of everything the server keeps."""
    plant_file: Path = Path("plant.toml")
    """Facilities, areas and names of devices; may be absent."""
    nodesets_dir: Path = Path("nodesets")
    """NodeSet2 files to load."""
    packages_dir: Path = Path("fdi_packages")
    """Built packages installed at every start."""
    opcua: OpcUaSettings = OpcUaSettings()
    limits: LimitSettings = LimitSettings()
    http: HttpSettings = HttpSettings()
    mqtt: MqttSettings = MqttSettings()
    pipeline: PipelineSettings = PipelineSettings()
    history: HistorySettings = HistorySettings()
    security: SecuritySettings = SecuritySettings()
    packages: PackageSettings = PackageSettings()
    fdi: FdiSettings = FdiSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # What the caller passes is the file's content: the environment wins over it.
        return env_settings, init_settings

    @model_validator(mode="after")
    def _loopback_rules(self) -> Settings:
        open_doors = [
            name
            for name, on in (
                ("opcua.allow_none", self.opcua.allow_none),
                ("opcua.test_nodes", self.opcua.test_nodes),
                ("opcua.load_nodes", self.opcua.load_nodes > 0),
            )
            if on
        ]
        if open_doors and not is_loopback(self.opcua.host):
            raise ValueError(
                f"{', '.join(open_doors)} need opcua.host on loopback, but it is {self.opcua.host}: "
                "switch them off or listen on 127.0.0.1"
            )
        return self

    @property
    def certs_dir(self) -> Path:
        """Folder of certificates in force."""
        return self.security.certs_dir or self.data_dir / "certs"


def load(
    file: Path | None = None,
    *,
    defaults: Mapping[str, Mapping[str, Any]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings in force.

    Args:
        file: a TOML file that must exist; None takes `FIELDLOOM_SETTINGS` or an existing `fieldloom.toml`.
        defaults: section -> key -> value that a command prefers over the built-in default (the demo's).
        environ: used to look for misspelt names; values always come from the process environment.

    Raises:
        ConfigurationError: every mistake, with file or variable, key and reason.
    """
    problems: list[str] = []
    content, where = _read_file(file, problems)
    for section, values in (defaults or {}).items():
        target = content.setdefault(section, {})
        if isinstance(target, dict):
            for key, value in values.items():
                target.setdefault(key, value)
    names = environ if environ is not None else os.environ
    problems += _unknown_variables(names)
    try:
        settings = Settings(**content)
    except ValidationError as error:
        for detail in error.errors():
            key = ".".join(str(part) for part in detail["loc"])
            variable = PREFIX + key.upper().replace(".", "__")
            origin = variable if variable in names else where
            reason = "no such setting" if detail["type"] == "extra_forbidden" else detail["msg"]
            problems.append(f"{origin}: {key}: {reason}" if key else f"{where}: {reason}")
        raise ConfigurationError(sorted(set(problems)), what="settings") from None
    if problems:
        raise ConfigurationError(sorted(set(problems)), what="settings")
    return settings


def _read_file(file: Path | None, problems: list[str]) -> tuple[dict[str, Any], str]:
    named = file or (Path(os.environ["FIELDLOOM_SETTINGS"]) if "FIELDLOOM_SETTINGS" in os.environ else None)
    path = named or Path("fieldloom.toml")
    if not path.exists():
        if named is not None:
            problems.append(f"{path}: no such file")
        return {}, "settings"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), str(path)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problems.append(f"{path}: {error}")
        return {}, str(path)


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    known = {name.upper() for name in Settings.model_fields}
    unknown = []
    for name in environ:
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            first = name[len(PREFIX) :].split("__")[0]
            if first not in known:
                unknown.append(f"{name}: no such setting")
    return unknown


def describe() -> list[tuple[str, str, str]]:
    """(key, default, description) of every setting, for `fieldloom settings` and the documentation test."""
    rows: list[tuple[str, str, str]] = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            for key, inner in section.model_fields.items():
                rows.append((f"{name}.{key}", str(inner.default), inner.description or ""))
        else:
            rows.append((name, str(field.default), field.description or ""))
    return rows
