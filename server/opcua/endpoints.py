"""The EndpointDescriptions of the server, from its settings: policies, modes, identity tokens, reachable URLs."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from asyncua import ua

from server.opcua.transport.security import MODE_ENCRYPT, MODE_NONE, MODE_SIGN, POLICIES, POLICY_NONE
from server.settings import OpcUaSettings, is_loopback

PATH = "/fieldloom"
PRODUCT_URI = "urn:fieldloom:server"
TRANSPORT = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
JWT = "http://opcfoundation.org/UA/UserToken#JWT"
"""IssuedTokenType of JSON Web Tokens (OPC 10000-6, 6.5.3)."""

BASIC, AES128, AES256 = POLICIES
SECURED = (
    (BASIC, MODE_SIGN, 50),
    (BASIC, MODE_ENCRYPT, 70),
    (AES128, MODE_SIGN, 55),
    (AES128, MODE_ENCRYPT, 75),
    (AES256, MODE_SIGN, 60),
    (AES256, MODE_ENCRYPT, 80),
)
"""Policy, mode, SecurityLevel."""
_OPEN = (POLICY_NONE, MODE_NONE, 0)
_ANYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def token_policy_uri(policy_uri: str) -> str:
    """The policy that secures identity tokens on a channel: its own, on an open channel Basic256Sha256."""
    return BASIC if policy_uri == POLICY_NONE else policy_uri


def token_policy_id(kind: str, policy_uri: str) -> str:
    """PolicyId of a token policy, unique within its endpoint: kind and securing policy."""
    return f"{kind}_{policy_uri.rsplit('#', 1)[1].lower()}"


def token_policies(
    policy_uri: str, *, anonymous: bool, certificates: bool = False, issued: bool = False
) -> list[ua.UserTokenPolicy]:
    """What an endpoint accepts (OPC 10000-4, 7.42). Secrets are encrypted whatever the channel does."""
    securing = token_policy_uri(policy_uri)
    found = [ua.UserTokenPolicy("anonymous", ua.UserTokenType.Anonymous)] if anonymous else []
    kinds = [("username", ua.UserTokenType.UserName)]
    kinds += [("certificate", ua.UserTokenType.Certificate)] if certificates else []
    kinds += [("jwt", ua.UserTokenType.IssuedToken)] if issued else []
    for kind, token_type in kinds:
        found.append(
            ua.UserTokenPolicy(
                PolicyId=token_policy_id(kind, securing),
                TokenType=token_type,
                IssuedTokenType=JWT if kind == "jwt" else None,
                SecurityPolicyUri=securing,
            )
        )
    return found


def own_hosts(settings: OpcUaSettings) -> list[str]:
    """Names and addresses that clients reach us by, the advertised one first; they also stand in our certificate."""
    hosts = [settings.advertised_host]
    if settings.host in _ANYWHERE:
        hosts.append(socket.gethostname())
    else:
        hosts.append(settings.host)
    if settings.host in _ANYWHERE or is_loopback(settings.host):
        hosts += _LOOPBACK
    return list(dict.fromkeys(host for host in hosts if host))


def host_of(url: str | None) -> str | None:
    """The host of an endpoint URL in lower case, None when it is no such URL."""
    try:
        return urlsplit(url or "").hostname
    except ValueError:
        return None


class Endpoints:
    """What FindServers, GetEndpoints and CreateSession tell about us."""

    def __init__(
        self,
        settings: OpcUaSettings,
        application_uri: str,
        certificate: bytes,
        *,
        certificates: bool = False,
        issued: bool = False,
    ) -> None:
        """`certificates` and `issued`: X.509 and JWT identity tokens are offered too."""
        self.application_uri = application_uri
        self.port = settings.port
        """Set it when the listener knows its port."""
        self._hosts = own_hosts(settings)
        self._known = {host.lower() for host in self._hosts}
        self._made: dict[str, list[ua.EndpointDescription]] = {}
        offered = (*SECURED, _OPEN) if settings.allow_none else SECURED
        self.offered: tuple[tuple[str, int], ...] = tuple((policy, mode) for policy, mode, _level in offered)
        """Policy URI and MessageSecurityMode of every endpoint."""
        self._application = ua.ApplicationDescription(
            ApplicationUri=application_uri,
            ProductUri=PRODUCT_URI,
            ApplicationName=ua.LocalizedText("Fieldloom", "en"),
            ApplicationType=ua.ApplicationType.Server,
        )
        self._templates = [
            ua.EndpointDescription(
                ServerCertificate=certificate,
                SecurityMode=ua.MessageSecurityMode(mode),
                SecurityPolicyUri=policy,
                UserIdentityTokens=token_policies(
                    policy, anonymous=settings.allow_anonymous, certificates=certificates, issued=issued
                ),
                TransportProfileUri=TRANSPORT,
                SecurityLevel=level,
            )
            for policy, mode, level in offered
        ]

    def is_ours(self, url: str | None) -> bool:
        """True when the host of a URL is one that we know for ours."""
        return host_of(url) in self._known

    def url(self, asked: str | None = None) -> str:
        """Our URL: by the host that the client used when it is one of ours, else by the advertised one."""
        wanted = host_of(asked)
        host = wanted if wanted is not None and wanted in self._known else self._hosts[0]
        return f"opc.tcp://{f'[{host}]' if ':' in host else host}:{self.port}{PATH}"

    def application(self, asked: str | None = None) -> ua.ApplicationDescription:
        """Ourselves, with the URL for who asked by this one."""
        return replace(self._application, DiscoveryUrls=[self.url(asked)])

    def descriptions(
        self, asked: str | None = None, profiles: Sequence[str] | None = None
    ) -> list[ua.EndpointDescription]:
        """All endpoints; none when only foreign transport profiles are wanted (OPC 10000-4, 5.5.4)."""
        if profiles and TRANSPORT not in profiles:
            return []
        url = self.url(asked)
        found = self._made.get(url)
        if found is None:
            server = self.application(asked)
            found = [replace(template, EndpointUrl=url, Server=server) for template in self._templates]
            self._made[url] = found  # as many as we have names
        return found

    def tokens(self, policy_uri: str, mode: int) -> list[ua.UserTokenPolicy]:
        """The token policies of the endpoint behind a channel; none when it is no endpoint of ours."""
        for template in self._templates:
            if template.SecurityPolicyUri == policy_uri and template.SecurityMode == mode:
                return list(template.UserIdentityTokens)
        return []
