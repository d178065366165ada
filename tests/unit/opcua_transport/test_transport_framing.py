"""Framing without sockets: what is refused by its bytes alone, and how chunks become messages (OPC 10000-6)."""

from __future__ import annotations

import struct

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from server.opcua.transport import framing
from server.opcua.transport.framing import Assembler, ByteBudget, TransportError
from server.opcua.transport.limits import TransportLimits
from server.opcua.transport.opening import build_response, parse_request
from tests.kit.transport import hello, open_request

S = ua.StatusCodes


def refused(call: object, *args: object) -> int:
    with pytest.raises(TransportError) as caught:
        call(*args)
    return caught.value.code


# -- headers (7.1.2.2)


@pytest.mark.parametrize(
    ("kind", "size", "code"),
    [
        (b"GET ", 100, S.BadTcpMessageTypeInvalid),
        (b"ACKF", 100, S.BadTcpMessageTypeInvalid),  # what only servers say
        (b"MSGX", 100, S.BadTcpMessageTypeInvalid),
        (b"HELC", 100, S.BadTcpMessageTypeInvalid),
        (b"OPNC", 100, S.BadTcpMessageTypeInvalid),  # an OPN is one chunk (6.7.2)
        (b"CLOC", 100, S.BadTcpMessageTypeInvalid),
        (b"MSGF", 0, S.BadTcpMessageTypeInvalid),
        (b"MSGF", 7, S.BadTcpMessageTypeInvalid),
        (b"MSGF", 23, S.BadTcpMessageTypeInvalid),
        (b"HELF", 27, S.BadTcpMessageTypeInvalid),
        (b"MSGF", 65_536, S.BadTcpMessageTooLarge),
        (b"HELF", 0xFFFFFFFF, S.BadTcpMessageTooLarge),
    ],
)
def test_a_header_that_lies_is_refused_before_more_is_read(kind: bytes, size: int, code: int) -> None:
    assert refused(framing.check_header, int.from_bytes(kind, "little"), size, 65_535) == code


@pytest.mark.parametrize("kind", [b"HELF", b"OPNF", b"MSGF", b"MSGC", b"MSGA", b"CLOF"])
def test_headers_of_clients_pass(kind: bytes) -> None:
    framing.check_header(int.from_bytes(kind, "little"), 65_535, 65_535)


# -- HEL, ACK, ERR (7.1.2.3 to 7.1.2.5)


def test_a_hello_is_read() -> None:
    data = b"before" + hello(b"opc.tcp://h:1/x", receive=8192, send=9000, size=3, chunks=4)
    assert framing.parse_hello(data, 6, len(data)) == (0, 8192, 9000, 3, 4, "opc.tcp://h:1/x")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (hello(b"x" * 4097), S.BadTcpEndpointUrlInvalid),
        (hello(b"\xff\xfe"), S.BadTcpEndpointUrlInvalid),
        (hello(b"short")[:-5] + b"\0", S.BadTcpEndpointUrlInvalid),
        (hello(b"url")[:-7] + struct.pack("<i", 2_000_000_000) + b"url", S.BadTcpEndpointUrlInvalid),
        (hello(b"url") + b"more", S.BadTcpEndpointUrlInvalid),
        (hello(receive=8191), S.BadTcpNotEnoughResources),
        (hello(send=0), S.BadTcpNotEnoughResources),
    ],
)
def test_a_hello_that_does_not_hold_is_refused(data: bytes, code: int) -> None:
    assert refused(framing.parse_hello, data, 0, len(data)) == code


def test_a_hello_may_have_the_longest_url_and_none() -> None:
    longest, null = hello(b"x" * 4096), hello(b"")[:-4] + struct.pack("<i", -1)
    assert len(framing.parse_hello(longest, 0, len(longest)).endpoint_url) == 4096
    assert framing.parse_hello(null, 0, len(null)).endpoint_url == ""


def test_acknowledge_and_error_as_they_go_out() -> None:
    assert framing.build_acknowledge(1, 2, 3, 4) == b"ACKF" + struct.pack("<6I", 28, 0, 1, 2, 3, 4)
    assert framing.build_error(0x80130000, "no") == b"ERRF" + struct.pack("<III", 18, 0x80130000, 2) + b"no"


# -- sequence numbers (6.7.2.4)


@pytest.mark.parametrize(
    ("last", "sequence", "good"),
    [
        (1, 2, True),
        (1, 1, False),
        (1, 3, False),
        (5, 1, False),
        (4_294_966_270, 1, False),
        (4_294_966_271, 1, True),
        (4_294_966_271, 4_294_966_272, True),
        (4_294_966_272, 1023, True),
        (4_294_966_272, 1024, False),
        (4_294_967_295, 0, True),
    ],
)
def test_which_number_follows(last: int, sequence: int, good: bool) -> None:
    assert framing.follows(last, sequence) is good


@settings(deadline=None)
@given(st.integers(0, 0xFFFFFFFF))
def test_our_own_numbers_always_follow(last: int) -> None:
    following = framing.next_sequence(last)
    assert framing.follows(last, following)
    assert 0 < following <= 4_294_966_272


# -- chunks to messages (6.7.3)


def assembler(budget: int = 1_000_000, chunks: int = 5) -> Assembler:
    return Assembler(ByteBudget(budget), chunks)


def test_interleaved_messages_are_put_together_by_request_id() -> None:
    a = assembler()
    a.add(1, b"a", 1.0, 100, trusted=True)
    a.add(2, b"x", 2.0, 100, trusted=True)
    a.add(1, b"b", 3.0, 100, trusted=True)
    assert a.oldest() == 1.0
    assert a.finish(1, b"c", 100) == b"abc"
    assert a.oldest() == 2.0
    assert a.finish(3, b"alone", 100) == b"alone"
    assert a.finish(2, b"y", 100) == b"xy"
    assert a.oldest() is None


