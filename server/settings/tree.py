"""Every default, limit and path of the server, with its unit. One tree, from `fieldloom.toml` and the environment.

Sources, later ones win: defaults, `fieldloom.toml` (or the file named by `--settings`), `FIELDLOOM_SECTION__KEY`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from server.core.errors import ConfigurationError
from server.settings.alarms import AlarmSettings
from server.settings.doors import HttpSettings, LimitSettings, OpcUaSettings
from server.settings.notify import NotifySettings
from server.settings.rooms import (
    FdiSettings,
    HistorySettings,
    LogSettings,
    MqttSettings,
    PackageSettings,
    PipelineSettings,
    SecuritySettings,
)
from server.settings.section import is_loopback

PREFIX = "FIELDLOOM_"
NOT_SETTINGS = frozenset({"FIELDLOOM_ORACLE_DIR", "FIELDLOOM_PURE", "FIELDLOOM_SETTINGS"})
"""Environment names with our prefix that are no settings: the test oracle's folder, no compiled module, the file."""


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
    alarms: AlarmSettings = AlarmSettings()
    notify: NotifySettings = NotifySettings()
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
    except SettingsError as error:
        problems.append(f"environment: {error}: a list is written as JSON")
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
