"""Attacks with sessions and subscriptions: floods, orphans, strangers, exploding filters, clients that do not read."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary

from tests.bench.opcua import bodies
from tests.fuzz.opcua_abuse.site import LOAD, PLANT, Site
from tests.fuzz.opcua_abuse.wire import NULL, ask, code_of, leave, name, request, said
from tests.kit.raw import EndedError, RawSession, RefusedError, ServiceFaultError, read_request
from tests.kit.until import until

SUBSCRIPTIONS = ua.ObjectIds.Server_ServerDiagnostics_ServerDiagnosticsSummary_CurrentSubscriptionCount
SESSIONS = ua.ObjectIds.Server_ServerDiagnostics_ServerDiagnosticsSummary_CurrentSessionCount


async def count(site: Site, node: int) -> int:
    """A number of ServerDiagnosticsSummary, asked by a newcomer."""
    session = await site.session("127.0.0.2")
    try:
        answer = await session.call(read_request(ua.NodeId(node)))
        return int(answer.Results[0].Value.Value)
    finally:
        await session.close()
        await leave(session)


async def subscribe(
    session: RawSession, publishing_ms: float = 100.0, *, lifetime: int = 30, keep_alive: int = 10
) -> int:
    """A subscription's id."""
    made = ua.CreateSubscriptionRequest()
    made.Parameters = ua.CreateSubscriptionParameters(publishing_ms, lifetime, keep_alive, 0, True, 0)
    return int((await session.call(made)).Parameters.SubscriptionId)


def load_items(session: RawSession, index: int, subscription_id: int, numbers: range, queue: int = 10) -> bytes:
    """CreateMonitoredItems for load nodes."""
    tail = bytearray(struct.pack("<IIi", subscription_id, 2, len(numbers)))
    for number in numbers:
        tail += bodies.value_id(bodies.FIRST_NODE + number % 10_000, index)
        tail += struct.pack("<IId3sIB", 2, number, 0.0, b"\x00\x00\x00", queue, 1)
    return request("CreateMonitoredItems", session.token, bytes(tail))


async def session_flood(site: Site) -> str:
    """Sessions made on several channels and never activated; a newcomer still gets one."""
    answers, channels = [], []
    for _ in range(10):
        channel = await site.channel(site.address())
        channels.append(channel)
        for _ in range(20 * site.scale):
            try:
                await RawSession.create(channel, activate=False)
                answers.append("created")
            except ServiceFaultError as error:
                answers.append(name(error.code))
    await site.newcomer_works()
    await leave(*channels)
    return said(answers)


async def stolen_tokens(site: Site) -> str:
    """Another channel's authentication token, guessed ones, and one of a closed session."""
    victim = await site.session()
    thief = await site.channel(site.address())
    body = request("Read", victim.token, struct.pack("<dIi", 0.0, 2, 1) + bodies.value_id(2259, 0))
    answers = [f"foreign channel: {await ask(thief, body)}"]
    answers.append(f"close: {await ask(thief, request('CloseSession', victim.token, bytes(1)))}")
    for number in range(500 * site.scale):
        guessed = ua.NodeId(number.to_bytes(32, "big"), 0)
        answer = await ask(thief, request("Read", guessed, struct.pack("<dIi", 0.0, 2, 1) + bodies.value_id(2259, 0)))
        answers.append(f"guessed: {answer}")
    assert await ask(victim.channel, body) == "Good"
    await victim.close()
    answers.append(f"closed: {await ask(victim.channel, body)}")
    assert not any(answer.endswith("Good") for answer in answers), said(answers)
    await leave(thief, victim)
    return said(answers)


async def guessed_passwords(site: Site) -> str:
    """Wrong passwords from several addresses at once, many for one user."""

    async def one(user: str) -> list[str]:
        channel = await site.channel(site.address())
        answers = []
        for number in range(3 * site.scale):
            try:
                await RawSession.create(channel, user=user, password=f"wrong {number}")
                answers.append("Good")
            except ServiceFaultError as error:
                answers.append(name(error.code))
            except RefusedError as error:
                answers.append(f"ERR {name(error.code)}")
                break
        await leave(channel)
        return answers

    found = await asyncio.gather(*(one("viewer" if number % 2 else f"nobody-{number}") for number in range(6)))
    answers = [answer for each in found for answer in each]
    assert "Good" not in answers, said(answers)
    session = await site.session(site.address(), user="engineer")  # another user, from elsewhere, is let in
    await session.close()
    await leave(session)
    return said(answers)


