"""Sign-in, hosts and origins, security headers and static files."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.chat.web.auth import DAYS, MOST_WRONG, WINDOW
from bot.chat.web.guard import host_allowed, origin_matches
from tests.chat.web.webbed import BEARER, TOKEN, WebBed

PRIVATE = [
    ("GET", "/api/me"),
    ("GET", "/api/status"),
    ("GET", "/api/products/product-a"),
    ("GET", "/api/work"),
    ("GET", "/api/gates?state=open"),
    ("GET", "/api/gates/g1"),
    ("POST", "/api/gates/g1/decision"),
    ("POST", "/api/messages"),
    ("POST", "/api/stop"),
    ("POST", "/api/skills/status"),
    ("GET", "/api/conversations"),
    ("GET", "/api/conversations/main/posts"),
    ("GET", "/api/audit"),
    ("GET", "/metrics"),
    ("GET", "/ws"),
    ("GET", "/nothing-here"),
]


class Browser:
    """A browser with cookies and without the bearer token."""

    def __init__(self, bed: WebBed) -> None:
        self.bed = bed
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> "Browser":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def visit(self, path: str, method: str = "GET", **more: Any) -> tuple[int, str, aiohttp.ClientResponse]:
        async with self.session.request(method, self.bed.url + path, allow_redirects=False, **more) as answer:
            return answer.status, await answer.text(), answer


@pytest.mark.parametrize(("method", "path"), PRIVATE)
async def test_private_routes_need_the_token(bed: WebBed, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic " + TOKEN}, {"Cookie": "fleet=1.aa"}):
        async with aiohttp.request(method, bed.url + path, headers=headers) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            error = (await answer.json())["error"]
            assert error["code"] == "signed_out"
            assert "fleet up" in error["hint"]


async def test_address_with_token_signs_in_and_redirects_without_it(bed: WebBed) -> None:
    async with Browser(bed) as browser:
        status, _, answer = await browser.visit(f"/?token={TOKEN}")
        assert (status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        status, text, _ = await browser.visit("/")
        assert (status, "<title>Fleet</title>" in text) == (200, True)
        status, _, _ = await browser.visit("/api/status")
        assert status == 200


async def test_wrong_token_in_the_address_redirects_to_the_login(bed: WebBed) -> None:
    async with Browser(bed) as browser:
        status, _, answer = await browser.visit("/?token=nonsense")
        assert (status, answer.headers["Location"]) == (303, "/login?wrong")
        assert "Set-Cookie" not in answer.headers
        _, text, _ = await browser.visit("/login?wrong")
        assert "Wrong token." in text


async def test_login_form_signs_in(bed: WebBed) -> None:
    async with Browser(bed) as browser:
        status, _, answer = await browser.visit("/")
        assert (status, answer.headers["Location"]) == (303, "/login")
        status, text, _ = await browser.visit("/login")
        assert (status, 'name="token"' in text, "{{" in text) == (200, True, False)
        status, text, _ = await browser.visit("/login", "POST", data={"token": "no"})
        assert (status, "Wrong token." in text) == (401, True)
        status, _, answer = await browser.visit("/login", "POST", data={"token": f" {TOKEN}\n"})
        assert (status, answer.headers["Location"]) == (303, "/")
        assert (await browser.visit("/"))[0] == 200


async def test_login_accepts_only_a_form(bed: WebBed) -> None:
    async with Browser(bed) as browser:
        status, text, _ = await browser.visit("/login", "POST", json={"token": TOKEN})
        assert (status, "wrong_content_type" in text) == (415, True)


async def test_logout_removes_the_cookie_and_closes_its_connections(bed: WebBed) -> None:
    async with Browser(bed) as browser:
        await browser.visit(f"/?token={TOKEN}")
        async with browser.session.ws_connect(f"{bed.url}/ws") as socket:
            assert (await socket.receive_json())["type"] == "hello"
            status, _, answer = await browser.visit("/logout", "POST")
            assert (status, answer.headers["Location"]) == (303, "/login")
            async for _ in socket:
                pass
            assert socket.close_code == 1008
        assert (await browser.visit("/api/status"))[0] == 401


async def test_cookie_expires_unless_the_page_is_visited(bed: WebBed) -> None:
    async with Browser(bed) as browser:
        await browser.visit(f"/?token={TOKEN}")
        bed.seconds += (DAYS - 1) * 86400
        assert (await browser.visit("/"))[0] == 200
        bed.seconds += (DAYS - 1) * 86400
        assert (await browser.visit("/api/me"))[0] == 200
        bed.seconds += 2 * 86400
        assert (await browser.visit("/api/me"))[0] == 401


@pytest.mark.parametrize("change", ["", ".", "1000000.", "99999999999.{sign}", "1000001.{sign}", "１.{sign}", "1000000.ü"])
async def test_forged_cookie_is_invalid(bed: WebBed, change: str) -> None:
    login = bed.chat.context.login
    sign = login.make().partition(".")[2]
    assert login.good(login.make())
    assert not login.good(change.format(sign=sign))


async def test_cookie_of_another_token_is_invalid(bed: WebBed, tmp_path: Path) -> None:
    from bot.chat.web.auth import Login

    other = Login("another", lambda: bed.seconds)
    assert other.cookie != bed.chat.context.login.cookie
    assert not other.good(bed.chat.context.login.make())


async def test_wrong_tokens_lock_the_address_out_for_a_while(bed: WebBed) -> None:
    for _ in range(MOST_WRONG):
        assert (await bed.get("/api/me", headers={"Authorization": "Bearer guess"}))[0] == 401
    status, answer = await bed.get("/api/me")
    assert (status, answer["error"]["code"]) == (429, "too_many_attempts")
    async with Browser(bed) as browser:
        status, text, response = await browser.visit("/login", "POST", data={"token": TOKEN})
        assert (status, "Too many wrong tokens" in text) == (429, True)
        assert int(response.headers["Retry-After"]) > 0
    bed.seconds += WINDOW + 1
    assert (await bed.get("/api/me"))[0] == 200


async def test_cookie_stays_valid_during_a_lockout(bed: WebBed) -> None:
    async with Browser(bed) as browser:
        await browser.visit(f"/?token={TOKEN}")
        for _ in range(MOST_WRONG + 1):
            await bed.get("/api/me", headers={"Authorization": "Bearer guess"})
        assert (await browser.visit("/api/me"))[0] == 200


HOSTS = [
    ("localhost", True),
    ("localhost:9999", True),
    ("LOCALHOST:41790", True),
    ("127.0.0.1:41790", True),
    ("[::1]:41790", True),
    ("fleet.example:41790", True),
    ("evil.example", False),
    ("localhost.evil.example", False),
    ("127.0.0.1.evil.example:41790", False),
    ("localhost:port", False),
    ("localhost:99999", False),
    ("user@localhost", False),
    ("localhost/", False),
    ("", False),
    ("[::1", False),
    ("0.0.0.0:41790", False),
]


@pytest.mark.parametrize(("host", "allowed"), HOSTS)
def test_host_is_allowed_by_name(host: str, allowed: bool) -> None:
    assert host_allowed(host, "fleet.example") is allowed


def test_listening_on_all_addresses_allows_no_other_host() -> None:
    assert not host_allowed("0.0.0.0", "0.0.0.0")
    assert host_allowed("localhost:1", "0.0.0.0")
    assert host_allowed("[fd00::1]:41790", "fd00::1")


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://localhost:41790", "localhost:41790", True),
        ("https://localhost", "localhost", True),
        ("http://LOCALHOST:41790", "localhost:41790", True),
        ("http://localhost:41791", "localhost:41790", False),
        ("http://127.0.0.1:41790", "localhost:41790", False),
        ("http://evil.example", "localhost:41790", False),
        ("null", "localhost:41790", False),
        ("", "localhost:41790", False),
        ("file://localhost:41790", "localhost:41790", False),
        ("chrome-extension://localhost:41790", "localhost:41790", False),
    ],
)
def test_origin_must_match_the_host(origin: str, host: str, same: bool) -> None:
    assert origin_matches(origin, host) is same


@pytest.mark.parametrize("path", ["/", "/login", "/healthz", "/readyz", "/api/status", "/ws", "/static/base.css", "/nothing"])
async def test_unknown_host_is_refused_on_every_route(bed: WebBed, path: str) -> None:
    status, answer = await bed.get(path, headers={"Host": "evil.example:41790"})
    assert (status, answer["error"]["code"]) == (403, "wrong_host")
    assert "evil.example" in answer["error"]["message"]


async def test_foreign_origin_is_refused_even_with_the_token(bed: WebBed) -> None:
    strange = {"Origin": "http://evil.example"}
    status, answer = await bed.post("/api/messages", {"text": "/fleet status"}, headers=strange)
    assert (status, answer["error"]["code"]) == (403, "wrong_origin")
    assert bed.store.conversations.newest("web") == []
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await bed.http.ws_connect(f"{bed.url}/ws", headers=strange)
    assert refused.value.status == 403
    async with bed.listen(headers={"Origin": bed.url}):
        pass


async def test_every_response_has_security_headers(bed: WebBed) -> None:
    for path in ("/", "/login", "/healthz", "/api/status", "/api/gates/g9", "/static/app.js", "/nothing"):
        async with aiohttp.request("GET", bed.url + path, headers=BEARER, allow_redirects=False) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert answer.headers["Cache-Control"] in {"no-store", "no-cache"}


async def test_unchanged_file_returns_304(bed: WebBed) -> None:
    async with aiohttp.request("GET", bed.url + "/static/app.js") as answer:
        assert answer.status == 200
        assert answer.content_type in {"text/javascript", "application/javascript"}
        tag = answer.headers["ETag"]
    async with aiohttp.request("GET", bed.url + "/static/app.js", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304


@pytest.mark.parametrize("name", ["..%2fapi.py", "..%2f..%2f..%2fsettings.py", "login.html", "none.js", "%00"])
async def test_only_static_files_are_served(bed: WebBed, name: str) -> None:
    status, answer = await bed.get(f"/static/{name}")
    assert (status, answer["error"]["code"]) == (404, "no_such_route")


async def test_signed_in_person_is_the_one_in_the_registry(bed: WebBed) -> None:
    assert (await bed.get("/api/me"))[1]["name"] == "owner"
    bed.file.write_text(
        bed.file.read_text() + "people: [{name: ana, role: viewer, web: token}, {name: ben, role: admin, slack: U01BEN}]\n"
    )
    assert bed.registry.reload(), bed.registry.problems
    _, me = await bed.get("/api/me")
    assert (me["name"], me["role"]) == ("ana", "viewer")
    status, answer = await bed.get("/api/audit")
    assert (status, answer["error"]["code"]) == (403, "not_allowed")
