"""CreateSession, ActivateSession, CloseSession and Cancel by OPC 10000-4, 5.7, without sockets."""

from __future__ import annotations

import asyncio
import math
import threading
from dataclasses import replace
from typing import Any

import pytest
from asyncua import ua

from server.opcua.nodes.keys import key_of, wire_of
from server.opcua.roles import ROLE_NAMES
from server.opcua.services.session_table import SessionLimits
from server.opcua.transport.security import MODE_SIGN, POLICIES
from tests.kit.sessions import (
    AES256,
    BASIC,
    MODE_ENCRYPT,
    SERVER_URI,
    Client,
    KeyChannel,
    RefusedError,
    SessionRig,
    pair,
)


@pytest.fixture
def rig() -> SessionRig:
    return SessionRig()


def ping() -> ua.RegisterNodesRequest:
    return ua.RegisterNodesRequest()


# -- CreateSession (5.7.2)


@pytest.mark.parametrize("policy", list(POLICIES))
async def test_the_server_proves_its_key(rig: SessionRig, policy: str) -> None:
    # serverSignature signs clientCertificate + clientNonce.
    client = rig.client(rig.channel(policy))
    result = await client.create()
    own = pair("server", SERVER_URI)
    signed = client.channel.peer_certificate + bytes(range(32))
    assert result.ServerSignature.Algorithm == POLICIES[policy].signature_uri
    POLICIES[policy].verify(own.certificate, signed, result.ServerSignature.Signature)
    assert result.ServerCertificate == own.der


async def test_token_and_nonces_are_random_and_the_token_is_not_the_session_id(rig: SessionRig) -> None:
    # 7.41: the AuthenticationToken is a secret; 5.7.2: nonces have at least 32 bytes and are never used again.
    first, second = rig.client(), rig.client()
    results = [await first.create(), await second.create()]
    tokens = {result.AuthenticationToken.Identifier for result in results}
    assert len(tokens) == 2 and all(len(token) == 32 for token in tokens)
    assert all(result.SessionId != result.AuthenticationToken for result in results)
    nonces = {result.ServerNonce for result in results}
    await first.activate()
    nonces.add(first.nonce)
    await first.activate()
    nonces.add(first.nonce)
    assert len(nonces) == 4 and all(len(nonce) == 32 for nonce in nonces)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (0, 10_000),
        (1, 10_000),
        (-5, 10_000),
        (math.nan, 10_000),
        (20_000, 20_000),
        (1e300, 3_600_000),
        (math.inf, 3_600_000),
    ],
)
async def test_the_time_out_is_within_our_bounds(rig: SessionRig, asked: float, given: float) -> None:
    assert (await rig.client().create(RequestedSessionTimeout=asked)).RevisedSessionTimeout == given


async def test_server_endpoints_equal_get_endpoints(rig: SessionRig) -> None:
    url = "opc.tcp://localhost:4840/fieldloom"
    created = await rig.client().create(EndpointUrl=url)
    request = ua.GetEndpointsRequest()
    request.Parameters.EndpointUrl = url
    assert created.ServerEndpoints == (await rig.ask(rig.channel(), request)).Endpoints
    assert created.ServerEndpoints[0].EndpointUrl.startswith("opc.tcp://localhost:")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"ClientNonce": bytes(31)}, "BadNonceInvalid"),
        ({"ClientNonce": None}, "BadNonceInvalid"),
        ({"ClientCertificate": None}, "BadCertificateInvalid"),
        ({"ClientCertificate": b"0" * 800}, "BadCertificateInvalid"),
        ({"ClientDescription": ua.ApplicationDescription(ApplicationUri="urn:x")}, "BadCertificateUriInvalid"),
        ({"ClientDescription": ua.ApplicationDescription()}, "BadCertificateUriInvalid"),
    ],
)
async def test_what_does_not_fit_the_channel_is_refused(rig: SessionRig, changes: dict[str, Any], name: str) -> None:
    with pytest.raises(RefusedError, match=name):
        await rig.client().create(**changes)
    assert (len(rig.table), rig.table.rejected, rig.table.security_rejected) == (0, 1, 1)


async def test_a_chain_that_starts_with_the_channels_certificate_is_fine(rig: SessionRig) -> None:
    channel = rig.channel()
    await rig.client(channel).create(ClientCertificate=channel.peer_certificate + pair("issuer").der)


