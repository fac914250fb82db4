"""The table of a fleet's jobs, in the order in which each pass asks them.

What is due is read from the store on every pass. `bot.jobs.clock` wakes the loop by time, for what no event brings.
"""

import logging
from collections.abc import Iterator, Mapping

from bot.conversation.platform import Chat
from bot.domain import Gate, GateState, Work, WorkState
from bot.domain.errors import DeliveryError, EngineError
from bot.engine.base import EngineEvent, SnapshotChanged
from bot.fleet import Change, Fleet
from bot.gates import reminders
from bot.jobs import deliver, dispatch, outbox, retention, stalls
from bot.jobs.engine_events import CATCH_UP, EngineEvents
from bot.jobs.loop import Job, Loop, Step, Table
from bot.jobs.model_choice import ModelChoice
from bot.jobs.scheduler import Scheduler
from bot.store.outbox import Outgoing
from bot.store.resumptions import Resumption
from bot.text.backoff import Backoff
from bot.text.wording import count
from bot.work import brake, budgets, digest, pause, schedules
from bot.work.budgets import Limit
from bot.work.capacity import measure_cpu
from bot.work.limits import WHOLE_FLEET
from bot.work.slots import Resuming

log = logging.getLogger(__name__)

RETRIES = Backoff(0.5, longest=30.0, factor=2.5)
MANY = 6
"""Failures to start work, about a minute of them, after which people are notified."""
POSTS = "posts"
"""The lane of jobs that a new post makes due, and nothing else does."""


