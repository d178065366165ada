"""What a real client, node-opcua's, gets from the services: pages, ranges, paths, modes, queues, triggers, moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.kit.facets import Room
from tests.kit.peers import NodePeer, PeerError, peer
from tests.kit.until import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.interop]
OVERFLOW = 0x480
POLICIES = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
SECURED = {"policy": "Basic256Sha256", "mode": "SignAndEncrypt"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(room: Room) -> AsyncIterator[NodePeer]:
    """One node-opcua process for all tests, whose certificate the room trusts; not connected."""
    async with peer("node-opcua", room.folder) as made:
        assert isinstance(made, NodePeer)
        with pytest.raises(PeerError):
            await made.connect(room.url, "olga", "turn", **SECURED)
        for file in (room.folder / "certs/rejected").rglob("*"):
            if file.is_file():
                (room.folder / "certs/trusted/certs" / file.name).write_bytes(file.read_bytes())
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def client(room: Room, node: NodePeer) -> AsyncIterator[NodePeer]:
    """An anonymous session on the open endpoint."""
    await node.connect(room.url)
    yield node
    await node.ask("leave")


@pytest_asyncio.fixture(loop_scope="module")
async def olga(room: Room, node: NodePeer) -> AsyncIterator[NodePeer]:
    """An operator's session on a signed and encrypted channel."""
    await node.connect(room.url, "olga", "turn", **SECURED)
    yield node
    await node.ask("leave")


def _text(room: Room, path: str) -> str:
    return room.test(path).to_string()


def _arrived(client: NodePeer, *wanted: Any) -> Callable[[], Awaitable[Any]]:
    """Waits until these (tag, value) have come in this order among what came."""

    async def look() -> Any:
        found = await client.ask("arrived")
        rest = iter([tag, value] for tag, value, _ in found)
        return found if all(any(entry == list(each) for entry in rest) for each in wanted) else None

    return look


async def test_discovery_shows_every_policy(room: Room, node: NodePeer) -> None:
    # OPC 10000-4, 5.5.
    found = await node.ask("discover", url=room.url, pki=str(room.folder / "node-pki"))
    assert len(found["servers"]) == 1
    secured = {(policy, mode) for policy in POLICIES for mode in ("Sign", "SignAndEncrypt")}
    assert {tuple(entry) for entry in found["endpoints"]} == secured | {("None", "None")}


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_user_signs_in_under_every_policy(room: Room, node: NodePeer, policy: str) -> None:
    # OPC 10000-7, SecurityPolicy facets: another implementation's keys, padding and signatures.
    for mode in ("Sign", "SignAndEncrypt"):
        await node.connect(room.url, "olga", "turn", policy=policy, mode=mode)
        (found,) = await node.read(["i=2259"])
        assert found["value"] == 0
        await node.ask("leave")


async def test_pages_paths_and_registered_nodes(room: Room, client: NodePeer) -> None:
    # OPC 10000-4, 5.9.
    (whole,) = await client.ask("browse_pages", node=_text(room, "Static"), size=0)
    pages = await client.ask("browse_pages", node=_text(room, "Static"), size=4)
    assert [len(page) for page in pages[:-1]] == [4] * (len(pages) - 1) and len(pages) > 4
    assert [entry for page in pages for entry in page] == whole
    good = await client.ask("translate", start="i=84", path="/Objects/Server.ServerStatus.State")
    assert (good["status"], good["targets"]) == ("Good", ["ns=0;i=2259"])
    bad = await client.ask("translate", start="i=84", path="/Objects/Nothing")
    assert bad["status"] == "BadNoMatch"
    assert await client.ask("register", nodes=[_text(room, "ReadOnly"), "i=2259"]) == [42, 0]


async def test_ranges_are_read_and_written(room: Room, client: NodePeer) -> None:
    # OPC 10000-4, 7.27.
    node = _text(room, "StaticArray/Int32")
    assert await client.ask("write_range", node=node, type="Int32", value=[0] * 8, range=None) == "Good"
    assert await client.ask("write_range", node=node, type="Int32", value=[5, 6], range="3:4") == "Good"
    assert (await client.ask("read_range", node=node, range="2:5"))["value"] == [0, 5, 6, 0]
    assert (await client.ask("read_range", node=node, range="100"))["status"] == "BadIndexRangeNoData"
    wrong = await client.ask("write_range", node=node, type="Int32", value=[5, 6, 7], range="3:4")
    assert wrong in ("BadIndexRangeDataMismatch", "BadIndexRangeInvalid")


async def test_methods_are_described_and_called(room: Room, client: NodePeer) -> None:
    # OPC 10000-4, 5.12.
    method = _text(room, "Methods/Add")
    assert await client.ask("described", method=method) == {"inputs": ["A", "B"], "outputs": ["Sum"]}
    good = await client.call(_text(room, "Methods"), method, ("Double", 1.5), ("Double", 2.0))
    assert (good["status"], good["outputs"]) == ("Good", [3.5])
    bad = await client.call(_text(room, "Methods"), method, ("Double", 1.5), ("String", "x"))
    assert (bad["status"], bad["arguments"]) == ("BadInvalidArgument", ["Good", "BadTypeMismatch"])


