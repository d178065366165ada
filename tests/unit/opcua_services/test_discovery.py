"""FindServers and GetEndpoints by OPC 10000-4, 5.5, without a session."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from server.opcua.endpoints import TRANSPORT, Endpoints, own_hosts
from server.settings import OpcUaSettings
from tests.kit.sessions import SERVER_URI, RefusedError, SessionRig

URL = "opc.tcp://127.0.0.1:4840/fieldloom"


async def endpoints(rig: SessionRig, url: str | None = None, **changes: Any) -> list[ua.EndpointDescription]:
    request = ua.GetEndpointsRequest()
    request.Parameters.EndpointUrl = url
    for name, value in changes.items():
        setattr(request.Parameters, name, value)
    return list((await rig.ask(rig.open_channel(), request)).Endpoints)


async def servers(rig: SessionRig, **changes: Any) -> list[ua.ApplicationDescription]:
    request = ua.FindServersRequest()
    for name, value in changes.items():
        setattr(request.Parameters, name, value)
    return list((await rig.ask(rig.open_channel(), request)).Servers)


async def test_find_servers_returns_ourselves(rig: SessionRig) -> None:
    (server,) = await servers(rig, LocaleIds=["ru", "xx"])
    assert server.ApplicationUri == SERVER_URI and server.ApplicationName.Text == "Fieldloom"
    assert server.ApplicationType == ua.ApplicationType.Server
    assert server.ProductUri and server.DiscoveryUrls == [URL]


async def test_server_uris_filter(rig: SessionRig) -> None:
    assert await servers(rig, ServerUris=["urn:other"]) == []
    assert len(await servers(rig, ServerUris=["urn:other", SERVER_URI])) == 1


async def test_profile_uris_filter_and_locales_are_taken(rig: SessionRig) -> None:
    assert await endpoints(rig, ProfileUris=["urn:other"]) == []
    assert len(await endpoints(rig, ProfileUris=["urn:other", TRANSPORT], LocaleIds=["xx"])) == 7


async def test_every_policy_is_offered_signed_and_encrypted_and_none_comes_last(rig: SessionRig) -> None:
    found = await endpoints(rig)
    assert len({(one.SecurityPolicyUri, one.SecurityMode) for one in found}) == 7
    levels = {one.SecurityPolicyUri.rsplit("#")[1]: one.SecurityLevel for one in found}
    assert min(levels, key=lambda name: levels[name]) == "None"
    assert len(await endpoints(SessionRig(allow_none=False))) == 6


@pytest.mark.parametrize("everything", [False, True])
async def test_policy_ids_are_unique_and_secrets_are_always_encrypted(everything: bool) -> None:
    # 7.42: a UserTokenPolicy without its own SecurityPolicyUri takes the endpoint's, which is None here.
    rig = SessionRig(certificates=object(), tokens=object()) if everything else SessionRig()
    for endpoint in await endpoints(rig):
        ids = [token.PolicyId for token in endpoint.UserIdentityTokens]
        assert len(ids) == len(set(ids)) == (4 if everything else 2)
        for token in endpoint.UserIdentityTokens:
            assert token.TokenType == ua.UserTokenType.Anonymous or not token.SecurityPolicyUri.endswith("#None")
            assert bool(token.IssuedTokenType) == (token.TokenType == ua.UserTokenType.IssuedToken)


async def test_anonymous_is_offered_only_where_it_is_allowed() -> None:
    for endpoint in await endpoints(SessionRig(allow_anonymous=False)):
        assert ua.UserTokenType.Anonymous not in [token.TokenType for token in endpoint.UserIdentityTokens]


@pytest.mark.parametrize(
    ("settings", "asked", "host"),
    [
        ({}, "opc.tcp://127.0.0.1:4840", "127.0.0.1"),
        ({}, "opc.tcp://LocalHost:1/x", "localhost"),
        ({}, "opc.tcp://[::1]:4840/", "[::1]"),
        ({}, "opc.tcp://evil.example:4840/fieldloom", "127.0.0.1"),
        ({}, "opc.tcp://[broken", "127.0.0.1"),
        ({}, "", "127.0.0.1"),
        ({}, None, "127.0.0.1"),
        ({"advertised_host": "plant.example"}, None, "plant.example"),
        ({"advertised_host": "plant.example"}, "opc.tcp://plant.example:4840", "plant.example"),
        ({"advertised_host": "plant.example"}, "opc.tcp://127.0.0.1:4840", "127.0.0.1"),
        ({"allow_none": False, "host": "10.1.2.3"}, "opc.tcp://localhost:4840", "10.1.2.3"),
    ],
)
async def test_urls_carry_the_host_that_the_client_can_reach(
    settings: dict[str, Any], asked: str | None, host: str
) -> None:
    rig = SessionRig(**settings)
    wanted = f"opc.tcp://{host}:4840/fieldloom"
    for endpoint in await endpoints(rig, asked):
        assert endpoint.EndpointUrl == wanted and endpoint.Server.DiscoveryUrls == [wanted]


def test_the_address_of_all_interfaces_is_never_told() -> None:
    settings = OpcUaSettings(host="0.0.0.0")
    assert "0.0.0.0" not in own_hosts(settings)
    assert "0.0.0.0" not in Endpoints(settings, SERVER_URI, b"").url("opc.tcp://0.0.0.0:4840/fieldloom")


@pytest.mark.parametrize("name", ["FindServersOnNetwork", "RegisterServer", "RegisterServer2"])
async def test_we_are_no_discovery_server(rig: SessionRig, name: str) -> None:
    with pytest.raises(RefusedError, match="BadServiceUnsupported"):
        await rig.ask(rig.open_channel(), getattr(ua, f"{name}Request")())


@pytest.fixture
def rig() -> SessionRig:
    return SessionRig()
