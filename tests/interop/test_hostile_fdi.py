"""The running product under clients that misuse DI and FDI: every door answers, nothing is left, others are served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from asyncua import ua

from tests.kit import attacks
from tests.kit.attackers import DI, FDI5, PLANT, Attacker, Bystander, anything, argument_lists, attacker, text, whole
from tests.kit.packages import make_package
from tests.kit.product import Product, product
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]
DEVICE, OTHER = "breaker-001", "breaker-002"
USERS = ("", "viewer", "operator", "engineer")
OBJECTS = (
    f"{DEVICE}/Lock",
    f"{DEVICE}/Transfer",
    f"{DEVICE}/EditContext",
    f"{DEVICE}/ActionSet",
    f"{DEVICE}/DirectDeviceAccess",
    f"{DEVICE}/MethodSet",
    f"{DEVICE}/Online/ActionSet",
    f"{DEVICE}/Offline/ActionSet",
    "Network/MQTT/Lock",
    "Network/CommunicationServer/MethodSet",
)
WRONG = (DEVICE, "nobody/ActionSet", f"{DEVICE}/Nope/Lock", f"{DEVICE}/ParameterSet/temperature", "Plant", "/", "")
NEVER = {"BadInternalError", "BadUnexpectedError", "BadTimeout", "BadDecodingError", "BadEncodingError"}
GET, BY_ID, APPLY, RESET, DISCARD = 55, 58, 64, 67, 70
INVOKE, RESPOND, ABORT = 22, 25, 28
INIT_ACCESS, TRANSFER_ACCESS = 83, 86
TO_DEVICE, FETCH = 6527, 6531
OK, E_UNKNOWN = 0, -2
LOCK_S = 20
SLOW_S = 3.0
"""Two cores carry server, simulator and attackers; a client that reads meanwhile never waits longer."""


@dataclass
class Site:
    """The product with somebody who only wants to read."""

    server: Product
    bystander: Bystander


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    """The demo; at the end everybody was served and the log tells of no fault."""
    env = {"FIELDLOOM_FDI__LOCK_TIMEOUT_S": str(LOCK_S)}
    async with product(folder, "--devices", "breaker=6", command="demo", env=env) as server:
        async with attacker(server, "viewer") as reader:
            node = reader.id(f"{DEVICE}/ParameterSet/status_breaker")

            async def closed() -> bool:
                value = await reader.read(node)
                return value.Value is not None and value.Value.Value == 1

            await until(closed, "the breaker's first values")
            bystander = Bystander(reader, reader.id("breaker-003/ParameterSet/temperature"))
            async with bystander.reading():
                yield Site(server, bystander)
        async with httpx.AsyncClient(base_url=server.http_url, timeout=30) as http:
            assert (await http.get("/health")).status_code == 200
    print(f"bystander: {bystander.reads} reads, the slowest {bystander.slowest_s * 1000:.0f} ms")
    log = server.log.read_text()
    assert "Traceback" not in log
    assert '"exception"' not in log
    assert bystander.slowest_s < SLOW_S


async def methods_at(session: Attacker, path: str) -> list[tuple[ua.NodeId, list[ua.Variant]]]:
    """(Method, plain arguments) of an Object as a client finds them."""
    found = []
    node = session.client.get_node(session.id(path))
    for entry in await node.get_references(ua.ObjectIds.HasComponent, ua.BrowseDirection.Forward, ua.NodeClass.Method):
        declared: list[ua.Argument] = []
        for child in await session.client.get_node(entry.NodeId).get_properties():
            if (await child.read_browse_name()).Name == "InputArguments":
                declared = await child.read_value()
        plain = {12: text(""), 6: whole(1), 1: ua.Variant(False, ua.VariantType.Boolean)}
        null = ua.Variant(None, ua.VariantType.Null)
        found.append((entry.NodeId, [plain.get(each.DataType.Identifier, null) for each in declared]))
    return found


async def test_misuse_of_di_and_fdi_harms_nobody(tmp_path: Path) -> None:
    # One server for all: what an earlier attack left behind would show in a later one.
    async with site(tmp_path) as here:
        for attack in (
            what_one_session_has_is_not_there_for_others,
            what_vanishing_clients_leave_is_cleared,
            floods_end_at_their_bounds,
            every_method_answers_whatever_it_is_called_with,
            packages_change_under_all_that_is_open,
        ):
            await attack(here)
            print(f"{attack.__name__}: slowest read so far {here.bystander.slowest_s * 1000:.0f} ms")


async def every_method_answers_whatever_it_is_called_with(here: Site) -> None:
    # OPC 10000-4, 5.12.2: each wrong argument has a status; none of them is a fault of the server.
    async with attacker(here.server, "engineer") as engineer:
        assert await engineer.lock(DEVICE) == OK
        async with AsyncExitStack() as stack:
            for user in USERS[:-1]:
                await everything(await stack.enter_async_context(attacker(here.server, user)))
            assert await engineer.lock(DEVICE) in (OK, -1)
            await everything(engineer)


async def everything(session: Attacker) -> None:
    """Every Method of every Object with everything, and at Objects that do not have it."""
    values = list(anything(session.names.index(PLANT)))
    if session.user != "engineer":
        values = values[::4]  # most doors are closed to others before anybody looks at arguments
    for path in OBJECTS:
        for method, plain in await methods_at(session, path):
            for arguments in argument_lists(values, plain):
                await session.call(session.id(path), method, *arguments)
            for other in WRONG:
                code, _ = await session.call(session.id(other), method, *plain)
                assert code != "Good" or (other, path) == (DEVICE, f"{DEVICE}/MethodSet"), (other, path, method)
    print(session.user or "anonymous", session.answers, f"slowest {session.slowest_s:.2f} s")
    assert not NEVER & session.answers.keys()


async def what_one_session_has_is_not_there_for_others(here: Site) -> None:
    # IEC 62769-5: contexts and Actions belong to the client that made them. Names that are guessed help nobody.
    async with (
        attacker(here.server, "engineer") as owner,
        attacker(here.server, "engineer") as twin,
        attacker(here.server, "admin") as admin,
        attacker(here.server) as nobody,
    ):
        assert await owner.lock(DEVICE) == OK
        (context, code) = await owner.at(f"{DEVICE}/EditContext", GET, text(""), whole(1))
        assert code == OK
        wanted = owner.registration(owner.id(f"{DEVICE}/ParameterSet/threshold_temperature").to_string())
        await owner.at(f"{DEVICE}/EditContext", BY_ID, text(context), wanted)
        action, code = await owner.at(f"{DEVICE}/ActionSet", INVOKE, text("trip"), text(""))
        assert code == OK
        edited = owner.id(f"{DEVICE}/EditContext/{context}/Online/threshold_temperature")
        for node in (edited, action):
            assert (await owner.read(node)).StatusCode.is_good(), node
            for other in (twin, admin, nobody):
                await not_there(other, node)
        for other in (twin, admin):
            for number in (APPLY, RESET, DISCARD):
                code, outputs = await other.call(
                    owner.id(f"{DEVICE}/EditContext"), owner.id(number, FDI5), text(context)
                )
                told = outputs[0] if outputs else None
                assert code == "BadUserAccessDenied" or E_UNKNOWN in (told, getattr(told, "Status", E_UNKNOWN)), told
            named = ua.Variant(action, ua.VariantType.NodeId)
            assert await other.at(f"{DEVICE}/ActionSet", RESPOND, named, text("<x/>")) == [E_UNKNOWN]
            assert await other.at(f"{DEVICE}/ActionSet", ABORT, named) == [E_UNKNOWN]
        # The same names at the ActionSet and the EditContext of another device lead nowhere, for the owner too.
        assert await owner.at(f"{OTHER}/ActionSet", ABORT, ua.Variant(action, ua.VariantType.NodeId)) == [E_UNKNOWN]
        assert await owner.at(f"{OTHER}/EditContext", DISCARD, text(context)) == [E_UNKNOWN]
        assert (await owner.read(edited)).StatusCode.is_good()
        assert await owner.at(f"{DEVICE}/ActionSet", ABORT, ua.Variant(action, ua.VariantType.NodeId)) == [OK]


async def not_there(other: Attacker, node: ua.NodeId) -> None:
    """Every Service that takes a NodeId finds nothing at it."""
    # An Action's Variable is nobody's to write, and says so to everybody.
    unseen = {"BadNodeIdUnknown", "BadUserAccessDenied", "BadNotWritable"}
    service, found = other.client.uaclient, []
    found.append((await other.read(node)).StatusCode.name)
    (written,) = await service.write_attributes([node], [ua.DataValue(ua.Variant(1.0))], ua.AttributeIds.Value)
    found.append(written.name)
    browse = ua.BrowseParameters(NodesToBrowse=[ua.BrowseDescription(NodeId=node, ResultMask=63)])
    (browsed,) = await service.browse(browse)
    found.append(browsed.StatusCode.name)
    assert not browsed.References
    path = ua.BrowsePath(StartingNode=node, RelativePath=ua.RelativePath(Elements=[element("EURange")]))
    (translated,) = await service.translate_browsepaths_to_nodeids([path])
    found.append(translated.StatusCode.name)
    subscription = await other.client.create_subscription(500, Silent())
    item = ua.MonitoredItemCreateRequest(ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value))
    (made,) = await subscription.create_monitored_items([item])
    found.append(made.name if isinstance(made, ua.StatusCode) else "Good")
    await subscription.delete()
    history = ua.HistoryReadParameters(
        HistoryReadDetails=ua.ReadRawModifiedDetails(NumValuesPerNode=1),
        NodesToRead=[ua.HistoryReadValueId(NodeId=node)],
    )
    (old,) = await service.history_read(history)
    found.append(old.StatusCode.name)
    added = ua.AddNodesItem(
        ParentNodeId=node,
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasComponent),
        BrowseName=ua.QualifiedName("mine", 1),
        NodeClass=ua.NodeClass.Object,
        NodeAttributes=ua.ObjectAttributes(),
        TypeDefinition=ua.NodeId(ua.ObjectIds.BaseObjectType),
    )
    (result,) = await service.add_nodes([added])
    found.append(result.StatusCode.name)
    # A registered name is only a shorter one: it opens nothing.
    (registered,) = await service.register_nodes([node])
    found.append((await other.read(registered)).StatusCode.name)
    assert set(found) <= unseen, (other.user, node, found)


def element(name: str) -> ua.RelativePathElement:
    return ua.RelativePathElement(
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasProperty), TargetName=ua.QualifiedName(name, 0)
    )


class Silent:
    """Takes notifications and forgets them."""

    def datachange_notification(self, *_: object) -> None:
        return


async def floods_end_at_their_bounds(here: Site) -> None:
    # Every number that a client can drive up has an end with a status of its own (design: bounded memory).
    async with AsyncExitStack() as stack:
        engineers = [await stack.enter_async_context(attacker(here.server, "engineer")) for _ in range(3)]
        first = engineers[0]
        devices = [f"breaker-00{number}" for number in range(1, 7)]
        for device in devices:
            locks = [await engineer.lock(device) for engineer in engineers]
            assert locks == [OK, -1, -1]
        codes = [
            (await first.at(f"{device}/EditContext", GET, text(""), whole(1))) for device in devices for _ in range(50)
        ]
        opened = [context for context, code in codes if code == OK]
        assert {code for _, code in codes} == {OK, -6}
        assert len(opened) == 64  # of one session; 16 of one device
        many = first.registration(*[first.id(f"{DEVICE}/ParameterSet/{name}").to_string() for name in ("x", "y")] * 999)
        for _ in range(5):
            await first.at(f"{DEVICE}/EditContext", BY_ID, text(opened[0]), many)
        code, _ = await first.call(
            first.id(f"{DEVICE}/EditContext"),
            first.id(BY_ID, FDI5),
            text(opened[0]),
            first.registration(*["x"] * 2_001),
        )
        assert code == "BadTooManyOperations"
        started = [
            (await first.at(f"{device}/ActionSet", INVOKE, text("trip"), text("")))[1]
            for device in devices
            for _ in range(20)
        ]
        assert started.count(OK) == 4 * len(devices)
        opens = [(await first.at(f"{DEVICE}/DirectDeviceAccess", INIT_ACCESS, text("")))[0] for _ in range(200)]
        assert (opens[0], len(set(opens[1:]))) == (OK, 1)
        huge = text("<sendData " + 'a="b" ' * 20_000 + "/>")
        outputs = await first.at(f"{DEVICE}/DirectDeviceAccess", TRANSFER_ACCESS, huge, text(""))
        assert outputs[-1] != OK
        began = [await first.at(f"{DEVICE}/Transfer", TO_DEVICE, uri=DI) for _ in range(200)]
        assert {code for _, code in began} <= {OK, -1, -2, -3}
        for number in (-1, 0, 2**31 - 1):
            most = ua.Variant(False, ua.VariantType.Boolean)
            code, _ = await first.call(
                first.id(f"{DEVICE}/Transfer"),
                first.id(FETCH, DI),
                whole(began[0][0]),
                whole(number),
                whole(number),
                most,
            )
            assert code not in NEVER


async def what_vanishing_clients_leave_is_cleared(here: Site) -> None:
    # In the middle of a dialog: with its session, or when the lock runs out because the line is dead (OPC 10000-100).
    async with attacker(here.server, "engineer") as after:
        for dead_line in (False, False, True):
            async with AsyncExitStack() as stack:
                gone = await stack.enter_async_context(attacker(here.server, "engineer"))
                assert await gone.lock(DEVICE) == OK
                _, code = await gone.at(f"{DEVICE}/EditContext", GET, text(""), whole(1))
                assert code == OK
                action, code = await gone.at(f"{DEVICE}/ActionSet", INVOKE, text("trip"), text(""))
                assert code == OK
                assert await after.lock(DEVICE) == -1
                if dead_line:
                    gone.cut()
                    stack.pop_all()

            async def free() -> bool:
                return await after.lock(DEVICE) == OK

            # Abort methods may still write under it; a dead line is known by the lock's time-out only.
            await until(free, "the lock of a client that is gone", within_s=3 * LOCK_S)
            await after.at(f"{DEVICE}/Lock", 6398, uri=DI)
            assert not (await after.read(action)).StatusCode.is_good()


async def packages_change_under_all_that_is_open(here: Site) -> None:
    # Nothing of a removed type answers as if it were there, and nothing that was open with it hangs.
    async with (
        attacker(here.server, "engineer") as engineer,
        httpx.AsyncClient(base_url=here.server.http_url, timeout=60) as http,
    ):
        body = {"user": "engineer", "password": here.server.password("engineer")}
        token = (await http.post("/api/login", json=body)).json()["token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
        packages = (await http.get("/api/packages", headers=headers)).json()
        breaker = next(each for each in packages if each["device_types"][0]["type_id"] == "smart_breaker")
        assert await engineer.lock(DEVICE) == OK
        contexts = [await engineer.at(f"{DEVICE}/EditContext", GET, text(""), whole(1)) for _ in range(5)]
        assert {code for _, code in contexts} == {OK}
        action, code = await engineer.at(f"{DEVICE}/ActionSet", INVOKE, text("trip"), text(""))
        assert code == OK
        transfer, code = await engineer.at(f"{DEVICE}/Transfer", TO_DEVICE, uri=DI)
        assert code == OK
        removed, _ = await asyncio.gather(
            http.delete(f"/api/packages/{breaker['package_id']}", headers=headers),
            storm(engineer, contexts[0][0], action, transfer),
        )
        assert removed.status_code == 204, removed.text
        for part in ("Lock", "EditContext", "ActionSet", "Transfer"):
            assert (await engineer.read(engineer.id(f"{DEVICE}/{part}"))).StatusCode.name == "BadNodeIdUnknown"
        # Hostile uploads in between: all refused, nothing of them is left.
        for name, data in hostile():
            answer = await http.post("/api/packages", content=data, headers=headers)
            assert answer.status_code in (413, 422), (name, answer.status_code)
            assert answer.headers["content-type"] == "application/problem+json"
        for content in (b"{", b"[]", b'{"topics": ["#"], "seconds": 1e99}', b'{"topics": ' + b"[" * 50_000, b"\xff"):
            for door in ("/api/drafts", "/api/drafts/dry-run", "/api/drafts/nobody/stop"):
                answer = await http.post(door, content=content, headers={**headers, "Content-Type": "application/json"})
                assert 400 <= answer.status_code < 500, (door, content[:20], answer.status_code)
        assert not any(each["package_id"] == breaker["package_id"] for each in (await listed(http, headers)))


async def storm(engineer: Attacker, context: str, action: ua.NodeId, transfer: int) -> None:
    """Uses all of it while its type goes away."""
    named = ua.Variant(action, ua.VariantType.NodeId)
    most = ua.Variant(False, ua.VariantType.Boolean)
    for _ in range(40):
        for path, uri, number, arguments in (
            (f"{DEVICE}/EditContext", FDI5, GET, (text(context), whole(1))),
            (f"{DEVICE}/EditContext", FDI5, APPLY, (text(context),)),
            (f"{DEVICE}/ActionSet", FDI5, RESPOND, (named, text("<Response/>"))),
            (f"{DEVICE}/ActionSet", FDI5, INVOKE, (text("trip"), text(""))),
            (f"{DEVICE}/Transfer", DI, TO_DEVICE, ()),
            (f"{DEVICE}/Transfer", DI, FETCH, (whole(transfer), whole(1), whole(10), most)),
            (f"{DEVICE}/Lock", DI, 6396, ()),
        ):
            code, _ = await engineer.call(engineer.id(path), engineer.id(number, uri), *arguments)
            assert code not in NEVER, (path, number, code)


async def listed(http: httpx.AsyncClient, headers: dict[str, str]) -> list[dict[str, str]]:
    return list((await http.get("/api/packages", headers=headers)).json())


def hostile() -> list[tuple[str, bytes]]:
    """Packages that no policy lets in."""
    return [
        ("nothing", b"PK"),
        ("text", b"x" * 100_000),
        ("zip slip", attacks.item_named("../evil.txt")),
        ("absolute", attacks.item_named("/etc/evil.txt")),
        ("together too large", attacks.many_large_parts()),
        ("cut", attacks.good()[:-400]),
        ("broken EDD", make_package("victim", edd="VARIABLE x { LABEL")),
        ("json", json.dumps({"a": 1}).encode()),
    ]
