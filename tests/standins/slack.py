"""A stand-in for Slack on loopback, with its Web API and Socket Mode, as strict as the real one.

In a test::

    async with Slack() as slack:
        ana = slack.person("U01ANA", "ana")
        slack.channel("product-a", ana)
        chat = SlackChat(fleet, router, bot_token=slack.bot_token, app_token=slack.app_token, api_url=slack.url)
        await ana.says("#product-a", "<@fleet> status")

People are in `slack_people`, the methods in `slack_methods`. The faults `fail`, `limit`, `lose` and `hold` change the
responses of one method. `cut`, `disconnect` and `deafen` act on the socket.
"""

import asyncio
import inspect
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web
from slack_sdk.signature import SignatureVerifier

from tests.standins import serving
from tests.standins.slack_blocks import message_problems, view_problems
from tests.standins.slack_methods import METHODS
from tests.standins.slack_people import Somebody
from tests.standins.slack_world import APP, BOT_USER, TEAM, Channel, Json, Refusal, User, World

PATIENCE = 30.0
"""Seconds that a test waits for a condition."""


@dataclass
class Fault:
    """The failure that a call meets instead of its response."""

    error: str = ""
    retry_after: int | None = None
    lose: bool = False
    """True to carry out the call and lose its response."""
    hold: asyncio.Event | None = None
    """Event to wait for before the call is carried out."""
    hold_answer: asyncio.Event | None = None
    """Event to wait for after the call is carried out."""
    status: int = 200


