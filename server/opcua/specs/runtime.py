"""What the room needs of the services behind the FDI information model (IEC 62769-5); `server.fdi` has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from server.core.values import Caller, DeviceId, Scalar
from server.fdi.configuration import Configuration
from server.fdi.logic.type_logic import ValueSource
from server.model.device_type import ParameterSpec
from server.model.lock import LockOwner, Locks


class ContextValue(Protocol):
    """A value of an edit context as it stands."""

    @property
    def value(self) -> Scalar | None: ...

    @property
    def status(self) -> int: ...

    @property
    def spec(self) -> ParameterSpec: ...

    @property
    def source_time(self) -> int: ...


class Contexts(Protocol):
    """Edit contexts (IEC 62769-3, 5.6); a `side` is ONLINE or OFFLINE of `server.fdi.edit_context.Side`."""

    on_changed: list[Callable[[str, frozenset[Any]], None]]
    on_discarded: list[Callable[[str], None]]

    def get(self, device_id: str, parent_id: str, window_mode: int, caller: Caller) -> tuple[str, int]: ...

    def register(self, context_id: str, names: Sequence[str], caller: Caller) -> list[int]: ...

    def read(self, context_id: str, side: Any, name: str) -> ContextValue: ...

    async def write(self, context_id: str, side: Any, name: str, value: Scalar, caller: Caller) -> int: ...

    async def apply(self, context_id: str, caller: Caller) -> Any: ...

    def reset(self, context_id: str, caller: Caller) -> int: ...

    def discard(self, context_id: str, caller: Caller) -> int: ...

    def owner(self, context_id: str) -> LockOwner | None: ...

    def device_of(self, context_id: str) -> str | None: ...


class Actions(Protocol):
    """EDD METHODs that clients start (IEC 62769-3, 5.7)."""

    on_changed: list[Callable[[str], None]]
    on_gone: list[Callable[[str], None]]

    async def invoke(
        self, device_id: str, name: str, arguments_xml: str, caller: Caller, *, online: bool
    ) -> tuple[str, int]: ...

    async def respond(self, action_id: str, xml: str, caller: Caller) -> int: ...

    async def abort(self, action_id: str, caller: Caller) -> int: ...

    def value(self, action_id: str, locales: Sequence[str]) -> str: ...


class Transfers(Protocol):
    """Transfer between the offline data set and the device (OPC 10000-100, transfer services)."""

    def to_device(self, device_id: str, caller: Caller) -> tuple[int, int]: ...

    def from_device(self, device_id: str, caller: Caller) -> tuple[int, int]: ...

    def fetch(
        self, device_id: str, transfer_id: int, sequence: int, most: int, omit_good: bool, caller: Caller
    ) -> Any: ...


class Live(Protocol):
    """Values as devices last told them."""

    def values(self, device_id: DeviceId) -> ValueSource: ...


class Runtime(Protocol):
    """Everything; see `server.fdi.runtime`."""

    locks: Locks
    live: Live
    configuration: Configuration
    contexts: Contexts
    transfers: Transfers
    actions: Actions

    def session_closed(self, session: str) -> None: ...
