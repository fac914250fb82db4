"""The fleet: the one object through which skills, chat, web and jobs look at products and change them.

It owns no loop and no clock. What must last is in the store before a method returns; what has to happen next is done by
the jobs (`bot.jobs`), which listen for `Change`s. Whoever calls has passed the access check, except for gates, whose
check is part of deciding.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from bot.domain import (
    Card,
    Gate,
    GateState,
    Mail,
    Person,
    Post,
    Product,
    Role,
    Snapshot,
    Suggestion,
    Trouble,
    Work,
    WorkState,
    access,
)
from bot.domain.errors import FleetError, NotFound, UsageError
from bot.engine.base import Engine
from bot.gates import decide as deciding
from bot.gates import inbox
from bot.gates.decide import Shown
from bot.gates.inbox import Waiting
from bot.registry import Registry, RegistryFile
from bot.store import Store
from bot.text.wording import each_text
from bot.work import capacity as room
from bot.work import pause as holding
from bot.work import queue
from bot.work.admission import Capacity
from bot.work.estimates import Learned
from bot.work.queue import Terms
from bot.work.status import FleetStatus, product_status, urgent_first

BOARD = "web:fleet"
"""The conversation that hears what nobody in particular asked for."""
BURST = timedelta(seconds=3)
"""Reports of one product that follow each other within this time become one message."""
LONGEST_DETAIL = 8000
"""Characters of one text in a row of the journal; the longest note of a decision fits."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that surfaces or jobs may care about. `kind`: status, work, gate, post, registry, runtime or chat."""

    kind: str
    product: str | None = None
    work: Work | None = None
    gate: Gate | None = None
    post: Post | None = None


Listener = Callable[[Change], None]
_Owned = TypeVar("_Owned", Work, Gate)


def utc_now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


