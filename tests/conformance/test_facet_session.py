"""Session service set and identity tokens (OPC 10000-4, 5.7, 7.41 and 7.42)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)

from tests.kit.asking import A, I, Subscriber, ask, fault, get, invoke, name_of, names, read, value
from tests.kit.facets import Room
from tests.kit.opcua import CLIENT_URI
from tests.kit.raw import RawSession, ServiceFaultError, read_request

pytestmark = pytest.mark.asyncio(loop_scope="module")
STATE = ua.NodeId(I.Server_ServerStatus_State)
REFUSED_USER = {"BadIdentityTokenRejected", "BadUserAccessDenied"}
Mode = ua.MessageSecurityMode


async def _fault(request: Any) -> str:
    with pytest.raises(ServiceFaultError) as caught:
        await request
    return name_of(caught.value.code)


async def test_tokens_are_secret_and_nonces_new_each_time(room: Room) -> None:
    # 5.7.2.2: the authenticationToken is not the sessionId; serverNonce has at least 32 bytes and is never used twice.
    seen: set[bytes] = set()
    async with await room.channel() as channel:
        for _ in range(3):
            session = await room.session(channel, activate=False)
            assert session.token != session.session_id
            assert len(session.created.ServerNonce) >= 32
            activated = await session.activate()
            assert len(activated.ServerNonce) >= 32
            seen |= {session.created.ServerNonce, activated.ServerNonce}
            tokens = {str(session.token), str(session.session_id)}
            assert len(tokens) == 2
            await session.close()
    assert len(seen) == 6


@pytest.mark.parametrize("asked", [0.0, 1.0, 1e12, -5.0])
async def test_the_time_out_is_revised_into_our_bounds(room: Room, asked: float) -> None:
    # 5.7.2.2: revisedSessionTimeout, whatever is asked.
    async with await room.channel() as channel:
        session = await room.session(channel, timeout_ms=asked)
        assert 10_000 <= session.timeout_ms <= 3_600_000
        await session.close()


async def test_a_short_client_nonce_is_refused_on_a_secured_channel(room: Room) -> None:
    # 5.7.2.2: clientNonce of at least 32 bytes, BadNonceInvalid.
    async with await room.secure() as channel:
        assert await _fault(room.session(channel, client_nonce=bytes(31))) == "BadNonceInvalid"
        session = await room.session(channel, client_nonce=bytes(range(32)))
        await session.close()


async def test_another_applications_name_is_refused(room: Room) -> None:
    # 5.7.2.2: the applicationUri of the description is that of the client's certificate.
    async with await room.secure() as channel:
        assert await _fault(room.session(channel, client_uri="urn:somebody:else")) == "BadCertificateUriInvalid"
        session = await room.session(channel, client_uri=CLIENT_URI)
        await session.close()


async def test_services_before_activation_are_refused(room: Room) -> None:
    # 5.7.3.1: BadSessionNotActivated.
    async with await room.channel() as channel:
        session = await room.session(channel, activate=False)
        assert await _fault(session.call(read_request(STATE))) == "BadSessionNotActivated"
        await session.activate()
        assert await value(session, STATE) == 0
        await session.close()


async def test_unknown_closed_and_missing_tokens_are_no_session(room: Room) -> None:
    # 5.7.4 and 7.32: BadSessionIdInvalid; also for CloseSession itself.
    async with await room.channel() as channel:
        session = await room.session(channel)
        await session.close()
        for token in (session.token, ua.NodeId(bytes(32), 0), ua.NodeId(), session.session_id):
            session.token = token
            for service in ("Browse", "CloseSession"):
                assert await fault(session, service) == "BadSessionIdInvalid"


async def test_a_session_stays_on_its_channel(room: Room, session: RawSession) -> None:
    # 5.7.3.1: another channel that knows the token gets BadSecureChannelIdInvalid, and disturbs nothing.
    async with await room.channel() as other:
        request = read_request(STATE)
        request.RequestHeader.AuthenticationToken = session.token
        assert await _fault(other.call(request)) == "BadSecureChannelIdInvalid"
    assert await value(session, STATE) == 0


async def test_a_session_moves_to_a_new_channel_of_its_client(room: Room) -> None:
    # 5.7.3.1: ActivateSession on a new channel with the same certificate and user; it survives the lost connection.
    first = await room.secure()
    session = await room.session(first, "olga")
    subscriber = await Subscriber.create(session, keep_alive=1_000)
    first.connection.abort()
    await first.connection.close()
    async with await room.secure() as second:
        await session.activate(channel=second, user="olga", password="turn")
        assert await value(session, STATE) == 0
        await subscriber.close()
        await session.close()


async def test_nobody_else_moves_a_session(room: Room) -> None:
    # 5.7.3.1: another user on the new channel is refused, and the session goes on where it was.
    async with await room.secure() as first, await room.secure() as second:
        session = await room.session(first, "olga")
        request = session.activation(channel=second, user="vera", password="see")
        assert await _fault(second.call(request)) in REFUSED_USER | {
            "BadSecurityChecksFailed",
            "BadIdentityChangeNotSupported",
        }
        assert await value(session, STATE) == 0
        await session.close()


async def test_an_open_channel_does_not_take_a_secured_session(room: Room) -> None:
    # 5.7.3.1: the new channel has the same certificate; an open one has none.
    async with await room.secure() as first, await room.channel() as second:
        session = await room.session(first, "olga")
        request = session.activation(channel=second)
        request.Parameters.UserIdentityToken = session.activation(
            user="olga", password="turn"
        ).Parameters.UserIdentityToken
        assert (await _fault(second.call(request))).startswith("Bad")
        assert await value(session, STATE) == 0
        await session.close()


async def test_activating_again_changes_user_and_rights(room: Room) -> None:
    # 5.7.3.1: the session is the same, its user another; a failed change leaves everything as it was.
    trip = room.rig.node("pump-1/MethodSet/Trip")
    async with await room.secure() as channel:
        session = await room.session(channel, "vera")
        assert (await read(session, trip, A.UserExecutable)).Value.Value is False
        await session.activate(user="olga", password="turn")
        assert (await read(session, trip, A.UserExecutable)).Value.Value is True
        assert await _fault(session.activate(user="vera", password="wrong")) in REFUSED_USER
        assert (await read(session, trip, A.UserExecutable)).Value.Value is True
        await session.close()


async def test_locales_choose_the_language_and_change_with_each_activation(room: Room) -> None:
    # 5.7.3.2 and OPC 10000-3, 8.5: the best language of localeIds.
    state = room.rig.node("pump-1/ParameterSet/state")
    async with await room.channel() as channel:
        session = await room.session(channel)
        assert (await read(session, state, A.DisplayName)).Value.Value.Text == "State"
        await session.activate(locales=("xx", "ru-RU"))
        shown = (await read(session, state, A.DisplayName)).Value.Value
        assert (shown.Text, shown.Locale) == ("Состояние", "ru")
        await session.activate(locales=("en",))
        assert (await read(session, state, A.DisplayName)).Value.Value.Text == "State"
        await session.close()


@pytest.mark.parametrize(
    "policy", [SecurityPolicyBasic256Sha256, SecurityPolicyAes128Sha256RsaOaep, SecurityPolicyAes256Sha256RsaPss]
)
@pytest.mark.parametrize("mode", [Mode.Sign, Mode.SignAndEncrypt])
async def test_every_policy_and_mode_carries_a_signed_in_session(room: Room, policy: Any, mode: Any) -> None:
    # OPC 10000-7, SecurityPolicy facets; the kit checks the server's signature over certificate and nonce.
    async with await room.channel(policy, mode) as channel:
        session = await room.session(channel, "olga")
        assert await value(session, STATE) == 0
        await session.close()


async def test_a_wrong_client_signature_is_refused(room: Room) -> None:
    # 5.7.3.2: BadApplicationSignatureInvalid; the right one still works afterwards.
    async with await room.secure() as channel:
        session = await room.session(channel, activate=False)
        request = session.activation(user="olga", password="turn")
        signature = bytearray(request.Parameters.ClientSignature.Signature)
        signature[0] ^= 1
        request.Parameters.ClientSignature.Signature = bytes(signature)
        assert await _fault(channel.call(request)) == "BadApplicationSignatureInvalid"
        assert await _fault(session.call(read_request(STATE))) == "BadSessionNotActivated"


async def test_wrong_and_unknown_users_look_alike(room: Room) -> None:
    # 5.7.3.3: nobody learns from the answer which names exist.
    async with await room.secure() as channel:
        session = await room.session(channel, activate=False)
        answers = {
            await _fault(session.activate(user=user, password=word)) for user, word in (("olga", "x"), ("nobody", "x"))
        }
        assert len(answers) == 1 and answers <= REFUSED_USER
        await session.activate(user="olga", password="turn")
        await session.close()


async def test_a_secret_in_clear_or_of_another_session_is_refused(room: Room) -> None:
    # 7.41.2: a password is encrypted with the last serverNonce in it, on the open endpoint as well.
    async with await room.channel() as channel:
        session = await room.session(channel, activate=False)
        clear = session.activation(user="olga", password="turn")
        clear.Parameters.UserIdentityToken.Password = b"turn"
        clear.Parameters.UserIdentityToken.EncryptionAlgorithm = None
        replayed = session.activation(user="olga", password="turn")
        name, uri = session.policy(ua.UserTokenType.UserName)
        secret, algorithm = session.secret(b"turn", uri, bytes(32))
        replayed.Parameters.UserIdentityToken = ua.UserNameIdentityToken(name, "olga", secret, algorithm)
        unknown = session.activation(user="olga", password="turn")
        unknown.Parameters.UserIdentityToken.PolicyId = "nothing"
        for request in (clear, replayed, unknown):
            assert await _fault(channel.call(request)) in {"BadIdentityTokenInvalid", "BadIdentityTokenRejected"}
        await session.activate(user="olga", password="turn")
        await session.close()


async def test_a_null_identity_token_is_anonymous(room: Room) -> None:
    # 5.7.3.2.
    async with await room.channel() as channel:
        session = await room.session(channel, activate=False)
        request = session.activation()
        request.Parameters.UserIdentityToken = None
        await channel.call(request)
        assert await value(session, STATE) == 0
        await session.close()


async def test_closing_keeps_or_deletes_subscriptions(room: Room) -> None:
    # 5.7.4.2: deleteSubscriptions FALSE leaves them to be transferred by the same user.
    async with await room.secure() as channel:
        for delete, expected in ((False, "Good"), (True, "BadSubscriptionIdInvalid")):
            session = await room.session(channel, "olga")
            subscriber = await Subscriber.create(session, keep_alive=1_000)
            await session.close(delete_subscriptions=delete)
            heir = await room.session(channel, "olga")
            answer = await get(heir, "TransferSubscriptions", SubscriptionIds=[subscriber.id], SendInitialValues=False)
            assert names(result.StatusCode for result in answer.Results) == [expected]
            await heir.close()


async def test_cancel_answers_the_waiting_request_and_counts_it(session: RawSession) -> None:
    # 5.7.5: the cancelled request answers BadRequestCancelledByClient; others of other handles go on.
    subscriber = await Subscriber.create(session, interval=60_000.0)
    first, second = ask("Publish"), ask("Publish")
    first.RequestHeader.RequestHandle, second.RequestHeader.RequestHandle = 501, 502
    waiting = [await session.post(request) for request in (first, second)]
    assert (await get(session, "Cancel", RequestHandle=501)).CancelCount == 1
    assert await _fault(session.answer(waiting[0])) == "BadRequestCancelledByClient"
    assert (await get(session, "Cancel", RequestHandle=9_999)).CancelCount == 0
    await subscriber.close()
    assert await _fault(session.answer(waiting[1])) == "BadNoSubscription"


async def test_fifty_sessions_live_at_once_and_free_their_places(room: Room) -> None:
    # OPC 10000-7, Standard UA Server: at least 50 sessions.
    async with await room.channel() as channel:
        for _ in range(2):
            sessions = [await room.session(channel) for _ in range(50)]
            assert await value(sessions[0], STATE) == 0
            assert await value(sessions[-1], STATE) == 0
            assert len({str(session.token) for session in sessions}) == 50
            for session in sessions:
                await session.close()


async def test_get_monitored_items_tells_nothing_of_strangers(room: Room, session: RawSession) -> None:
    # OPC 10000-5, 9.1: BadUserAccessDenied for a subscription of another session.
    subscriber = await Subscriber.create(session, keep_alive=1_000)
    number = ua.Variant(subscriber.id, ua.VariantType.UInt32)
    target = ua.NodeId(I.Server), ua.NodeId(I.Server_GetMonitoredItems)
    assert name_of((await invoke(session, *target, number)).StatusCode) == "Good"
    async with await room.channel() as channel:
        other = await room.session(channel)
        assert name_of((await invoke(other, *target, number)).StatusCode) == "BadUserAccessDenied"
        await other.close()
