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
from bot.errors import DeliveryError, EngineError
from bot.fleet import BOARD, RUNNING, Change, Fleet
from bot.store.outbox import Outgoing
from bot.words import shortened

log = logging.getLogger(__name__)

AGAIN = frozenset({"unreachable", "locked", "timed_out", "paused", "limit_reached"})
"""Engine errors that pass by themselves: what met them is tried again."""
PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds before the next try, by how often it has failed; the last one for good."""
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
        fleet.subscribe(self._noticed)

    # -- what arrives from the engine --------------------------------------------------------------------------------

    def hear(self, event: EngineEvent) -> None:
        """The engine's listener: everything is persisted when this returns."""
        try:
            self._take(event)
        except Exception:
            log.exception("an event of the engine could not be taken in: %s", type(event).__name__)
        self.wake()

    def _take(self, event: EngineEvent) -> None:
        fleet = self.fleet
        match event:
            case MailArrived():
                intake.take(fleet, event)
            case SnapshotChanged(snapshot):
                fleet.snapshots[snapshot.product] = snapshot
                intake.reconcile(fleet, snapshot)
                fleet.changed(Change("status", product=snapshot.product))
            case RuntimeDown(runtime, reason):
                fleet.down[runtime] = (reason, fleet.now())
                log.warning("runtime %s does not answer: %s", runtime, reason)
                fleet.changed(Change("runtime"))
            case RuntimeUp(runtime, _, restarted):
                fleet.down.pop(runtime, None)
                self._resting.clear()
                if restarted:
                    self._restarted(runtime)
                fleet.changed(Change("runtime"))

    def _restarted(self, runtime: str) -> None:
        """A runtime that was started anew has lost its sessions: what they did is queued again, with a recap."""
        fleet = self.fleet
        mine = {product.name for product in fleet.registry.products if (product.runtime or runtime) == runtime}
        lost = [work for work in fleet.store.work.open(states=RUNNING) if work.product in mine]
        with fleet.transaction():
            fleet.record("engine", "fleet", None, runtime, {"restarted": [work.id for work in lost]})
            for work in lost:
                again = {"attempt": work.attempt + 1, "agent": None, "mail": None}
                fleet.save_work(work, state=WorkState.QUEUED, reason=f"its runtime {runtime} was started anew", **again)
            names = ", ".join(f"`{work.id}` ({work.product})" for work in lost)
            said = f"The runtime {runtime} was started anew." + (f" I start again what ran there: {names}." if lost else "")
            fleet.say(BOARD, said, key=f"restarted:{runtime}:{fleet.now().isoformat()}", kind="report")

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
        for what in (self._admit, self._start_all, self._deliver_all, self._send_all):
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
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

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
            if self.fleet.engine.runtimes():
                self._once(f"start {work.id}", lambda work=work: self._start(work))  # type: ignore[misc]

    async def _start(self, work: Work) -> None:
        fleet = self.fleet
        try:
            if work.capability is None:
                recap = objective.recap(work, self._happened(work))
                text = objective.body(work, recap)
                mail = await fleet.engine.send(work.product, objective.subject(work), text, marker=work.marker)
                carried = {"mail": mail}
            else:
                agent = f"{work.capability}-{work.tag.replace('.', '-')}"
                task = work.tag.replace(".", "-")
                brief = objective.brief(work)
                fleet.save_work(work, agent=agent)
                await fleet.engine.sling(
                    work.product, agent=agent, capability=work.capability, task=task, brief=brief, marker=work.marker
                )
                carried = {"agent": agent}
        except EngineError as error:
            self._not_started(work, error)
            return
        now = fleet.work(work.id)
        if now.state is WorkState.STARTING:
            fleet.save_work(now, state=WorkState.RUNNING, reason="", started_at=fleet.now(), **carried)
        else:
            fleet.save_work(now, started_at=now.started_at or fleet.now(), **carried)

    def _not_started(self, work: Work, error: EngineError) -> None:
        fleet = self.fleet
        if error.code in AGAIN:
            fleet.save_work(work, reason=error.message)
            raise error
        fleet.record("work", "fleet", work.product, work.id, {"failed": error.message, "code": error.code})
        fleet.save_work(work, state=WorkState.FAILED, reason=error.message)
        text = f"**{work.product}** · `{work.id}` could not start: {error.message} {error.hint}".rstrip()
        for place in fleet.places(work.product, work.conversation):
            fleet.say(place, text, key=f"unstarted:{work.tag}:{place}", kind="error", product=work.product)

    def _happened(self, work: Work) -> list[str]:
        about = [mail for mail in self.fleet.store.mail.newest(work.product, 200) if f"[{work.id}." in mail.subject]
        return [
            f"{mail.sender} ({mail.type}): {shortened(mail.body, 400)}" for mail in reversed(about) if mail.sender != "operator"
        ]

    # -- delivering decisions ----------------------------------------------------------------------------------------

    def _deliver_all(self) -> None:
        if self.fleet.engine.runtimes():
            for gate in self.fleet.store.gates.in_states(GateState.DECIDED):
                if not gate.reason:
                    self._once(f"deliver {gate.id}", lambda gate=gate: self._deliver(gate))  # type: ignore[misc]

    async def _deliver(self, gate: Gate) -> None:
        fleet = self.fleet
        if gate.kind is GateKind.ACTION or gate.mail is None:
            self._delivered(gate, "done")
            return
        snapshot = fleet.snapshots.get(gate.product)
        text = gates.reply(gate)
        if gate.sender == "coordinator" and snapshot is not None and not snapshot.coordinator:
            text = objective.late_answer(gate, text)
        approved = gate.body if gate.decision and gate.decision.choice == gates.APPROVE else None
        try:
            await fleet.engine.reply(gate.product, gate.mail, text, marker=gate.marker, plan=approved)
        except EngineError as error:
            if error.code in AGAIN:
                raise
            self._undelivered(gate, error)
            return
        self._delivered(gate, f"{gate.sender} has it")

    def _delivered(self, gate: Gate, reason: str) -> None:
        fleet = self.fleet
        with fleet.transaction():
            gate = gates.delivered(gate, reason, fleet.now())
            fleet.store.gates.save(gate)
            fleet.record("gate", "fleet", gate.product, gate.id, {"delivered": reason})
            work = fleet.store.work.get(gate.work) if gate.work else None
            if work and work.state is WorkState.WAITING:
                fleet.save_work(work, state=WorkState.RUNNING, reason=gates.outcome(gate))
            fleet.changed(Change("gate", product=gate.product, gate=gate))

    def _undelivered(self, gate: Gate, error: EngineError) -> None:
        """The engine will not take the answer: say so, and offer what can be done."""
        fleet = self.fleet
        with fleet.transaction():
            gate = gates.undeliverable(gate, error.message, fleet.now())
            fleet.store.gates.save(gate)
            fleet.record("gate", "fleet", gate.product, gate.id, {"undelivered": error.message, "code": error.code})
            said = f"**{gate.product}** did not take the decision on `{gate.id}`: {error.message} {error.hint}".rstrip()
            again = Suggestion("Ask for it anew", f"/fleet spawn {gate.product} {gate.title}")
            for place in fleet.places(gate.product, gate.conversation):
                key = f"undelivered:{gate.id}:{place}"
                fleet.say(place, said, key=key, kind="error", product=gate.product, suggestions=(again,))
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
        for gone in set(fleet.snapshots) - {product.name for product in products}:
            del fleet.snapshots[gone]
        await fleet.engine.watch(products, fleet.store.mail.cursors())
        fleet.changed(Change("registry"))
