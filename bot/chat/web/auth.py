"""Who may open the page: whoever has the web token, or a cookie made from it.

The cookie says when it was made and carries an HMAC under the token, so that nothing need be kept and another token ends
every session. Wrong tokens are counted by address; after too many, none is even looked at for a while.
"""

import hmac
import time
from collections import defaultdict, deque
from collections.abc import Callable
from hashlib import sha256
from http.cookies import CookieError

from aiohttp import web

from bot.chat.web.refusals import Handler, Middleware, Refused

DAYS = 30
"""For which a cookie is good; every visit of the page makes a new one."""
MOST_WRONG = 10
"""Wrong tokens from one address within `WINDOW` seconds."""
WINDOW = 60.0
OPEN_ROUTES = frozenset({"/healthz", "/readyz", "/login", "/logout", "/", "/favicon.ico"})
OPEN_FOLDERS = ("/static/", "/gates/")
"""Served to anybody; `/` and the page of a gate send whoever is not signed in to the login page."""


class Login:
    """The token, the cookies made from it, and the wrong ones that were tried."""

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        if not token:
            raise ValueError("a token is needed")
        self._token = token.encode()
        self._clock = clock
        self._wrong: dict[str, deque[float]] = defaultdict(deque)
        self.cookie = f"fleet_{self._sign('name')[:8]}"
        """Name of the cookie: of this token's own, since a browser shares cookies among all ports of a host."""

    def make(self) -> str:
        """A cookie's value, good for `DAYS` from now."""
        made = str(int(self._clock()))
        return f"{made}.{self._sign(made)}"

    def good(self, value: str) -> bool:
        """Whether a cookie's value was made by us, with this token, not too long ago."""
        made, _, signature = value.partition(".")
        if not (made.isascii() and made.isdigit() and len(made) < 12):
            return False
        same = hmac.compare_digest(signature.encode(), self._sign(made).encode())
        return same and 0 <= self._clock() - int(made) + 60 <= DAYS * 86400

    def check(self, token: str, address: str) -> bool:
        """Whether this is the token. Raises Refused when too many wrong ones came from that address."""
        now = self._clock()
        self._forget(now)
        wrong = self._wrong[address]
        while wrong and wrong[0] < now - WINDOW:
            wrong.popleft()
        if len(wrong) >= MOST_WRONG:
            wait = int(wrong[0] + WINDOW - now) + 1
            raise Refused(
                429,
                "too_many_attempts",
                "Too many wrong tokens were tried.",
                f"Wait {wait} s, then try again with the token that `fleet up` printed.",
                {"Retry-After": str(wait)},
            )
        same = hmac.compare_digest(self._hash(token.strip().encode(errors="replace")), self._hash(self._token))
        if same:
            self._wrong.pop(address, None)
        else:
            wrong.append(now)
        return same

    def _forget(self, now: float) -> None:
        for address in [each for each, times in self._wrong.items() if not times or times[-1] < now - WINDOW]:
            del self._wrong[address]

    def _sign(self, text: str) -> str:
        return hmac.new(self._token, b"fleet web cookie " + text.encode(), sha256).hexdigest()

    def _hash(self, token: bytes) -> bytes:
        return hmac.new(b"fleet web token", token, sha256).digest()


def is_open(path: str) -> bool:
    """Whether a path is served to anybody."""
    return path in OPEN_ROUTES or path.startswith(OPEN_FOLDERS)


def signed_in(request: web.Request, login: Login) -> bool:
    """Whether a request carries the token as a bearer, or a good cookie. Raises Refused for a wrong bearer too many."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return login.check(token, request.remote or "")
    return has_cookie(request, login)


def has_cookie(request: web.Request, login: Login) -> bool:
    """Whether a request carries a good cookie."""
    try:
        return login.good(request.cookies.get(login.cookie, ""))
    except CookieError:
        return False


def give_cookie(response: web.StreamResponse, request: web.Request, login: Login) -> None:
    """Let the browser stay signed in. Strict: no other site's link or form ever carries it."""
    response.set_cookie(
        login.cookie,
        login.make(),
        max_age=DAYS * 86400,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=request.secure,
    )


def authentication(login: Login) -> Middleware:
    """Let in whoever is signed in; everybody else gets the open routes only."""

    @web.middleware
    async def asking(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_open(request.path) or signed_in(request, login):
            return await handler(request)
        raise Refused(
            401,
            "signed_out",
            "You are not signed in, or the token is not the right one.",
            "Open the address that `fleet up` printed, or send “Authorization: Bearer” with FLEET_WEB_TOKEN.",
            {"WWW-Authenticate": "Bearer"},
        )

    return asking
