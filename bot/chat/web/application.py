"""The web application: its routes, and what every request passes on its way to one.

request → count → answer failures → a platform's own? → Host and Origin → signed in? → route
"""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import web

from bot.chat.web import api, gates, health, pages, queue, sockets
from bot.chat.web.auth import authentication
from bot.chat.web.guard import add_headers, guard
from bot.chat.web.refusals import LARGEST, Handler, Middleware, refusals
from bot.chat.web.site import SITE, Site


def hooked(hooks: Mapping[str, Handler]) -> Middleware:
    """Hand a platform's requests to the platform: they come under the public name, and nobody is signed in."""

    @web.middleware
    async def handing(request: web.Request, handler: Handler) -> web.StreamResponse:
        hook = hooks.get(request.path) if request.method == "POST" else None
        return await (hook or handler)(request)

    return handing


def application(site: Site, hooks: Mapping[str, Handler] = MappingProxyType({})) -> web.Application:
    """The one application that is served on both ports; `hooks` take requests of chat platforms, which prove by themselves
    whose they are."""
    requests: Counter[tuple[str, str]] = Counter()
    app = web.Application(
        client_max_size=LARGEST,
        middlewares=[
            health.counting(requests),
            refusals(site.fleet),
            hooked(hooks),
            guard(site.host),
            authentication(site.login),
        ],
    )
    app[SITE] = site
    app[health.REQUESTS] = requests
    app[pages.FILES] = pages.read_files()
    for table in (pages.routes, api.routes, gates.routes, health.routes, sockets.routes, queue.routes):
        app.add_routes(table)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(sockets.close_all)
    return app
