"""The endpoint on the stack's server: policies, identity tokens, certificates, limits, what the server says it is."""

from __future__ import annotations

import asyncio
from datetime import datetime
from importlib.metadata import version
from typing import Any

import structlog
from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import security_policies
from asyncua.server import monitored_item_service
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from server.core.clock import Clock, to_datetime
from server.opcua.events import FilterEvaluator
from server.opcua.session import FieldServer, Rules, UserDoor, Verify
from server.security.pki import CertificateFolder, CertificateRefusedError, application_uri_of
from server.settings import OpcUaSettings

log = structlog.get_logger("fieldloom.opcua")

PATH = "/fieldloom"
PRODUCT_URI = "urn:fieldloom:server"
SECURED = (
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
)

# The stack's where clause knows no subtypes, no Like, and drops events on a missing field.
monitored_item_service.WhereClauseEvaluator = FilterEvaluator


class FieldEndpoint(Server):  # type: ignore[misc]
    """The stack's server with token policies that never let a password travel in clear."""

    def _set_endpoints(self, policy: Any, mode: ua.MessageSecurityMode, level: int) -> None:
        super()._set_endpoints(policy, mode, level)
        endpoint = self.iserver.endpoints[-1]
        for token in endpoint.UserIdentityTokens:
            if token.TokenType == ua.UserTokenType.UserName:
                plain = mode == ua.MessageSecurityMode.None_
                token.SecurityPolicyUri = security_policies.SecurityPolicyBasic256Sha256.URI if plain else policy.URI


async def make_endpoint(
    settings: OpcUaSettings, certificates: CertificateFolder, uri: str, verify: Verify, clock: Clock
) -> FieldEndpoint:
    """The stack's server with our policies, users and certificate checks; not yet listening."""
    inner = FieldServer(user_manager=UserDoor(verify, allow_anonymous=settings.allow_anonymous))
    server = FieldEndpoint(iserver=inner)
    server.name = "Fieldloom"
    server.manufacturer_name = "Fieldloom"
    server.product_uri = PRODUCT_URI
    server.application_type = ua.ApplicationType.Server
    server._application_uri = uri
    await server.init()
    host = settings.advertised_host or settings.host
    server.set_endpoint(f"opc.tcp://{host}:{settings.port}{PATH}")
    server.socket_address = (settings.host, settings.port)
    own = await asyncio.to_thread(certificates.own, uri, [host])
    inner.certificate, inner.private_key = own.certificate, own.key
    policies = [ua.SecurityPolicyType.NoSecurity, *SECURED] if settings.allow_none else list(SECURED)
    server.set_security_policy(policies, permission_ruleset=Rules())
    tokens: list[type] = [ua.UserNameIdentityToken]
    if settings.allow_anonymous:
        tokens.insert(0, ua.AnonymousIdentityToken)
    server.set_identity_tokens(tokens)
    inner.certificate_validator = _validator(certificates)
    # The device's and our own times are both set where the value is made.
    inner.aspace.force_server_timestamp = False
    started: datetime = to_datetime(clock.now())
    await server.set_build_info(PRODUCT_URI, "Fieldloom", "Fieldloom", version("fieldloom"), "1", started)
    return server


def _validator(certificates: CertificateFolder) -> Any:
    async def validate(certificate: x509.Certificate, description: ua.ApplicationDescription) -> None:
        der = certificate.public_bytes(serialization.Encoding.DER)
        try:
            await asyncio.to_thread(certificates.check, der)
        except CertificateRefusedError:
            # The precise reason is for log and list, not for whoever knocks (OPC 10000-4, 6.1.3).
            raise ServiceError(ua.StatusCodes.BadSecurityChecksFailed) from None
        named = application_uri_of(certificate)
        if description.ApplicationUri and named != description.ApplicationUri:
            log.warning(
                "client certificate names another application", certificate=named, client=description.ApplicationUri
            )
            raise ServiceError(ua.StatusCodes.BadCertificateUriInvalid)

    return validate
