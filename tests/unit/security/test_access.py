"""The one permission check, right by right and role by role."""

from __future__ import annotations

import pytest

from server.core import status
from server.core.errors import DeniedError
from server.core.values import Caller
from server.security.access import Right, has_role, require

ALLOWED = {
    Right.READ: {"viewer", "operator", "engineer", "admin"},
    Right.ACKNOWLEDGE: {"operator", "engineer", "admin"},
    Right.ALARM_RULES: {"operator", "engineer", "admin"},
    Right.MANAGE_ALARMS: {"engineer", "admin"},
    Right.COMMAND: {"operator", "engineer", "admin"},
    Right.WRITE: {"operator", "engineer", "admin"},
    Right.PACKAGES: {"engineer", "admin"},
    Right.ADMINISTER: {"admin"},
}


@pytest.mark.parametrize("role", ["anonymous", "", "root", "viewer", "operator", "engineer", "admin"])
@pytest.mark.parametrize("right", list(Right), ids=lambda right: right.name)
def test_each_role_has_exactly_its_rights(right: Right, role: str) -> None:
    caller = Caller("anna", role, "http")
    if role in ALLOWED[right]:
        require(caller, right, "do it")
    else:
        with pytest.raises(DeniedError, match=r"anna .* may not do it: it needs the role") as caught:
            require(caller, right, "do it")
        assert caught.value.status == status.BAD_USER_ACCESS_DENIED


def test_an_unknown_least_role_lets_nobody_in() -> None:
    assert not has_role("admin", "superuser")
    assert not has_role("anonymous", "anonymous")
