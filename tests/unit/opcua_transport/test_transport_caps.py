"""Caps and time-outs: what a stranger can make us keep, and that others do not notice."""

from __future__ import annotations

import asyncio

import pytest
from asyncua import ua

from server.core.clock import ManualClock
from server.opcua.transport.channel import SecureChannel
from server.opcua.transport.limits import TransportLimits
from tests.kit.transport import RawClient, Remembering, TransportRig, hello, listening, until

S = ua.StatusCodes


async def opened(rig: TransportRig) -> RawClient:
    client = await rig.raw()
    await client.greet()
    await client.open()
    return client


# -- time


@pytest.mark.parametrize("said", [b"", b"HEL", hello()[:-1], hello()])
async def test_a_slow_handshake_ends_with_bad_timeout(said: bytes) -> None:
    clock = ManualClock()
    async with listening(clock=clock) as rig:
        client = await rig.raw()
        client.writer.write(said)
        await until(lambda: rig.listener.connection_count == 1)
        if said == hello():
            assert (await client.read())[0] == b"ACKF"
        clock.advance(9)
        rig.listener.sweep()
        clock.advance(2)
        rig.listener.sweep()
        assert await client.error() == S.BadTimeout
        await client.close()
        await until(lambda: rig.listener.connection_count == 0)


async def test_the_sweep_runs_by_itself() -> None:
    async with listening(TransportLimits(handshake_s=0.05, sweep_s=0.05)) as rig:
        client = await rig.raw()
        assert await client.error() == S.BadTimeout
        await client.close()


async def fed(client: RawClient, rig: TransportRig, content: bytes) -> None:
    """Write and let the server read it."""
    before = [bytes(c._rest) for c in rig.listener._connections]
    client.writer.write(content)
    await until(lambda: [bytes(c._rest) for c in rig.listener._connections] != before)


async def test_a_message_that_never_ends_ends_the_connection() -> None:
    clock = ManualClock()
    async with listening(clock=clock) as rig:
        client = await opened(rig)
        rig.receiver.opened[0][0].activated = True
        client.writer.write(client.chunk(b"first", b"MSGC", 5))
        await until(lambda: rig.listener.budget.used)
        clock.advance(20)
        rig.listener.sweep()
        # Other messages go on meanwhile; they do not make the unfinished one younger.
        assert await client.echo(b"whole") == b"whole"
        clock.advance(11)
        rig.listener.sweep()
        assert await client.error() == S.BadTimeout
        assert rig.listener.budget.used == 0
        await client.close()


async def test_a_chunk_that_drips_ends_the_connection() -> None:
    clock = ManualClock()
    async with listening(clock=clock) as rig:
        client = await opened(rig)
        rig.receiver.opened[0][0].activated = True
        chunk = client.chunk(bytes(100))
        for at in range(4):
            await fed(client, rig, chunk[at * 10 : at * 10 + 10])
            clock.advance(8)
            rig.listener.sweep()
        assert await client.error() == S.BadTimeout
        await client.close()


async def test_a_client_that_pipelines_is_not_taken_for_one_that_drips() -> None:
    clock = ManualClock()
    async with listening(clock=clock) as rig:
        client = await opened(rig)
        rig.receiver.opened[0][0].activated = True
        stream = b"".join(client.chunk(bytes(76)) for _ in range(8))
        await fed(client, rig, stream[:50])
        for at in range(50, 750, 100):  # a piece of a chunk is always left over
            client.writer.write(stream[at : at + 100])
            assert (await client.answer())[1] == bytes(76)
            clock.advance(8)
            rig.listener.sweep()
        assert rig.receiver.closed == []
        await client.close()


async def test_an_idle_channel_without_a_session_is_closed_one_with_a_session_stays() -> None:
    clock = ManualClock()
    async with listening(TransportLimits(idle_channel_s=20), clock) as rig:
        idle, busy, used = await opened(rig), await opened(rig), await opened(rig)
        rig.receiver.opened[1][0].activated = True
        for _ in range(2):
            assert await used.echo(b"x") == b"x"
            rig.listener.sweep()
            clock.advance(11)
        rig.listener.sweep()
        assert await idle.error() == S.BadSecureChannelClosed
        assert await busy.echo(b"here") == b"here"
        assert await used.echo(b"here") == b"here"
        for client in (idle, busy, used):
            await client.close()


