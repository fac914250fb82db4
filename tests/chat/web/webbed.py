"""A fleet in memory with its real web server on free ports of this machine.

async with WebBed(tmp_path) as bed:
    status, answer = await bed.get("/api/status")
    async with bed.listen() as client:
        await client.say("/fleet status")
        reply = await client.receive("reply")
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bot.agent.live import Live
from bot.agent.model import Model
from bot.chat.web import WebChat
from bot.conversation.platform import Part
from bot.domain import MailKind
from tests.bed import REGISTRY, Bed

TOKEN = "a-token-for-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PATIENCE = 10.0


class SocketClient:
    """One WebSocket with the messages it received."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.received: list[dict[str, Any]] = []
        self.unread: list[dict[str, Any]] = []

    async def send(self, **message: Any) -> None:
        """Send one message."""
        await self.socket.send_json(message)

    async def say(self, text: str, **more: Any) -> None:
        """Send a message of a person."""
        await self.send(type="message", text=text, **more)

    async def receive(self, kind: str, matches: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """Return the first unread message of a kind that matches."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for said in self.unread:
                    if said["type"] == kind and matches(said):
                        self.unread.remove(said)
                        return said
                said = await self.socket.receive_json()
                self.received.append(said)
                self.unread.append(said)

    async def reply(self, *words: str) -> dict[str, Any]:
        """Return the next post of the fleet that contains these words."""
        return await self.receive(
            "reply", lambda each: each["author"] == "fleet" and all(word in each["text"] for word in words)
        )


class WebBed(Bed):
    """A bed with a web server."""

    def __init__(self, folder: Path, registry: str = REGISTRY, model: Callable[[], Model] | None = None) -> None:
        super().__init__(folder, registry, model)
        self.parts: dict[str, Part] = {"store": Part("ok"), "engine": Part("ok", "0.11.0"), "slack": Part("off", "no token")}
        self.ports: tuple[int, ...] = (0, 0)
        self.seconds = 1_000_000.0
        """The login's clock."""

    async def start(self) -> None:
        """Start everything, after a crash on the same ports."""
        await super().start()
        self.chat = WebChat(
            self.fleet, self.router, token=TOKEN, ready=lambda: self.parts, ports=self.ports, clock=lambda: self.seconds
        )
        self.router.live = self._live
        if self.router.turns:
            self.router.turns.live = self._live
        await self.chat.start()
        self.ports = tuple(int(url.rpartition(":")[2]) for url in self.chat.urls)
        self.http = aiohttp.ClientSession(headers=BEARER, cookie_jar=aiohttp.DummyCookieJar())

    async def kill(self) -> None:
        """Stop everything at once."""
        await self.http.close()
        await self.chat.stop()
        await super().kill()

    def _live(self, conversation: str, event: Live) -> None:
        self.seen.append(event)
        self.chat.live(conversation, event)

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.ports[0]}"

    async def get(self, path: str, **more: Any) -> tuple[int, Any]:
        """Send a GET and return its status and JSON."""
        async with self.http.get(self.url + path, allow_redirects=False, **more) as answer:
            return answer.status, json.loads(await answer.text())

    async def post(self, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Send JSON in a POST and return its status and JSON."""
        if body is not None:
            more["json"] = body
        async with self.http.post(self.url + path, allow_redirects=False, **more) as answer:
            return answer.status, json.loads(await answer.text())

    @asynccontextmanager
    async def listen(self, port: int = 0, **more: Any) -> AsyncIterator[SocketClient]:
        """Connect a WebSocket to the page's port, or to the gateway's (1)."""
        async with self.http.ws_connect(f"http://127.0.0.1:{self.ports[port]}/ws", **more) as socket:
            client = SocketClient(socket)
            await client.receive("status")
            yield client

    def plan(self, product: str = "product-a", body: str = "1. Split the parser\n2. Test it", **more: Any) -> None:
        """Let a product's coordinator request approval of a plan."""
        self.engine.push_mail(product, kind=MailKind.PLAN, subject=more.pop("subject", "A plan"), body=body, **more)
