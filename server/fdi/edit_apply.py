"""Brings the edited values of a top-level edit context to the device or to the offline data set."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from server.core import status
from server.core.errors import IntegrationError
from server.core.status import StatusCode
from server.core.values import Caller, Scalar
from server.fdi.configuration import Configuration
from server.fdi.edit_values import Scratch, Side
from server.fdi.rules import Rules

BREATH = 50
"""Values checked between two turns of the event loop."""


class Access(Protocol):
    """The way to the device; answers tell how it went, nothing is raised for what the device refused."""

    async def write(self, device_id: str, name: str, value: Scalar, caller: Caller) -> StatusCode: ...

    async def read(
        self, device_id: str, names: Iterable[str], caller: Caller
    ) -> Mapping[str, tuple[Scalar | None, StatusCode]]: ...


@dataclass(frozen=True, slots=True)
class Incident:
    """A value that Apply could not bring where it belongs; it stays edited (FDI5 TransferIncident)."""

    side: Side
    name: str
    status: StatusCode


def in_order(rules: Rules, names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """The names in the EDD's order of download, those of one WRITE_AS_ONE relation as one group with all its members.

    A group may hold members that were not asked for: they are written along.
    """
    wanted = set(names)
    done: set[str] = set()
    known = dict.fromkeys((*rules.download_order(), *rules.parameters))
    for name in known:
        if name not in wanted or name in done:
            continue
        group = rules.write_together(name) or (name,)
        group = group if name in group else (name, *group)
        done.update(group)
        yield group


def sendable(scratch: Scratch) -> list[str]:
    """Edited values that can reach the device. PRIVATE ones that actions assigned are for actions: nothing brings them
    there by themselves.
    """
    known = scratch.rules.parameters
    return [name for name in scratch.edits if known[name].local or not known[name].private]


async def apply_online(device_id: str, scratch: Scratch, access: Access, caller: Caller) -> list[Incident]:
    """Write every edited value to the device; what was written stays written, the rest stays edited.

    After a failure the others of its WRITE_AS_ONE group and the values that depend on it are not sent: they would
    mean something else than the user saw.
    """
    incidents: list[Incident] = []
    failed: set[str] = set()

    def fail(name: str, code: StatusCode) -> None:
        scratch.applied(name, code)
        failed.add(name)
        incidents.append(Incident(Side.ONLINE, name, code))

    for group in in_order(scratch.rules, sendable(scratch)):
        members = [name for name in group if name in scratch.edits or _goes_along(scratch, name)]
        edited = {name for name in members if name in scratch.edits}
        if not edited:
            continue  # reset meanwhile, or the device has said the same itself: nothing is left to write
        refused = {name: code for name in members if (code := _unfit(scratch, name, failed)) is not None}
        broken = bool(refused)
        for name in members:
            # The value is taken now: what was written before may have changed what the device reports. And another
            # version of the type may have taken over meanwhile.
            value = scratch.value(name) if name in scratch.rules.parameters else None
            if broken or value is None:
                if name in edited or name in refused:
                    fail(name, refused.get(name, status.BAD_INVALID_STATE))
                continue
            code = await access.write(device_id, name, value, caller)
            if status.is_good(code):
                scratch.applied(name, code)
            else:
                broken = True
                fail(name, code)
    return incidents


async def apply_offline(device_id: str, scratch: Scratch, configuration: Configuration) -> list[Incident]:
    """Keep every edited value that fits in the offline data set, all in one step."""
    incidents: list[Incident] = []
    taken: dict[str, Scalar | None] = {}
    for count, (name, value) in enumerate(tuple(scratch.edits.items()), start=1):
        if count % BREATH == 0:
            await asyncio.sleep(0)  # thousands of values must not keep everybody else waiting
        code = _unfit(scratch, name, ()) if name in scratch.rules.parameters else status.BAD_NODE_ID_UNKNOWN
        if code is None:
            taken[name] = value
        else:
            incidents.append(Incident(Side.OFFLINE, name, code))
    try:
        await configuration.set_offline(device_id, taken)
    except IntegrationError as error:
        incidents += [Incident(Side.OFFLINE, name, error.status) for name in taken]
    else:
        for name in taken:
            scratch.applied(name, status.GOOD)
    for incident in incidents:
        scratch.applied(incident.name, incident.status)
    return incidents


def _goes_along(scratch: Scratch, name: str) -> bool:
    """Whether a member of a group that nobody edited is written with the others."""
    if name not in scratch.rules.parameters or scratch.value(name) is None:
        return False
    spec = scratch.spec(name)
    return spec.writable and spec.valid


def _unfit(scratch: Scratch, name: str, failed: Iterable[str]) -> StatusCode | None:
    """Why a value must not be written; None when it may."""
    spec = scratch.spec(name)
    if not spec.valid or not spec.writable:
        return status.BAD_NOT_WRITABLE
    if scratch.state(name).out_of_range:
        return status.BAD_OUT_OF_RANGE
    if not scratch.rules.dominants(name).isdisjoint(failed):
        return status.BAD_DOMINANT_VALUE_CHANGED
    return None
