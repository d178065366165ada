"""What the room needs of the services behind the FDI information model (IEC 62769-5); `server.fdi.runtime` has them."""

from __future__ import annotations

from typing import Protocol

from server.fdi.actions.service import ActionService
from server.fdi.configuration import Configuration
from server.fdi.edit_context import EditContexts
from server.fdi.logic.type_logic import ValueSource
from server.fdi.transfer import TransferService
from server.model.lock import Locks


class Live(Protocol):
    """Values as devices last told them."""

    def values(self, device_id: str) -> ValueSource: ...


class Runtime(Protocol):
    """Everything; see `server.fdi.runtime`."""

    locks: Locks
    live: Live
    configuration: Configuration
    contexts: EditContexts
    transfers: TransferService
    actions: ActionService

    def session_closed(self, session: str) -> None: ...
