"""The two-state parts of an alarm that are switched by hand: enabled, suppressed, in service, silenced, latched.

What a call needs besides (an alarm that is active, acknowledged …) is decided where the call is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping

from server.core import status
from server.core.alarm_actions import Verb
from server.core.errors import RemoteError
from server.core.status import StatusCode

TABLE: Mapping[tuple[Verb, bool], bool] = {
    (Verb.ENABLE, False): True,
    (Verb.DISABLE, True): False,
    (Verb.SUPPRESS, False): True,  # of "suppressed by the operator"
    (Verb.UNSUPPRESS, True): False,
    (Verb.REMOVE_FROM_SERVICE, False): True,  # of "out of service"
    (Verb.PLACE_IN_SERVICE, True): False,
    (Verb.SILENCE, False): True,
    (Verb.RESET, True): False,  # of "latched"
}
"""(call, state) -> state after it; a pair that is not here is refused."""
REFUSED: Mapping[Verb, tuple[StatusCode, str]] = {
    Verb.ENABLE: (status.BAD_CONDITION_ALREADY_ENABLED, "is enabled already"),
    Verb.DISABLE: (status.BAD_CONDITION_ALREADY_DISABLED, "is disabled already"),
    Verb.SUPPRESS: (status.BAD_INVALID_STATE, "is suppressed by the operator already"),
    Verb.UNSUPPRESS: (status.BAD_INVALID_STATE, "is not suppressed by the operator"),
    Verb.REMOVE_FROM_SERVICE: (status.BAD_INVALID_STATE, "is out of service already"),
    Verb.PLACE_IN_SERVICE: (status.BAD_INVALID_STATE, "is in service already"),
    Verb.SILENCE: (status.BAD_INVALID_STATE, "is silenced already"),
    Verb.RESET: (status.BAD_INVALID_STATE, "is not latched"),
}


def switch(verb: Verb, on: bool, condition_id: str) -> bool:
    """The state after a call.

    Raises:
        RemoteError: the call does not apply to that state.
    """
    after = TABLE.get((verb, on))
    if after is None:
        code, words = REFUSED[verb]
        raise RemoteError(f"{condition_id} {words}", status_code=code)
    return after