def test_size_and_count_are_limited() -> None:
    a = assembler(chunks=3)
    a.add(1, bytes(60), 0.0, 100, trusted=True)
    assert refused(lambda: a.add(2, bytes(41), 0.0, 100, trusted=True)) == S.BadTcpMessageTooLarge
    assert refused(a.finish, 1, bytes(41), 100) == S.BadTcpMessageTooLarge
    a.add(1, b"", 0.0, 100, trusted=True)
    assert refused(lambda: a.add(1, b"", 0.0, 100, trusted=True)) == S.BadTcpMessageTooLarge


def test_the_unknown_may_use_only_half_of_the_common_budget() -> None:
    budget = ByteBudget(1000)
    strangers, known = Assembler(budget, 100), Assembler(budget, 100)
    strangers.add(1, bytes(300), 0.0, 10_000, trusted=False)
    with pytest.raises(TransportError) as caught:
        strangers.add(1, bytes(300), 0.0, 10_000, trusted=False)
    assert caught.value.code == S.BadTcpNotEnoughResources
    known.add(1, bytes(300), 0.0, 10_000, trusted=True)
    strangers.clear()
    known.drop(1)
    assert budget.used == 0


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "finish", "drop"]), st.integers(1, 3), st.binary(max_size=40)), max_size=60
)


@settings(deadline=None)
@given(STEPS)
def test_whatever_comes_the_bytes_add_up(steps: list[tuple[str, int, bytes]]) -> None:
    budget = ByteBudget(2000)
    a = Assembler(budget, 8)
    model: dict[int, list[bytes]] = {}
    for step, request_id, chunk in steps:
        try:
            if step == "add":
                a.add(request_id, chunk, 0.0, 200, trusted=True)
                model.setdefault(request_id, []).append(chunk)
            elif step == "finish":
                assert a.finish(request_id, chunk, 200) == b"".join([*model.pop(request_id, []), chunk])
            else:
                a.drop(request_id)
                model.pop(request_id, None)
        except TransportError:
            break  # the connection ends here
        assert a.held == sum(len(part) for parts in model.values() for part in parts)
        assert budget.used == a.held + framing.CHUNK_COST * sum(map(len, model.values()))
    a.clear()
    assert (budget.used, a.held, a.parts) == (0, 0, {})


# -- OPN


def test_an_open_request_is_read_as_the_codec_writes_it() -> None:
    request = ua.OpenSecureChannelRequest()
    request.RequestHeader.RequestHandle = 77
    request.RequestHeader.AuditEntryId = "entry"
    request.RequestHeader.AuthenticationToken = ua.NodeId("text", 3)
    request.RequestHeader.AdditionalHeader = ua.Argument("a")
    request.Parameters.RequestType = ua.SecurityTokenRequestType.Renew
    request.Parameters.SecurityMode = ua.MessageSecurityMode.SignAndEncrypt
    request.Parameters.ClientNonce = b"nonce"
    request.Parameters.RequestedLifetime = 12
    assert parse_request(ua.ua_binary.struct_to_binary(request)) == (77, 1, 3, b"nonce", 12)


def test_an_open_response_is_what_the_codec_reads() -> None:
    body = build_response(5, 6, 7000, b"n" * 32, 9, 1_767_600_000_000_000)
    response = ua.ua_binary.struct_from_binary(ua.OpenSecureChannelResponse, ua.utils.Buffer(body))
    token = response.Parameters.SecurityToken
    assert (token.ChannelId, token.TokenId, token.RevisedLifetime) == (5, 6, 7000)
    assert (response.Parameters.ServerNonce, response.ResponseHeader.RequestHandle) == (b"n" * 32, 9)
    assert response.ResponseHeader.ServiceResult.is_good()
    assert token.CreatedAt.isoformat().startswith("2026-01-05T08:00:00")
    assert ua.ua_binary.struct_to_binary(response) == body


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_rubbish_behind_the_type_of_an_open_request_is_refused_or_read(rubbish: bytes) -> None:
    try:
        parse_request(b"\1\0" + struct.pack("<H", 446) + rubbish)
    except TransportError as error:
        assert error.code == S.BadDecodingError


@settings(deadline=None)
@given(st.integers(0, 80), st.integers(0, 255))
def test_a_cut_or_changed_open_request_is_refused_or_read(length: int, value: int) -> None:
    body = open_request(nonce=bytes(32))
    for changed in (body[:length], body[:length] + bytes([value]) + body[length + 1 :]):
        try:
            parse_request(changed)
        except TransportError as error:
            assert error.code == S.BadDecodingError


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_as_the_head_of_an_opn_is_refused_or_read(rubbish: bytes) -> None:
    data = b"OPNF" + struct.pack("<I", 12 + len(rubbish)) + bytes(4) + rubbish
    try:
        opening = framing.parse_opening(data, 0, len(data), 100)
    except TransportError as error:
        assert error.code == S.BadSecurityChecksFailed
    else:
        assert opening.start <= len(data)


@pytest.mark.parametrize(
    ("asked", "revised"),
    [(0, 3_600_000), (1, 10_000), (60_000, 60_000), (0xFFFFFFFF, 3_600_000)],
)
def test_a_lifetime_is_never_endless(asked: int, revised: int) -> None:
    assert TransportLimits().revised_lifetime_ms(asked) == revised


@pytest.mark.parametrize("wrong", [{"buffer_bytes": 8191}, {"max_message_bytes": 9000}, {"min_lifetime_ms": 0}])
def test_limits_that_cannot_work_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        TransportLimits(**wrong)
