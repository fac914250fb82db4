"""What keeps other web pages out: Host and Origin are checked on every request and upgrade, and what we serve may load
nothing from elsewhere and be framed nowhere.

A page on another site can make a browser send requests here, also under a name of its own that points to this machine;
it can forge neither the `Host` that it was itself loaded from nor the `Origin`.
"""

from urllib.parse import urlsplit

from aiohttp import web

from bot.chat.web.refusals import Handler, Middleware, Refused

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  compared with, not bound to

# Not no-referrer: with that, Chromium sends “Origin: null” along with the forms of our own pages.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def host_name(host: str) -> str | None:
    """The name in a `Host` header, lower case; None when it is no host and port."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError:
        return None
    plain = parts.netloc == host and "@" not in host and not parts.path
    return parts.hostname if plain else None


def host_allowed(host: str, configured: str) -> bool:
    """Whether a `Host` header names this machine or the configured host, under any port: a container's may be published
    under another one."""
    name = host_name(host)
    if name is None:
        return False
    return name in LOCAL or (configured not in EVERYWHERE and name == configured.strip("[]").lower())


def origin_matches(origin: str, host: str) -> bool:
    """Whether an `Origin` header is the site of the `Host` header."""
    scheme, _, place = origin.partition("://")
    return scheme.lower() in {"http", "https"} and place.lower() == host.lower()


def guard(configured: str) -> Middleware:
    """Refuse what another site may have sent."""

    @web.middleware
    async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
        host, origins = request.headers.get("Host", ""), request.headers.getall("Origin", [])
        if not host_allowed(host, configured):
            raise Refused(
                403,
                "wrong_host",
                f"This fleet does not go by the name “{host[:80]}”.",
                "Open it as http://localhost, or set FLEET_WEB_HOST to the name that you use.",
            )
        if any(not origin_matches(origin, host) for origin in origins):
            raise Refused(
                403,
                "wrong_origin",
                "The request was sent by another web page.",
                "Open the fleet's own page and try again there.",
            )
        return await handler(request)

    return guarding


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers that protect a page on every response."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
