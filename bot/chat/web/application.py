"""The web application with its routes and middlewares.

request → count → error responses → wait for the disk → webhooks of platforms → Host and Origin → sign-in → route
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from aiohttp import web

from bot.chat.web import api, catch_up, gates, health, pages, queue, receive, sockets
from bot.chat.web.auth import authentication
from bot.chat.web.context import CONTEXT, Context
from bot.chat.web.errors import LARGEST, Handler, Middleware, error_responses
from bot.chat.web.guard import add_headers, guard


def webhooks(hooks: Mapping[str, Handler]) -> Middleware:
    """Pass the requests of chat platforms to their handlers.

    They arrive under the public host name and without sign-in.
    """

    @web.middleware
    async def dispatched(request: web.Request, handler: Handler) -> web.StreamResponse:
        hook = hooks.get(request.path) if request.method == "POST" else None
        return await (hook or handler)(request)

    return dispatched


def durable(wait: Callable[[], Awaitable[None]]) -> Middleware:
    """Respond only once everything stored by then is on disk."""

    @web.middleware
    async def waited(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        finally:
            await wait()

    return waited


def application(context: Context, hooks: Mapping[str, Handler] = MappingProxyType({})) -> web.Application:
    """Return the application served on both ports.

    `hooks` handle the requests of chat platforms by path, and verify them by themselves.
    """
    requests: Counter[tuple[str, str]] = Counter()
    app = web.Application(
        client_max_size=LARGEST,
        middlewares=[
            health.counting(requests),
            error_responses(context.fleet),
            durable(context.fleet.store.durable),
            webhooks(hooks),
            guard(context.host),
            authentication(context.login),
        ],
    )
    app[CONTEXT] = context
    app[health.REQUESTS] = requests
    app[pages.FILES] = pages.read_files()
    for table in (each.routes for each in (pages, api, receive, catch_up, gates, queue, health, sockets)):
        app.add_routes(table)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(sockets.close_all)
    return app
