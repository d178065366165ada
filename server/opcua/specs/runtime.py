"""What the room needs of the services behind the FDI information model (IEC 62769-5); `server.fdi.runtime` has them."""

from __future__ import annotations

from typing import Protocol

from server.fdi.access import DeviceAccess
from server.fdi.actions.service import ActionService
from server.fdi.configuration import Configuration
from server.fdi.edit_context import EditContexts
from server.fdi.logic.live import LiveLogic
from server.fdi.transfer import TransferService
from server.model.lock import Locks


class Runtime(Protocol):
    """Everything; see `server.fdi.runtime`."""

    locks: Locks
    live: LiveLogic
    configuration: Configuration
    contexts: EditContexts
    transfers: TransferService
    actions: ActionService
    access: DeviceAccess

    def session_closed(self, session: str) -> None: ...
