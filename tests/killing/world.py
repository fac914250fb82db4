"""State that outlives every process of the fleet.

It contains the engine with its agents, two chat platforms, and what people were told was accepted. It is stored in a
file, which is written before any of it answers and read by the next process.
"""

import asyncio
import os
import pickle
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from bot.domain import Post, Session
from bot.domain.errors import RuntimeUnreachable
from bot.engine.base import EngineEvent, MailArrived, Receipt, Started
from bot.fleet import Fleet
from bot.gates import lifecycle
from tests.bed import Clock
from tests.fakes.chat import FakeChat, Message
from tests.fakes.engine import Box, FakeEngine
from tests.killing.points import Fate

BEGAN = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CUT = "The channel was cut."
RECOVERY = 3.0
"""Seconds after which a cut channel is available again."""
T = TypeVar("T")


@dataclass
class Kept:
    """Content of the file."""

    seconds: float = 0.0
    boxes: dict[str, Box] = field(default_factory=dict)
    numbers: Counter[str] = field(default_factory=Counter)
    messages: dict[str, dict[str, Message]] = field(default_factory=dict)
    """Messages by platform and message id."""
    faces: dict[tuple[str, str], str] = field(default_factory=dict)
    """Visible text by platform and message id."""
    done: list[str] = field(default_factory=list)
    """Confirmed actions of people. Unconfirmed ones are repeated."""
    read: list[str] = field(default_factory=list)
    """Answers shown to an agent, by mail id."""


class World(Clock):
    """The stored state, and the time, which continues across processes."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        path = folder / "world"
        self.kept: Kept = pickle.loads(path.read_bytes()) if path.exists() else Kept()
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY)
        self._before = self.kept.seconds
        self.moved = asyncio.Event()
        """Set whenever the state changes."""

    def __call__(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    @property
    def seconds(self) -> float:
        """Return the seconds since the first process started."""
        return self._before + asyncio.get_running_loop().time()

    def save(self) -> None:
        """Write the state to the file, after which confirmations are valid."""
        self.kept.seconds = self.seconds
        os.pwrite(self._file, pickle.dumps(self.kept), 0)
        self.moved.set()


class Engine(FakeEngine):
    """The engine behind a channel.

    Calls take effect and events arrive with a delay, and the channel may be cut at each of these.
    """

    def __init__(self, world: World, fate: Fate, cuts: Fate) -> None:
        super().__init__(now=world)
        self.world, self.fate, self.cuts = world, fate, cuts
        self.boxes, self._numbers = world.kept.boxes, world.kept.numbers
        self.next_receipt = Receipt.WAITING
        self._heard: dict[str, int] = {}
        self._under_way: deque[EngineEvent] = deque()
        self._speaking = asyncio.Event()

    def _tell(self, event: EngineEvent) -> None:
        self._under_way.append(event)
        self._speaking.set()

    async def speak(self) -> None:
        """Deliver pending events to the listener in order."""
        while True:
            await self._speaking.wait()
            self._speaking.clear()
            while self._under_way:
                await asyncio.sleep(0)
                event = self._under_way.popleft()
                if self.down is None and isinstance(event, MailArrived) and self._is_cut(f"event {type(event).__name__}"):
                    break
                if self.listener is not None:
                    self.listener(event)
                if isinstance(event, MailArrived):
                    self._heard[event.product] = int(event.mail[-1].cursor)

    def _is_cut(self, where: str) -> bool:
        """Pass a place where the channel may be cut. Calls in flight are lost and unheard events are repeated."""
        self.cuts.met.append(where)
        if len(self.cuts.met) != self.cuts.at:
            return False
        self._under_way.clear()
        self._replayed = {name: self._heard.get(name, 0) for name in self._replayed}
        self.go_down(CUT)
        asyncio.get_running_loop().call_later(RECOVERY, self.come_up)
        return True

    async def _over(self, op: str, product: str, call: Coroutine[Any, Any, T]) -> T:
        """Make a call over the channel and back."""
        self.fate.meet(f"engine: {op}")
        await asyncio.sleep(0)
        if self._is_cut(f"before {op}"):
            call.close()
            raise RuntimeUnreachable(CUT, "", product=product)
        try:
            result = await call
        finally:
            self.world.save()
        self.fate.meet(f"engine: {op} has happened")
        await asyncio.sleep(0)
        if self._is_cut(f"after {op}"):
            raise RuntimeUnreachable(CUT, "", product=product)
        return result

    async def snapshot(self, *args: Any, **how: Any) -> Any:
        return await self._over("snapshot", "", super().snapshot(*args, **how))

    async def start(self, product: str) -> None:
        await self._over("start", product, super().start(product))

    async def send(self, product: str, *args: Any, **how: Any) -> str:
        return await self._over("send", product, super().send(product, *args, **how))

    async def reply(self, product: str, *args: Any, **how: Any) -> str:
        return await self._over("reply", product, super().reply(product, *args, **how))

    async def receipt(self, product: str, mail: str) -> Receipt:
        return await self._over("receipt", product, super().receipt(product, mail))

    async def start_worker(self, product: str, **how: Any) -> Started:
        return await self._over("start_worker", product, super().start_worker(product, **how))

    async def stop(self, product: str, agent: str | None = None) -> tuple[str, ...]:
        return await self._over("stop", product, super().stop(product, agent))

    async def nudge(self, product: str, agent: str, text: str) -> bool:
        return await self._over("nudge", product, super().nudge(product, agent, text))

    def runs(self, product: str) -> None:
        """Return True if a coordinator is running there."""
        if product not in self.boxes:
            self.set_sessions(product, Session("coordinator", "coordinator", "working", started_at=self.now()))
            self.world.save()


class Platform(FakeChat):
    """A platform that shows cards as they were when it received them."""

    def __init__(self, platform: str, world: World, fate: Fate, fleet: Callable[[], Fleet]) -> None:
        super().__init__(platform)
        self.world, self.fate, self.fleet = world, fate, fleet
        self.messages = world.kept.messages.setdefault(platform, {})

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        face, known = self.face(post), set(self.messages)
        self.fate.meet(f"{self.platform}: post")
        await asyncio.sleep(0)
        message = await super().post(post, key, again=again, plain=plain)
        if message not in known:
            self.world.kept.faces[self.platform, message] = face
        self.world.save()
        self.fate.meet(f"{self.platform}: posted")
        await asyncio.sleep(0)
        return message

    async def update(self, message: str, post: Post) -> None:
        face = self.face(post)
        self.fate.meet(f"{self.platform}: update")
        await asyncio.sleep(0)
        await super().update(message, post)
        self.world.kept.faces[self.platform, message] = face
        self.world.save()
        self.fate.meet(f"{self.platform}: updated")
        await asyncio.sleep(0)

    def face(self, post: Post) -> str:
        """Return the visible text and each gate's card with its current state and buttons."""
        cards = [self.fleet().gate(card.gate) for card in post.cards if card.gate]
        said = [f"{gate.state}: {lifecycle.outcome(gate)} {gate.id} {gate.revision} {gate.digest}" for gate in cards]
        return "\n".join([post.text, *said])

    def open_card(self, conversation: str, kind: str, revision: int = 1) -> tuple[str, str] | None:
        """Return the gate and digest of a card that looks undecided, in a message of a kind."""
        for id, message in self.messages.items():
            if (message.post.conversation, message.post.kind) != (conversation, kind):
                continue
            *_, gate, shown, digest = self.world.kept.faces[self.platform, id].split()
            if shown == str(revision) and "\nopen: " in self.world.kept.faces[self.platform, id]:
                return gate, digest
        return None
