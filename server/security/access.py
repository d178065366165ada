"""Who may do what: the one permission check that every door passes."""

from __future__ import annotations

from enum import Enum

from server.core.errors import DeniedError
from server.core.values import Caller

ROLES = ("viewer", "operator", "engineer", "admin")
"""From least to most; each may do what the ones before it may."""


class Right(Enum):
    """What can be asked for."""

    READ = "read"
    ACKNOWLEDGE = "acknowledge alarms"
    ALARM_RULES = "change alarm rules"
    MANAGE_ALARMS = "suppress, disable and take out of service alarms"
    COMMAND = "command devices"
    WRITE = "write parameters"
    PACKAGES = "manage packages"
    ADMINISTER = "administer accounts and certificates"


LEAST_ROLE = {
    Right.READ: "viewer",
    Right.ACKNOWLEDGE: "operator",
    Right.ALARM_RULES: "operator",
    Right.MANAGE_ALARMS: "engineer",
    Right.COMMAND: "operator",
    Right.WRITE: "operator",
    Right.PACKAGES: "engineer",
    Right.ADMINISTER: "admin",
}
"""The least role that has each right."""


def rank(role: str) -> int:
    """0 for viewer … 3 for admin; -1 for anonymous and unknown names."""
    return ROLES.index(role) if role in ROLES else -1


def has_role(role: str, least: str) -> bool:
    """True when `role` is at least `least`."""
    return rank(role) >= rank(least) >= 0


def require_role(caller: Caller, least: str, what: str) -> None:
    """Pass when the caller's role is high enough.

    Raises:
        DeniedError: it is not; BadUserAccessDenied.
    """
    if not has_role(caller.role, least):
        raise DeniedError(f"{caller.user} ({caller.role}) may not {what}: it needs the role {least}")


def require(caller: Caller, right: Right, what: str) -> None:
    """Pass when the caller has the right.

    Raises:
        DeniedError: he has not.
    """
    require_role(caller, LEAST_ROLE[right], what)
