"""Events of the engine, which are mail, snapshots, and runtimes that come and go.

Each is persisted before `hear` returns.
"""

import logging

from bot.domain import Snapshot
from bot.domain.errors import StoreError
from bot.engine.base import EngineEvent, MailArrived, RuntimeDown, RuntimeInfo, RuntimeUp, SnapshotChanged
from bot.fleet import BOARD, Change, Fleet
from bot.jobs import ingest, metering
from bot.jobs.loop import Loop
from bot.jobs.lost_sessions import LostSessions
from bot.work import schedules
from bot.work.queue import requeue
from bot.work.slots import SLOT_STATES

log = logging.getLogger(__name__)

CATCH_UP = "catch up"
"""The job that has mail sent again after it could not be ingested."""


class EngineEvents:
    """The engine's listener."""

    def __init__(self, fleet: Fleet, loop: Loop) -> None:
        self._fleet, self._loop = fleet, loop
        self._lost = LostSessions(fleet)
        self._behind: set[str] = set()
        """Products with mail that could not be ingested.

        Their later mail is ignored until it is all sent again."""

    def hear(self, event: EngineEvent) -> None:
        """Persist an event, or ask for it again when that fails."""
        if isinstance(event, MailArrived) and event.product in self._behind:
            return
        try:
            self._take(event)
        except Exception:
            log.exception("An event of the engine could not be handled: %s.", type(event).__name__)
            if isinstance(event, MailArrived):
                # Ingesting later mail first would move the cursor past this one.
                self._behind.add(event.product)
                self._loop.failed(CATCH_UP)
        self._loop.wake()

    def behind(self) -> list[str]:
        """Return one empty key while some product has mail to be sent again."""
        return [""] if self._behind else []

    async def catch_up(self, _: str) -> None:
        """Have the mail sent again that could not be ingested."""
        self._behind.clear()
        await self.watch()

    async def watch(self) -> None:
        """Have the engine watch the registry's products, from where each mailbox was read to."""
        fleet = self._fleet
        products = [product for product in fleet.registry.products if product.overstory]
        known = {product.name for product in products}
        fleet.snapshots = {name: snapshot for name, snapshot in fleet.snapshots.items() if name in known}
        fleet.unheard &= known
        schedules.follow_registry(fleet)
        await fleet.engine.watch(products, fleet.store.cursors.all())
        fleet.changed(Change("registry"))

    def _take(self, event: EngineEvent) -> None:
        match event:
            case MailArrived():
                self._take_mail(event)
                self._loop.succeeded(CATCH_UP)
            case SnapshotChanged(snapshot):
                self._take_snapshot(snapshot)
            case RuntimeDown(runtime, reason):
                self._fleet.down[runtime] = (reason, self._fleet.now())
                log.warning("Runtime %s is unreachable: %s", runtime, reason)
                self._fleet.changed(Change("runtime"))
            case RuntimeUp(runtime, info, restarted):
                self._runtime_up(runtime, info, restarted=restarted)

    def _take_mail(self, event: MailArrived) -> None:
        """Ingest mail together, or one by one when that fails, so that one broken mail cannot block the others."""
        try:
            ingest.take(self._fleet, event)
        except StoreError:
            raise
        except Exception:
            if len(event.mail) == 1:
                log.exception("Mail %s of %s cannot be ingested and is skipped.", event.mail[0].id, event.product)
                ingest.skip(self._fleet, event.mail[0])
                return
            for mail in event.mail:
                self._take_mail(MailArrived(event.product, (mail,)))

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        fleet = self._fleet
        if snapshot.product not in fleet.products:
            return
        before = fleet.snapshots.get(snapshot.product)
        metering.record(fleet, snapshot, before)
        fleet.snapshots[snapshot.product] = snapshot
        fleet.unheard.discard(snapshot.product)
        self._lost.check(before, snapshot)
        fleet.changed(Change("status", product=snapshot.product))

    def _runtime_up(self, runtime: str, info: RuntimeInfo, *, restarted: bool) -> None:
        fleet = self._fleet
        if fleet.down.pop(runtime, None) is not None:
            log.info("Runtime %s is reachable again.", runtime)
        self._loop.retry_now()
        fleet.unheard |= {name for name in self._on(runtime) if fleet.products[name].overstory}
        with fleet.transaction():
            known = fleet.store.runtime_lives.get(runtime)
            fleet.store.runtime_lives.set(runtime, info.life or None)
            if restarted or (known and info.life and known != info.life):
                self._restarted(runtime)
        fleet.changed(Change("runtime"))

    def _on(self, runtime: str) -> list[str]:
        """Return the names of the products of a runtime."""
        return [product.name for product in self._fleet.registry.products if (product.runtime or runtime) == runtime]

    def _restarted(self, runtime: str) -> None:
        """Queue the work again whose sessions a restarted runtime has lost, with a recap of what is known.

        Work that waits for a decision keeps waiting: its answer starts the coordinator again."""
        fleet, mine = self._fleet, self._on(runtime)
        lost = [work for work in fleet.store.work.open(states=SLOT_STATES) if work.product in mine]
        with fleet.transaction():
            fleet.record("engine", "fleet", None, runtime, {"restarted": [work.id for work in lost]})
            requeue(fleet, lost, f"runtime {runtime} was restarted")
            names = ", ".join(f"`{work.id}` ({work.product})" for work in lost)
            message = f"The runtime {runtime} was restarted." + (f" I'm starting its work again: {names}." if lost else "")
            fleet.say(BOARD, message, key=f"restarted:{runtime}:{fleet.now().isoformat()}", kind="report")
