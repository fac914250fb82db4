"""The WebSocket of a page or a program.

In: `message`, `decision`, `stop`, `subscribe`, `ping`. Out: `hello` and `status` at the beginning, then `accepted` (the message
is stored), `delta`, `doing`, `reply`, `card`, `status`, `stopped`, `subscribed`, `pong` and `error`, each with its conversation
where it has one.
"""

import asyncio
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web

from bot.chat.web import pages
from bot.chat.web.clients import Client
from bot.chat.web.context import CONTEXT, Context, product_version
from bot.chat.web.errors import LARGEST, error_json
from bot.chat.web.receive import receive
from bot.chat.web.to_json import status_json
from bot.domain.errors import UsageError

routes = web.RouteTableDef()
HEARTBEAT = 20.0
"""Seconds between two pings. The connection ends after half of it without an answer."""
MOST = 8 * LARGEST
"""Bytes of one message that end the connection.

A message between `LARGEST` and this is answered with an error.
"""
GOODBYE = 2.0
"""Seconds a client that does not read has to receive the reason for its disconnection."""


@routes.get("/ws")
async def connect(request: web.Request) -> web.StreamResponse:
    """Connect a client, from its first message to its last."""
    context = request.app[CONTEXT]
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MOST, compress=False, timeout=GOODBYE)
    await socket.prepare(request)
    client = Client(request.cookies.get(context.login.cookie, ""))
    edition = pages.edition(request.app[pages.FILES])
    client.send({"type": "hello", "version": product_version(), "person": context.person().name, "page": edition})
    client.send({"type": "status", "status": status_json(context)})
    context.clients.add(client)
    ends = [
        asyncio.create_task(each)
        for each in (_read(socket, client, context), _write(socket, client, context), client.over.wait())
    ]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        context.clients.discard(client)
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        await _goodbye(request, socket, client)
    return socket


async def close_all(app: web.Application) -> None:
    """Tell every client that the fleet stops. Pages reconnect by themselves."""
    app[CONTEXT].clients.cut_all(WSCloseCode.GOING_AWAY, "the fleet stops")


async def _goodbye(request: web.Request, socket: web.WebSocketResponse, client: Client) -> None:
    try:
        await asyncio.wait_for(socket.close(code=client.code, message=client.reason.encode()), GOODBYE)
    except (TimeoutError, ConnectionError):
        if request.transport is not None:
            request.transport.abort()


async def _write(socket: web.WebSocketResponse, client: Client, context: Context) -> None:
    with suppress(ConnectionError):
        while True:
            text = await client.queue.get()
            await context.fleet.store.durable()
            await socket.send_str(text)


async def _read(socket: web.WebSocketResponse, client: Client, context: Context) -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            client.send(await receive(message.data, client, context))
        elif message.type is WSMsgType.BINARY:
            refusal = UsageError("Binary messages are not supported.", "Send JSON as a text message.", code="malformed")
            client.send({"type": "error", **error_json(refusal)})
