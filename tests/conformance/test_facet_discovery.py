"""Discovery (OPC 10000-4, 5.5, 7.14 and 7.42): who we are, where, and how we may be spoken to."""

from __future__ import annotations

import pytest
from asyncua import ua
from cryptography import x509

from tests.kit.asking import ask
from tests.kit.facets import Room
from tests.kit.opcua import APPLICATION_URI
from tests.kit.raw import RawSession, endpoints_of
from tests.kit.raw_keys import NONE_URI, SUITES

pytestmark = pytest.mark.asyncio(loop_scope="module")
BINARY = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
Mode = ua.MessageSecurityMode


async def test_find_servers_returns_ourselves(room: Room) -> None:
    # 5.5.2: without a session; DiscoveryUrls lead back here.
    async with await room.channel() as channel:
        (server,) = (await channel.call(ask("FindServers", EndpointUrl=room.url))).Servers
        assert (server.ApplicationUri, server.ApplicationType) == (APPLICATION_URI, ua.ApplicationType.Server)
        assert server.ApplicationName.Text and server.ProductUri
        assert server.DiscoveryUrls == [room.url]


async def test_find_servers_filters_by_uri(room: Room) -> None:
    # 5.5.2.2: serverUris; an unknown one finds nobody.
    async with await room.channel() as channel:
        known = ask("FindServers", EndpointUrl=room.url, ServerUris=[APPLICATION_URI, "urn:other"])
        assert len((await channel.call(known)).Servers) == 1
        unknown = ask("FindServers", EndpointUrl=room.url, ServerUris=["urn:other"])
        assert not (await channel.call(unknown)).Servers


async def test_get_endpoints_filters_by_transport(room: Room) -> None:
    # 5.5.4.2: profileUris; any localeIds are accepted.
    async with await room.channel() as channel:
        ours = ask("GetEndpoints", EndpointUrl=room.url, ProfileUris=[BINARY], LocaleIds=["xx-YY", "de"])
        assert len((await channel.call(ours)).Endpoints) == 7
        other = ask("GetEndpoints", EndpointUrl=room.url, ProfileUris=["http://example.org/carrier-pigeon"])
        assert not (await channel.call(other)).Endpoints


async def test_every_policy_is_offered_with_both_modes(room: Room) -> None:
    # OPC 10000-7: deprecated policies (Basic128Rsa15, Basic256) are not.
    offered = {(found.SecurityPolicyUri, found.SecurityMode) for found in await endpoints_of(room.url)}
    secured = {(uri, mode) for uri in SUITES for mode in (Mode.Sign, Mode.SignAndEncrypt)}
    assert offered == secured | {(NONE_URI, Mode.None_)}


async def test_endpoints_are_reachable_and_ranked(room: Room) -> None:
    # 7.14: a client can connect to the URL as it stands; the securityLevel of None is lowest.
    endpoints = await endpoints_of(room.url)
    assert {found.EndpointUrl for found in endpoints} == {room.url}
    assert {found.TransportProfileUri for found in endpoints} == {BINARY}
    levels = {found.SecurityPolicyUri: found.SecurityLevel for found in endpoints}
    assert all(level > levels[NONE_URI] for uri, level in levels.items() if uri != NONE_URI)
    encrypted = {f.SecurityPolicyUri: f.SecurityLevel for f in endpoints if f.SecurityMode == Mode.SignAndEncrypt}
    signed = {f.SecurityPolicyUri: f.SecurityLevel for f in endpoints if f.SecurityMode == Mode.Sign}
    assert all(encrypted[uri] > signed[uri] for uri in signed)


async def test_our_certificate_names_our_application(room: Room) -> None:
    # OPC 10000-6, 6.2.2: the applicationUri stands in the certificate's subjectAltName.
    for found in await endpoints_of(room.url):
        certificate = x509.load_der_x509_certificate(found.ServerCertificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [found.Server.ApplicationUri]


async def test_token_policies_are_told_apart_and_encrypt_passwords(room: Room) -> None:
    # 7.42: policyId is unique within an endpoint; a password is encrypted on the open endpoint too.
    for found in await endpoints_of(room.url):
        identities = [policy.PolicyId for policy in found.UserIdentityTokens]
        assert len(set(identities)) == len(identities)
        (user,) = [p for p in found.UserIdentityTokens if p.TokenType == ua.UserTokenType.UserName]
        assert (user.SecurityPolicyUri or found.SecurityPolicyUri) in SUITES


async def test_a_session_is_told_the_same_endpoints(room: Room, session: RawSession) -> None:
    # 5.7.2.2: serverEndpoints equal GetEndpoints, so that a client finds out whether somebody stood between.
    def key(found: ua.EndpointDescription) -> tuple[object, ...]:
        return found.EndpointUrl, found.SecurityPolicyUri, found.SecurityMode, found.SecurityLevel

    assert [key(e) for e in session.created.ServerEndpoints] == [key(e) for e in await endpoints_of(room.url)]
