"""Who looks at a page."""

from __future__ import annotations

from server.console.auth import caller_of, current_session
from server.console.context import ConsoleContext
from server.core.values import Caller
from server.security.access import LEAST_ROLE, Right, has_role


class Visitor:
    """A browser's sign-in, looked up again at every action."""

    def __init__(self, context: ConsoleContext, token: str, address: str, caller: Caller | None) -> None:
        self._context = context
        self._token = token
        self._address = address
        self.caller = caller  # as of the page's start

    async def caller_now(self) -> Caller | None:
        """The caller while the sign-in holds."""
        session = await current_session(self._context, self._token)
        return None if session is None else caller_of(session, self._address)

    def may(self, right: Right) -> bool:
        """What the page offers; every action is checked again by the room that does it."""
        return self.caller is not None and has_role(self.caller.role, LEAST_ROLE[right])
