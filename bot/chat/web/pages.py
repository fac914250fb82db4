"""The page, the login page, and the few files that they load."""

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files

from aiohttp import web

from bot.chat.web.auth import give_cookie, has_cookie, signed_in
from bot.chat.web.refusals import Refused
from bot.chat.web.site import SITE

routes = web.RouteTableDef()
ICON = "icon.svg"
GATE_PAGE = re.compile(r"/gates/g[0-9]{1,17}")


@dataclass(frozen=True, slots=True)
class File:
    """One file of the page."""

    content: bytes
    kind: str
    tag: str


def read_files() -> dict[str, File]:
    """Every file of the page, by name."""
    found = {}
    for each in (files("bot.chat.web") / "static").iterdir():
        if each.is_file():
            content = each.read_bytes()
            kind = mimetypes.guess_type(each.name)[0] or "application/octet-stream"
            found[each.name] = File(content, kind, sha256(content).hexdigest()[:16])
    return found


FILES = web.AppKey("files", Mapping[str, File])


def edition(found: Mapping[str, File]) -> str:
    """What tells one edition of the page from another, so that an open one can say that it is outdated."""
    return sha256("".join(sorted(each.tag for each in found.values())).encode()).hexdigest()[:16]


@routes.get("/")
async def page(request: web.Request) -> web.Response:
    """The page. A token in the address becomes a cookie and leaves the address; whoever is not signed in is asked for it."""
    if "token" in request.query:
        if not request.app[SITE].login.check(request.query["token"], request.remote or ""):
            return _go("/login?wrong")
        return _enter(request)
    return _page(request, "index.html", "/login")


@routes.get("/gates/{id}")
async def whole_gate(request: web.Request) -> web.Response:
    """One gate on a page of its own, to read, print and decide: the whole plan, what changed, and its history."""
    if not GATE_PAGE.fullmatch(request.path):
        raise web.HTTPNotFound
    return _page(request, "gate.html", f"/login?to={request.path}")


@routes.get("/login")
async def ask(request: web.Request) -> web.Response:
    """Ask for the token."""
    return _login(request, WRONG if "wrong" in request.query else "")


@routes.post("/login")
async def enter(request: web.Request) -> web.Response:
    """Take the token from the form."""
    site = request.app[SITE]
    if request.content_type not in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        raise Refused(415, "wrong_content_type", "The login takes a form.", "Programs send “Authorization: Bearer” instead.")
    token = (await request.post()).get("token", "")
    try:
        good = site.login.check(token if isinstance(token, str) else "", request.remote or "")
    except Refused as refusal:
        return _login(request, str(refusal), refusal.status, refusal.headers)
    if not good:
        return _login(request, WRONG, 401)
    return _enter(request, _wanted(request))


@routes.post("/logout")
async def leave(request: web.Request) -> web.Response:
    """Sign this browser out, and end what it has open."""
    site = request.app[SITE]
    left = _go("/login")
    site.clients.cut_cookie(request.cookies.get(site.login.cookie, ""))
    left.del_cookie(site.login.cookie, path="/", httponly=True, samesite="Strict")
    return left


@routes.get("/static/{name}")
async def static(request: web.Request) -> web.Response:
    """A script, a style sheet or the icon."""
    return _file(request, request.match_info["name"])


@routes.get("/favicon.ico")
async def icon(request: web.Request) -> web.Response:
    """The icon, where browsers look for it unasked."""
    return _file(request, ICON)


WRONG = "That is not the token. It stands at the end of the address that “fleet up” printed, after “token=”."


def _go(place: str) -> web.Response:
    return web.Response(status=303, headers={"Location": place})


def _page(request: web.Request, name: str, login: str) -> web.Response:
    """A page for whoever is signed in, which makes them stay so; everybody else goes to the login."""
    site = request.app[SITE]
    if not signed_in(request, site.login):
        return _go(login)
    response = _file(request, name)
    if has_cookie(request, site.login):
        give_cookie(response, request, site.login)
    return response


def _wanted(request: web.Request) -> str:
    """Where to go after the login: to the page of a gate if it was asked for, else to the page; never anywhere else."""
    wanted = request.query.get("to", "")
    return wanted if GATE_PAGE.fullmatch(wanted) else "/"


def _enter(request: web.Request, place: str = "/") -> web.Response:
    entered = _go(place)
    give_cookie(entered, request, request.app[SITE].login)
    return entered


def _login(request: web.Request, words: str, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    text = request.app[FILES]["login.html"].content.decode().replace("{{words}}", escape(words))
    text = text.replace("{{to}}", escape(f"?to={wanted}" if (wanted := _wanted(request)) != "/" else ""))
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status, headers=headers)


def _file(request: web.Request, name: str) -> web.Response:
    """A file of the page; browsers ask each time whether it has changed."""
    found = request.app[FILES].get(name)
    if found is None or (name.endswith(".html") and request.path.startswith("/static/")):
        raise web.HTTPNotFound
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": "no-cache"}
    if any(each.value == found.tag for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    charset = "utf-8" if found.kind.startswith("text/") else None
    return web.Response(body=found.content, content_type=found.kind, charset=charset, headers=headers)
