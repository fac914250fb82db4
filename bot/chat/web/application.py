"""The web application: its routes, and what every request passes on its way to one.

request → count → answer failures → Host and Origin → signed in? → route
"""

from collections import Counter

from aiohttp import web

from bot.chat.web import api, gates, health, pages, sockets
from bot.chat.web.auth import authentication
from bot.chat.web.guard import add_headers, guard
from bot.chat.web.refusals import LARGEST, refusals
from bot.chat.web.site import SITE, Site


def application(site: Site) -> web.Application:
    """The one application that is served on both ports."""
    requests: Counter[tuple[str, str]] = Counter()
    app = web.Application(
        client_max_size=LARGEST,
        middlewares=[
            health.counting(requests),
            refusals(site.fleet),
            guard(site.host),
            authentication(site.login),
        ],
    )
    app[SITE] = site
    app[health.REQUESTS] = requests
    app[pages.FILES] = pages.read_files()
    for table in (pages.routes, api.routes, gates.routes, health.routes, sockets.routes):
        app.add_routes(table)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(sockets.close_all)
    return app
