"""Protocol 1, which supervisors of release 0.1.0 speak, behind the messages of protocol 2.

It can be removed with the release after the next one. Mail of protocol 1 is translated in `bot.engine.parsing`.
"""

from collections.abc import Mapping
from typing import Any, Final

from bot.supervisor.drivers import conventions
from bot.supervisor.protocol import (
    ChannelError,
    Hello1,
    Message,
    Notification,
    Request,
    Response,
    from_line,
    object_field,
    text_field,
    to_line,
    whole_number,
)

PROTOCOL: Final = 1

METHODS: Final[Mapping[str, str]] = {"start_worker": "sling", "receipt": "consumed"}
"""Operations of protocol 1 for the methods that had another name."""


def encode(message: Message) -> bytes:
    """Return the line of a hello or a request. Raises ChannelError as in protocol 2."""
    if isinstance(message, Hello1):
        return to_line({"hello": {**message.info, "protocol": message.protocol}})
    if not isinstance(message, Request):
        raise ChannelError("bad_request", "The fleet sends only requests.")
    params = {key: value for key, value in message.params.items() if key not in {"product", "deadline"}}
    operation = METHODS.get(message.method, message.method)
    line = {"id": message.id, "op": operation, "product": message.product, "args": _arguments(message.method, params)}
    deadline = message.params.get("deadline")
    return to_line(line if deadline is None else {**line, "deadline": deadline})


def decode(line: bytes) -> Message:
    """Return the message of a line. Raises ChannelError as in protocol 2."""
    value = from_line(line)
    if "hello" in value:
        hello = object_field(value, "hello")
        return Hello1({k: v for k, v in hello.items() if k != "protocol"}, whole_number(hello, "protocol"))
    if "event" in value:
        return Notification(text_field(value, "event"), object_field(value, "data"))
    if "error" in value:
        return Response(whole_number(value, "id"), error=error_of(value["error"]))
    if "result" in value:
        return Response(whole_number(value, "id"), _result(value["result"]))
    raise ChannelError("bad_request", "The line is not a hello, response or event of protocol 1.")


def error_of(value: object) -> ChannelError:
    """Return the error of an error object of protocol 1."""
    if not isinstance(value, dict):
        return ChannelError.from_json(value)
    return ChannelError.from_json({"message": value.get("message", ""), "data": value})


def _arguments(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an operation, with the texts that newer supervisors render themselves."""
    rules = conventions.rules(params.pop("reporting", None))
    if method == "send":
        kind = "question" if params.pop("question", False) else "dispatch"
        return {**params, "body": params["body"] + rules, "kind": kind}
    if method == "reply":
        choice, note, context = (params.pop(name) for name in ("choice", "note", "context"))
        return {**params, "body": conventions.answer(choice, note, context + rules)}
    return params


def _result(value: Any) -> Any:
    return {"receipt": value["uptake"]} if isinstance(value, dict) and "uptake" in value else value
