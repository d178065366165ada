"""Every default, limit and path of the server."""

from server.settings.alarms import AlarmSettings
from server.settings.doors import HttpSettings, LimitSettings, OpcUaSettings
from server.settings.rooms import (
    DeadbandSettings,
    FdiSettings,
    HistorySettings,
    LogSettings,
    MqttSettings,
    PackageSettings,
    PipelineSettings,
    RetentionSettings,
    SecuritySettings,
)
from server.settings.section import is_loopback
from server.settings.tree import PREFIX, Settings, describe, load

__all__ = [
    "PREFIX",
    "AlarmSettings",
    "DeadbandSettings",
    "FdiSettings",
    "HistorySettings",
    "HttpSettings",
    "LimitSettings",
    "LogSettings",
    "MqttSettings",
    "OpcUaSettings",
    "PackageSettings",
    "PipelineSettings",
    "RetentionSettings",
    "SecuritySettings",
    "Settings",
    "describe",
    "is_loopback",
    "load",
]
