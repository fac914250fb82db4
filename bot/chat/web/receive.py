"""Messages from people, over HTTP and over the WebSocket."""

import json
from contextlib import nullcontext, suppress
from typing import Any

from aiohttp import web

from bot.chat.web import from_request as given
from bot.chat.web import gates
from bot.chat.web.channels import to_conversation, to_name
from bot.chat.web.clients import Client
from bot.chat.web.context import CONTEXT, Context
from bot.chat.web.errors import LARGEST, error_json, json_response, unexpected
from bot.chat.web.to_json import gate_event, posts_json
from bot.domain import Inbound
from bot.domain.errors import FleetError, UsageError
from bot.text.wording import without_surrogates

routes = web.RouteTableDef()


@routes.post("/api/messages")
async def post_message(request: web.Request) -> web.Response:
    """Send a message and wait for its replies. A repeated `id` gets the same answer."""
    context = request.app[CONTEXT]
    message = given.parsed(given.MESSAGE, await given.read_body(request))
    inbound = given.to_inbound(message, context)
    replies = await context.router.handle(inbound)
    return json_response({**_sent(inbound), "replies": posts_json(replies, context)})


@routes.post("/api/stop")
async def stop(request: web.Request) -> web.Response:
    """Stop the running turn of a conversation."""
    body = given.parsed(given.STOP, await given.read_body(request))
    return json_response({"stopped": request.app[CONTEXT].router.stop_turn(to_conversation(body.conversation))})


async def receive(text: str, client: Client, context: Context) -> dict[str, Any]:
    """Handle one message of the WebSocket and return its immediate answer."""
    about: dict[str, Any] = {}
    try:
        message = _read(text, context)
        about = {name: getattr(message, name) for name in ("id", "gate", "conversation") if getattr(message, name, None)}
        return _handle(message, client, context)
    except FleetError as error:
        refusal = error_json(error, context.fleet)
        if "gate" in refusal:
            refusal["detail"] = refusal.pop("gate")
        return {"type": "error", **about, **refusal}
    except Exception as error:  # noqa: BLE001  an inbound event: the client gets an answer and the log gets the traceback
        return {"type": "error", **about, **error_json(unexpected(error))}


def _read(text: str, context: Context) -> Any:
    """Return one message in its shape. Raises UsageError, and records a decision that could not be read."""
    gate = _gate_meant(text)
    with gates.recorded(gate, context) if gate else nullcontext():
        if len(text) > LARGEST:
            larger = f"The message is larger than {LARGEST // 1024} KiB."
            raise UsageError(larger, "Send a smaller message.", code="too_large")
        return given.parsed(given.SOCKET_INPUT, text)


def _gate_meant(text: str) -> str:
    """Return the gate that an unreadable message may decide, `gates` if unknown, or an empty text."""
    with suppress(ValueError, RecursionError):
        message = json.loads(text) if '"decision"' in text else None
        if isinstance(message, dict) and message.get("type") == "decision":
            return without_surrogates(str(message.get("gate", ""))) or "gates"
    return ""


def _handle(message: Any, client: Client, context: Context) -> dict[str, Any]:
    match message:
        case given.SocketMessage():
            return _message(message, client, context)
        case given.SocketAnswer():
            return gate_event(gates.decided(message.gate, message, context), context)
        case given.SocketStop():
            conversation = to_conversation(message.conversation)
            stopped = context.router.stop_turn(conversation)
            return {"type": "stopped", "conversation": to_name(conversation), "stopped": stopped}
        case given.Subscribe():
            wanted = message.conversations
            client.wanted = None if wanted is None else frozenset(map(to_conversation, wanted))
            return {"type": "subscribed", "conversations": wanted}
        case _:
            return {"type": "pong"}


def _message(message: given.SocketMessage, client: Client, context: Context) -> dict[str, Any]:
    inbound = given.to_inbound(message, context)
    if client.wanted is not None:
        client.wanted |= {inbound.conversation}
    context.router.receive(inbound)
    return {"type": "accepted", **_sent(inbound)}


def _sent(inbound: Inbound) -> dict[str, str]:
    return {"conversation": to_name(inbound.conversation), "id": to_name(inbound.event)}