async def orphan_subscriptions(site: Site) -> str:
    """Subscriptions made, their connections dropped, again and again; all of them end by themselves."""
    before = await count(site, SUBSCRIPTIONS)
    answers = []
    index = 0
    for number in range(60 * site.scale):
        try:
            session = await site.session(site.address(), timeout_ms=1_000)
        except (ServiceFaultError, RefusedError) as error:
            answers.append(name(error.code))
            await asyncio.sleep(0.1)
            continue
        index = index or await site.index(session, LOAD)
        subscription_id = await subscribe(session, 50.0, lifetime=30, keep_alive=10)
        items = load_items(session, index, subscription_id, range(number * 100, number * 100 + 200))
        answers.append(name(code_of(await session.channel.request(items))))
        await leave(session)

    async def gone() -> bool:
        return await count(site, SUBSCRIPTIONS) <= before

    await until(gone, "the orphans' end", 20)
    return said(answers)


async def publish_flood(site: Site) -> str:
    """10 000 Publish requests at once, then Publish without a subscription."""
    session = await site.session()
    await subscribe(session, 1_000.0, keep_alive=30, lifetime=100)
    body = request("Publish", session.token, struct.pack("<i", 0))
    channel = session.channel
    frames = []
    for _ in range(10_000):
        channel.request_id += 1
        frames.append(channel.chunk(body, channel.request_id))
    await channel.connection.send(b"".join(frames))
    answers = [name(code_of(await channel.receive(None, 20))) for _ in range(9_900)]
    await leave(session)
    other = await site.session()
    answers.append(await ask(other.channel, request("Publish", other.token, struct.pack("<i", 0))))
    await leave(other)
    assert "BadTooManyPublishRequests" in answers, said(answers)
    return said(answers)


async def item_flood(site: Site) -> str:
    """Monitored items up to every limit, with the longest queues; subscriptions up to the limit."""
    session = await site.session()
    index = await site.index(session, LOAD)
    answers: list[str] = []
    made = []
    for _ in range(25):
        try:
            made.append(await subscribe(session, 1_000.0, keep_alive=5, lifetime=15))
        except ServiceFaultError as error:
            answers.append(name(error.code))
    for subscription_id in made[:6]:
        for start in range(0, 12_000, 4_000):
            body = load_items(session, index, subscription_id, range(start, start + 4_000), 2**32 - 1)
            results = session.channel.decoded(await session.channel.request(body)).Results
            answers += [name(result.StatusCode.value) for result in results]
    await asyncio.sleep(3)
    assert "BadTooManyMonitoredItems" in answers and "BadTooManySubscriptions" in answers, said(answers)
    await session.close()
    await leave(session)
    return said(answers)


async def stranger_takes_over(site: Site) -> str:
    """TransferSubscriptions, Republish, Modify and Delete of somebody else's subscription."""
    owner = await site.session(user="operator")
    stranger, other = await site.session(), await site.session(user="engineer")
    subscription_id = await subscribe(owner)
    answers = []
    for session in (stranger, other):
        for wanted in (subscription_id, subscription_id + 1, 0, 2**32 - 1):
            taken = ua.TransferSubscriptionsRequest()
            taken.Parameters.SubscriptionIds = [wanted]
            result = (await session.call(taken)).Parameters.Results[0]
            answers.append(f"transfer {name(result.StatusCode.value)}")
        for service, tail in (
            ("DeleteSubscriptions", struct.pack("<iI", 1, subscription_id)),
            ("Republish", struct.pack("<II", subscription_id, 1)),
            ("ModifySubscription", struct.pack("<IdIIIB", subscription_id, 1.0, 1, 1, 1, 0)),
        ):
            operation = service == "DeleteSubscriptions"
            answer = await ask(session.channel, request(service, session.token, tail), operation=operation)
            answers.append(f"{service} {answer}")
    assert not any(answer.endswith("Good") for answer in answers), said(answers)
    for session in (owner, stranger, other):
        await session.close()
        await leave(session)
    return said(answers)


async def slow_readers(site: Site) -> str:
    """Clients that ask for much and take nothing: Reads of 10 000 values, and subscriptions of all load nodes."""
    sessions = []
    answers: list[str] = []
    for number in range(6):
        session = await site.session(site.address())
        sessions.append(session)
        index = await site.index(session, LOAD)
        session.channel.connection._writer.transport.pause_reading()
        if number % 2:
            ids = b"".join(bodies.value_id(bodies.FIRST_NODE + node, index) for node in range(10_000))
            body = request("Read", session.token, struct.pack("<dIi", 0.0, 2, 10_000) + ids)
            posted = asyncio.create_task(_posted(session, [body] * 150 * site.scale))
        else:
            made = struct.pack("<dIIIBB", 50.0, 1_000, 100, 0, 1, 0)
            await session.channel.send_request(request("CreateSubscription", session.token, made))
            publish = request("Publish", session.token, struct.pack("<i", 0))
            posted = asyncio.create_task(_posted(session, [publish] * 100))
        answers.append(await posted)
    await asyncio.sleep(4)
    await leave(*sessions)
    return said(answers)


