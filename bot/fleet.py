"""The context that skills, chat, web and jobs share: registry, store, engine, clock, snapshots and the bus of changes.

It has no loop and no commands of its own: pausing a product is `bot.work.pause`, deciding a gate is `bot.gates.decide`. What
must last is in the store before a method returns. The jobs (`bot.jobs`) subscribe to `Change`s and do what follows from them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from bot.domain import (
    Card,
    Gate,
    Person,
    Post,
    Product,
    Snapshot,
    Suggestion,
    Trouble,
    Work,
    WorkState,
)
from bot.domain.errors import NotFound
from bot.text.wording import map_strings

if TYPE_CHECKING:
    # Types only: a command of the terminal imports this module through its skill, and has to start at once.
    import asyncio

    from bot.engine.base import Engine
    from bot.registry import Registry, RegistryFile
    from bot.store import Store

BOARD = "web:fleet"
"""Conversation for messages that belong to no other: the page of the whole fleet."""
BURST = timedelta(seconds=3)
"""Time within which consecutive reports of one product are merged into one message."""
LONGEST_DETAIL = 8000
"""Most characters of one text in a row of the audit journal. The longest note of a decision fits."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that surfaces and jobs may react to. `kind` is status, work, gate, post, registry, runtime or chat."""

    kind: str
    product: str | None = None
    work: Work | None = None
    gate: Gate | None = None
    post: Post | None = None


