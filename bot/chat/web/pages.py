"""The page, the page of a gate, the login page, and their files."""

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files

from aiohttp import web

from bot.chat.web.auth import give_cookie, has_cookie, signed_in
from bot.chat.web.context import CONTEXT
from bot.chat.web.errors import Refused

routes = web.RouteTableDef()
ICON = "icon.svg"
GATE_PAGE = re.compile(r"/gates/g[0-9]{1,17}")


@dataclass(frozen=True, slots=True)
class File:
    """One static file."""

    content: bytes
    kind: str
    tag: str


def read_files() -> dict[str, File]:
    """Return every static file by name."""
    found = {}
    for each in (files("bot.chat.web") / "static").iterdir():
        if each.is_file():
            content = each.read_bytes()
            kind = mimetypes.guess_type(each.name)[0] or "application/octet-stream"
            found[each.name] = File(content, kind, sha256(content).hexdigest()[:16])
    return found


FILES = web.AppKey("files", Mapping[str, File])


def edition(found: Mapping[str, File]) -> str:
    """Return a hash of all static files, by which an open page notices that it is outdated."""
    return sha256("".join(sorted(each.tag for each in found.values())).encode()).hexdigest()[:16]


@routes.get("/")
async def page(request: web.Request) -> web.Response:
    """Serve the page.

    A token in the address is replaced by a cookie. Without sign-in, redirects to the login page.
    """
    if "token" in request.query:
        if not request.app[CONTEXT].login.check(request.query["token"], request.remote or ""):
            return _redirect("/login?wrong")
        return _enter(request)
    return _page(request, "index.html", "/login")


@routes.get("/gates/{id}")
async def whole_gate(request: web.Request) -> web.Response:
    """Serve the page of one gate, with its full text, changes, history and decision."""
    if not GATE_PAGE.fullmatch(request.path):
        raise web.HTTPNotFound
    return _page(request, "gate.html", f"/login?to={request.path}")


@routes.get("/login")
async def ask(request: web.Request) -> web.Response:
    """Serve the login page."""
    return _login(request, WRONG if "wrong" in request.query else "")


@routes.post("/login")
async def enter(request: web.Request) -> web.Response:
    """Sign in with the token from the login form."""
    context = request.app[CONTEXT]
    if request.content_type not in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        raise Refused(
            415,
            "wrong_content_type",
            "The login expects a form.",
            "Programs send “Authorization: Bearer …” with FLEET_WEB_TOKEN instead.",
        )
    token = (await request.post()).get("token", "")
    try:
        good = context.login.check(token if isinstance(token, str) else "", request.remote or "")
    except Refused as refusal:
        return _login(request, str(refusal), refusal.status, refusal.headers)
    if not good:
        return _login(request, WRONG, 401)
    return _enter(request, _wanted(request))


@routes.post("/logout")
async def leave(request: web.Request) -> web.Response:
    """Sign this browser out and close its connections."""
    context = request.app[CONTEXT]
    left = _redirect("/login")
    context.clients.cut_cookie(request.cookies.get(context.login.cookie, ""))
    left.del_cookie(context.login.cookie, path="/", httponly=True, samesite="Strict")
    return left


@routes.get("/static/{name}")
async def static(request: web.Request) -> web.Response:
    """Serve a script, a style sheet or the icon."""
    return _file(request, request.match_info["name"])


@routes.get("/favicon.ico")
async def icon(request: web.Request) -> web.Response:
    """Serve the icon at the address that browsers use by default."""
    return _file(request, ICON)


WRONG = "Wrong token. Copy it from the end of the address that “fleet up” printed, after “token=”."


def _redirect(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})


def _page(request: web.Request, name: str, login: str) -> web.Response:
    """Return a page and renew the cookie, or redirect to the login page without sign-in."""
    context = request.app[CONTEXT]
    if not signed_in(request, context.login):
        return _redirect(login)
    response = _file(request, name)
    if has_cookie(request, context.login):
        give_cookie(response, request, context.login)
    return response


def _wanted(request: web.Request) -> str:
    """Return the path to go to after the login, which is the page or the page of a gate."""
    wanted = request.query.get("to", "")
    return wanted if GATE_PAGE.fullmatch(wanted) else "/"


def _enter(request: web.Request, path: str = "/") -> web.Response:
    entered = _redirect(path)
    give_cookie(entered, request, request.app[CONTEXT].login)
    return entered


def _login(request: web.Request, words: str, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    text = request.app[FILES]["login.html"].content.decode().replace("{{words}}", escape(words))
    text = text.replace("{{to}}", escape(f"?to={wanted}" if (wanted := _wanted(request)) != "/" else ""))
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status, headers=headers)


def _file(request: web.Request, name: str) -> web.Response:
    """Return a static file. Browsers check at each visit whether it has changed."""
    found = request.app[FILES].get(name)
    if found is None or (name.endswith(".html") and request.path.startswith("/static/")):
        raise web.HTTPNotFound
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": "no-cache"}
    if any(each.value == found.tag for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    charset = "utf-8" if found.kind.startswith("text/") else None
    return web.Response(body=found.content, content_type=found.kind, charset=charset, headers=headers)