async def _posted(session: RawSession, requests: list[bytes]) -> str:
    try:
        for body in requests:
            await asyncio.wait_for(session.channel.send_request(body), 1)
    except TimeoutError:
        return "reading paused"
    except EndedError:
        return "closed"
    return "taken"


async def filter_bombs(site: Site) -> str:
    """Event filters with deep and wide where clauses, operands that refer in circles, patterns that backtrack."""
    session = await site.session()
    index = await site.index(session, PLANT)
    subscription_id = await subscribe(session, 100.0)
    bombs: dict[str, Any] = {
        "deep": [_element(ua.FilterOperator.Not, ua.ElementOperand(number + 1)) for number in range(5_000)],
        "circle": [_element(ua.FilterOperator.Not, ua.ElementOperand(0))] * 3,
        "doubling": [
            _element(ua.FilterOperator.And, ua.ElementOperand(number + 1), ua.ElementOperand(number + 1))
            for number in range(90)
        ] + [_element(ua.FilterOperator.Equals, _literal(1), _literal(1))],
        "wide": [_element(ua.FilterOperator.InList, *[_literal(number) for number in range(5_000)])],
        "pattern": [_element(ua.FilterOperator.Like, _message(), _literal("%e" * 200 + "%#"))],
        "long text": [_element(ua.FilterOperator.Like, _literal("a" * 60_000), _literal("%a" * 400 + "b"))],
        "long set": [_element(ua.FilterOperator.Like, _message(), _literal("[" + "a-z" * 5_000 + "]%" * 20))],
    }  # fmt: skip
    answers = []
    for label, elements in bombs.items():
        for _ in range(2):
            item = ua.MonitoredItemCreateRequest(
                ua.ReadValueId(ua.NodeId("Test", index), ua.AttributeIds.EventNotifier),
                ua.MonitoringMode.Reporting,
                ua.MonitoringParameters(1, 0.0, ua.EventFilter([_message()], ua.ContentFilter(elements)), 10, True),
            )
            made = ua.CreateMonitoredItemsRequest()
            made.Parameters = ua.CreateMonitoredItemsParameters(
                subscription_id, ua.TimestampsToReturn.Both, [item] * 20
            )
            try:
                results = (await session.call(made)).Results
                answers += [f"{label} {name(result.StatusCode.value)}" for result in results]
            except ServiceFaultError as error:
                answers.append(f"{label} {name(error.code)}")
    await asyncio.sleep(3)  # an event a second is judged by all that was taken
    await session.close()
    await leave(session)
    return said(answers)


def _element(operator: ua.FilterOperator, *operands: Any) -> ua.ContentFilterElement:
    return ua.ContentFilterElement(operator, list(operands))


def _literal(value: Any) -> ua.LiteralOperand:
    return ua.LiteralOperand(ua.Variant(value))


def _message() -> ua.SimpleAttributeOperand:
    return ua.SimpleAttributeOperand(ua.NodeId(2041), [ua.QualifiedName("Message")], ua.AttributeIds.Value, None)


async def held_values(site: Site) -> str:
    """Long queues on a value that is written again and again with a megabyte."""
    session = await site.session()
    index = await site.index(session, PLANT)
    node = ua.NodeId("Test/Static/ByteString", index)
    subscription_id = await subscribe(session, 3_600_000.0, keep_alive=1, lifetime=3)
    tail = struct.pack("<IIi", subscription_id, 2, 5)
    for handle in range(5):
        tail += nodeid_to_binary(node) + struct.pack("<I", 13) + NULL + b"\x00\x00" + NULL
        tail += struct.pack("<IId3sIB", 2, handle, 0.0, b"\x00\x00\x00", 1_000, 1)
    answers = [await ask(session.channel, request("CreateMonitoredItems", session.token, tail))]
    head = struct.pack("<i", 1) + nodeid_to_binary(node) + struct.pack("<I", 13) + NULL + b"\x01\x0f"
    for number in range(300 * site.scale):
        value = struct.pack("<iI", 2**20, number) + bytes(2**20 - 4)
        answers.append(await ask(session.channel, request("Write", session.token, head + value), operation=True))
    await ask(session.channel, request("Write", session.token, head + struct.pack("<i", 1) + b"x"))
    await session.close()
    await leave(session)
    return said(answers)


ATTACKS = (
    session_flood,
    stolen_tokens,
    guessed_passwords,
    orphan_subscriptions,
    publish_flood,
    item_flood,
    stranger_takes_over,
    slow_readers,
    filter_bombs,
    held_values,
)
