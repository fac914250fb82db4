"""The queue and capacity, as the page draws them. The skill `prioritize` changes the order."""

from aiohttp import web

from bot.chat.web.context import CONTEXT
from bot.chat.web.errors import json_response
from bot.work import queue_view

routes = web.RouteTableDef()


@routes.get("/api/queue")
async def queue(request: web.Request) -> web.Response:
    """Return the work in slots, the queue with estimated waits, and the use of each limit."""
    context = request.app[CONTEXT]
    return json_response(queue_view.as_json(queue_view.picture(context.fleet, context.person()), context.fleet))
