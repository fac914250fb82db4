"""Errors of the API, as JSON with an HTTP status.

The form is `{"error": {"code", "message", "hint"}}`.
"""

import logging
import secrets
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic_core import to_json

from bot.domain import Gate
from bot.domain.errors import (
    Conflict,
    EngineError,
    FleetError,
    ModelError,
    NotAllowed,
    NotFound,
    RuntimeUnreachable,
    StoreError,
    UsageError,
)
from bot.fleet import Fleet
from bot.work import views

log = logging.getLogger(__name__)
__all__ = [
    "LARGEST",
    "Handler",
    "Middleware",
    "Refused",
    "error_json",
    "error_responses",
    "json_response",
    "status_of",
    "unexpected",
]
LARGEST = 256 * 1024
"""Bytes of a request body or of one WebSocket message."""

STATUS: tuple[tuple[type[FleetError], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
    (UsageError, 422),
    (NotAllowed, 403),
    (RuntimeUnreachable, 503),
    (EngineError, 502),
    (ModelError, 502),
    (StoreError, 503),
)
ENGINE_STATUS = {
    "not_found": 404,
    "unknown_agent": 404,
    "not_running": 409,
    "recipient_terminal": 409,
    "limit_reached": 409,
    "name_taken": 409,
    "paused": 409,
    "dirty": 409,
    "at_work": 409,
    "changed": 409,
    "unknown_capability": 422,
    "unsupported": 422,
    "too_large": 413,
    "timed_out": 504,
}
"""HTTP status of engine errors that are caused by the request, by error code. All others are 502."""

HTTP = {
    400: ("bad_request", "Malformed HTTP request.", "See docs/reference.md for the routes."),
    404: ("no_such_route", "There is no such address.", "The page is at /. See docs/reference.md for the routes."),
    405: ("wrong_method", "This address does not support this method.", "See the Allow header for the supported methods."),
    413: ("too_large", f"The request is larger than {LARGEST // 1024} KiB.", "Send a smaller request."),
}


class Refused(FleetError):
    """A request that the web server refuses, such as one without sign-in or with a foreign host."""

    def __init__(self, status: int, code: str, message: str, hint: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, hint, code=code)
        self.status = status
        self.headers = dict(headers or {})


def status_of(error: FleetError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, EngineError) and error.code in ENGINE_STATUS:
        return ENGINE_STATUS[error.code]
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def error_json(error: FleetError, fleet: Fleet | None = None) -> dict[str, Any]:
    """Return an error as JSON, with the gate and its decision where another decision came first."""
    shown: dict[str, Any] = {"error": error.as_json()}
    if isinstance(error, Conflict) and isinstance(error.data, Gate) and fleet is not None:
        shown["gate"] = views.gate_json(error.data, fleet)
        shown["decision"] = shown["gate"]["decision"]
    return shown


def unexpected(error: Exception) -> FleetError:
    """Log an unexpected error under a number, and return an error that shows the number."""
    number = secrets.token_hex(4)
    log.error("error %s in the web", number, exc_info=error)
    return FleetError(f"Internal error {number}.", f"Try again. If it happens again, search the log for {number}.")


def error_responses(fleet: Fleet) -> Middleware:
    """Return every error in the same form."""

    @web.middleware
    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except FleetError as error:
            headers = error.headers if isinstance(error, Refused) else {}
            return json_response(error_json(error, fleet), status_of(error), headers)
        except web.HTTPException as error:
            return _of_http(error)
        except Exception as error:  # noqa: BLE001  an inbound event: the client gets an answer and the log gets the traceback
            return json_response(error_json(unexpected(error)), 500)

    return answered


def _of_http(error: web.HTTPException) -> web.Response:
    code, message, hint = HTTP.get(error.status, ("refused", error.reason or "Refused.", ""))
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return json_response({"error": {"code": code, "message": message, "hint": hint}}, error.status, allow)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON response."""
    return web.Response(body=to_json(value), content_type="application/json", charset="utf-8", status=status, headers=headers)
