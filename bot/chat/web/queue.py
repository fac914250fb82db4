"""The queue and what is in use, as the page draws them; its order is changed by the skill prioritize."""

from aiohttp import web

from bot.chat.web.refusals import answer
from bot.chat.web.site import SITE
from bot.work import queue_view

routes = web.RouteTableDef()


@routes.get("/api/queue")
async def queue(request: web.Request) -> web.Response:
    """Who has a place, who waits for what and about how long, and what is left of each limit."""
    site = request.app[SITE]
    return answer(queue_view.as_json(queue_view.picture(site.fleet, site.person()), site.fleet))
