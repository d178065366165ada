"""Two foreign alarm clients with one face, and the words of what they are told: node-opcua's and asyncua's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from asyncua import Client, ua

from server.core.alarm_actions import Verb
from server.opcua.condition_methods import VERBS
from tests.kit.parts import require_node_client
from tests.kit.peers import INTEROP, NodePeer

PLANT_URI = "urn:fieldloom:plant"
MORE = (
    "LimitState.CurrentState",
    "HighHighState.Id",
    "HighState.Id",
    "LowState.Id",
    "LowLowState.Id",
)
"""Fields of subtypes of AlarmConditionType."""
SHELVED = {"TimedShelved": "timed", "OneShotShelved": "once"}
_METHODS = {verb: method for method, verb in reversed(VERBS.items())}


class AlarmClient(Protocol):
    """One client with an operator's and an engineer's session."""

    async def act(
        self, verb: str, condition: str, event: str, comment: str | None, seconds: float | None, user: str
    ) -> str:
        """Call a Method; the name of the StatusCode that answers. `event`: EventId in hex."""

    async def events(self, start: int, count: int) -> list[dict[str, Any]]:
        """All events from number `start` on, once there are `count` of them: fields by dotted path."""

    async def refresh(self) -> None:
        """ConditionRefresh."""


def told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What `simulator.alarm_script.words` needs, from a client's fields."""
    levels = [level for level in ("HighHigh", "High", "Low", "LowLow") if fields.get(f"{_low(level)}State.id")]
    return {
        "active": fields["activeState.id"],
        "level": "+".join(levels) or fields.get("limitState.currentState") or "",
        "acked": fields["ackedState.id"],
        "confirmed": fields.get("confirmedState.id") is not False,
        "retain": fields["retain"],
        "severity": fields["severity"],
        "enabled": fields["enabledState.id"],
        "shelving": SHELVED.get(fields.get("shelvingState.currentState") or "", ""),
        "suppressed": bool(fields.get("suppressedState.id")),
        "out_of_service": bool(fields.get("outOfServiceState.id")),
        "latched": bool(fields.get("latchedState.id")),
        "silenced": bool(fields.get("silenceState.id")),
        "first": bool(fields.get("firstInGroupFlag")),
        "re_alarms": fields.get("reAlarmRepeatCount") or 0,
        "bad": bool((fields.get("quality") or 0) & 0x80000000),
        "branch": _branch(fields),
    }


def _branch(fields: Mapping[str, Any]) -> str:
    branch = fields.get("branchId") or ""
    return "" if branch in ("ns=0;i=0", "i=0") else branch


def _low(name: str) -> str:
    return name[:1].lower() + name[1:]


def condition_of(fields: Mapping[str, Any]) -> str:
    """The condition's identifier of an event."""
    return str(fields["conditionId"]).partition(";s=")[2]


def time_of(fields: Mapping[str, Any]) -> str:
    """Time of an event, the day's time of it."""
    return datetime.fromisoformat(fields["time"]).strftime("%H:%M:%S")


# -- node-opcua


class NodeAlarmClient(NodePeer):
    """node-opcua in a process of its own, driven by the JSON lines of alarm_day.mjs."""

    async def act(
        self, verb: str, condition: str, event: str, comment: str | None, seconds: float | None, user: str
    ) -> str:
        found = await self.ask(
            "act", verb=verb, condition=condition, event=event, comment=comment, seconds=seconds, user=user
        )
        return str(found)

    async def events(self, start: int, count: int) -> list[dict[str, Any]]:
        found = await self.ask("events", **{"from": start, "count": count})
        return list(found)

    async def refresh(self) -> None:
        await self.ask("refresh")


