"""The profiles that ServerProfileArray lists: those whose every unit docs/conformance.toml shows by passing tests."""

from __future__ import annotations

from server.settings import OpcUaSettings

_PROFILE = "http://opcfoundation.org/UA-Profile/"
_POLICY = "http://opcfoundation.org/UA/SecurityPolicy#"

SERVER_PROFILES: tuple[str, ...] = (
    _PROFILE + "Transport/uatcp-uasc-uabinary",
    _POLICY + "Basic256Sha256",
    _POLICY + "Aes128_Sha256_RsaOaep",
    _POLICY + "Aes256_Sha256_RsaPss",
    _PROFILE + "Security/UserToken/Server/UserNamePassword",
    _PROFILE + "Server/Core2017Facet",
    _PROFILE + "Server/EmbeddedDataChangeSubscription",
    _PROFILE + "Server/StandardDataChangeSubscription2017",
    _PROFILE + "Server/EnhancedDataChangeSubscription2017",
    _PROFILE + "Server/EmbeddedUA2017",
    _PROFILE + "Server/StandardUA2017",
    _PROFILE + "Server/Methods",
    _PROFILE + "Server/StandardEventSubscription",
    _PROFILE + "Server/AddressSpaceNotifier",
    _PROFILE + "Server/DataAccess",
    _PROFILE + "Server/ComplexTypes2017",
    _PROFILE + "Server/NodeManagement",
    _PROFILE + "Server/UserRoleBase",
)
"""ProfileUris (OPC 10000-7) that do not depend on settings."""

BY_SETTING: tuple[tuple[str, str], ...] = (
    ("allow_none", _POLICY + "None"),
    ("allow_anonymous", _PROFILE + "Security/UserToken/Anonymous"),
    ("user_certificates_file", _PROFILE + "Security/UserToken/Server/X509Certificate"),
    ("jwt_keys_file", _PROFILE + "Security/UserToken/Server/JsonWebToken"),
    ("auditing", _PROFILE + "Server/Auditing"),
)
"""Name of a setting in the section `opcua`, and the ProfileUri that is true while it is set."""


def server_profiles(settings: OpcUaSettings) -> tuple[str, ...]:
    """ServerProfileArray under these settings."""
    return SERVER_PROFILES + tuple(uri for name, uri in BY_SETTING if getattr(settings, name))
