"""Every error as the API reports it: `{"error": {"code", "message", "hint"}}`, with the status that fits."""

import logging
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
from bot.work import views

if TYPE_CHECKING:
    from bot.fleet import Fleet

log = logging.getLogger(__name__)
__all__ = ["LARGEST", "Handler", "Middleware", "Refused", "answer", "error_json", "refusals", "status_of", "unexpected"]

LARGEST = 256 * 1024
"""Bytes of a request's body or of one WebSocket message."""

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
"""What the engine refuses because of what was asked, rather than because it failed."""

HTTP = {
    400: ("bad_request", "That is no request that can be read.", "See docs/reference.md for the routes."),
    404: ("no_such_route", "Nothing is served under this address.", "See docs/reference.md for the routes; the page is at /."),
    405: ("wrong_method", "This address takes another method.", "The Allow header names those it takes."),
    413: ("too_large", f"The request is larger than {LARGEST // 1024} KiB.", "Send less at once."),
}


class Refused(FleetError):
    """A request that the web refuses by itself: not signed in, wrong host, wrong kind of content, too many attempts."""

    def __init__(self, status: int, code: str, message: str, hint: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, hint, code=code)
        self.status = status
        self.headers = dict(headers or {})


def status_of(error: FleetError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, EngineError) and error.code in ENGINE_STATUS:
        return ENGINE_STATUS[error.code]
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def error_json(error: FleetError, fleet: "Fleet | None" = None) -> dict[str, Any]:
    """The error; where somebody was faster, also who won and the gate as it is now."""
    answer: dict[str, Any] = {"error": error.as_json()}
    if isinstance(error, Conflict) and isinstance(error.data, Gate) and fleet is not None:
        answer["gate"] = views.gate_json(error.data, fleet)
        answer["decision"] = answer["gate"]["decision"]
    return answer


def unexpected(error: Exception) -> FleetError:
    """An error that nobody foresaw: its story goes to the log under a number, the number to the person."""
    number = secrets.token_hex(4)
    log.error("error %s in the web", number, exc_info=error)
    return FleetError(
        f"Something broke while this was handled (error {number}).", "The log has the details under that number. Try again."
    )


def refusals(fleet: "Fleet") -> Middleware:
    """Answer every failure in the same form. One of the few places that catch everything, since events arrive here."""

    @web.middleware
    async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except FleetError as error:
            headers = error.headers if isinstance(error, Refused) else {}
            return answer(error_json(error, fleet), status_of(error), headers)
        except web.HTTPException as error:
            return _of_http(error)
        except Exception as error:  # noqa: BLE001  whoever asked gets an answer, the log gets the story
            return answer(error_json(unexpected(error)), 500)

    return answering


def _of_http(error: web.HTTPException) -> web.Response:
    code, message, hint = HTTP.get(error.status, ("refused", error.reason or "Refused.", ""))
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return answer({"error": {"code": code, "message": message, "hint": hint}}, error.status, allow)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON response."""
    return web.Response(body=to_json(value), content_type="application/json", charset="utf-8", status=status, headers=headers)
