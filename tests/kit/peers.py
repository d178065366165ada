"""Foreign OPC UA clients with one face: node-opcua in a process of its own, asyncua in this one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from tests.kit.parts import INTEROP, require_node_client

ANSWER_S = 60.0


class PeerError(Exception):
    """What the client said went wrong."""


class NodePeer:
    """node-opcua, driven by JSON lines."""

    name = "node-opcua"

    def __init__(self, process: asyncio.subprocess.Process, pki: Path) -> None:
        self._process = process
        self._pki = pki
        self._number = 0
        self.answer_s = ANSWER_S

    async def ask(self, op: str, **arguments: Any) -> Any:
        """Carry out one operation of client.mjs."""
        self._number += 1
        line = json.dumps({"id": self._number, "op": op, **arguments}) + "\n"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line.encode())
        await self._process.stdin.drain()
        async with asyncio.timeout(self.answer_s):
            while True:
                raw = await self._process.stdout.readline()
                if not raw:
                    raise PeerError("the node-opcua client ended")
                if not raw.startswith(b"{"):
                    continue
                answer = json.loads(raw)
                if answer.get("id") == self._number:
                    break
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer["result"]

    async def connect(
        self, url: str, user: str = "", password: str = "", policy: str = "None", mode: str = "None"
    ) -> None:
        await self.ask("connect", url=url, user=user, password=password, policy=policy, mode=mode, pki=str(self._pki))

    async def browse(self, node: str) -> list[dict[str, str]]:
        return await self.ask("browse", node=node)

    async def read(self, nodes: list[str]) -> list[dict[str, Any]]:
        return await self.ask("read", nodes=nodes)

    async def write(self, node: str, type_: str, value: Any) -> str:
        return await self.ask("write", node=node, type=type_, value=value)

    async def call(self, object_: str, method: str, *inputs: tuple[str, Any]) -> dict[str, Any]:
        return await self.ask("call", object=object_, method=method, inputs=[list(entry) for entry in inputs])

    async def subscribe(self, nodes: list[str], publishing: int = 200) -> int:
        return await self.ask("subscribe", nodes=nodes, publishing=publishing)

    async def values(self, node: str = "") -> Any:
        return await self.ask("values", node=node)

    async def subscribe_events(self, node: str, fields: list[str], type_: str = "") -> None:
        await self.ask("subscribe_events", node=node, fields=fields, type=type_)

    async def events(self) -> list[dict[str, Any]]:
        return await self.ask("events")

    async def refresh(self) -> str:
        return await self.ask("refresh")

    async def history(self, node: str, start: str, end: str, page: int) -> dict[str, Any]:
        return await self.ask("history", node=node, start=start, end=end, page=page)

    async def close(self) -> None:
        if self._process.returncode is None:
            await self.ask("close")
            assert self._process.stdin is not None
            self._process.stdin.close()
            await self._process.wait()


def _plain(value: Any) -> Any:
    if isinstance(value, ua.LocalizedText):
        return value.Text
    if isinstance(value, ua.NodeId):
        return value.to_string()
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, datetime):
        return _iso(value)
    return value


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class AsyncuaPeer:
    """asyncua's client."""

    name = "asyncua"

    def __init__(self) -> None:
        self._client: Client | None = None
        self._subscription: Any = None
        self._values: dict[str, list[list[Any]]] = {}
        self._events: list[dict[str, Any]] = []
        self._fields: list[str] = []

    async def connect(
        self, url: str, user: str = "", password: str = "", policy: str = "None", mode: str = "None", **files: Path
    ) -> None:
        self._client = Client(url)
        if user:
            self._client.set_user(user)
            self._client.set_password(password)
        if policy != "None":
            await self._client.set_security(
                SecurityPolicyBasic256Sha256,
                str(files["certificate"]),
                str(files["key"]),
                mode=ua.MessageSecurityMode[mode],
            )
        await self._client.connect()

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    async def browse(self, node: str) -> list[dict[str, str]]:
        found = await self.client.get_node(node).get_references(
            ua.ObjectIds.HierarchicalReferences, ua.BrowseDirection.Forward
        )
        return [
            {
                "id": r.NodeId.to_string(),
                "name": r.BrowseName.Name,
                "nodeClass": r.NodeClass.name,
                "type": r.TypeDefinition.to_string(),
            }
            for r in found
        ]

    async def read(self, nodes: list[str]) -> list[dict[str, Any]]:
        values = await self.client.read_attributes([self.client.get_node(node) for node in nodes])
        return [
            {
                "value": _plain(v.Value.Value) if v.Value is not None else None,
                "type": v.Value.VariantType.name if v.Value is not None else "Null",
                "status": v.StatusCode.name if v.StatusCode is not None else "Good",
                "source": _iso(v.SourceTimestamp),
                "server": _iso(v.ServerTimestamp),
            }
            for v in values
        ]

    async def write(self, node: str, type_: str, value: Any) -> str:
        try:
            await self.client.get_node(node).write_value(ua.DataValue(ua.Variant(value, ua.VariantType[type_])))
        except ua.UaStatusCodeError as error:
            return ua.StatusCode(error.code).name
        return "Good"

    async def call(self, object_: str, method: str, *inputs: tuple[str, Any]) -> dict[str, Any]:
        request = ua.CallMethodRequest(
            ObjectId=ua.NodeId.from_string(object_),
            MethodId=ua.NodeId.from_string(method),
            InputArguments=[_variant(*entry) for entry in inputs],
        )
        (result,) = await self.client.uaclient.call([request])
        return {
            "status": result.StatusCode.name,
            "outputs": [_plain(output.Value) for output in result.OutputArguments or []],
            "arguments": [code.name for code in result.InputArgumentResults or []],
        }

    async def _subscribed(self, publishing: int = 200) -> Any:
        if self._subscription is None:
            self._subscription = await self.client.create_subscription(publishing, self)
        return self._subscription

    async def subscribe(self, nodes: list[str], publishing: int = 200) -> int:
        subscription = await self._subscribed(publishing)
        handles = await subscription.subscribe_data_change([self.client.get_node(node) for node in nodes], queuesize=10)
        return sum(isinstance(handle, ua.StatusCode) for handle in handles)

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        found = data.monitored_item.Value
        code = found.StatusCode.name if found.StatusCode is not None else "Good"
        self._values.setdefault(node.nodeid.to_string(), []).append([_plain(value), _iso(found.SourceTimestamp), code])

    async def values(self, node: str = "") -> Any:
        return self._values.get(node, []) if node else self._values

    async def subscribe_events(self, node: str, fields: list[str], type_: str = "") -> None:
        subscription = await self._subscribed()
        self._fields = fields
        event_filter = ua.EventFilter()
        for field in fields:
            path = field.split(".")
            empty = field == "ConditionId"
            event_filter.SelectClauses.append(
                ua.SimpleAttributeOperand(
                    TypeDefinitionId=ua.NodeId(ua.ObjectIds.ConditionType if empty else ua.ObjectIds.BaseEventType),
                    BrowsePath=[] if empty else [ua.QualifiedName(part, 0) for part in path],
                    AttributeId=ua.AttributeIds.NodeId if empty else ua.AttributeIds.Value,
                )
            )
        if type_:
            element = ua.ContentFilterElement()
            element.FilterOperator = ua.FilterOperator.OfType
            element.FilterOperands = [ua.LiteralOperand(Value=ua.Variant(ua.NodeId.from_string(type_)))]
            event_filter.WhereClause.Elements.append(element)
        await subscription.subscribe_events(self.client.get_node(node), evfilter=event_filter)

    def event_notification(self, event: Any) -> None:
        values = event.event_fields or []
        self._events.append({field: _plain(value.Value) for field, value in zip(self._fields, values, strict=True)})

    async def events(self) -> list[dict[str, Any]]:
        return self._events

    async def refresh(self) -> str:
        number = ua.Variant(self._subscription.subscription_id, ua.VariantType.UInt32)
        result = await self.call("i=2782", "i=3875", ("UInt32", number.Value))
        return str(result["status"])

    async def history(self, node: str, start: str, end: str, page: int) -> dict[str, Any]:
        details = ua.ReadRawModifiedDetails()
        details.IsReadModified = False
        details.StartTime = datetime.fromisoformat(start)
        details.EndTime = datetime.fromisoformat(end)
        details.NumValuesPerNode = page
        details.ReturnBounds = False
        found: list[list[Any]] = []
        pages: list[int] = []
        point = None
        while True:
            params = ua.HistoryReadParameters(
                HistoryReadDetails=details,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ReleaseContinuationPoints=False,
            )
            params.NodesToRead.append(
                ua.HistoryReadValueId(NodeId=ua.NodeId.from_string(node), ContinuationPoint=point)
            )
            (result,) = await self.client.uaclient.history_read(params)
            if result.StatusCode.is_bad():
                return {"status": result.StatusCode.name, "values": found, "pages": pages}
            data = result.HistoryData
            values = data.DataValues if data is not None else []
            pages.append(len(values))
            found += [[_iso(v.SourceTimestamp), _plain(v.Value.Value), v.StatusCode.name] for v in values]
            point = result.ContinuationPoint
            if not point:
                return {"status": "Good", "values": found, "pages": pages}

    async def close(self) -> None:
        if self._client is not None:
            await self._client.disconnect()


def _variant(kind: str, value: Any) -> ua.Variant:
    if kind == "LocalizedText":
        value = ua.LocalizedText(value)
    elif kind == "ByteString":
        value = bytes.fromhex(value)
    return ua.Variant(value, ua.VariantType[kind])


Peer = NodePeer | AsyncuaPeer


@asynccontextmanager
async def peer(kind: str, folder: Path) -> AsyncIterator[Peer]:
    """A client that is not yet connected; closed at the end whatever happened."""
    if kind == "asyncua":
        made: Peer = AsyncuaPeer()
        try:
            yield made
        finally:
            await made.close()
        return
    program = require_node_client()
    process = await asyncio.create_subprocess_exec(
        program,
        str(INTEROP / "client.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=64 * 1024 * 1024,
    )
    made = NodePeer(process, folder / "node-pki")
    try:
        yield made
    finally:
        try:
            await made.close()
        except (PeerError, ConnectionError):
            pass  # the test has its own reason by now
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