@dataclass
class Delivery:
    """One envelope, with its time and its acknowledgement."""

    envelope: Json
    sent: float = 0.0
    acked: float | None = None
    answer: Any = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it is acknowledged or expired."""


class Slack:
    """The server. `calls` are the requests, `refused` the refusals."""

    bot_token, app_token, signing_secret = "xoxb-fleet-0001", "xapp-1-fleet-0001", "8f742231b10e8888abcd99yyyzzz85a5"

    def __init__(self, *, now: Callable[[], float] = time.time, deadline: float = PATIENCE) -> None:
        self.world = World(now)
        self.world.hear = self._happened
        self.deadline = deadline
        """Seconds within which an envelope must be acknowledged and a trigger used."""
        self.agent = True
        """True if the app is one of Slack's agents."""
        self.scopes: set[str] | None = None
        """The bot token's scopes. None for all."""
        self.revoked: set[str] = set()
        self.calls: list[tuple[str, Json]] = []
        self.refused: list[str] = []
        self.tolerated: set[str] = set()
        """Refusals that may occur, and are not recorded."""
        self.deliveries: list[Delivery] = []
        self.responses: list[Json] = []
        """Answers sent to response URLs."""
        self.open = asyncio.Event()
        self.request_url: str | None = None
        """Address that receives events over HTTP instead of a socket."""
        self.echo = True
        """True if the bot receives its own messages, as in channels it has joined."""
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._sockets: list[web.WebSocketResponse] = []
        self._links: set[str] = set()
        self._triggers: dict[str, float] = {}
        self._spent: set[str] = set()
        self._urls: dict[str, tuple[str, str, list[int]]] = {}
        self._waiting: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._events = count(1)
        self._changed = asyncio.Event()
        self._deaf = False

    async def __aenter__(self) -> "Slack":
        app = web.Application(client_max_size=32 * 1024**2)
        app.router.add_route("*", "/api/{method}", self._call)
        app.router.add_get("/link/{ticket}", self._listen)
        app.router.add_post("/respond/{id}", self._respond)
        app.router.add_post("/upload/{id}", self._upload)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.root = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for socket in self._sockets:
            await socket.close()
        await self._session.close()
        await serving.end(self._runner)

    @property
    def url(self) -> str:
        """The value for SLACK_API_URL."""
        return f"{self.root}/api"

    # -- content ----------------------------------------------------------------------------------------------------

    def person(self, id: str, name: str, **more: Any) -> Somebody:
        """Add a person to the workspace."""
        self.world.users[id] = User(id, name, **more)
        return Somebody(self, id)

    def channel(self, name: str, *people: Somebody, bot: bool = True, id: str = "", **more: Any) -> Channel:
        """Add a channel with these people."""
        members = {each.id for each in people} | ({BOT_USER} if bot else set())
        made = Channel(id or f"C{len(self.world.channels) + 1:04d}{name.upper().replace('-', '')}", name, members, **more)
        self.world.channels[made.id] = made
        return made

    # -- waiting ------------------------------------------------------------------------------------------------------

    async def until(self, true: Callable[[], Any], what: str = "") -> Any:
        """Wait until `true` returns a true value, and return it.

        Fails after PATIENCE.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while not (found := true()):
                    self._changed.clear()
                    with suppress(TimeoutError):  # changes inside the fleet do not wake this wait
                        await asyncio.wait_for(self._changed.wait(), 0.05)
                return found
        except TimeoutError:
            raise AssertionError(f"{what or 'it'} did not come. PersonMessage was:\n{self.transcript()}") from None

    async def until_awaited(self, true: Callable[[], Any], what: str = "") -> Any:
        """Wait like `until`, for a condition that may be a coroutine function."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    self._changed.clear()
                    found = true()
                    if inspect.isawaitable(found):
                        found = await found
                    if found:
                        return found
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), 0.05)
        except TimeoutError:
            raise AssertionError(f"{what or 'it'} did not come. PersonMessage was:\n{self.transcript()}") from None

    def changed(self) -> None:
        """Wake the waiting tests."""
        self._changed.set()

    def transcript(self) -> str:
        """Return everything in the workspace, for failure messages."""
        lines = [f"refused: {each}" for each in self.refused]
        for channel in self.world.channels.values():
            for each in channel.messages:
                where = f"#{channel.name or channel.im_of}{' (thread)' if each.get('thread_ts') else ''}"
                lines.append(f"{where} {each.get('user')}: {each['text']}")
        lines += [f"only {each['user']}: {each['text']}" for each in self.world.ephemeral]
        return "\n".join(lines)

    # -- faults -------------------------------------------------------------------------------------------------------

    def fail(self, method: str, error: str, times: int = 1) -> None:
        """Refuse the next calls of a method."""
        self._faults[method].extend(Fault(error=error) for _ in range(times))

    def limit(self, method: str, seconds: int, times: int = 1) -> None:
        """Answer the next calls with 429 and Retry-After."""
        self._faults[method].extend(Fault(retry_after=seconds) for _ in range(times))

    def lose(self, method: str, times: int = 1) -> None:
        """Carry out the next calls, and cut the connection before the response."""
        self._faults[method].extend(Fault(lose=True) for _ in range(times))

    def hold(self, method: str, times: int = 1) -> asyncio.Event:
        """Answer the next calls only once the event is set."""
        event = asyncio.Event()
        self._faults[method].extend(Fault(hold=event) for _ in range(times))
        return event

    def hold_answer(self, method: str, times: int = 1) -> asyncio.Event:
        """Carry out the next calls at once, and answer them only once the event is set."""
        event = asyncio.Event()
        self._faults[method].extend(Fault(hold_answer=event) for _ in range(times))
        return event

    def break_down(self, method: str, status: int = 503, times: int = 1) -> None:
        """Answer the next calls with a server error."""
        self._faults[method].extend(Fault(status=status) for _ in range(times))

    def forget_faults(self) -> None:
        """Remove all planned failures."""
        self._faults.clear()

    async def cut(self) -> None:
        """Cut every socket silently."""
        for socket in tuple(self._sockets):
            transport = socket._req.transport if socket._req else None
            if transport is not None:
                transport.abort()
        await self.until(lambda: not self._sockets, "the end of the sockets")

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask the newest socket to reconnect, as Slack does."""
        await self._sockets[-1].send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "standin"}})

    def deafen(self, deaf: bool = True) -> None:
        """Keep new sockets open, but answer no ping and send nothing."""
        self._deaf = deaf

    # -- the Web API --------------------------------------------------------------------------------------------------

    async def _call(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        args = await _arguments(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or args.get("token", "")
        args.pop("token", None)
        self.calls.append((name, args))
        fault = self._faults[name].popleft() if self._faults[name] else Fault()
        if fault.hold:
            await fault.hold.wait()
            if request.transport is None or request.transport.is_closing():
                return web.Response(status=499)  # the client is gone, and its request with it
        if fault.retry_after is not None:
            headers = {"Retry-After": str(fault.retry_after)}
            return self._answer({"ok": False, "error": "ratelimited"}, 429, headers)
        if fault.status != 200:
            return web.Response(status=fault.status, text="upstream error")
        answer = await self._done(name, args, token, fault)
        self.changed()
        if fault.hold_answer:
            await fault.hold_answer.wait()
        if fault.lose and request.transport is not None:
            request.transport.abort()
        return self._answer(answer)

    async def _done(self, name: str, args: Json, token: str, fault: Fault) -> Json:
        try:
            if fault.error:
                raise Refusal(fault.error)
            self._admit(name, args, token)
            found = METHODS[name].call(self, args)
            return {"ok": True, **(await found if inspect.isawaitable(found) else found)}
        except Refusal as refusal:
            said = f"{name}: {refusal.error} {'; '.join(refusal.messages)}".strip()
            if said not in self.tolerated:
                self.refused.append(said)
            why = {"response_metadata": {"messages": list(refusal.messages)}} if refusal.messages else {}
            return {"ok": False, "error": refusal.error, **why, **refusal.more}

    def _admit(self, name: str, args: Json, token: str) -> None:
        if name not in METHODS:
            raise Refusal("unknown_method")
        known = METHODS[name]
        if not token:
            raise Refusal("not_authed")
        if token in self.revoked:
            raise Refusal("token_revoked")
        if token not in {self.bot_token, self.app_token}:
            raise Refusal("invalid_auth")
        if not token.startswith(known.token):
            raise Refusal("not_allowed_token_type")
        having = {"connections:write"} if token == self.app_token else self.scopes
        if known.scopes and having is not None and not known.scopes & having:
            raise Refusal("missing_scope", needed=sorted(known.scopes)[0], provided=",".join(sorted(having)))
        if missing := known.required - set(args):
            raise Refusal("invalid_arguments", f"missing required field: {', '.join(sorted(missing))}")
        if unknown := set(args) - known.required - known.optional:
            raise Refusal("invalid_arguments", f"no such argument: {', '.join(sorted(unknown))}")

    def _answer(self, body: Json, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
        scopes = {"x-oauth-scopes": ",".join(sorted(self.scopes))} if self.scopes is not None else {}
        return web.json_response(body, status=status, headers={**scopes, **(headers or {})})

    async def _upload(self, request: web.Request) -> web.Response:
        self.world.files[request.match_info["id"]]["content"] = await request.read()
        return web.Response(text="OK")

    # -- triggers and response URLs -----------------------------------------------------------------------------------

    def trigger(self) -> str:
        """Return a trigger id, valid once and for a short time."""
        id = f"{self.world.number()}.{TEAM}.{self.world.number():08x}"
        self._triggers[id] = time.monotonic()
        return id

    def exchange(self, trigger: str) -> None:
        """Use up a trigger id."""
        if trigger in self._spent:
            raise Refusal("exchanged_trigger_id")
        if trigger not in self._triggers:
            raise Refusal("invalid_trigger_id")
        if time.monotonic() - self._triggers[trigger] > self.deadline:
            raise Refusal("expired_trigger_id")
        self._spent.add(trigger)

    def response_url(self, user: str, channel: str) -> str:
        """Return a URL for five answers to one interaction."""
        id = f"r{self.world.number()}"
        self._urls[id] = (user, channel, [5])
        return f"{self.root}/respond/{id}"

    async def _respond(self, request: web.Request) -> web.Response:
        user, channel, left = self._urls[request.match_info["id"]]
        body = await request.json()
        left[0] -= 1
        if left[0] < 0:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        if problems := message_problems(body.get("blocks", [])):
            self.refused.append(f"response_url: invalid_blocks {'; '.join(problems)}")
            return web.json_response({"ok": False, "error": "invalid_blocks"}, status=400)
        self.responses.append({"user": user, "channel": channel, **body})
        if body.get("response_type") != "in_channel":
            self.world.ephemeral.append({"user": user, "channel": channel, "thread_ts": None, **body})
        self.changed()
        return web.json_response({"ok": True})

    # -- Socket Mode --------------------------------------------------------------------------------------------------

    def new_link(self) -> str:
        """Return the address of a socket, valid once."""
        ticket = f"t{self.world.number()}"
        self._links.add(ticket)
        return f"{self.root.replace('http', 'ws')}/link/{ticket}"

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["ticket"] not in self._links:
            return web.Response(status=404)
        self._links.discard(request.match_info["ticket"])
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        if self._deaf:
            await asyncio.Event().wait()
        self._sockets.append(socket)
        await socket.send_json({"type": "hello", "num_connections": len(self._sockets), "connection_info": {"app_id": APP},
                                "debug_info": {"host": "standin", "approximate_connection_time": 18060}})  # fmt: skip
        self.open.set()
        self.changed()
        try:
            async for message in socket:
                if message.type is WSMsgType.PING and not self._deaf:
                    await socket.pong(message.data)
                elif message.type is WSMsgType.TEXT:
                    self._acked(json.loads(message.data))
        finally:
            self._sockets.remove(socket)
            if not self._sockets:
                self.open.clear()
                for delivery in self._waiting.values():
                    delivery.over.set()
            self.changed()
        return socket

    @property
    def sockets(self) -> int:
        """Number of open sockets."""
        return len(self._sockets)

    def _acked(self, ack: Json) -> None:
        delivery = self._waiting.pop(ack.get("envelope_id", ""), None)
        if delivery is None or set(ack) - {"envelope_id", "payload"}:
            self.refused.append(f"an acknowledgement of nothing that waits: {ack}")
            return
        delivery.acked, delivery.answer = time.monotonic(), ack.get("payload")
        self._check_answer(delivery)
        delivery.over.set()
        self.changed()

    def _check_answer(self, delivery: Delivery) -> None:
        envelope, answer = delivery.envelope, delivery.answer
        if not answer:
            return
        if not envelope["accepts_response_payload"]:
            self.refused.append(f"{envelope['type']} takes no answer, got {answer}")
        elif envelope["type"] == "slash_commands":
            problems = message_problems(answer.get("blocks", []))
            self.refused += [f"slash command: {each}" for each in problems]
        elif envelope["payload"].get("type") == "view_submission":
            if answer.get("response_action") not in {"errors", "update", "push", "clear"}:
                self.refused.append(f"view_submission: {answer}")
            if "view" in answer:
                self.refused += view_problems(answer["view"])

    def under_way(self) -> set[asyncio.Task[Any]]:
        """Envelopes that are sent and not acknowledged."""
        return set(self._tasks)

    def _happened(self, event: Json) -> None:
        if event.get("bot_id") and not self.echo:
            return
        self.emit(event)

    def emit(self, event: Json, *, event_id: str = "", retry: int = 0) -> asyncio.Task[Delivery]:
        """Send an event to the app as soon as possible."""
        payload = {
            "token": "verification", "team_id": TEAM, "api_app_id": APP, "event": event, "type": "event_callback",
            "event_id": event_id or f"Ev{next(self._events):08d}", "event_time": int(self.world.now()),
            "authorizations": [{"team_id": TEAM, "user_id": BOT_USER, "is_bot": True}],
        }  # fmt: skip
        more = {"retry_attempt": retry, "retry_reason": "timeout" if retry else ""}
        return self.send("events_api", payload, accepts=False, **more)

    def send(self, kind: str, payload: Json, *, accepts: bool = True, **more: Any) -> asyncio.Task[Delivery]:
        """Send an envelope in a task that ends with its acknowledgement or its deadline."""
        task = asyncio.create_task(self._deliver(kind, payload, accepts, more))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _deliver(self, kind: str, payload: Json, accepts: bool, more: Json) -> Delivery:
        envelope = {"envelope_id": f"e{self.world.number()}", "payload": payload, "type": kind,
                    "accepts_response_payload": accepts, **more}  # fmt: skip
        delivery = Delivery(envelope)
        self.deliveries.append(delivery)
        if self.request_url is not None:
            await self._over_http(delivery)
        elif self._sockets:
            self._waiting[envelope["envelope_id"]] = delivery
            delivery.sent = time.monotonic()
            with suppress(ConnectionError, TimeoutError):
                await self._sockets[-1].send_json(envelope)
                async with asyncio.timeout(self.deadline):
                    await delivery.over.wait()
            self._waiting.pop(envelope["envelope_id"], None)
        self.changed()
        return delivery

    async def _over_http(self, delivery: Delivery) -> None:
        payload, kind = delivery.envelope["payload"], delivery.envelope["type"]
        form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
        body = json.dumps(payload) if kind == "events_api" else urlencode(form)
        sort = "application/json" if kind == "events_api" else "application/x-www-form-urlencoded"
        at = str(int(time.time()))
        signature = SignatureVerifier(self.signing_secret).generate_signature(timestamp=at, body=body)
        headers = {"Content-Type": sort, "X-Slack-Request-Timestamp": at, "X-Slack-Signature": signature or ""}
        delivery.sent = time.monotonic()
        async with self._session.post(str(self.request_url), data=body.encode(), headers=headers) as response:
            text = await response.text()
            if response.status == 200:
                delivery.acked = time.monotonic()
                delivery.answer = json.loads(text) if text.startswith("{") else text
            else:
                self.refused.append(f"the app answered {response.status}: {text[:200]}")


async def _arguments(request: web.Request) -> Json:
    """Return arguments sent as JSON or as a form, in which lists and objects are JSON texts."""
    if request.content_type == "application/json":
        return dict(await request.json())
    form = {**request.query, **{key: str(value) for key, value in (await request.post()).items()}}
    return {key: json.loads(value) if value[:1] in {"[", "{"} else value for key, value in form.items()}
