"""What happens by itself: engine events are taken in, admitted work is started, decisions are delivered, the outbox is emptied.

Each step reads what is due from the store and is safe to repeat after a crash. `wake` is set by whatever changes; a slow
tick (see `bot.schedule`) is only the net. This is one of the two places that catch everything: one job's failure is
logged and never stops another.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from bot.conversation.platform import Chat
from bot.domain import GateState, WorkState
from bot.domain.errors import DeliveryError, EngineError, StoreError
from bot.engine.base import EngineEvent, MailArrived, RuntimeDown, RuntimeUp, SnapshotChanged
from bot.fleet import BOARD, Change, Fleet
from bot.gates import reminders
from bot.jobs import dispatch, ingest, metering, outbox, stalls
from bot.jobs.lost_sessions import Sightings
from bot.jobs.scheduler import Scheduler
from bot.store.resumptions import Resumption
from bot.text.wording import count
from bot.work import brake, budgets, capacity, digest, pause, schedules
from bot.work.queue import requeue

log = logging.getLogger(__name__)

PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds before the next try, by how often it has failed; the last one for good."""
CATCH_UP = "catch up"
MANY = 6
"""After so many failures to start work, about a minute, a person is told."""


class Jobs:
    """The loop behind the fleet. `run` until cancelled."""

    def __init__(self, fleet: Fleet, chats: Mapping[str, Chat] | None = None, act: dispatch.Act | None = None) -> None:
        self.fleet = fleet
        self.chats = dict(chats or {})
        self.act = act
        """Does what action gates ask leave for."""
        self._wake = asyncio.Event()
        self._only_posts = True
        """Whether all that is due by now is to be shown somewhere."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[str, int] = {}
        self._resting: set[str] = set()
        """Jobs that failed and wait for their next try."""
        self._timer: asyncio.TimerHandle | None = None
        self._sightings = Sightings(fleet)
        self.scheduler = Scheduler(fleet)
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
                metering.take(fleet, snapshot, before)
                fleet.snapshots[snapshot.product] = snapshot
                fleet.unheard.discard(snapshot.product)
                self._sightings.look(before, snapshot)
                fleet.changed(Change("status", product=snapshot.product))
            case RuntimeDown(runtime, reason):
                fleet.down[runtime] = (reason, fleet.now())
                log.warning("runtime %s does not answer: %s", runtime, reason)
                fleet.changed(Change("runtime"))
            case RuntimeUp(runtime, info, restarted):
                fleet.down.pop(runtime, None)
                self._resting.clear()
                fleet.unheard |= {name for name in self._on(runtime) if fleet.products[name].overstory}
                with fleet.transaction():
                    known = fleet.store.runtime_lives.get(runtime)
                    fleet.store.runtime_lives.set(runtime, info.life or None)
                    if restarted or (known and info.life and known != info.life):
                        self._restarted(runtime)
                fleet.changed(Change("runtime"))

    def _on(self, runtime: str) -> list[str]:
        """The products of a runtime."""
        return [product.name for product in self.fleet.registry.products if (product.runtime or runtime) == runtime]

    def _restarted(self, runtime: str) -> None:
        """A runtime that was started anew has lost its sessions: what they did is queued again, with a recap. What waits for
        a person waits on; the answer starts its coordinator again."""
        fleet, mine = self.fleet, self._on(runtime)
        lost = [work for work in fleet.store.work.open(states=capacity.HOLDING) if work.product in mine]
        with fleet.transaction():
            fleet.record("engine", "fleet", None, runtime, {"restarted": [work.id for work in lost]})
            requeue(fleet, lost, f"its runtime {runtime} was started anew")
            names = ", ".join(f"`{work.id}` ({work.product})" for work in lost)
            said = f"The runtime {runtime} was started anew." + (f" I start again what ran there: {names}." if lost else "")
            fleet.say(BOARD, said, key=f"restarted:{runtime}:{fleet.now().isoformat()}", kind="report")

    def _take_mail(self, event: MailArrived) -> None:
        """All of it, or, if that cannot be, one by one: a mail that breaks us must not hold up the others for ever."""
        try:
            ingest.take(self.fleet, event)
        except StoreError:
            raise
        except Exception:
            if len(event.mail) == 1:
                log.exception("mail %s of %s cannot be taken in, it is left out", event.mail[0].id, event.product)
                ingest.leave_out(self.fleet, event.mail[0])
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
        if change.kind in {"post", "chat"}:
            self._wake.set()
        elif change.kind in {"work", "gate", "status", "registry", "runtime"}:
            self.wake()

    # -- the loop ----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something may be due, of whatever kind."""
        self._only_posts = False
        self._wake.set()

    async def run(self) -> None:
        """Do what is due whenever something changes; ends when cancelled, with the tasks it started."""
        self.wake()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                only_posts, self._only_posts = self._only_posts, True
                self._attempt(self._send_all) if only_posts else self.step()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def step(self) -> None:
        """Start whatever is due now and not under way yet."""
        for what in (
            self._catch_up,
            self._hold,
            self._clock,
            self._resume_all,
            self._deliver_all,
            self.scheduler.admit,
            self._choose,
            self._start_all,
            self._send_all,
        ):
            self._attempt(what)

    def _attempt(self, what: Callable[[], None]) -> None:
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

    def _once(self, key: str, job: Callable[[], Coroutine[Any, Any, bool | None]]) -> None:
        """Run a job unless it runs already or rests after a failure."""
        if key in self._tasks or key in self._resting:
            return
        task = asyncio.create_task(self._guarded(key, job), name=key)
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: str) -> None:
        """What became due of the same kind while it ran is due now."""
        self._tasks.pop(key, None)
        self._wake.set() if key.startswith("send ") else self.wake()

    async def _guarded(self, key: str, job: Callable[[], Coroutine[Any, Any, bool | None]]) -> None:
        """Run a job; one that fails, or that answers True, is run again after a rest."""
        try:
            if await job():
                return self._rest(key)
        except (EngineError, DeliveryError) as error:
            log.info("%s is tried again: %s", key, error.message)
        except Exception:
            log.exception("a job failed: %s", key)
        else:
            self._failed.pop(key, None)
            return None
        return self._rest(key)

    def _rest(self, key: str) -> None:
        """Leave a job alone for a while, the longer the more often it has failed."""
        tries = self._failed[key] = self._failed.get(key, 0) + 1
        self._resting.add(key)
        asyncio.get_running_loop().call_later(PAUSES[min(tries, len(PAUSES)) - 1], self._rested, key)

    def _rested(self, key: str) -> None:
        self._resting.discard(key)
        self.wake()

    # -- starting work -----------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        """What must not run: halted by the brake, or for its money; and what does not run although it should."""
        fleet = self.fleet
        for name in brake.unbraked(fleet):
            if self._reachable(name):
                self._once(f"brake {name}", partial(brake.halt, fleet, name))
        budgets.new_day(fleet)
        for limit in budgets.look(fleet):
            if self._reachable(limit.product):
                self._once(f"overspent {limit.product}", partial(budgets.stop, fleet, limit))
        stalls.look(fleet)

    def _clock(self) -> None:
        """What the time of day brings: schedules that are due, and the day's digest."""
        schedules.look(self.fleet)
        digest.daily(self.fleet)

    def _resume_all(self) -> None:
        fleet = self.fleet
        for asked in pause.resuming(fleet):
            key = f"resume {asked.product}"
            if key in self._tasks or key in self._resting or not self._reachable(asked.product):
                continue
            if pause.refusal(fleet, asked.product) is None:
                fleet.state(capacity.Resuming).products.add(asked.product)  # its place is taken from here on
                self._once(key, partial(self._resume, asked))

    async def _resume(self, asked: Resumption) -> None:
        """Let a product go on that waited for room, and say so where it was asked for."""
        fleet = self.fleet
        agents = await pause.go_on(fleet, asked.product, asked.person, asked.request)
        fleet.changed(Change("status", product=asked.product))
        if asked.conversation:
            text = f"**{asked.product}** goes on" + (f" with {count(len(agents), 'agent')}." if agents else ".")
            key = f"resumed:{asked.request}:{asked.product}"
            fleet.say(asked.conversation, text, key=key, kind="report", product=asked.product)

    def _choose(self) -> None:
        if self.scheduler.judgement is not None and self.scheduler.asks():
            self._once("choose", self.scheduler.judgement.ask)

    def _start_all(self) -> None:
        braked = brake.on(self.fleet)
        for work in self.fleet.store.work.open(states=(WorkState.STARTING,)):
            key = f"start {work.tag}"
            if self._reachable(work.product) and work.product not in braked and capacity.WHOLE not in braked:
                self._once(key, partial(dispatch.start, self.fleet, work))
                if self._failed.get(key, 0) == MANY:
                    dispatch.still_not_started(self.fleet, work)

    def _reachable(self, product: str) -> bool:
        """Whether the engine can be asked for it: not while its product has left the registry, or no runtime answers."""
        known = self.fleet.products.get(product)
        return known is not None and known.overstory and bool(self.fleet.engine.runtimes())

    # -- delivering decisions ----------------------------------------------------------------------------------------

    def _deliver_all(self) -> None:
        decided = [gate for gate in self.fleet.store.gates.in_states(GateState.DECIDED) if not gate.reason]
        for gate in self.scheduler.may_deliver([each for each in decided if each.action or self._reachable(each.product)]):
            self._once(f"deliver {gate.marker}", partial(dispatch.deliver, self.fleet, gate.id, self.act))

    # -- the outbox --------------------------------------------------------------------------------------------------

    def _send_all(self) -> None:
        fleet = self.fleet
        for platform, chat in self.chats.items():
            if chat.part().state != "ok":
                continue
            for row in fleet.store.outbox.due(platform, fleet.now()):
                self._once(f"send {row.number}", partial(outbox.send, fleet, chat, row))
            for row in fleet.store.outbox.stale(platform):
                self._once(f"show {row.number}", partial(outbox.show_anew, fleet, chat, row))
        if self.chats and (due := fleet.store.outbox.next_due()) is not None and due > fleet.now():
            self._wake_at(due)

    def _wake_at(self, due: datetime) -> None:
        """Look again at a time; only the nearest one is kept, for each look finds the next."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later((due - self.fleet.now()).total_seconds(), self.wake)

    # -- the net -----------------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """The slow net: fresh snapshots, and whatever an event did not bring."""
        try:
            for snapshot in await self.fleet.engine.snapshot():
                self.hear(SnapshotChanged(snapshot))
            capacity.measure_cpu(self.fleet)
        except EngineError as error:
            log.info("no snapshot: %s", error.message)
        reminders.send_due(self.fleet)
        schedules.mend(self.fleet)
        self.wake()

    async def prune(self) -> None:
        """Take out of the journal what is older than the registry keeps it; a day's worth at each look."""
        fleet = self.fleet
        kept = timedelta(days=fleet.registry.audit.keep_days)
        with fleet.transaction():
            if rows := fleet.store.audit.prune(fleet.now() - kept):
                fleet.record("audit", "fleet", None, "journal", {"taken out": rows, "kept days": kept.days})

    async def watch(self) -> None:
        """Have the engine tend the registry's products, from where we were in each mailbox."""
        fleet = self.fleet
        products = [product for product in fleet.registry.products if product.overstory]
        known = {product.name for product in products}
        fleet.snapshots = {name: snapshot for name, snapshot in fleet.snapshots.items() if name in known}
        fleet.unheard &= known
        schedules.follow_registry(fleet)
        await fleet.engine.watch(products, fleet.store.cursors.all())
        fleet.changed(Change("registry"))