@asynccontextmanager
async def node_client(url: str, users: Mapping[str, list[str]], folder: Path) -> AsyncIterator[NodeAlarmClient]:
    """A connected node-opcua client; skips where it is not installed."""
    node = require_node_client()
    process = await asyncio.create_subprocess_exec(
        node,
        str(INTEROP / "alarm_day.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,
    )
    client = NodeAlarmClient(process, folder)
    try:
        methods = {verb.value: f"i={number}" for verb, number in _METHODS.items()}
        await client.ask(
            "connect", url=url, pki=str(folder / "pki"), names=dict(users), more=list(MORE), methods=methods
        )
        yield client
        await client.ask("close")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


# -- asyncua


class AsyncuaAlarmClient:
    """asyncua in this process, through its own subscription of alarms and conditions."""

    def __init__(self, sessions: Mapping[str, Client], plant: int) -> None:
        self._sessions = sessions
        self._plant = plant
        self._seen: list[dict[str, Any]] = []
        self._came = asyncio.Event()
        self.subscription: Any = None

    def event_notification(self, event: Any) -> None:
        """asyncua calls this with each event."""
        fields = {_dotted(path): _plain(getattr(event, path)) for path in event.data_types}
        self._seen.append(fields | {"conditionId": fields.get("nodeId")})
        self._came.set()

    async def act(
        self, verb: str, condition: str, event: str, comment: str | None, seconds: float | None, user: str
    ) -> str:
        inputs: list[ua.Variant] = []
        if verb in ("acknowledge", "confirm", "comment"):
            text = ua.LocalizedText(comment, "en" if comment else None)
            inputs = [
                ua.Variant(bytes.fromhex(event), ua.VariantType.ByteString),
                ua.Variant(text, ua.VariantType.LocalizedText),
            ]
        elif verb == "shelve" and seconds is not None:
            inputs = [ua.Variant(seconds * 1000, ua.VariantType.Double)]
        shelving = verb in ("shelve", "shelve-once", "unshelve")
        node_id = ua.NodeId(f"{condition}/ShelvingState" if shelving else condition, self._plant)
        request = ua.CallMethodRequest(node_id, ua.NodeId(_METHODS[Verb(verb)]), inputs)
        (result,) = await self._sessions[user].uaclient.call([request])
        return str(result.StatusCode.name)

    async def events(self, start: int, count: int) -> list[dict[str, Any]]:
        try:
            async with asyncio.timeout(10):
                while len(self._seen) < start + count:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            pass  # what came is compared with what was expected
        return self._seen[start:]

    async def refresh(self) -> None:
        condition_type = self._sessions["operator"].get_node(ua.ObjectIds.ConditionType)
        await condition_type.call_method(
            "0:ConditionRefresh", ua.Variant(self.subscription.subscription_id, ua.VariantType.UInt32)
        )


def _dotted(path: str) -> str:
    return ".".join(_low(part) for part in path.split("/"))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, ua.LocalizedText):
        return value.Text
    if isinstance(value, ua.NodeId):
        return value.to_string()
    if isinstance(value, ua.StatusCode):
        return value.value
    return value


@asynccontextmanager
async def asyncua_client(url: str, users: Mapping[str, list[str]]) -> AsyncIterator[AsyncuaAlarmClient]:
    """A connected asyncua client."""
    sessions: dict[str, Client] = {}
    try:
        for name, (user, password) in users.items():
            client = sessions[name] = Client(url, timeout=10)
            client.set_user(user)
            client.set_password(password)
            await client.connect()
        operator = sessions["operator"]
        found = AsyncuaAlarmClient(sessions, await operator.get_namespace_index(PLANT_URI))
        found.subscription = await operator.create_subscription(50, found)
        kinds = [
            ua.ObjectIds.AlarmConditionType,
            ua.ObjectIds.ExclusiveLimitAlarmType,
            ua.ObjectIds.NonExclusiveLimitAlarmType,
        ]
        await found.subscription.subscribe_alarms_and_conditions(
            ua.ObjectIds.Server, [operator.get_node(kind) for kind in kinds], queuesize=1000
        )
        yield found
    finally:
        for client in sessions.values():
            await client.disconnect()