async def test_queues_keep_order_and_tell_overflow(room: Room, client: NodePeer) -> None:
    # OPC 10000-4, 5.13.1.5; publishing is off while the values are written.
    node = _text(room, "Static/Double")
    await client.write(node, "Double", 0.0)
    assert await client.ask("monitor", tag="queued", node=node, queue=3) == "Good"
    await until(_arrived(client, ("queued", 0)), "the first value")
    assert await client.ask("set_publishing", enabled=False) == "Good"
    for number in range(1, 7):
        assert await client.write(node, "Double", float(number)) == "Good"
    assert await client.ask("set_publishing", enabled=True) == "Good"
    found = await until(_arrived(client, ("queued", 4), ("queued", 5), ("queued", 6)), "the last three")
    assert [(value, status & 0xFFFF) for _, value, status in found[1:]] == [(4, OVERFLOW), (5, 0), (6, 0)]


async def test_modes_and_triggers(room: Room, client: NodePeer) -> None:
    # OPC 10000-4, 5.13.1.3 and 5.13.1.6.
    trigger, linked = _text(room, "Static/Double"), _text(room, "Static/Float")
    await client.write(trigger, "Double", 0.0)
    await client.write(linked, "Float", 0.0)
    await client.ask("monitor", tag="trigger", node=trigger)
    await client.ask("monitor", tag="linked", node=linked, mode="Sampling")
    await until(_arrived(client, ("trigger", 0)), "the trigger's first value")
    assert await client.ask("set_triggering", trigger="trigger", add=["linked"]) == ["Good"]
    await client.write(linked, "Float", 7.0)
    await client.write(trigger, "Double", 1.0)
    found = await until(_arrived(client, ("linked", 7)), "the linked item with its trigger")
    assert ["trigger", 1] in [entry[:2] for entry in found]
    assert await client.ask("set_triggering", trigger="trigger", remove=["linked"]) == ["Good"]
    await client.write(linked, "Float", 8.0)
    await client.write(trigger, "Double", 2.0)
    found = await until(_arrived(client, ("trigger", 2)), "the trigger alone")
    assert ["linked", 8] not in [entry[:2] for entry in found]
    await client.ask("set_mode", tag="linked", mode="Reporting")
    await until(_arrived(client, ("linked", 8)), "the queued value of the item that reports now")


async def test_deadbands(room: Room, client: NodePeer) -> None:
    # OPC 10000-4, 7.22.2 and OPC 10000-8, 7.2: percent of EURange 0 to 100.
    node, end = _text(room, "Analog"), _text(room, "Static/Double")
    await client.write(node, "Double", 50.0)
    await client.ask("monitor", tag="absolute", node=node, deadband=["Absolute", 5], queue=10)
    await client.ask("monitor", tag="percent", node=node, deadband=["Percent", 20], queue=10)
    await until(_arrived(client, ("percent", 50)), "first values")
    for value in (54.0, 56.0, 71.0):
        await client.write(node, "Double", value)
    await client.ask("monitor", tag="end", node=end)
    found = await until(_arrived(client, ("percent", 71)), "a value beyond both deadbands")
    of = {tag: [value for name, value, _ in found if name == tag] for tag in ("absolute", "percent")}
    assert of == {"absolute": [50, 56, 71], "percent": [50, 71]}


async def test_items_are_listed_modified_and_sent_again(room: Room, client: NodePeer) -> None:
    # OPC 10000-4, 5.13.3 and 5.14.6; OPC 10000-5, 9.1.
    await client.ask("monitor", tag="one", node=_text(room, "ReadOnly"))
    await client.ask("monitor", tag="two", node="i=2259")
    await until(_arrived(client, ("one", 42)), "the first value")
    assert await client.ask("listed") == 2
    assert await client.ask("modify_item", tag="one", queue=5, sampling=200) == "Good"
    assert "BadMessageNotAvailable" in await client.ask("republish", sequence=1_000_000)


async def test_events_are_filtered(room: Room, client: NodePeer) -> None:
    # OPC 10000-4, 7.22.3: the room's own test events, one a second, and none of another type.
    await client.subscribe_events("i=2253", ["EventType", "SourceName", "Severity"], "i=2041")

    async def came() -> Any:
        return await client.events()

    found = await until(came, "an event")
    assert found[0]["SourceName"] and 1 <= found[0]["Severity"] <= 1000


async def test_a_session_moves_to_another_channel(room: Room, olga: NodePeer) -> None:
    # OPC 10000-4, 5.7.3.1.
    pki = str(room.folder / "node-pki")
    assert await olga.ask("move_session", url=room.url, pki=pki, **SECURED) == 0
    await olga.ask("close_second")


@pytest.mark.parametrize(
    ("user", "password", "expected"), [("olga", "turn", "Good"), ("vera", "see", "BadUserAccessDenied")]
)
async def test_a_subscription_moves_to_its_users_new_session_only(
    room: Room, olga: NodePeer, user: str, password: str, expected: str
) -> None:
    # OPC 10000-4, 5.14.7.1.
    await olga.ask("monitor", tag="one", node=_text(room, "ReadOnly"))
    pki = str(room.folder / "node-pki")
    moved = await olga.ask("transfer", url=room.url, user=user, password=password, pki=pki, **SECURED)
    assert moved == [expected]