class Jobs:
    """The fleet's jobs, and the loop that runs them."""

    def __init__(
        self,
        fleet: Fleet,
        chats: Mapping[str, Chat] | None = None,
        act: deliver.Act | None = None,
        retries: Backoff = RETRIES,
    ) -> None:
        self.fleet = fleet
        self.chats = dict(chats or {})
        self.act = act
        """Callback that executes an approved action gate."""
        self.scheduler = Scheduler(fleet)
        self.loop = Loop(retries, expected=(EngineError, DeliveryError))
        self.events = EngineEvents(fleet, self.loop)
        self.loop.table = self._table()
        fleet.subscribe(self._notice)

    def _table(self) -> Table:
        fleet, events, scheduler = self.fleet, self.events, self.scheduler
        return (
            Job(CATCH_UP, events.behind, events.catch_up),
            Job("brake", self._to_brake, lambda name: brake.halt(fleet, name)),
            Step("new day", lambda: budgets.begin_day(fleet)),
            Job("overspent", self._overspent, lambda limit: budgets.enforce(fleet, limit), key=_product),
            Step("stalls", lambda: stalls.check(fleet)),
            Step("schedules", lambda: schedules.run_due(fleet)),
            Step("digest", lambda: digest.post_due(fleet)),
            Job("resume", self._to_resume, self._resume, key=_product),
            Job("deliver", self._to_deliver, self._deliver, key=lambda gate: gate.marker),
            Step("admit", scheduler.admit),
            Job("choose", scheduler.undecided, ModelChoice.ask, key=lambda _: ""),
            Job("start", self._to_start, self._start, key=lambda work: work.tag, failing=self._not_started),
            Job("send", self._to_send, self._send, key=_number, lane=POSTS),
            Job("refresh", self._to_refresh, self._refresh, key=_number, lane=POSTS),
            Step("next post", self._wake_for_next_post, lane=POSTS),
        )

    # -- what others call --------------------------------------------------------------------------------------------

    def hear(self, event: EngineEvent) -> None:
        """Persist an event of the engine.

        See `EngineEvents.hear`."""
        self.events.hear(event)

    async def watch(self) -> None:
        """Have the engine watch the registry's products.

        See `EngineEvents.watch`."""
        await self.events.watch()

    def wake(self) -> None:
        """Ask for a pass through the whole table."""
        self.loop.wake()

    async def run(self) -> None:
        """Run whatever becomes due, until cancelled."""
        await self.loop.run()

    async def settled(self) -> None:
        """Run what is due until nothing more is, for a command that does one thing and ends."""
        await self.loop.settled()

    async def tick(self) -> None:
        """Fetch fresh snapshots and send reminders, in case an event was missed."""
        try:
            for snapshot in await self.fleet.engine.snapshot():
                self.hear(SnapshotChanged(snapshot))
            measure_cpu(self.fleet)
        except EngineError as error:
            log.info("The engine gave no snapshot: %s", error.message)
        reminders.send_due(self.fleet)
        schedules.recover_from_clock(self.fleet)
        self.wake()

    async def remove_old(self) -> None:
        """Remove history that the registry's `retention` no longer keeps; see `bot.jobs.retention`."""
        await retention.remove_old(self.fleet)

    def _notice(self, change: Change) -> None:
        if change.kind in {"post", "chat"}:
            self.loop.wake(POSTS)
        elif change.kind in {"work", "gate", "status", "registry", "runtime"}:
            self.loop.wake()

    # -- what is due -------------------------------------------------------------------------------------------------

    def _reachable(self, product: str) -> bool:
        """Return True if a product is in the registry and a runtime answers, so that the engine can be asked."""
        known = self.fleet.products.get(product)
        return known is not None and known.overstory and bool(self.fleet.engine.runtimes())

    def _to_brake(self) -> list[str]:
        return [name for name in brake.to_halt(self.fleet) if self._reachable(name)]

    def _overspent(self) -> list[Limit]:
        return [limit for limit in budgets.check(self.fleet) if self._reachable(limit.product)]

    def _to_resume(self) -> Iterator[Resumption]:
        for asked in pause.waiting_to_resume(self.fleet):
            if self.loop.busy("resume", asked.product) or not self._reachable(asked.product):
                continue
            if pause.refusal(self.fleet, asked.product) is None:
                # It counts as using capacity before the next product is asked about.
                self.fleet.state(Resuming).products.add(asked.product)
                yield asked

    async def _resume(self, asked: Resumption) -> None:
        """Resume a product that waited for capacity, and say so where it was asked for."""
        fleet = self.fleet
        agents = await pause.resume_now(fleet, asked.product, asked.person, asked.request)
        fleet.changed(Change("status", product=asked.product))
        if asked.conversation:
            text = f"**{asked.product}** resumed" + (f" with {count(len(agents), 'agent')}." if agents else ".")
            key = f"resumed:{asked.request}:{asked.product}"
            fleet.say(asked.conversation, text, key=key, kind="report", product=asked.product)

    def _to_deliver(self) -> list[Gate]:
        decided = [gate for gate in self.fleet.store.gates.in_states(GateState.DECIDED) if not gate.reason]
        return self.scheduler.admit_decisions([each for each in decided if each.action or self._reachable(each.product)])

    async def _deliver(self, gate: Gate) -> bool:
        return await deliver.deliver(self.fleet, gate.id, self.act)

    def _to_start(self) -> list[Work]:
        braked = brake.brakes(self.fleet)
        if WHOLE_FLEET in braked:
            return []
        admitted = self.fleet.store.work.open(states=(WorkState.STARTING,))
        return [work for work in admitted if self._reachable(work.product) and work.product not in braked]

    async def _start(self, work: Work) -> None:
        await dispatch.start(self.fleet, work)

    def _not_started(self, work: Work, failures: int) -> None:
        if failures == MANY:
            dispatch.report_delay(self.fleet, work)

    # -- the outbox --------------------------------------------------------------------------------------------------

    def _connected(self) -> list[str]:
        return [platform for platform, chat in self.chats.items() if chat.part().state == "ok"]

    def _to_send(self) -> list[Outgoing]:
        now = self.fleet.now()
        return [row for platform in self._connected() for row in self.fleet.store.outbox.due(platform, now)]

    async def _send(self, row: Outgoing) -> None:
        await outbox.send(self.fleet, self.chats[row.platform], row)

    def _to_refresh(self) -> list[Outgoing]:
        return [row for platform in self._connected() for row in self.fleet.store.outbox.stale(platform)]

    async def _refresh(self, row: Outgoing) -> None:
        await outbox.refresh(self.fleet, self.chats[row.platform], row)

    def _wake_for_next_post(self) -> None:
        now, due = self.fleet.now(), self.fleet.store.outbox.next_due() if self.chats else None
        if due is not None and due > now:
            self.loop.wake_in((due - now).total_seconds(), POSTS)


def _product(item: Limit | Resumption) -> str:
    return item.product


def _number(row: Outgoing) -> str:
    return str(row.number)
