"""What happens by itself: engine events are taken in, admitted work is started, decisions are delivered, the outbox is emptied.

Each step reads what is due from the store and is safe to repeat after a crash. `wake` is set by whatever changes; a slow
tick (see `bot.schedule`) is only the net. This is one of the two places that catch everything: one job's failure is
logged and never stops another.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any

from bot import admission, gates, intake, objective
from bot.chat.base import Chat
from bot.domain import Gate, GateKind, GateState, Suggestion, Work, WorkState
from bot.engine.base import EngineEvent, MailArrived, RuntimeDown, RuntimeUp, SnapshotChanged
from bot.errors import DeliveryError, EngineError, StoreError
from bot.fleet import BOARD, RUNNING, Change, Fleet
from bot.sightings import Sightings
from bot.store.outbox import Outgoing
from bot.words import shortened

log = logging.getLogger(__name__)

AGAIN = frozenset({"unreachable", "locked", "timed_out", "paused", "limit_reached"})
"""Engine errors that pass by themselves: what met them is tried again."""
PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds before the next try, by how often it has failed; the last one for good."""
CATCH_UP = "catch up"
MOST_ATTEMPTS = 8
"""How often a message is offered to a platform before it is given up; with doubling pauses that is about an hour."""


class Jobs:
    """The loop behind the fleet. `run` until cancelled."""

    def __init__(self, fleet: Fleet, chats: Mapping[str, Chat] | None = None) -> None:
        self.fleet = fleet
        self.chats = dict(chats or {})
        self._wake = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[str, int] = {}
        self._resting: set[str] = set()
        """Jobs that failed and wait for their next try."""
        self._sightings = Sightings(fleet)
        self._behind: set[str] = set()
        """Products with mail that could not be taken in; what follows it is left until it is sent again."""
        fleet.subscribe(self._noticed)

    # -- what arrives from the engine --------------------------------------------------------------------------------

    def hear(self, event: EngineEvent) -> None:
        """The engine's listener: everything is persisted when this returns, or asked for again."""
        if isinstance(event, MailArrived) and event.product in self._behind:
            return
        try:
            self._take(event)
        except Exception:
            log.exception("an event of the engine could not be taken in: %s", type(event).__name__)
            if isinstance(event, MailArrived):
                # Nothing after it may be taken in before it: the cursor would pass it by.
                self._behind.add(event.product)
                self._rest(CATCH_UP)
        self.wake()

    def _take(self, event: EngineEvent) -> None:
        fleet = self.fleet
        match event:
            case MailArrived():
                self._take_mail(event)
                self._failed.pop(CATCH_UP, None)
            case SnapshotChanged(snapshot):
                if snapshot.product not in fleet.products:
                    return
                before = fleet.snapshots.get(snapshot.product)
                fleet.snapshots[snapshot.product] = snapshot
                fleet.unheard.discard(snapshot.product)
                self._sightings.look(before, snapshot)
                fleet.changed(Change("status", product=snapshot.product))
            case RuntimeDown(runtime, reason):
                fleet.down[runtime] = (reason, fleet.now())
                log.warning("runtime %s does not answer: %s", runtime, reason)
                fleet.changed(Change("runtime"))
            case RuntimeUp(runtime, _, restarted):
                fleet.down.pop(runtime, None)
                self._resting.clear()
                fleet.unheard |= {name for name in self._on(runtime) if fleet.products[name].overstory}
                if restarted:
                    self._restarted(runtime)
                fleet.changed(Change("runtime"))

    def _on(self, runtime: str) -> list[str]:
        """The products of a runtime."""
        return [product.name for product in self.fleet.registry.products if (product.runtime or runtime) == runtime]

    def _restarted(self, runtime: str) -> None:
        """A runtime that was started anew has lost its sessions: what they did is queued again, with a recap. What waits for
        a person waits on; the answer starts its coordinator again."""
        fleet, mine = self.fleet, self._on(runtime)
        lost = [work for work in fleet.store.work.open(states=RUNNING) if work.product in mine]
        with fleet.transaction():
            fleet.record("engine", "fleet", None, runtime, {"restarted": [work.id for work in lost]})
            fleet.queue_again(lost, f"its runtime {runtime} was started anew")
            names = ", ".join(f"`{work.id}` ({work.product})" for work in lost)
            said = f"The runtime {runtime} was started anew." + (f" I start again what ran there: {names}." if lost else "")
            fleet.say(BOARD, said, key=f"restarted:{runtime}:{fleet.now().isoformat()}", kind="report")

    def _take_mail(self, event: MailArrived) -> None:
        """All of it, or, if that cannot be, one by one: a mail that breaks us must not hold up the others for ever."""
        try:
            intake.take(self.fleet, event)
        except StoreError:
            raise
        except Exception:
            if len(event.mail) == 1:
                log.exception("mail %s of %s cannot be taken in, it is left out", event.mail[0].id, event.product)
                intake.leave_out(self.fleet, event.mail[0])
                return
            for mail in event.mail:
                self._take_mail(MailArrived(event.product, (mail,)))

    def _catch_up(self) -> None:
        """Have mail sent again that could not be taken in."""
        if self._behind:
            self._once(CATCH_UP, self._watch_again)

    async def _watch_again(self) -> None:
        self._behind.clear()
        await self.watch()

    def _noticed(self, change: Change) -> None:
        if change.kind in {"work", "gate", "status", "registry", "runtime", "post"}:
            self.wake()

    # -- the loop ----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Do what is due whenever something changes; ends when cancelled, with the tasks it started."""
        self.wake()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self.step()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def step(self) -> None:
        """Start whatever is due now and not under way yet."""
        for what in (self._catch_up, self._admit, self._start_all, self._deliver_all, self._send_all):
            try:
                what()
            except Exception:
                log.exception("a job failed: %s", what.__name__.strip("_"))

    async def settled(self) -> None:
        """Wait until nothing more is due: for programs that do one thing and end."""
        self.step()
        while self._tasks:
            await asyncio.wait(self._tasks.values())
            self.step()

    def _once(self, key: str, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a job unless it runs already or rests after a failure."""
        if key in self._tasks or key in self._resting:
            return
        task = asyncio.create_task(self._guarded(key, job), name=key)
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: str) -> None:
        """What became due of the same kind while it ran is due now."""
        self._tasks.pop(key, None)
        self.wake()

    async def _guarded(self, key: str, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await job()
        except EngineError as error:
            log.info("%s is tried again: %s", key, error.message)
        except Exception:
            log.exception("a job failed: %s", key)
        else:
            self._failed.pop(key, None)
            return
        self._rest(key)

    def _rest(self, key: str) -> None:
        """Leave a job alone for a while, the longer the more often it has failed."""
        tries = self._failed[key] = self._failed.get(key, 0) + 1
        self._resting.add(key)
        asyncio.get_running_loop().call_later(PAUSES[min(tries, len(PAUSES)) - 1], self._rested, key)

    def _rested(self, key: str) -> None:
        self._resting.discard(key)
        self.wake()

    # -- starting work -----------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        fleet = self.fleet
        queue = fleet.store.work.open(states=(WorkState.QUEUED,))
        if not queue:
            return
        spent = {name: snapshot.cost_usd_today for name, snapshot in fleet.snapshots.items()}
        for decision in admission.admit(queue, fleet.products, fleet.capacity(), fleet.held(), spent, fleet.now()):
            work = decision.work
            if decision.start:
                fleet.save_work(work, state=WorkState.STARTING, reason=decision.reason)
            elif work.reason != decision.reason:
                fleet.save_work(work, reason=decision.reason)

    def _start_all(self) -> None:
        for work in self.fleet.store.work.open(states=(WorkState.STARTING,)):
            if self._reachable(work.product):
                self._once(f"start {work.tag}", lambda work=work: self._start(work))  # type: ignore[misc]

    def _reachable(self, product: str) -> bool:
        """Whether the engine can be asked for it: not while its product has left the registry, or no runtime answers."""
        known = self.fleet.products.get(product)
        return known is not None and known.overstory and bool(self.fleet.engine.runtimes())

    async def _start(self, work: Work) -> None:
        async with self.fleet.changing(work.product):
            if not self._still_starts(work):
                return
            try:
                carried = await self._hand_over(work)
            except EngineError as error:
                if self._still_starts(work):
                    self._not_started(self.fleet.work(work.id), error)
                return
            now = self.fleet.work(work.id)
            if now.attempt == work.attempt:
                begun = {"state": WorkState.RUNNING, "reason": ""} if now.state is WorkState.STARTING else {}
                self.fleet.save_work(now, started_at=now.started_at or self.fleet.now(), **begun, **carried)

    def _still_starts(self, work: Work) -> bool:
        now = self.fleet.work(work.id)
        return now.state is WorkState.STARTING and now.attempt == work.attempt

    async def _hand_over(self, work: Work) -> dict[str, str]:
        """Hand work to the engine; what is known of it then."""
        fleet = self.fleet
        if work.capability is None:
            text = objective.body(work, objective.recap(work, self._happened(work)))
            return {"mail": await fleet.engine.send(work.product, objective.subject(work), text, marker=work.marker)}
        task = work.tag.replace(".", "-")
        agent = f"{work.capability}-{task}"
        brief = objective.brief(work, objective.recap(work, self._happened(work)))
        fleet.save_work(work, agent=agent)
        await fleet.engine.sling(
            work.product, agent=agent, capability=work.capability, task=task, brief=brief, marker=work.marker
        )
        return {"agent": agent}

    def _not_started(self, work: Work, error: EngineError) -> None:
        fleet = self.fleet
        if error.code == "paused":
            # It was not taken; while it waits for its product to go on, others may have its place.
            fleet.save_work(work, state=WorkState.QUEUED, reason=error.message)
            return
        if error.code in AGAIN:
            fleet.save_work(work, reason=error.message)
            raise error
        fleet.record("work", "fleet", work.product, work.id, {"failed": error.message, "code": error.code})
        fleet.save_work(work, state=WorkState.FAILED, reason=error.message)
        text = f"**{work.product}** · `{work.id}` could not start: {error.message} {error.hint}".rstrip()
        for place in fleet.places(work.product, work.conversation):
            fleet.say(place, text, key=f"unstarted:{work.tag}:{place}", kind="error", product=work.product)

    def _happened(self, work: Work) -> list[str]:
        """What is known of the attempts before this one: mail that bears their mark, and what people decided."""
        if work.attempt == 1:
            return []
        mark = f"[{work.id}.{work.origin}"
        about = [mail for mail in self.fleet.store.mail.newest(work.product, 200) if mark in mail.subject]
        told = [
            f"{mail.sender} ({mail.type}): {shortened(mail.body, 400)}" for mail in reversed(about) if mail.sender != "operator"
        ]
        decided = [gate for gate in self.fleet.store.gates.of_work(work.id) if gate.decision]
        return told + [f"{gate.kind} “{gate.title}”, revision {gate.revision}: {gates.outcome(gate)}" for gate in decided]

    # -- delivering decisions ----------------------------------------------------------------------------------------

    def _deliver_all(self) -> None:
        for gate in self.fleet.store.gates.in_states(GateState.DECIDED):
            if not gate.reason and self._reachable(gate.product):
                self._once(f"deliver {gate.id}", lambda gate=gate: self._deliver(gate.id))  # type: ignore[misc]

    async def _deliver(self, id: str) -> None:
        fleet = self.fleet
        async with fleet.changing(fleet.gate(id).product):
            gate = fleet.gate(id)
            if gate.state is not GateState.DECIDED or gate.reason:
                return
            if gate.kind is GateKind.ACTION or gate.mail is None:
                self._delivered(gate, "done")
                return
            approved = gate.body if gate.decision and gate.decision.choice == gates.APPROVE else None
            try:
                await fleet.engine.reply(gate.product, gate.mail, self._reply(gate), marker=gate.marker, plan=approved)
            except EngineError as error:
                if error.code in AGAIN:
                    raise
                self._undelivered(fleet.gate(id), error)
                return
            self._delivered(fleet.gate(id), f"{gate.sender} has it")

    def _reply(self, gate: Gate) -> str:
        """The answer; where it goes to a coordinator that does not know the question, with all that it has to know."""
        fleet, snapshot = self.fleet, self.fleet.snapshots.get(gate.product)
        asked = fleet.store.mail.get(gate.product, gate.mail or "")
        knowing = {gate.sender} | ({asked.recipient} if asked else set())
        active = {session.agent for session in snapshot.active} if snapshot else knowing
        if knowing & (active | ({"coordinator"} if snapshot and snapshot.coordinator else set())):
            return gates.reply(gate)
        return objective.late_answer(gate, gates.reply(gate), fleet.store.work.get(gate.work) if gate.work else None)

    def _delivered(self, gate: Gate, reason: str) -> None:
        fleet = self.fleet
        with fleet.transaction():
            if gate.state is GateState.DECIDED:
                gate = gates.delivered(gate, reason, fleet.now())
                fleet.store.gates.save(gate)
            fleet.record("gate", "fleet", gate.product, gate.id, {"delivered": reason})
            work = fleet.store.work.get(gate.work) if gate.work else None
            if work and work.state is WorkState.WAITING:
                others = [each for each in fleet.store.gates.of_work(work.id) if each.state is GateState.OPEN]
                then = {"reason": intake.waits_for(others[0])} if others else {"state": WorkState.RUNNING}
                fleet.save_work(work, **{"reason": gates.outcome(gate), **then})
            fleet.changed(Change("gate", product=gate.product, gate=gate))

    def _undelivered(self, gate: Gate, error: EngineError) -> None:
        """The engine will not take the answer: say so, and offer what can be done."""
        fleet = self.fleet
        with fleet.transaction():
            gate = gates.undeliverable(gate, error.message, fleet.now())
            fleet.store.gates.save(gate)
            fleet.record("gate", "fleet", gate.product, gate.id, {"undelivered": error.message, "code": error.code})
            said = f"**{gate.product}** did not take the decision on `{gate.id}`: {error.message} {error.hint}".rstrip()
            work = fleet.store.work.get(gate.work) if gate.work else None
            # What agents write is no command: the button asks for what a person asked for.
            again = (Suggestion("Ask for it anew", objective.again(work)),) if work else ()
            if work and work.state is WorkState.WAITING:
                fleet.save_work(work, reason=f"the decision on {gate.id} did not arrive: {error.message}")
            for place in fleet.places(gate.product, gate.conversation):
                key = f"undelivered:{gate.id}:{place}"
                fleet.say(place, said, key=key, kind="error", product=gate.product, suggestions=again)
            fleet.changed(Change("gate", product=gate.product, gate=gate))

    # -- the outbox --------------------------------------------------------------------------------------------------

    def _send_all(self) -> None:
        for platform, chat in self.chats.items():
            for row in self.fleet.store.outbox.due(platform, self.fleet.now()):
                self._once(f"send {row.number}", lambda row=row, chat=chat: self._send(row, chat))  # type: ignore[misc]

    async def _send(self, row: Outgoing, chat: Chat) -> None:
        fleet, outbox = self.fleet, self.fleet.store.outbox
        post = fleet.store.talk.post(row.post)
        if post is None:
            outbox.failed(row.number, "its post is gone", fleet.now(), None)
            return
        outbox.attempting(row.number, fleet.now())
        try:
            message = await chat.post(post, key=f"outbox:{fleet.store.origin}:{row.number}")
        except DeliveryError as error:
            pause = error.retry_after
            last = pause is None or row.attempts + 1 >= MOST_ATTEMPTS
            retry_at = None if last or pause is None else fleet.now() + timedelta(seconds=max(pause, 2**row.attempts))
            outbox.failed(row.number, error.message, fleet.now(), retry_at)
            log.warning("%s did not take message %s: %s", row.platform, row.number, error.message)
            return
        outbox.delivered(row.number, message, fleet.now())
        self.wake()

    # -- the net -----------------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """The slow net: fresh snapshots, and whatever an event did not bring."""
        try:
            for snapshot in await self.fleet.engine.snapshot():
                self.hear(SnapshotChanged(snapshot))
            self.fleet.measured()
        except EngineError as error:
            log.info("no snapshot: %s", error.message)
        self.wake()

    async def watch(self) -> None:
        """Have the engine tend the registry's products, from where we were in each mailbox."""
        fleet = self.fleet
        products = [product for product in fleet.registry.products if product.overstory]
        known = {product.name for product in products}
        fleet.snapshots = {name: snapshot for name, snapshot in fleet.snapshots.items() if name in known}
        fleet.unheard &= known
        await fleet.engine.watch(products, fleet.store.mail.cursors())
        fleet.changed(Change("registry"))