async def test_an_open_channel_makes_a_session_only_where_it_is_offered() -> None:
    await SessionRig().active(channel=SessionRig().open_channel())
    rig = SessionRig(allow_none=False)
    with pytest.raises(RefusedError, match="BadSecurityPolicyRejected"):
        await rig.client(rig.open_channel()).create()


async def test_a_full_table_gives_up_the_oldest_session_nobody_activated() -> None:
    # 5.7.2: sessions that were never activated go first; activated ones never.
    rig = SessionRig(limits=SessionLimits(sessions=3))
    kept = await rig.active()
    oldest, younger = rig.client(), rig.client()
    await oldest.create()
    await younger.create()
    await rig.active()
    with pytest.raises(RefusedError, match="BadSessionIdInvalid"):
        await oldest.activate()
    await younger.activate()
    with pytest.raises(RefusedError, match="BadTooManySessions"):
        await rig.client().create()
    await kept.request(ping())
    assert len(rig.table) == 3


async def test_one_address_that_floods_loses_its_own_sessions_first() -> None:
    rig = SessionRig(limits=SessionLimits(sessions=4))
    honest = rig.client(rig.channel(address="10.0.0.1"))
    await honest.create()
    for _ in range(20):
        await rig.client(rig.channel(address="10.0.0.9")).create()
    await honest.activate()


async def test_what_a_client_says_of_itself_is_cut_before_it_is_kept(rig: SessionRig) -> None:
    await rig.client(rig.open_channel()).create(
        SessionName="n" * 100_000,
        EndpointUrl="u" * 100_000,
        ClientDescription=ua.ApplicationDescription(ApplicationUri="a" * 100_000, DiscoveryUrls=["u" * 9_999] * 99),
    )
    (session,) = rig.table
    assert len(session.name) <= 256 and len(session.endpoint_url) <= 4096
    assert len(session.client.ApplicationUri) <= 256 and len(session.client.DiscoveryUrls) <= 10


# -- ActivateSession (5.7.3)


async def test_nothing_works_before_activation(rig: SessionRig) -> None:
    client = rig.client()
    await client.create()
    with pytest.raises(RefusedError, match="BadSessionNotActivated"):
        await client.request(ping())
    assert not client.channel.activated
    await client.activate()
    await client.request(ping())
    assert client.channel.activated


@pytest.mark.parametrize("token", [ua.NodeId(), ua.NodeId(1001), ua.NodeId(bytes(32), 0)])
async def test_a_guessed_token_is_no_session(rig: SessionRig, token: ua.NodeId) -> None:
    client = await rig.active()
    client.token = token
    for request in (ping(), ua.CloseSessionRequest(), client.activation()):
        with pytest.raises(RefusedError, match="BadSessionIdInvalid"):
            await client.request(request)


async def test_the_application_proves_its_key_over_our_last_nonce(rig: SessionRig) -> None:
    client = rig.client()
    await client.create()
    own, stale = client.channel.own_certificate, client.nonce
    good = client.channel.signature(own + client.nonce)
    flaws = [
        ua.SignatureData(),
        ua.SignatureData(good.Algorithm, None),
        ua.SignatureData(good.Algorithm, bytes(256)),
        ua.SignatureData("urn:other", good.Signature),
        client.channel.signature(own + bytes(32)),
        client.channel.signature(client.nonce),
        rig.channel(client=pair("stranger")).signature(own + client.nonce),
    ]
    for flaw in flaws:
        with pytest.raises(RefusedError, match="BadApplicationSignatureInvalid"):
            await client.activate(ClientSignature=flaw)
    await client.activate(ClientSignature=good)
    with pytest.raises(RefusedError, match="BadApplicationSignatureInvalid"):
        await client.activate(ClientSignature=client.channel.signature(own + stale))


async def test_a_failed_activation_leaves_the_session_as_it_was(rig: SessionRig) -> None:
    client = await rig.signed_in("olga")
    (session,) = rig.table
    before = (session.caller, session.audience, session.nonce, session.locales, session.channel)
    with pytest.raises(RefusedError, match="BadIdentityTokenRejected"):
        await client.activate(client.password("adam", "wrong"), LocaleIds=["ru"])
    assert (session.caller, session.audience, session.nonce, session.locales, session.channel) == before
    await client.request(ping())
    await client.activate(client.password("adam", "rule"), LocaleIds=["ru"])
    assert (session.caller.user, session.caller.role, session.locales) == ("adam", "admin", ("ru",))
    assert session.audience.administers and session.identity_history == ["olga", "adam"]


