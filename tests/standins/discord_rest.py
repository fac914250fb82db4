"""Discord's REST API over a real socket, with authorization, rate limits and faults.

Each request is checked as Discord does, then carried out in the `World`. Responses have exactly the type `application/json`.
"""

import asyncio
import fnmatch
import io
import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web
from simcord.backend.errors import BackendError
from simcord.backend.models import Message
from simcord.http import routes as _routes  # noqa: F401  importing it fills the table of routes
from simcord.http.router import dispatch

from tests.standins.discord_world import World

WIDE = 1000
"""Requests of a rate limit that no test has lowered."""
OPEN = ("/interactions/", "/webhooks/")
"""Paths that contain their token."""


@dataclass
class Asked:
    """A request and its response's status.

    The status is 0 while it is pending.
    """

    method: str
    path: str
    body: Any
    headers: dict[str, str]
    files: dict[str, bytes] = field(default_factory=dict)
    status: int = 0
    at: float = 0.0


@dataclass
class Fault:
    """The failure of the next `times` requests of a method and a path."""

    method: str
    path: str
    times: int
    status: int = 0
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    lose: str = ""
    """`before` cuts the connection before the request is carried out, `after` loses its response."""
    hold: asyncio.Event | None = None

    def meets(self, method: str, path: str) -> bool:
        """Return True if a request meets the fault."""
        return self.times > 0 and self.method in (method, "*") and fnmatch.fnmatch(path, self.path)


@dataclass
class Bucket:
    """A rate limit of requests in a number of seconds."""

    limit: int
    seconds: float
    used: list[float] = field(default_factory=list)

    def take(self, now: float) -> float:
        """Return the seconds to wait, or 0 if the request may pass."""
        self.used = [at for at in self.used if now - at < self.seconds]
        if len(self.used) >= self.limit:
            return max(0.001, self.used[0] + self.seconds - now)
        self.used.append(now)
        return 0.0


@dataclass
class File:
    """An upload as simcord's routes read it."""

    filename: str
    content: bytes
    description: str | None = None

    @property
    def fp(self) -> io.BytesIO:
        """The content."""
        return io.BytesIO(self.content)


