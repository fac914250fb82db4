"""Sign-in with the web token, or with a cookie made from it.

The cookie holds its creation time and an HMAC under the token, so that no session is stored and a new token ends every
session. Wrong tokens are counted by address. After too many of them, that address is locked out for a while.
"""

import hmac
import time
from collections import defaultdict, deque
from collections.abc import Callable
from hashlib import sha256
from http.cookies import CookieError

from aiohttp import web

from bot.chat.web.errors import Handler, Middleware, Refused

DAYS = 30
"""Days a cookie is valid. Every visit of the page makes a new one."""
MOST_WRONG = 10
"""Wrong tokens accepted from one address within `WINDOW` seconds."""
WINDOW = 60.0
OPEN_ROUTES = frozenset({"/healthz", "/readyz", "/login", "/logout", "/", "/favicon.ico"})
OPEN_FOLDERS = ("/static/", "/gates/")
"""Served without sign-in. `/` and a gate's page redirect to the login page."""


class Login:
    """The token, its cookies, and the count of wrong attempts."""

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        if not token:
            raise ValueError("the web token is empty")
        self._token = token.encode()
        self._clock = clock
        self._wrong: dict[str, deque[float]] = defaultdict(deque)
        self.cookie = f"fleet_{self._sign('name')[:8]}"
        """Name of the cookie, different for each token.

        A browser shares cookies among all ports of a host, so two fleets on one host need two names.
        """

    def make(self) -> str:
        """Return the value of a cookie that is valid for `DAYS` from now."""
        made = str(int(self._clock()))
        return f"{made}.{self._sign(made)}"

    def good(self, value: str) -> bool:
        """Return True if a cookie's value was made with this token and has not expired."""
        made, _, signature = value.partition(".")
        if not (made.isascii() and made.isdigit() and len(made) < 12):
            return False
        same = hmac.compare_digest(signature.encode(), self._sign(made).encode())
        return same and 0 <= self._clock() - int(made) + 60 <= DAYS * 86400

    def check(self, token: str, address: str) -> bool:
        """Return True if this is the token. Raises Refused after too many wrong ones from that address."""
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
                "Too many wrong tokens.",
                f"Wait {wait} s, then use the token that `fleet up` printed.",
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
    """Return True if a path is served without sign-in."""
    return path in OPEN_ROUTES or path.startswith(OPEN_FOLDERS)


def signed_in(request: web.Request, login: Login) -> bool:
    """Return True if a request has the bearer token or a valid cookie.

    Raises Refused after too many wrong tokens.
    """
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return login.check(token, request.remote or "")
    return has_cookie(request, login)


def has_cookie(request: web.Request, login: Login) -> bool:
    """Return True if a request has a valid cookie."""
    try:
        return login.good(request.cookies.get(login.cookie, ""))
    except CookieError:
        return False


def give_cookie(response: web.StreamResponse, request: web.Request, login: Login) -> None:
    """Keep the browser signed in.

    The cookie is SameSite=Strict, so links and forms of other sites never send it.
    """
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
    """Refuse requests without sign-in, except for the open routes."""

    @web.middleware
    async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_open(request.path) or signed_in(request, login):
            return await handler(request)
        raise Refused(
            401,
            "signed_out",
            "Not signed in, or the token is wrong.",
            "Open the address that `fleet up` printed, or send “Authorization: Bearer …” with FLEET_WEB_TOKEN.",
            {"WWW-Authenticate": "Bearer"},
        )

    return authenticated