async def test_rights_follow_the_user_and_the_channel(rig: SessionRig) -> None:
    heard: list[str] = []
    rig.table.on_identity.append(lambda session: heard.append(session.caller.user))
    client = await rig.active(channel=rig.channel(BASIC, MODE_SIGN))
    (session,) = rig.table
    assert session.audience.mode == MODE_SIGN and not session.audience.administers
    assert (session.caller.door, session.caller.address) == ("opcua", "127.0.0.1")
    assert session.caller.session == str(client.session_id.Identifier)
    await client.activate(client.password("adam", "rule"))
    await client.activate(client.password("adam", "rule"))
    assert session.audience.administers and session.audience.mode == MODE_SIGN
    assert heard == ["adam"]  # a change of user only


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        (["ru", "en"], ("ru",)),
        (["en", "ru"], ()),
        (["ru-RU", "de", "en-US", "fr"], ("ru-RU", "de")),
        (["x"] * 1000, ("x",) * 8),
        ([None, "ru"], ("ru",)),
    ],
)
async def test_locales_are_kept_in_order_up_to_english(
    rig: SessionRig, asked: list[str | None], used: tuple[str, ...]
) -> None:
    client = await rig.active()
    await client.activate(LocaleIds=asked)
    (session,) = rig.table
    assert session.locales == used
    await client.activate(LocaleIds=[])  # without a list they stay
    assert session.locales == used


# -- moves (5.7.3: the session is bound to one channel, and survives its loss)


async def test_a_session_answers_on_its_own_channel_only(rig: SessionRig) -> None:
    client = await rig.active()
    other = rig.channel()
    for request in (ping(), ua.CloseSessionRequest()):
        with pytest.raises(RefusedError, match="BadSecureChannelIdInvalid"):
            await client.request(request, channel=other)


async def test_a_session_moves_to_a_new_channel_of_the_same_application_and_user(rig: SessionRig) -> None:
    moved: list[Any] = []
    rig.table.on_moved.append(moved.append)
    client = await rig.signed_in("olga")
    old, new = client.channel, rig.channel()
    await client.activate(client.password("olga", "turn"), channel=new)
    assert len(moved) == 1 and (old.activated, new.activated) == (False, True)
    await client.request(ping())
    with pytest.raises(RefusedError, match="BadSecureChannelIdInvalid"):
        await client.request(ping(), channel=old)
    rig.dispatcher.channel_closed(old)
    await client.request(ping())


async def test_a_session_survives_a_lost_channel_until_its_time_out(rig: SessionRig) -> None:
    client = await rig.active()
    rig.dispatcher.channel_closed(client.channel)
    (session,) = rig.table
    assert session.channel is None and session.activated
    rig.advance(59)
    await client.activate(channel=rig.channel())
    await client.request(ping())
    rig.dispatcher.channel_closed(client.channel)
    rig.advance(61)
    assert len(rig.table) == 0 and rig.table.timed_out == 1


@pytest.mark.parametrize("stranger", ["certificate", "policy", "mode", "user"])
async def test_a_session_does_not_move_to_strangers(rig: SessionRig, stranger: str) -> None:
    client = await rig.signed_in("olga")
    home = client.channel
    channel, user = rig.channel(), "olga"
    if stranger == "certificate":
        channel = rig.channel(client=pair("stranger"))
    elif stranger == "policy":
        channel = rig.channel(AES256)
    elif stranger == "mode":
        channel = rig.channel(BASIC, MODE_SIGN)
    else:
        user = "adam"
    client.channel = channel
    token = client.password(user, {"olga": "turn", "adam": "rule"}[user])
    client.channel = home
    with pytest.raises(RefusedError, match="BadSecurityChecksFailed"):
        await client.activate(token, channel=channel)
    await client.request(ping())
    (session,) = rig.table
    assert session.channel is home and not channel.activated and session.caller.user == "olga"


async def test_the_first_activation_comes_by_the_channel_of_create_session(rig: SessionRig) -> None:
    client = rig.client()
    await client.create()
    with pytest.raises(RefusedError, match="BadSecureChannelIdInvalid"):
        await client.activate(channel=rig.channel())
    await client.activate()


