"""Protection against other web pages.

`Host` and `Origin` are checked on every request and upgrade. Our pages load nothing from other sites and cannot be framed.
A page of another site can make a browser send requests here, even under its own name that resolves to this machine, but it
can forge neither the `Host` it was loaded from nor the `Origin`.
"""

from urllib.parse import urlsplit

from aiohttp import web

from bot.chat.web.errors import Handler, Middleware, Refused

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  compared with, not bound to

# no-referrer would make Chromium send “Origin: null” with the forms of our own pages.
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
    """Return the name in a `Host` header in lower case, or None if it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018  raises for an invalid port
    except ValueError:
        return None
    plain = parts.netloc == host and "@" not in host and not parts.path
    return parts.hostname if plain else None


def host_allowed(host: str, configured: str) -> bool:
    """Return True if a `Host` header names this machine or the configured host.

    Any port is accepted, since a container's port may be published under another number.
    """
    name = host_name(host)
    if name is None:
        return False
    return name in LOCAL or (configured not in EVERYWHERE and name == configured.strip("[]").lower())


def origin_matches(origin: str, host: str) -> bool:
    """Return True if an `Origin` header matches the `Host` header."""
    scheme, _, site = origin.partition("://")
    return scheme.lower() in {"http", "https"} and site.lower() == host.lower()


def guard(configured: str) -> Middleware:
    """Refuse requests that another site may have sent."""

    @web.middleware
    async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
        host, origins = request.headers.get("Host", ""), request.headers.getall("Origin", [])
        if not host_allowed(host, configured):
            raise Refused(
                403,
                "wrong_host",
                f"Unknown host name “{host[:80]}”.",
                "Open http://localhost instead, or set FLEET_WEB_HOST to the name you use.",
            )
        if any(not origin_matches(origin, host) for origin in origins):
            raise Refused(
                403,
                "wrong_origin",
                "Another web page sent this request.",
                "Open the fleet's own page and try again.",
            )
        return await handler(request)

    return guarding


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers to every response."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