async def test_in_a_crowd_sessions_must_be_activated_soon() -> None:
    clock = ManualClock()
    async with listening(TransportLimits(max_connections=5, activation_s=5, idle_channel_s=1000), clock) as rig:
        clients = [await opened(rig) for _ in range(3)]
        clock.advance(6)
        rig.listener.sweep()
        assert rig.receiver.closed == []
        clients.append(await opened(rig))
        rig.receiver.opened[0][0].activated = True
        rig.listener.sweep()
        assert len(rig.receiver.closed) == 2
        for client, expected in zip(clients, ("stays", "ends", "ends", "stays"), strict=True):
            if expected == "ends":
                assert await client.error() == S.BadSecureChannelClosed
            else:
                assert await client.echo(b"here") == b"here"
            await client.close()


# -- counts


async def test_one_address_gets_no_more_than_its_share_of_connections() -> None:
    async with listening(TransportLimits(max_connections_per_address=2)) as rig:
        one, two, three = await opened(rig), await opened(rig), await rig.raw()
        three.writer.write(hello())
        assert await three.error() == S.BadTcpServerTooBusy
        assert rig.listener.refused == 1
        assert await one.echo(b"undisturbed") == b"undisturbed"
        await three.close()
        await two.close()
        await until(lambda: rig.listener.connection_count == 1)
        four = await opened(rig)  # the place is free again
        assert await four.echo(b"welcome") == b"welcome"
        await one.close()
        await four.close()


async def test_one_address_gets_no_more_than_its_share_of_channels() -> None:
    async with listening(TransportLimits(max_channels_per_address=1)) as rig:
        one, two = await opened(rig), await rig.raw()
        await two.greet()
        two.writer.write(two.opening())
        assert await two.error() == S.BadTcpNotEnoughResources
        await one.open(request_type=1)  # a renewal is no further channel
        await one.close()
        await two.close()


async def test_a_full_pool_gives_up_its_oldest_channel_without_a_session() -> None:
    async with listening(TransportLimits(max_connections=3)) as rig:
        clients = [await opened(rig) for _ in range(3)]
        rig.receiver.opened[0][0].activated = True
        newcomer = await opened(rig)
        assert await clients[1].error() == S.BadSecureChannelClosed
        assert rig.listener.evicted == 1
        for client in (clients[0], clients[2], newcomer):
            assert await client.echo(b"here") == b"here"
        for client in (*clients, newcomer):
            await client.close()


async def test_a_pool_full_of_sessions_refuses_newcomers() -> None:
    async with listening(TransportLimits(max_connections=2)) as rig:
        clients = [await opened(rig) for _ in range(2)]
        for channel, _ in rig.receiver.opened:
            channel.activated = True
        newcomer = await rig.raw()
        newcomer.writer.write(hello())
        assert await newcomer.error() == S.BadTcpServerTooBusy
        assert await clients[0].echo(b"here") == b"here"
        for client in (*clients, newcomer):
            await client.close()


# -- bytes


async def test_a_stranger_may_send_a_small_message_only_a_client_with_a_session_a_large_one() -> None:
    limits = TransportLimits(max_message_bytes=500_000, pending_bytes_unactivated=100_000)
    async with listening(limits) as rig:
        stranger, known = await opened(rig), await opened(rig)
        rig.receiver.opened[1][0].activated = True
        for client in (stranger, known):
            for _ in range(3):
                client.writer.write(client.chunk(bytes(40_000), b"MSGC", 9))
        assert await stranger.error() == S.BadTcpMessageTooLarge
        known.writer.write(known.chunk(b"end", b"MSGF", 9))
        assert await known.answer() == (9, bytes(120_000) + b"end")
        for _ in range(13):
            known.writer.write(known.chunk(bytes(40_000), b"MSGC", 10))
        assert await known.error() == S.BadTcpMessageTooLarge
        await until(lambda: rig.listener.budget.used == 0)
        await stranger.close()
        await known.close()