async def test_a_session_never_activated_ends_with_its_channel(rig: SessionRig) -> None:
    client = rig.client()
    await client.create()
    rig.dispatcher.channel_closed(client.channel)
    assert len(rig.table) == 0


# -- while a password is verified


class SlowVerify:
    """A verification that a test lets go on."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, _user: str, _password: str) -> str:
        assert self.go.wait(20)
        return "operator"


async def begin(rig: SessionRig) -> tuple[Client, int, Any]:
    client = rig.client()
    await client.create()
    request = client.activation(client.password("olga", "turn"))
    return client, rig.send(client.channel, request), request


async def test_a_second_activation_waits_its_turn_outside() -> None:
    verify = SlowVerify()
    rig = SessionRig(verify=verify)
    client, number, request = await begin(rig)
    await asyncio.sleep(0)
    with pytest.raises(RefusedError, match="BadInvalidState"):
        await client.activate()
    verify.go.set()
    await rig.answer(client.channel, number, request)
    (session,) = rig.table
    assert session.caller.user == "olga"


@pytest.mark.parametrize("end", ["closed", "lost", "timed out"])
async def test_a_session_that_ended_meanwhile_is_not_activated(end: str) -> None:
    verify = SlowVerify()
    rig = SessionRig(verify=verify)
    client, number, request = await begin(rig)
    await asyncio.sleep(0)
    if end == "closed":
        await client.close()
    elif end == "lost":
        rig.dispatcher.channel_closed(client.channel)
    else:
        rig.advance(31)
    verify.go.set()
    with pytest.raises(RefusedError, match=r"BadSession(IdInvalid|Closed)"):
        await rig.answer(client.channel, number, request)
    assert len(rig.table) == 0
    await rig.dispatcher.stop()


async def test_a_session_does_not_move_to_a_channel_that_is_gone() -> None:
    verify = SlowVerify()
    verify.go.set()
    rig = SessionRig(verify=verify)
    client = await rig.signed_in("olga")
    home, new = client.channel, rig.channel()
    verify.go.clear()
    number = rig.send(new, request := client.activation(client.password("olga", "turn")))
    await asyncio.sleep(0)
    new.opened = False
    rig.dispatcher.channel_closed(new)
    verify.go.set()
    with pytest.raises(RefusedError, match="BadSecureChannelClosed"):
        await rig.answer(new, number, request)
    (session,) = rig.table
    assert session.channel is home


# -- time-outs and CloseSession (5.7.4)


async def test_requests_keep_a_session_alive_and_silence_ends_it(rig: SessionRig) -> None:
    ended: list[tuple[bool, str]] = []
    client = await rig.active()
    (session,) = rig.table
    session.on_close.append(lambda _session, delete: ended.append((delete, "")))
    for _ in range(5):
        rig.advance(50)
        await client.request(ping())
    rig.advance(61)
    with pytest.raises(RefusedError, match="BadSessionIdInvalid"):
        await client.request(ping())
    # Subscriptions of a session that timed out can still be transferred (5.14.7).
    assert ended == [(False, "")] and not client.channel.activated


async def test_a_session_nobody_activates_ends_soon(rig: SessionRig) -> None:
    client = rig.client()
    await client.create()
    rig.advance(29)
    assert len(rig.table) == 1
    rig.advance(2)
    assert len(rig.table) == 0


@pytest.mark.parametrize("delete", [True, False])
async def test_close_session_says_whether_subscriptions_go(rig: SessionRig, delete: bool) -> None:
    told: list[bool] = []
    client = await rig.active()
    (session,) = rig.table
    session.on_close.append(lambda _session, flag: told.append(flag))
    await client.close(delete)
    assert told == [delete] and len(rig.table) == 0
    with pytest.raises(RefusedError, match="BadSessionIdInvalid"):
        await client.close(delete)


async def test_a_session_can_be_closed_before_its_activation(rig: SessionRig) -> None:
    client = rig.client()
    await client.create()
    await client.close()
    assert len(rig.table) == 0


async def test_several_sessions_share_a_channel(rig: SessionRig) -> None:
    channel: KeyChannel = rig.channel()
    first, second = await rig.active(channel=channel), await rig.active(channel=channel)
    await first.close()
    assert channel.activated
    await second.request(ping())
    await second.close()
    assert not channel.activated


# -- maxResponseMessageSize (5.7.2)


async def test_the_sessions_largest_response_is_obeyed(rig: SessionRig) -> None:
    client = rig.client()
    await client.create(MaxResponseMessageSize=300)
    await client.activate()
    await client.request(ping())
    rig.dispatcher.register(
        "UnregisterNodes", lambda _request, _params: ua.RegisterNodesResponse(Parameters=many()), needs="active"
    )
    with pytest.raises(RefusedError, match="BadResponseTooLarge"):
        await client.request(ua.UnregisterNodesRequest())
    await client.request(ping())


def many() -> ua.RegisterNodesResult:
    return ua.RegisterNodesResult([ua.NodeId(number, 1) for number in range(200)])


# -- Cancel (5.7.5)


class Endless:
    """A service that never answers by itself."""

    def __init__(self, rig: SessionRig) -> None:
        self.ended = 0
        rig.dispatcher.register("UnregisterNodes", self.handle)

    def handle(self, _request: Any, _params: Any) -> Any:
        return self._wait()

    async def _wait(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended += 1


async def test_cancel_answers_what_waits_under_a_handle_and_counts_it(rig: SessionRig) -> None:
    service = Endless(rig)
    client, other = await rig.active(), await rig.active()
    waiting = []
    for who, handle in ((client, 5), (client, 5), (client, 6), (other, 5)):
        request = ua.UnregisterNodesRequest()
        request.RequestHeader.AuthenticationToken = who.token
        waiting.append((who.channel, rig.send(who.channel, request, handle=handle), request))
    await asyncio.sleep(0)
    cancel = ua.CancelRequest()
    cancel.Parameters.RequestHandle = 5
    assert (await client.request(cancel)).Parameters.CancelCount == 2
    for channel, number, request in waiting[:2]:
        with pytest.raises(RefusedError, match="BadRequestCancelledByClient"):
            await rig.answer(channel, number, request)
    await asyncio.sleep(0)
    assert service.ended == 2 and waiting[2][1] not in client.channel.sent and waiting[3][1] not in other.channel.sent
    cancel.Parameters.RequestHandle = 99
    assert (await client.request(cancel)).Parameters.CancelCount == 0
    await client.close()
    with pytest.raises(RefusedError, match="BadSessionClosed"):
        await rig.answer(*waiting[2])
    await rig.dispatcher.stop()


async def test_the_token_stands_for_its_session_in_every_request(rig: SessionRig) -> None:
    client = await rig.active()
    assert rig.table.find(wire_of(key_of(client.token))) is not None
    assert rig.table.find(b"") is None
    assert client.channel.mode == MODE_ENCRYPT


# -- accounts that change while their users are signed in


async def test_another_role_of_an_account_holds_in_open_sessions_at_once(rig: SessionRig) -> None:
    client, stranger = await rig.active(), await rig.active()
    session, other = (rig.table.find(wire_of(key_of(each.token))) for each in (client, stranger))
    assert session is not None and other is not None
    session.token_kind = "UserName"
    session.caller = replace(session.caller, user="olga", role="operator")
    told: list[object] = []
    rig.table.on_identity.append(told.append)
    assert rig.table.accounts() == {"olga"}
    rig.table.judge_accounts({"olga": "viewer"})
    assert session.caller.role == "viewer"
    assert session.audience is rig.rights.audience(ROLE_NAMES["viewer"], session.mode)
    assert told == [session]  # subscriptions judge their items again
    rig.table.judge_accounts({"olga": "viewer"})
    assert told == [session] and other.caller.user != "olga"


async def test_a_locked_account_ends_its_sessions_when_it_stays_away(rig: SessionRig) -> None:
    client = await rig.active()
    session = rig.table.find(wire_of(key_of(client.token)))
    assert session is not None
    session.token_kind = "UserName"
    session.caller = replace(session.caller, user="olga", role="operator")
    rig.table.judge_accounts({"olga": None})
    rig.table.judge_accounts({"olga": "operator"})  # it was new, the list was old
    for _ in range(2):
        rig.table.judge_accounts({"olga": None})
    assert not session.closed  # control
    rig.table.judge_accounts({"olga": None})
    assert session.closed
    with pytest.raises(RefusedError, match="BadSessionIdInvalid"):
        await client.request(ping())
