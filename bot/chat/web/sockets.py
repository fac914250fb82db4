"""The WebSocket: what pages and programs say, and what they hear.

In: `message`, `decision`, `stop`, `subscribe`, `ping`. Out: `hello` and `status` at the beginning, then `accepted` (a message
is kept), `delta`, `doing`, `reply`, `card`, `status`, `stopped`, `subscribed`, `pong` and `error`, each with the conversation
that it belongs to, if it belongs to one.
"""

import asyncio
import json
from contextlib import nullcontext, suppress
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from bot.chat.web import api, bodies, gates, pages
from bot.chat.web.clients import Client
from bot.chat.web.refusals import LARGEST, error_json, unexpected
from bot.chat.web.site import SITE, Site, product_version, shown, stored
from bot.domain import Gate, Work
from bot.domain.errors import FleetError, UsageError
from bot.text.wording import whole
from bot.work import views

routes = web.RouteTableDef()
HEARTBEAT = 20.0
"""Seconds between two pings; half of it without an answer ends the connection."""
MOST = 8 * LARGEST
"""Bytes of one message that end the connection; what is above `LARGEST` and below is refused in words."""
GOODBYE = 2.0
"""Seconds that a client which does not read is given to hear why it is cut off."""


@routes.get("/ws")
async def listen(request: web.Request) -> web.StreamResponse:
    """One client, from its first message to its last."""
    site = request.app[SITE]
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MOST, compress=False, timeout=GOODBYE)
    await socket.prepare(request)
    client = Client(request.cookies.get(site.login.cookie, ""))
    edition = pages.edition(request.app[pages.FILES])
    client.tell({"type": "hello", "version": product_version(), "person": site.person().name, "page": edition})
    client.tell({"type": "status", "status": site.status()})
    site.clients.add(client)
    ends = [asyncio.create_task(each) for each in (_read(socket, client, site), _write(socket, client), client.over.wait())]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        site.clients.discard(client)
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        await _goodbye(request, socket, client)
    return socket


async def close_all(app: web.Application) -> None:
    """Tell every client that the fleet goes away; pages come back by themselves."""
    app[SITE].clients.cut_all(WSCloseCode.GOING_AWAY, "the fleet stops")


def gate_card(gate: Gate, site: Site) -> dict[str, Any]:
    """A gate as it is now."""
    detail = views.gate_json(gate, site.fleet)
    return {"type": "card", "kind": "gate", "conversation": shown(gate.conversation), "gate": gate.id, "detail": detail}


def work_card(work: Work) -> dict[str, Any]:
    """Work as it is now."""
    detail = views.work_json(work)
    return {"type": "card", "kind": "work", "conversation": shown(work.conversation), "work": work.id, "detail": detail}


async def _goodbye(request: web.Request, socket: web.WebSocketResponse, client: Client) -> None:
    try:
        await asyncio.wait_for(socket.close(code=client.code, message=client.words.encode()), GOODBYE)
    except (TimeoutError, ConnectionError):
        if request.transport is not None:
            request.transport.abort()


async def _write(socket: web.WebSocketResponse, client: Client) -> None:
    with suppress(ConnectionError):
        while True:
            await socket.send_str(await client.queue.get())


async def _read(socket: web.WebSocketResponse, client: Client, site: Site) -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            client.tell(await _answer(message.data, client, site))
        elif message.type is WSMsgType.BINARY:
            refusal = UsageError("Only text is understood here.", "Send JSON as a text message.", code="malformed")
            client.tell({"type": "error", **error_json(refusal)})


async def _answer(text: str, client: Client, site: Site) -> dict[str, Any]:
    """What one message is answered with at once."""
    about: dict[str, Any] = {}
    try:
        said = _read_one(text, site)
        about = {name: getattr(said, name) for name in ("id", "gate", "conversation") if getattr(said, name, None)}
        return _do(said, client, site)
    except FleetError as error:
        refusal = error_json(error, site.fleet)
        if "gate" in refusal:
            refusal["detail"] = refusal.pop("gate")
        return {"type": "error", **about, **refusal}
    except Exception as error:  # noqa: BLE001  an inbound event: whoever asked gets an answer, the log gets the story
        return {"type": "error", **about, **error_json(unexpected(error))}


def _read_one(text: str, site: Site) -> Any:
    """One message in its shape; of a decision that cannot be read, the journal tells. Raises UsageError."""
    with gates.kept(site, meant) if (meant := _meant(text)) else nullcontext():
        if len(text) > LARGEST:
            larger = f"The message is larger than {LARGEST // 1024} KiB."
            raise UsageError(larger, "Send less at once.", code="too_large")
        return bodies.parsed(bodies.SAID, text)


def _meant(text: str) -> str:
    """The gate that a message would decide, if it can be told from it."""
    with suppress(ValueError, RecursionError):
        said = json.loads(text) if '"decision"' in text else None
        if isinstance(said, dict) and said.get("type") == "decision":
            return whole(str(said.get("gate", ""))) or "gates"
    return ""


def _do(said: Any, client: Client, site: Site) -> dict[str, Any]:
    match said:
        case bodies.SocketMessage():
            return _message(said, client, site)
        case bodies.SocketAnswer():
            return gate_card(gates.decided(site, said.gate, said), site)
        case bodies.SocketStop():
            conversation = stored(said.conversation)
            stopped = site.router.stop_turn(conversation)
            return {"type": "stopped", "conversation": shown(conversation), "stopped": stopped}
        case bodies.Subscribe():
            wanted = said.conversations
            client.wanted = None if wanted is None else frozenset(map(stored, wanted))
            return {"type": "subscribed", "conversations": wanted}
        case _:
            return {"type": "pong"}


def _message(said: bodies.SocketMessage, client: Client, site: Site) -> dict[str, Any]:
    inbound = api.to_inbound(site, said)
    if client.wanted is not None:
        client.wanted |= {inbound.conversation}
    site.router.receive(inbound)
    return {"type": "accepted", "conversation": shown(inbound.conversation), "id": inbound.event.removeprefix("web:")}