async def test_unfinished_messages_of_all_strangers_share_a_budget_and_others_do_not_notice() -> None:
    limits = TransportLimits(pending_bytes=400_000, pending_bytes_unactivated=100_000)
    async with listening(limits) as rig:
        bystander = await opened(rig)
        rig.receiver.opened[0][0].activated = True
        strangers = [await opened(rig) for _ in range(4)]
        for at, client in enumerate(strangers):
            client.writer.write(client.chunk(bytes(60_000), b"MSGC", 9))
            await until(lambda at=at: rig.listener.budget.used > 60_000 * (at + 1) or rig.receiver.closed)
        assert await strangers[3].error() == S.BadTcpNotEnoughResources
        assert rig.listener.budget.used <= 200_000
        for _ in range(2):
            bystander.writer.write(bystander.chunk(bytes(60_000), b"MSGC", 9))
        bystander.writer.write(bystander.chunk(b"end", b"MSGF", 9))
        assert len((await bystander.answer())[1]) == 120_003
        for client in (bystander, *strangers):
            await client.close()
        await until(lambda: rig.listener.budget.used == 0)


async def test_empty_chunks_are_not_free() -> None:
    async with listening(TransportLimits(max_chunks=100)) as rig:
        client = await opened(rig)
        for _ in range(100):
            client.writer.write(client.chunk(b"", b"MSGC", 9))
        assert await client.error() == S.BadTcpMessageTooLarge
        await client.close()


# -- slow readers


class Generous(Remembering):
    """Answers every request with a hundred kilobytes."""

    def message(self, channel: SecureChannel, request_id: int, body: bytes) -> None:
        self.messages.append((request_id, body))
        channel.send(request_id, bytes(100_000))


def deaf(client: RawClient) -> None:
    """The client stops reading; the system's buffers fill up."""
    client.writer.transport.pause_reading()


async def test_requests_of_a_client_that_does_not_read_wait_and_go_on_when_it_does() -> None:
    async with listening(receiver=Generous()) as rig:
        client = await opened(rig)
        deaf(client)
        client.writer.write(b"".join(client.chunk(b"more") for _ in range(300)))
        channel = rig.receiver.opened[0][0]
        await until(lambda: channel.congested)
        for _ in range(20):
            await asyncio.sleep(0)
        # 30 MB were asked for; what is kept is the socket's buffers, the congestion limit and a few answers.
        assert len(rig.receiver.messages) < 150
        (connection,) = rig.listener._connections
        assert connection._transport is not None
        assert connection._transport.get_write_buffer_size() < 1_000_000
        client.writer.transport.resume_reading()
        for number in range(300):
            request_id, body = await client.answer()
            assert (request_id, len(body)) == (number + 2, 100_000)
        assert not channel.congested
        await client.close()


async def test_beyond_the_write_buffer_a_slow_client_is_cut_off() -> None:
    async with listening(TransportLimits(write_buffer_bytes=1_000_000)) as rig:
        client = await opened(rig)
        deaf(client)
        channel = rig.receiver.opened[0][0]
        for _ in range(1000):
            channel.send(1, bytes(50_000))
            await asyncio.sleep(0)
            if rig.receiver.closed:
                break
        assert rig.receiver.closed == [channel]
        await until(lambda: rig.listener.connection_count == 0)
        await client.close()


async def test_a_client_that_never_reads_again_is_cut_off_in_time() -> None:
    clock = ManualClock()
    async with listening(receiver=Generous(), clock=clock) as rig:
        client = await opened(rig)
        deaf(client)
        client.writer.write(b"".join(client.chunk(b"more") for _ in range(200)))
        channel = rig.receiver.opened[0][0]
        await until(lambda: channel.congested)
        clock.advance(59)
        rig.listener.sweep()
        assert rig.receiver.closed == []
        clock.advance(2)
        rig.listener.sweep()
        assert rig.receiver.closed == [channel]
        await client.close()


async def test_a_client_that_ignores_our_end_is_cut_off() -> None:
    clock = ManualClock()
    async with listening(clock=clock) as rig:
        client = await rig.raw()
        client.writer.write(b"rubbish!")
        assert (await client.read())[0] == b"ERRF"
        client.writer.write(b"more" * 1000)
        assert rig.listener.connection_count == 1
        clock.advance(6)
        rig.listener.sweep()
        await until(lambda: rig.listener.connection_count == 0)
        await client.close()
