"""One family of errors, split by blame; each carries a StatusCode and a sentence for the operator."""

from __future__ import annotations

from collections.abc import Sequence

from server.core import status


class IntegrationError(Exception):
    """Anything that went wrong and that somebody outside is told about."""

    status: int = status.BAD

    def __init__(self, text: str, *, status_code: int | None = None, clause: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.clause = clause
        if status_code is not None:
            self.status = status_code


class ConfigurationError(IntegrationError):
    """What a site configured is wrong; every mistake is listed."""

    def __init__(self, problems: Sequence[str], *, what: str = "configuration") -> None:
        self.problems = tuple(problems)
        super().__init__(f"{what}: " + "; ".join(self.problems))


class RemoteError(IntegrationError):
    """A device, broker, package or client broke the rules."""


class DeniedError(IntegrationError):
    """The caller lacks the right."""

    status = status.BAD_USER_ACCESS_DENIED


class LockedError(DeniedError):
    """Somebody else holds the lock of the device."""

    status = status.BAD_LOCKED


class NotFoundError(IntegrationError):
    """What was named does not exist."""

    status = status.BAD_NOT_FOUND


class LocalError(IntegrationError):
    """A bug of ours, told honestly."""

    status = status.BAD_INTERNAL_ERROR


class InUseError(IntegrationError):
    """A port or a data folder belongs to another process."""

    status = status.BAD_RESOURCE_UNAVAILABLE