class Fleet:
    """Every product, with what was asked of it and what waits for people."""

    def __init__(
        self,
        registry: RegistryFile,
        store: Store,
        engine: Engine,
        *,
        platforms: Sequence[str] = ("web",),
        now: Callable[[], datetime] = utc_now,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._registry = registry
        self.store = store
        self.engine = engine
        self.platforms = frozenset(platforms)
        """Platforms that are on; what is said goes only there."""
        self.now = now
        self.redact = redact
        self.snapshots: dict[str, Snapshot] = {}
        self.down: dict[str, tuple[str, datetime]] = {}
        """Runtimes that do not answer: why, and since when."""
        self.cpu_percent = 0.0
        """CPU of all sessions' processes, percent of the machines they run on; smoothed, so that no start waits for a peak."""
        self.learned = Learned(store)
        """What the past says of work to come."""
        self.returning: set[str] = set()
        """Products that are being let go on: what stands still in them has its place already."""
        self.unheard: set[str] = set()
        """Products of which nothing has been heard since their runtime came up: mail may be on its way that ends their work."""
        self._changing: dict[str, asyncio.Lock] = {}
        self._listeners: list[Listener] = []
        self._untold: list[Change] | None = None

    def today(self) -> datetime:
        """When the present day began, in UTC: budgets count from there."""
        return self.now().replace(hour=0, minute=0, second=0, microsecond=0)

    # -- listening ---------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hear every change from now on; call what is returned to stop. Listeners must not block or fail."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def changed(self, change: Change) -> None:
        """Tell everyone who listens; inside a transaction, once it has been kept."""
        if self._untold is not None:
            self._untold.append(change)
            return
        for listener in tuple(self._listeners):
            listener(change)

    @contextmanager
    def transaction(self, *, lasting: bool = True) -> Iterator[None]:
        """Several changes of the store as one; they are told when all of them are kept, and not at all otherwise. `lasting`:
        see the store's."""
        if self._untold is not None:
            yield
            return
        self._untold = []
        try:
            with self.store.transaction(lasting=lasting):
                yield
            untold = self._untold
        finally:
            self._untold = None
        for change in untold:
            self.changed(change)

    # -- products ----------------------------------------------------------------------------------------------------

    @property
    def registry(self) -> Registry:
        """The last good registry."""
        return self._registry.current

    @property
    def registry_problems(self) -> tuple[str, ...]:
        """What is wrong with the registry file as it is now; empty when the last good one is the file."""
        return tuple(str(problem) for problem in self._registry.problems)

    @property
    def products(self) -> Mapping[str, Product]:
        """Products by name, in the registry's order."""
        return self.registry.by_name

    def product(self, name: str) -> Product:
        """The product that a person means by a name. Raises NotFound with the nearest one."""
        return self.registry.product(name)

    def trouble(self, product: Product) -> Trouble | None:
        """What keeps a product from working, as far as its runtime is concerned."""
        down = self.down.get(product.runtime) if product.runtime else next(iter(self.down.values()), None)
        if down is None:
            return None
        reason, since = down
        return Trouble(
            "unreachable", f"unreachable since {since:%H:%M} UTC: {reason}", "Its sessions may be running on; see fleet doctor."
        )

    def seen(self, product: str) -> Snapshot | None:
        """What runs in a product; None while that is not known: nothing was heard of it yet, or its runtime does not answer."""
        unknown = product in self.unheard or self.trouble(self.products[product])
        return None if unknown else self.snapshots.get(product)

    # -- status ------------------------------------------------------------------------------------------------------

    def status(self, names: Sequence[str] = (), person: Person | None = None) -> FleetStatus:
        """The fleet, or the products named, as known now, as far as a person may see it; asks nobody."""
        names = [self.product(name).name for name in names]
        unfinished = self.store.work.open()
        order = inbox.hurting_first(
            self._weighed(
                self.store.gates.in_states(GateState.OPEN), {work.id: (work.product, work.state) for work in unfinished}
            )
        )
        gates = [each.gate for each in order]
        work, waiting = _by_product(unfinished), _by_product(gates)
        last, paused = self.store.work.last_ended(), self.store.product_states.pauses()
        known, spent = room.products(self), room.spent_today(self)
        products = [
            product_status(
                product,
                self.snapshots.get(product.name),
                work[product.name],
                waiting[product.name],
                last.get(product.name),
                paused=product.name in paused or _halted(self.snapshots.get(product.name)),
                trouble=self.trouble(product),
                spent=spent.get(product.name, 0.0),
            )
            for product in known.values()
            if (not names or product.name in names)
            and (person is None or access.may(person, Role.VIEWER, product.name) is None)
        ]
        shown = {each.name for each in products}
        return FleetStatus(
            self.now(),
            urgent_first(products),
            self.capacity(),
            self.registry_problems,
            inbox=tuple(gate.id for gate in gates if gate.product in shown or (person is None and not names)),
        )

    def capacity(self) -> Capacity:
        """What is in use of sessions, memory, CPU and money."""
        return room.capacity(self)

    def measured(self) -> None:
        """Take the newest snapshots into the smoothed CPU figure: half old, half new."""
        cores = sum(runtime.cpus for runtime in self.engine.runtimes()) or 1
        used = sum(snapshot.cpu_percent for snapshot in self.snapshots.values()) / cores
        self.cpu_percent = (self.cpu_percent + used) / 2

    def status_changed(self, product: str | None = None) -> None:
        """Tell everyone that a product, or the whole fleet, stands otherwise than before."""
        self.changed(Change("status", product=product))

    # -- work --------------------------------------------------------------------------------------------------------

    def submit(
        self,
        product: str,
        objective: str,
        *,
        capability: str | None,
        person: Person,
        conversation: str,
        request: str,
        terms: Terms = Terms(),
    ) -> tuple[Work, bool]:
        """Queue work, once for each `request`; the jobs start it once it is admitted. Returns it, and whether it is new."""
        name, now = self.product(product).name, self.now()
        if not self.product(product).overstory:
            raise UsageError(f"{name} has `overstory: false`: it runs no agents.", "Set it to true in products.yaml.")
        asked = Work(
            id="",
            product=name,
            objective=objective,
            state=WorkState.QUEUED,
            created_at=now,
            updated_at=now,
            capability=capability,
            asked_by=person.name,
            conversation=conversation,
            reason="just asked for",
        )
        with self.transaction():
            work, new = queue.submit(self, asked, terms, request)
            if new:
                detail = {"asked": objective, "capability": capability, "by": terms.source, "priority": terms.priority}
                self.record("work", person.name, name, work.id, detail)
                self.changed(Change("work", product=name, work=work))
        return work, new

    def work(self, id: str) -> Work:
        """One piece of work. Raises NotFound."""
        work = self.store.work.get(id)
        if work is None:
            raise NotFound(f"There is no work “{id[:40]}”.", "Say `/fleet status` for what there is.")
        return work

    def save_work(self, work: Work, **changes: Any) -> Work:
        """Keep a change of work and tell everyone. States that end it stamp the time."""
        state: WorkState = changes.get("state", work.state)
        if not state.open and work.state.open:
            changes.setdefault("ended_at", self.now())
        work = replace(work, updated_at=self.now(), **changes)
        self.store.work.save(work)
        if not work.state.open:
            self.learned.forget(work.product)
        self.changed(Change("work", product=work.product, work=work))
        return work

    # -- pausing and stopping ----------------------------------------------------------------------------------------

    def changing(self, product: str) -> asyncio.Lock:
        """Held by whoever starts, answers, holds or stops something in a product: what is being started can be stopped only
        once it has started, and nothing starts while it is being stopped."""
        return self._changing.setdefault(product, asyncio.Lock())

    def paused(self, product: str) -> bool:
        """Whether a product is held: by us, or in its runtime."""
        return self.store.product_states.pause(product) is not None or _halted(self.snapshots.get(product))

    async def pause(self, product: str, person: Person, *, park: bool = False, how: str = "kept") -> tuple[str, ...]:
        """Hold a product; see `holding.pause`."""
        name = self.product(product).name
        agents = await holding.pause(self, name, person, park=park, how=how)
        self.changed(Change("status", product=name))
        return agents

    async def resume(self, product: str, person: Person, request: str = "", conversation: str = "") -> holding.Resumed:
        """Let a product go on; see `holding.resume`."""
        name = self.product(product).name
        resumed = await holding.resume(self, name, person, request, conversation)
        self.changed(Change("status", product=name))
        return resumed

    async def stop(self, product: str, person: Person, agent: str | None = None) -> tuple[str, ...]:
        """Stop a product, or one agent; see `holding.stop`."""
        name = self.product(product).name
        agents = await holding.stop(self, name, person, agent)
        self.changed(Change("status", product=name))
        return agents

    def queue_again(self, lost: Sequence[Work], why: str) -> None:
        """Queue work whose session has ended; it starts once more, as another attempt that is told what is known."""
        for work in lost:
            again = {"attempt": work.attempt + 1, "agent": None, "mail": None}
            self.save_work(work, state=WorkState.QUEUED, reason=why, **again)

    # -- gates -------------------------------------------------------------------------------------------------------

    def gate(self, id: str) -> Gate:
        """One gate. Raises NotFound."""
        gate = self.store.gates.get(id)
        if gate is None:
            raise NotFound(f"There is no gate “{id[:40]}”.", "Say `/fleet gates` for those that are open.")
        return gate

    def inbox(self, product: str | None = None, person: Person | None = None) -> list[Waiting]:
        """The gates that are open, of one product if named, as far as a person may see them: what hurts most first."""
        found = self.store.gates.in_states(GateState.OPEN, product=product)
        names = {gate.product for gate in found}
        covered = {name for name in names if person is None or access.may(person, Role.VIEWER, name) is None}
        return inbox.hurting_first(self.weighed([gate for gate in found if gate.product in covered]))

    def weighed(self, gates: Sequence[Gate]) -> list[Waiting]:
        """Each of these gates with what waits for it, in the order given."""
        waits = any(gate.state is GateState.OPEN for gate in gates)
        return self._weighed(gates, self.store.work.open_ids() if waits else {})

    def _weighed(self, gates: Sequence[Gate], unfinished: Mapping[str, tuple[str, WorkState]]) -> list[Waiting]:
        queued: defaultdict[str, list[str]] = defaultdict(list)
        for id, (product, state) in unfinished.items():
            if state is WorkState.QUEUED:
                queued[product].append(id)
        return inbox.weighed(gates, self.products, unfinished, queued)

    def save_gate(self, gate: Gate) -> Gate:
        """Keep a change of a gate. If people can see it, every card that shows the gate is shown anew; everyone is told."""
        with self.transaction():
            before = self.store.gates.get(gate.id)
            self.store.gates.save(gate)
            if before is None or before.visible != gate.visible:
                self.store.outbox.outdate(gate=gate.id)
            self.changed(Change("gate", product=gate.product, gate=gate))
        return gate

    def decide(self, id: str, choice: str, person: Person, **given: Any) -> Gate:
        """One person's answer to a gate, checked, kept and told to everyone; see `deciding.decide`."""
        return deciding.decide(self, id, choice, person, **given)

    def hand_over_again(self, id: str, person: Person) -> Gate:
        """Hand a decision to the engine once more; see `deciding.hand_over_again`."""
        return deciding.hand_over_again(self, id, person)

    async def decide_each(
        self, shown: Sequence[Shown], choice: str, person: Person, **given: Any
    ) -> list[tuple[str, Gate | FleetError]]:
        """One person's answer to several gates that ask for the same; see `deciding.decide_each`."""
        return await deciding.decide_each(self, shown, choice, person, **given)

    def withdraw_gates(self, product: str, reason: str, work: str | None = None, *, unsent: bool = False) -> None:
        """Nobody waits for these gates of a product any more; see `deciding.withdraw`."""
        deciding.withdraw(self, product, reason, work, unsent=unsent)

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
        """Say something in a conversation, once for each `key`; None if it has been said. Secrets are taken out here.

        With `hold` a chat platform shows it so much later, so that what is added to it meanwhile comes with it."""
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
        """Tell news of a product. What comes within `BURST` of the last such post there is added to it: five agents that finish
        are one message."""
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
        """The conversations that hear of something: where it was asked, and the product's channels on platforms that are on;
        not a channel in a thread of which it was asked, and none that is dead."""
        known = self.products.get(product)
        channels = [str(channel) for channel in known.channels if channel.platform in self.platforms] if known else []
        asked = [conversation] if conversation.partition(":")[0] in self.platforms else []
        found = [*asked, *(each for each in channels if not conversation.startswith(f"{each}:"))]
        dead = self.store.unreachable.all()
        return tuple(dict.fromkeys(each for each in found if each not in dead)) or (BOARD,)

    def direct_target(self, person: Person) -> str:
        """The conversation in which a person is spoken to directly, on the first of their platforms that is on; or nothing."""
        dead = self.store.unreachable.all()
        known = (f"{platform}:@{id}" for platform, id in person.ids.items() if platform in self.platforms - {"web", "terminal"})
        return next((each for each in known if each not in dead), "")

    def mark_unreachable(self, conversation: str, reason: str) -> None:
        """Nothing can be shown in a conversation any more: what waits for it is given up, and people are told elsewhere."""
        with self.transaction():
            self.store.outbox.failed_in(conversation, reason, self.now())
            if self.store.unreachable.has(conversation):
                return
            self.store.unreachable.add(conversation, reason)
            self.record("chat", "fleet", None, conversation, {"dead": reason})
            said = f"I can say nothing in `{conversation}` any more: {reason} What belongs there is shown here from now on."
            self.say(BOARD, said, key=f"dead:{conversation}:{self.now().isoformat()}", kind="error")

    def mark_reachable(self, conversation: str) -> None:
        """Something was said in a conversation, or it was opened to us again: it is alive."""
        if self.store.unreachable.has(conversation):
            with self.transaction():
                self.store.unreachable.remove(conversation)
                self.record("chat", "fleet", None, conversation, {"dead": False})

    def record(self, kind: str, person: str, product: str | None, subject: str, detail: dict[str, Any]) -> None:
        """Write a row of the audit journal; secrets are taken out first, and what is too long is cut."""
        hidden = each_text(detail, lambda text: self.redact(text)[:LONGEST_DETAIL])
        self.store.audit.add(kind, at=self.now(), person=person, product=product, subject=self.redact(subject), detail=hidden)

    def newest_mail(self, product: str, limit: int = 50) -> list[Mail]:
        """What the product's agents and people wrote to each other, newest first, as kept by us."""
        return self.store.mail.newest(self.product(product).name, limit)


def _by_product(found: Sequence[_Owned]) -> defaultdict[str, list[_Owned]]:
    """What belongs to each product, in the order given."""
    grouped: defaultdict[str, list[_Owned]] = defaultdict(list)
    for each in found:
        grouped[each.product].append(each)
    return grouped


def _halted(snapshot: Snapshot | None) -> bool:
    return snapshot is not None and snapshot.paused
