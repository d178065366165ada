"""Settings of the broker, the pipeline, history, security, packages, FDI and the log."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from server.settings.section import Section


class MqttSettings(Section):
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


class PipelineSettings(Section):
    """The flow from messages to sinks."""

    command_timeout_s: float = Field(default=5.0, gt=0, le=300)
    """How long a command waits for its device's answer, seconds."""
    max_devices: int = Field(default=5_000, ge=1, le=100_000)
    """Devices at most; further ones are refused and counted."""
    future_tolerance_s: float = Field(default=60.0, ge=0)
    """A device clock may run ahead by so many seconds; later source times are refused and counted."""


class RetentionSettings(Section):
    """How long the history of one device type is kept; what is absent is as for all."""

    raw_days: float | None = Field(default=None, ge=0, le=36_500)
    """Values as they came, days; 0: for ever."""
    minutes_days: float | None = Field(default=None, ge=0, le=36_500)
    """Figures of each minute, days; 0: for ever."""
    hours_days: float | None = Field(default=None, ge=0, le=36_500)
    """Figures of each hour, days; 0: for ever."""


class DeadbandSettings(Section):
    """Which values of one parameter history may leave out (OPC 10000-11, 5.2.2: ExceptionDeviation)."""

    exception: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """A value that differs by no more than this from the last stored one is left out; 0: what is the same."""
    compression: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """A value that lies no further than this from the line between stored ones is left out (swinging door)."""
    longest_s: float = Field(default=600.0, ge=1, le=86_400)
    """A value that comes so many seconds after the last stored one is stored whatever it is."""


class HistorySettings(Section):
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
    raw_days: float = Field(default=7, ge=0, le=36_500)
    """Values are kept as they came for so many days; 0: for ever."""
    minutes_days: float = Field(default=90, ge=0, le=36_500)
    """Figures of each minute (count, average, extremes) are kept so many days, and as long as values; 0: for ever."""
    hours_days: float = Field(default=730, ge=0, le=36_500)
    """Figures of each hour are kept for so many days, and as long as those of minutes; 0: for ever."""
    retention_of: dict[str, RetentionSettings] = Field(default={}, max_length=1_000)
    """raw_days, minutes_days and hours_days of single device types: `[history.retention_of.smart_breaker]`."""
    deadband_of: dict[str, DeadbandSettings] = Field(default={}, max_length=10_000)
    """Values of single parameters that need not be kept: `[history.deadband_of."smart_breaker/temperature_c"]`."""
    disk_reserve_bytes: int = Field(default=256 * 1024**2, ge=0)
    """With less free on the disk of the data folder history takes nothing more, until there is; 0: never stops."""
    upkeep_s: float = Field(default=60.0, ge=1, le=3_600)
    """Figures of closed hours, packing and the end of old values every so many seconds."""

    @field_validator("deadband_of")
    @classmethod
    def _check_deadbands(cls, value: dict[str, DeadbandSettings]) -> dict[str, DeadbandSettings]:
        for name, each in value.items():
            if not all(name.partition("/")[::2]):
                raise ValueError(f"{name!r} must name a device type and its parameter: type/parameter")
            if each.exception is None and each.compression is None:
                raise ValueError(f"{name}: say exception, compression or both")
        return value

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value and not value.startswith(("sqlite", "postgresql")):
            raise ValueError("must be a sqlite or postgresql SQLAlchemy URL")
        return value


class SecuritySettings(Section):
    """Certificates and accounts."""

    certs_dir: Path | None = None
    """Folder with own, trusted, issuers and rejected; absent: `certs` in the data folder."""
    rejected_limit: int = Field(default=100, ge=1)
    """Rejected certificates kept for review."""


class PackageSettings(Section):
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


class FdiSettings(Section):
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


class LogSettings(Section):
    """What the server says while it runs."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level written."""
    format: Literal["json", "text"] = "json"
    """One JSON object a line, or text for a terminal."""
