"""Every refusal as a problem document (RFC 9457), made in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from server.console.shapes import scalar
from server.core import status
from server.core.errors import ConfigurationError, DeniedError, IntegrationError, NotFoundError
from server.core.status import StatusCode, name_of
from server.core.values import CommandResult

MEDIA_TYPE = "application/problem+json"
ERRORS_SHOWN = 20

HTTP_STATUS: Mapping[StatusCode, int] = {
    status.BAD_ARGUMENTS_MISSING: 422,
    status.BAD_TOO_MANY_ARGUMENTS: 422,
    status.BAD_INVALID_ARGUMENT: 422,
    status.BAD_TYPE_MISMATCH: 422,
    status.BAD_OUT_OF_RANGE: 422,
    status.BAD_METHOD_INVALID: 404,
    status.BAD_NODE_ID_UNKNOWN: 404,
    status.BAD_NOT_FOUND: 404,
    status.BAD_NOT_WRITABLE: 409,
    status.BAD_INVALID_STATE: 409,
    status.BAD_EVENT_ID_UNKNOWN: 409,
    status.BAD_CONDITION_BRANCH_ALREADY_ACKED: 409,
    status.BAD_CONDITION_BRANCH_ALREADY_CONFIRMED: 409,
    status.BAD_CONDITION_ALREADY_SHELVED: 409,
    status.BAD_CONDITION_NOT_SHELVED: 409,
    status.BAD_CONDITION_ALREADY_ENABLED: 409,
    status.BAD_CONDITION_ALREADY_DISABLED: 409,
    status.BAD_CONDITION_DISABLED: 409,
    status.BAD_SHELVING_TIME_OUT_OF_RANGE: 422,
    status.BAD_USER_ACCESS_DENIED: 403,
    status.BAD_DEVICE_FAILURE: 502,
    status.BAD_NO_COMMUNICATION: 503,
    status.BAD_NOT_CONNECTED: 503,
    status.BAD_RESOURCE_UNAVAILABLE: 503,
    status.BAD_SHUTDOWN: 503,
    status.BAD_TIMEOUT: 504,
}


class ProblemError(Exception):
    """Ends a request with a problem document."""

    def __init__(self, code: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.headers = headers
        self.more = more


def problem(code: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """The answer itself."""
    body = {"type": "about:blank", "title": HTTPStatus(code).phrase, "status": code, "detail": detail, **more}
    return JSONResponse(body, code, dict(headers or {}), media_type=MEDIA_TYPE)


def require_done(result: CommandResult) -> dict[str, Any]:
    """The body of a command that its device carried out.

    Raises:
        ProblemError: it did not; with the StatusCode, that of each argument, and the reason.
    """
    if result.ok:
        values = {name: scalar(value) for name, value in result.values.items()}
        return {"status": name_of(result.status), "reason": result.reason, "values": values}
    more: dict[str, Any] = {"status_code": name_of(result.status)}
    if result.argument_status:
        more["arguments"] = [name_of(code) for code in result.argument_status]
    raise ProblemError(
        HTTP_STATUS.get(result.status & 0xFFFF0000, 502), result.reason or name_of(result.status), **more
    )


def install(app: FastAPI) -> None:
    """Answer every error of a route by a problem document; nothing of our inside shows."""

    @app.exception_handler(ProblemError)
    async def refused(_: Request, error: ProblemError) -> JSONResponse:
        return problem(error.code, error.detail, error.headers, **error.more)

    @app.exception_handler(IntegrationError)
    async def told(_: Request, error: IntegrationError) -> JSONResponse:
        more: dict[str, Any] = {"status_code": name_of(error.status)}
        problems = getattr(error, "problems", ())
        if problems:
            more["errors"] = [{"detail": str(text)} for text in problems[:ERRORS_SHOWN]]
        return problem(_code_of(error), error.text, **more)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent is not repeated: it may be a password, or no JSON.
        found = [
            {"detail": str(entry.get("msg", "")), "where": ".".join(_place(entry.get("loc", ())))}
            for entry in list(error.errors())[:ERRORS_SHOWN]
        ]
        text = "; ".join(f"{entry['where']}: {entry['detail']}" for entry in found)
        return problem(422, text or "the request cannot be read", errors=found)

    @app.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, __: Exception) -> JSONResponse:
        return problem(500, "the server failed at this request; its log has the reason")


def _code_of(error: IntegrationError) -> int:
    if isinstance(error, DeniedError):
        return 403
    if isinstance(error, NotFoundError):
        return 404
    if isinstance(error, ConfigurationError):
        return 422
    return HTTP_STATUS.get(error.status & 0xFFFF0000, 422 if error.status == status.BAD else 500)


def _place(where: Sequence[object]) -> list[str]:
    return [str(part)[:64] for part in where]
