"""Settings of notifications: who is told of alarms outside the console."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from server.settings.section import Section

Cause = Literal["active", "inactive", "acknowledged", "commented", "shelved", "suppressed", "disabled", "quality"]
Priority = Literal["critical", "high", "medium", "low"]


class _Channel(Section):
    """What all channels have in common."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    """Its name in the log, in metrics and in `/api/notifications`."""
    tell: tuple[Cause, ...] = ("active", "inactive")
    """What is told of: active (also worse and again), inactive, acknowledged (also confirmed and reset), commented,
    shelved, suppressed (also out of service), disabled, quality."""
    severity: int = Field(default=1, ge=1, le=1000)
    """Alarms of at least this Severity."""
    priorities: tuple[Priority, ...] = ()
    """Alarms of these priorities; none: of all."""
    classes: tuple[str, ...] = ()
    """Alarms of these condition classes (Process, Safety …); none: of all."""
    devices: tuple[str, ...] = ()
    """Alarms of these devices, `*` and `?` stand for any characters; none: of all."""
    suppressed: bool = False
    """Also alarms that are suppressed, shelved or out of service."""
    timeout_s: float = Field(default=10.0, gt=0, le=300)
    """Longest wait for the other side."""


class EmailChannel(_Channel):
    """Mail through an SMTP server."""

    kind: Literal["email"]
    """email"""
    host: str
    """SMTP server."""
    port: int = Field(default=587, ge=1, le=65_535)
    """Its port: 587 STARTTLS, 465 TLS, 25 without."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is secured."""
    ca_file: Path | None = None
    """Authority of the server's certificate; absent: the system's."""
    user: str = ""
    """Account, when the server asks for one."""
    password: SecretStr = SecretStr("")
    """Its password."""
    sender: str
    """From address."""
    recipients: tuple[str, ...] = Field(min_length=1)
    """To addresses."""
    language: str = Field(default="en", pattern="^[a-z]{2}$")
    """Language of labels and of what to do."""

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> EmailChannel:
        if self.user and self.security == "none":
            raise ValueError("a password is not sent without TLS: set security to starttls or tls")
        return self


class WebhookChannel(_Channel):
    """HTTP POST of a JSON document, signed as Standard Webhooks says."""

    kind: Literal["webhook"]
    """webhook"""
    url: str = Field(pattern=r"^https?://\S+$")
    """Where to."""
    secret: SecretStr = SecretStr("")
    """`whsec_` and base64 of 24 to 64 bytes: signs each message; absent: unsigned."""
    ca_file: Path | None = None
    """Authority of the server's certificate; absent: the system's."""


class SyslogChannel(_Channel):
    """Syslog messages (RFC 5424)."""

    kind: Literal["syslog"]
    """syslog"""
    host: str
    """Syslog server."""
    port: int = Field(default=514, ge=1, le=65_535)
    """Its port."""
    transport: Literal["udp", "tcp", "tls"] = "udp"
    """udp (RFC 5426), tcp with octet counting (RFC 6587), tls (RFC 5425)."""
    ca_file: Path | None = None
    """Authority of the server's certificate; absent: the system's."""
    facility: int = Field(default=16, ge=0, le=23)
    """Facility: 16 is local0."""
    enterprise: str = Field(default="32473", pattern=r"^\d{1,10}$")
    """Private enterprise number in the structured data."""


Channel = Annotated[EmailChannel | WebhookChannel | SyslogChannel, Field(discriminator="kind")]


class NotifySettings(Section):
    """Notifications of alarms."""

    channels: tuple[Channel, ...] = ()
    """Channels, each with `kind` email, webhook or syslog; see docs/alarms.md."""
    first_retry_s: float = Field(default=5.0, gt=0, le=3_600)
    """Wait before the second try; each further one is twice as long …"""
    longest_retry_s: float = Field(default=900.0, gt=0, le=86_400)
    """… up to this."""
    give_up_s: float = Field(default=86_400.0, gt=0)
    """A message that could not be sent for so long is given up."""
    waiting: int = Field(default=100_000, ge=100)
    """Messages of one channel that wait at most; further ones are given up at once."""
    keep_days: int = Field(default=7, ge=1, le=365)
    """Days that sent and given-up messages are kept."""

    @model_validator(mode="after")
    def _names_once(self) -> NotifySettings:
        names = [channel.name for channel in self.channels]
        if len(set(names)) != len(names):
            raise ValueError("two channels of the same name")
        return self
