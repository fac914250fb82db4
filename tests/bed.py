"""A whole fleet in memory, with the real store, registry, skills, router and jobs over a fake engine.

bed = Bed(tmp_path)
async with bed:
    await bed.say("/fleet spawn product-a fix the test")
    bed.expect("w1")
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, body="done", thread=bed.work("w1").mail)
    await bed.settled()
`await bed.crash()` drops everything but the store and the engine, as kill -9 does, and starts again.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.agent.live import Live
from bot.agent.model import Model
from bot.commands import catalogue
from bot.conversation.platform import Chat
from bot.conversation.router import Router
from bot.conversation.turns import Turns
from bot.domain import Gate, GateState, Inbound, Person, Post, Press, Role, Session, Work
from bot.fleet import Change, Fleet
from bot.jobs.model_choice import ModelChoice
from bot.jobs.table import Jobs
from bot.registry import RegistryFile
from bot.store import Store
from bot.store.database import Database
from tests.fakes.engine import FakeEngine

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, priority: high, resource_weight: 3}
  - {name: product-b, path: /projects/product-b, resource_weight: 3}
  - {name: product-c, path: /projects/product-c, type: marketing}
scheduling: {max_concurrent_sessions: 2}
"""
ANA = Person("ana", Role.ADMIN, ids={"web": "token"})


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        """Advance the time."""
        self.at += timedelta(**span)


class Bed:
    """The fleet of `REGISTRY`, and a person who uses it."""

    database: type[Database] = Database
    """The database that the store opens."""

    def __init__(
        self,
        folder: Path,
        registry: str = REGISTRY,
        model: Callable[[], Model] | None = None,
        chats: Mapping[str, Chat] | None = None,
    ) -> None:
        self.folder = folder
        self.file = folder / "products.yaml"
        self.file.write_text(registry)
        self.clock = Clock()
        self.engine = FakeEngine(now=self.clock)
        self.make_model = model
        self.chats = dict(chats or {})
        self.person = ANA
        self.heard: list[Post] = []
        self.seen: list[Live] = []
        self._events = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start what `fleet up` starts, without surfaces."""
        self.store = self.open_store()
        self.registry = RegistryFile(self.file)
        self.fleet = Fleet(self.registry, self.store, self.engine, platforms=("web", *self.chats), now=self.clock)
        skills = catalogue.load()
        self.router = Router(self.fleet, skills, live=lambda _, event: self.seen.append(event))
        if self.make_model:
            self.router.turns = Turns(self.fleet, skills, self.make_model(), self.router.invoke, self.router.live)
        self.jobs = Jobs(self.fleet, self.chats, self.router.act)
        if self.router.turns:
            self.jobs.scheduler.choice = ModelChoice(self.fleet, self.router.turns.model)
        self.fleet.subscribe(self._hear)
        await self.engine.open(self.jobs.hear)
        await self.jobs.watch()
        self.running = asyncio.create_task(self.jobs.run())
        self.router.resume()

    def open_store(self) -> Store:
        """Return the store of this folder."""
        return Store(self.folder / "fleet.db", self.database)

    async def kill(self) -> None:
        """End without saving anything more."""
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.router.close()
        if self.router.turns:
            await self.router.turns.close()
        self.store.close()

    async def crash(self) -> None:
        """Kill the process as kill -9 does, and start again."""
        await self.kill()
        await self.start()
        await self.settled()

    def _hear(self, change: Change) -> None:
        if change.post is not None:
            self.heard.append(change.post)

    def inbound(
        self, text: str, *, event: str | None = None, press: Press | None = None, conversation: str = "web:main"
    ) -> Inbound:
        """Return a message or press of the person."""
        self._events += 1
        event = event or f"e{self._events}"
        return Inbound(event, "web", conversation, self.person, self.clock(), text=text, press=press)

    async def say(self, text: str, *, event: str | None = None, conversation: str = "web:main") -> list[Post]:
        """Send a message, and wait for the answer and its consequences."""
        posts = await self.router.handle(self.inbound(text, event=event, conversation=conversation))
        await self.settled()
        return posts

    async def settled(self) -> None:
        """Run until nothing more is due."""
        for _ in range(3):
            await asyncio.sleep(0)
            await self.jobs.settled()

    def expect(self, *words: str, kind: str | None = None) -> Post:
        """Return the newest post that contains all these words."""
        for post in reversed(self.heard):
            if post.author == "fleet" and (kind is None or post.kind == kind) and all(word in post.text for word in words):
                return post
        said = "\n---\n".join(f"[{post.kind}] {post.text}" for post in self.heard)
        raise AssertionError(f"No post contains {words}. The posts were:\n{said}")

    def posts(self, kind: str) -> list[Post]:
        """Return every stored post of a kind."""
        found = [post for place in self.store.conversations.newest("web") for post in self.store.posts.of(place["id"])]
        return [post for post in found if post.kind == kind]

    def work(self, id: str) -> Work:
        """Return a piece of work."""
        return self.fleet.work(id)

    def open_gate(self) -> Gate:
        """Return the only open gate."""
        (gate,) = self.store.gates.in_states(GateState.OPEN)
        return gate

    def coordinator(self, product: str) -> Session:
        """Make the product's coordinator run."""
        session = Session("coordinator", "coordinator", "working", started_at=self.clock())
        self.engine.set_sessions(product, session)
        return session