class Rest:
    """The routes. `asked` holds the requests."""

    def __init__(self, world: World, token: Callable[[], str], answered: Callable[[Asked], None]) -> None:
        self.world, self._token, self._answered = world, token, answered
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.flags = 1 << 19
        """The application's flags, with the limited message content intent."""
        self.limits: dict[str, tuple[int, float]] = {}
        """Requests and seconds by `METHOD /path/with/*`. The default limits are wide."""
        self._buckets: defaultdict[str, dict[str, Bucket]] = defaultdict(dict)
        self.overall: Bucket | None = None
        """The global rate limit."""

    # -- control by tests --------------------------------------------------------------------------------------------

    def fail(self, method: str, path: str, status: int, code: int = 0, message: str = "no", times: int = 1) -> None:
        """Refuse requests."""
        self.faults.append(Fault(method, path, times, status, {"code": code, "message": message}))

    def limited(self, method: str, path: str, seconds: float, times: int = 1, *, everywhere: bool = False) -> None:
        """Answer requests with 429."""
        body = {"message": "You are being rate limited.", "retry_after": seconds, "global": everywhere}
        headers = {"Retry-After": str(seconds), "Via": "1.1 google", **({"X-RateLimit-Global": "true"} if everywhere else {})}
        self.faults.append(Fault(method, path, times, 429, body, headers))

    def lose(self, method: str, path: str, *, after: bool = True, times: int = 1) -> None:
        """Cut the connection after (or before) the request is carried out."""
        self.faults.append(Fault(method, path, times, lose="after" if after else "before"))

    def hold(self, method: str, path: str, times: int = 1) -> asyncio.Event:
        """Hold requests until the event is set."""
        event = asyncio.Event()
        self.faults.append(Fault(method, path, times, hold=event))
        return event

    def requests(self, method: str, path: str) -> list[Asked]:
        """Return the requests of a method and a path, in which `*` matches any part."""
        return [each for each in self.asked if each.method == method and fnmatch.fnmatch(each.path, path)]

    # -- answering ---------------------------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = "/" + request.match_info["tail"]
        body, files = await _read(request)
        asked = Asked(request.method, path, body, dict(request.headers), {each.filename: each.content for each in files})
        asked.at = time.perf_counter()
        self.asked.append(asked)
        fault = next((each for each in self.faults if each.meets(request.method, path)), None)
        if fault is not None:
            fault.times -= 1
        if fault is not None and fault.hold is not None:
            await fault.hold.wait()
        if fault is not None and fault.lose == "before":
            return _cut(request)
        answer = self._limit(request.method, path) or self._refused(request, path)
        if fault is not None and fault.status:
            answer = _answer(fault.status, fault.body, fault.headers)
        answer = answer or self._done(request, path, body, files)
        if fault is not None and fault.lose:
            return _cut(request)
        asked.status = answer.status
        self._answered(asked)
        return answer

    def _refused(self, request: web.Request, path: str) -> web.Response | None:
        open_to_all = path.startswith(OPEN) and not path.endswith("/github")
        if open_to_all or request.headers.get("Authorization") == f"Bot {self._token()}":
            return None
        return _answer(401, {"message": "401: Unauthorized", "code": 0})

    def _limit(self, method: str, path: str) -> web.Response | None:
        for key, (limit, seconds) in self.limits.items():
            if not fnmatch.fnmatch(f"{method} {path}", key):
                continue
            bucket = self._buckets[key].setdefault(path, Bucket(limit, seconds))
            wait = bucket.take(time.monotonic())
            if wait:
                body = {"message": "You are being rate limited.", "retry_after": wait, "global": False}
                return _answer(429, body, {"Via": "1.1 google", "Retry-After": f"{wait:.3f}", **_headers(bucket, key)})
        if self.overall is not None and (wait := self.overall.take(time.monotonic())):
            body = {"message": "You are being rate limited.", "retry_after": wait, "global": True}
            return _answer(429, body, {"Via": "1.1 google", "Retry-After": f"{wait:.3f}", "X-RateLimit-Global": "true"})
        return None

    def _done(self, request: web.Request, path: str, body: Any, files: list[File]) -> web.Response:
        params: dict[str, Any] = dict(request.query)
        try:
            done = self._before(request.method, path, body or {}, files)
            if done is None:
                done = dispatch(self.world, request.method, path, json=body, params=params, files=files)
            self._after(request.method, path, body, done)
        except BackendError as refusal:
            return _answer(refusal.status, refusal.to_json())
        headers = self._bucket_headers(request.method, path)
        return _answer(204, None, headers) if done is None or done == {} else _answer(200, done, headers)

    def _bucket_headers(self, method: str, path: str) -> dict[str, str]:
        for key in self.limits:
            if fnmatch.fnmatch(f"{method} {path}", key):
                return _headers(self._buckets[key][path], key)
        return _headers(Bucket(WIDE, 1.0), f"{method} {path.split('/')[1]}")

    def _before(self, method: str, path: str, body: Any, files: list[File]) -> Any:
        """Check what simcord does not, and return a response for a refusal."""
        words = path.strip("/").split("/")
        match (method, words):
            case ("POST", ["channels", channel, "messages"]):
                known = self.world.check_send(int(channel), body, len(files))
                return {**self._shown(known), "nonce": body["nonce"]} if known is not None else None
            case ("PATCH", ["channels", channel, "messages", _]):
                found = self.world.get_channel(int(channel))
                self.world.check_extras(found, {}, len(files))
            case ("POST", ["channels", channel, "messages", message, "threads"]):
                self.world.check_thread(int(channel), int(message), body)
            case ("PUT", ["channels", channel, "messages", "pins", message]):
                self.world.pin(int(channel), int(message))
                return {}
            case ("PUT", ["applications", _, *_, "commands"]):
                self.world.check_commands(body)
            case ("GET", ["oauth2" | "applications", *_, "@me"]):
                return self._application()
        return None

    def _after(self, method: str, path: str, body: Any, done: Any) -> None:
        words = path.strip("/").split("/")
        if method == "POST" and words[0] == "channels" and words[2:] == ["messages"] and body.get("nonce") is not None:
            self.world.nonces[(int(words[1]), str(body["nonce"]))] = (self.world.clock.elapsed, int(done["id"]))
            done["nonce"] = body["nonce"]
        if method == "DELETE" and words[-1] == "@original":
            # After "thinking…" is deleted, the next answer is a new message.
            self.world.interaction_by_token(words[2]).complete_deferred()

    def _shown(self, message: Message) -> dict[str, Any]:
        from simcord.backend import serializers

        return dict(serializers.message_payload(self.world, message))

    def _application(self) -> dict[str, Any]:
        found: dict[str, Any] = dispatch(self.world, "GET", "/oauth2/applications/@me")
        return {**found, "flags": self.flags}


async def _read(request: web.Request) -> tuple[Any, list[File]]:
    if request.content_type != "multipart/form-data":
        raw = await request.read()
        return (json.loads(raw) if raw else None), []
    body: Any = None
    files: list[File] = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "payload_json":
            body = json.loads(await part.read())
        else:
            files.append(File(part.filename or "", bytes(await part.read())))
    for index, file in enumerate(files):
        described = [each for each in (body or {}).get("attachments") or [] if str(each.get("id")) == str(index)]
        file.description = described[0].get("description") if described else None
    return body, files


def _headers(bucket: Bucket, key: str) -> dict[str, str]:
    left = bucket.limit - len(bucket.used)
    after = (bucket.used[0] + bucket.seconds - time.monotonic()) if bucket.used else bucket.seconds
    return {
        "X-RateLimit-Limit": str(bucket.limit),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset-After": f"{max(0.0, after):.3f}",
        "X-RateLimit-Reset": f"{time.time() + after:.3f}",
        "X-RateLimit-Bucket": f"{abs(hash(key)):x}",
    }


def _answer(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    if status == 204:
        return web.Response(status=204, headers=headers)
    content = json.dumps(body).encode()
    return web.Response(status=status, body=content, headers={"Content-Type": "application/json", **(headers or {})})


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)