Listener = Callable[[Change], None]
State = TypeVar("State")


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class Fleet:
    """Shared context of one running program, handed to every function that reads or changes the fleet."""

    def __init__(
        self,
        registry: "RegistryFile",
        store: "Store",
        engine: "Engine",
        *,
        platforms: Sequence[str] = ("web",),
        now: Callable[[], datetime] = utc_now,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._registry = registry
        self.store = store
        from bot.engine.durable import DurableEngine

        self.engine: Engine = DurableEngine(engine, store.durable)
        self.platforms = frozenset(platforms)
        """Platforms that are on. Posts go only to these."""
        self.now = now
        self.redact = redact
        self.snapshots: dict[str, Snapshot] = {}
        self.down: dict[str, tuple[str, datetime]] = {}
        """Runtimes that do not answer: the reason, and the time since when."""
        self.unheard: set[str] = set()
        """Products without a snapshot since their runtime came up. Mail that ends their work may still be on its way."""
        self.endings: Counter[str] = Counter()
        """Number of times that work of each product has ended since the start. Caches of past work compare it."""
        self._locks: dict[str, asyncio.Lock] = {}
        self._states: dict[type, Any] = {}
        self._listeners: list[Listener] = []
        self._untold: list[Change] | None = None

    def today(self) -> datetime:
        """Return the start of the current day in UTC, from which budgets count."""
        return self.now().replace(hour=0, minute=0, second=0, microsecond=0)

    def state(self, kind: type[State]) -> State:
        """Return the in-memory state of one subject, created on first use. It is lost with the process."""
        if kind not in self._states:
            self._states[kind] = kind()
        return cast(State, self._states[kind])

    def lock(self, product: str) -> "asyncio.Lock":
        """Return the lock to hold while starting, answering, pausing or stopping anything in a product.

        With it a stop cannot race a start."""
        import asyncio

        return self._locks.setdefault(product, asyncio.Lock())

    # -- listening ---------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call the listener for every change until the returned function is called. Listeners must not block or fail."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def changed(self, change: Change) -> None:
        """Notify all listeners, after the commit if inside a transaction."""
        if self._untold is not None:
            self._untold.append(change)
            return
        for listener in tuple(self._listeners):
            listener(change)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit several changes of the store as one. Listeners are notified after the commit, or not at all."""
        if self._untold is not None:
            yield
            return
        self._untold = []
        try:
            with self.store.transaction():
                yield
            untold = self._untold
        finally:
            self._untold = None
        for change in untold:
            self.changed(change)

    # -- products ----------------------------------------------------------------------------------------------------

    @property
    def registry(self) -> "Registry":
        """Last registry that was valid."""
        return self._registry.current

    @property
    def registry_problems(self) -> tuple[str, ...]:
        """Problems of the current registry file. Empty if the file is valid and in use."""
        return tuple(str(problem) for problem in self._registry.problems)

    @property
    def products(self) -> Mapping[str, Product]:
        """Products by name, in the registry's order."""
        return self.registry.by_name

    def product(self, name: str) -> Product:
        """Return the product that a person means by a name. Raises NotFound with the nearest name."""
        return self.registry.product(name)

    def trouble(self, product: Product) -> Trouble | None:
        """Return the problem of a product's runtime, or None if it answers."""
        down = self.down.get(product.runtime) if product.runtime else next(iter(self.down.values()), None)
        if down is None:
            return None
        reason, since = down
        return Trouble(
            "unreachable", f"unreachable since {since:%H:%M} UTC: {reason}", "Its sessions may be running on; see fleet doctor."
        )

    def seen(self, product: str) -> Snapshot | None:
        """Return a product's snapshot, or None if what runs there is unknown (no news yet, or its runtime does not answer)."""
        unknown = product in self.unheard or self.trouble(self.products[product])
        return None if unknown else self.snapshots.get(product)

    # -- work and gates ----------------------------------------------------------------------------------------------

    def work(self, id: str) -> Work:
        """Return one piece of work. Raises NotFound."""
        work = self.store.work.get(id)
        if work is None:
            raise NotFound(
                f"There is no work “{id[:40]}”.", "Run `/fleet queue` to list queued work, or `/fleet status` for all products."
            )
        return work

    def save_work(self, work: Work, **changes: Any) -> Work:
        """Store a change of work and notify all listeners. A state that ends it also sets `ended_at`."""
        state: WorkState = changes.get("state", work.state)
        if not state.open and work.state.open:
            changes.setdefault("ended_at", self.now())
        work = replace(work, updated_at=self.now(), **changes)
        self.store.work.save(work)
        if not work.state.open:
            self.endings[work.product] += 1
        self.changed(Change("work", product=work.product, work=work))
        return work

    def gate(self, id: str) -> Gate:
        """Return one gate. Raises NotFound."""
        gate = self.store.gates.get(id)
        if gate is None:
            raise NotFound(f"There is no gate “{id[:40]}”.", "Run `/fleet gates` to list the open gates.")
        return gate

    def save_gate(self, gate: Gate) -> Gate:
        """Store a change of a gate and notify all listeners. If the change is visible, every card of the gate is updated."""
        with self.transaction():
            before = self.store.gates.get(gate.id)
            self.store.gates.save(gate)
            if before is None or before.visible != gate.visible:
                self.store.outbox.outdate(gate=gate.id)
            self.changed(Change("gate", product=gate.product, gate=gate))
        return gate

    # -- saying ------------------------------------------------------------------------------------------------------

    def say(
        self,
        conversation: str,
        text: str,
        *,
        key: str,
        author: str = "fleet",
        kind: str = "reply",
        product: str | None = None,
        cards: tuple[Card, ...] = (),
        suggestions: tuple[Suggestion, ...] = (),
        answers: str = "",
        private: bool = False,
        hold: timedelta | None = None,
    ) -> Post | None:
        """Post a text in a conversation, once for each `key`, with secrets removed. Return None if it was posted before.

        With `hold` a chat platform shows it that much later, together with what `report` adds to it meanwhile."""
        platform = conversation.partition(":")[0]
        now = self.now()
        post = Post(
            conversation,
            author,
            self.redact(text),
            now,
            cards=cards,
            suggestions=tuple(Suggestion(self.redact(each.label), self.redact(each.command)) for each in suggestions),
            kind=kind,
            product=product,
            answers=answers,
            private=private,
        )
        with self.transaction():
            said = self.store.posts.say(post, key)
            if said and platform in self.platforms and platform != "web" and author == "fleet":
                self.store.outbox.add(said.id, conversation, platform, now, hold=now + hold if hold else None)
            if said:
                self.changed(Change("post", product=product, post=said))
        return said

    def report(self, conversation: str, text: str, *, key: str, product: str, cards: tuple[Card, ...] = ()) -> None:
        """Post a report about a product. It is merged into the previous report there if that is younger than `BURST`."""
        newest = next(iter(self.store.posts.of(conversation, limit=1)), None)
        added = None
        if newest and (newest.kind, newest.product) == ("report", product) and timedelta() <= self.now() - newest.at < BURST:
            added = self.store.posts.extend(newest.id, self.redact(text), cards)
        if added is None:
            self.say(conversation, text, key=key, kind="report", product=product, cards=cards, hold=BURST)
            return
        self.store.outbox.outdate(post=added.id)
        self.changed(Change("post", product=product, post=added))

    def targets(self, product: str, conversation: str) -> tuple[str, ...]:
        """Return the conversations to notify: the one where it was asked, and the product's channels on platforms that are on.

        Leaves out a channel if it was asked in a thread of it, and unreachable conversations. Falls back to `BOARD`."""
        known = self.products.get(product)
        channels = [str(channel) for channel in known.channels if channel.platform in self.platforms] if known else []
        asked = [conversation] if conversation.partition(":")[0] in self.platforms else []
        found = [*asked, *(each for each in channels if not conversation.startswith(f"{each}:"))]
        dead = self.store.unreachable.all()
        return tuple(dict.fromkeys(each for each in found if each not in dead)) or (BOARD,)

    def direct_target(self, person: Person) -> str:
        """Return the direct conversation with a person on their first platform that is on, or an empty string."""
        dead = self.store.unreachable.all()
        known = (f"{platform}:@{id}" for platform, id in person.ids.items() if platform in self.platforms - {"web", "terminal"})
        return next((each for each in known if each not in dead), "")

    def mark_unreachable(self, conversation: str, reason: str) -> None:
        """Give up the messages that wait for a conversation, and report on `BOARD` that it is unreachable."""
        with self.transaction():
            self.store.outbox.failed_in(conversation, reason, self.now())
            if self.store.unreachable.has(conversation):
                return
            self.store.unreachable.add(conversation, reason)
            self.record("chat", "fleet", None, conversation, {"dead": reason})
            said = f"I can say nothing in `{conversation}` any more: {reason} What belongs there is shown here from now on."
            self.say(BOARD, said, key=f"dead:{conversation}:{self.now().isoformat()}", kind="error")

    def mark_reachable(self, conversation: str) -> None:
        """Use a conversation again after a message arrived from it or access was restored."""
        if self.store.unreachable.has(conversation):
            with self.transaction():
                self.store.unreachable.remove(conversation)
                self.record("chat", "fleet", None, conversation, {"dead": False})

    def record(self, kind: str, person: str, product: str | None, subject: str, detail: dict[str, Any]) -> None:
        """Write a row of the audit journal, with secrets removed and long texts cut at `LONGEST_DETAIL`."""
        hidden = map_strings(detail, lambda text: self.redact(text)[:LONGEST_DETAIL])
        self.store.audit.add(kind, at=self.now(), person=person, product=product, subject=self.redact(subject), detail=hidden)
