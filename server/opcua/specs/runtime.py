"""What the room needs of the services behind the FDI information model (IEC 62769-5); `server.fdi.runtime` has them."""

from __future__ import annotations

from typing import Any, Protocol

from server.core.values import Caller
from server.fdi.actions.service import ActionService
from server.fdi.configuration import Configuration
from server.fdi.edit_context import EditContexts
from server.fdi.logic.type_logic import ValueSource
from server.model.lock import Locks


class Transfers(Protocol):
    """Transfer between the offline data set and the device (OPC 10000-100, transfer services)."""

    def to_device(self, device_id: str, caller: Caller) -> tuple[int, int]: ...

    def from_device(self, device_id: str, caller: Caller) -> tuple[int, int]: ...

    def fetch(
        self, device_id: str, transfer_id: int, sequence: int, most: int, omit_good: bool, caller: Caller
    ) -> Any: ...


class Live(Protocol):
    """Values as devices last told them."""

    def values(self, device_id: str) -> ValueSource: ...


class Runtime(Protocol):
    """Everything; see `server.fdi.runtime`."""

    locks: Locks
    live: Live
    configuration: Configuration
    contexts: EditContexts
    transfers: Transfers
    actions: ActionService

    def session_closed(self, session: str) -> None: ...
