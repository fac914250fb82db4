"""Work whose session is gone: noticed from the engine's snapshots, given up, and people told.

A snapshot may be older than the start that it does not show yet, and its clock is another machine's. So only our own clock
counts, and one snapshot is enough only where the one before it showed the session; else it has to be missed twice.
"""

from datetime import datetime, timedelta

from bot.domain import Gate, GateState, Snapshot, Suggestion, Work, WorkState
from bot.fleet import Fleet
from bot.gates.withdraw import withdraw
from bot.work import retry
from bot.work.queue import requeue

GRACE = timedelta(seconds=10)
"""How long a session may be missing before its work is given up: what a start and its mail need to become visible."""


class Sightings:
    """Since when which session is missed."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._missed: dict[str, dict[str, datetime]] = {}
        """By product: tags of work, and when its session was first missed."""

    def look(self, before: Snapshot | None, snapshot: Snapshot) -> None:
        """Give up work of a product whose session is gone; `before` is the snapshot heard before this one."""
        fleet = self._fleet
        if snapshot.trouble or snapshot.paused or fleet.store.product_states.pause(snapshot.product) is not None:
            self._missed.pop(snapshot.product, None)
            return
        now, known, missed = fleet.now(), self._missed.get(snapshot.product, {}), {}
        for work in fleet.store.work.open(snapshot.product, states=(WorkState.RUNNING, WorkState.WAITING)):
            gates = fleet.store.gates.of_work(work.id)
            if not (lost := _lost(work, snapshot, gates)):
                continue
            first = missed[work.tag] = known.get(work.tag, now)
            seen = before is not None and not _lost(work, before, gates)
            if _long(now - max(work.started_at or work.updated_at, work.updated_at)) and (seen or _long(now - first)):
                _give_up(fleet, work, lost)
        self._missed[snapshot.product] = missed


def _long(span: timedelta) -> bool:
    """Whether it is longer than the grace; a clock that was set back counts as long."""
    return not timedelta() <= span < GRACE


def _lost(work: Work, snapshot: Snapshot, gates: list[Gate]) -> str:
    if any(_waits(gate) for gate in gates):
        return ""  # its answer starts the coordinator again, with what it has to know
    if work.capability is None:
        return "" if snapshot.coordinator else f"the coordinator of {work.product} is gone, and sent no result"
    if any(session.active for session in snapshot.sessions if session.agent == work.agent):
        return ""
    if snapshot.coordinator and any(gate.state is GateState.DELIVERED and gate.sender == work.agent for gate in gates):
        return ""  # an agent that asks has ended by the time it is answered; its coordinator has the answer, and goes on
    return f"{work.agent} ended without a report"


def _waits(gate: Gate) -> bool:
    """Whether an answer is still to come, on its way, or waits for a person to send it again (it was sent, and not read)."""
    return gate.state is GateState.OPEN or (gate.state is GateState.DECIDED and (not gate.reason or gate.reply is not None))


def _give_up(fleet: Fleet, work: Work, why: str) -> None:
    """Start it again by itself where that is safe, so often and no oftener; else it has failed, and a person is asked."""
    most = fleet.registry.scheduling.retries
    with fleet.transaction():
        withdraw(fleet, work.product, why, work=work.id)
        if retry.safe_to_repeat(work) and work.lost < most:
            _again(fleet, work, why, most)
            return
        fleet.record("work", "fleet", work.product, work.id, {"ended": "failed", "why": why})
        fleet.save_work(work, state=WorkState.FAILED, reason=why)
        again = Suggestion("Start it again", work.spawn_command)
        tried = f" It had been started {work.lost + 1} times." if work.lost else ""
        text = (
            f"**{work.product}** · `{work.id}` failed: {why}.{tried} What its agents had committed is still on their branches."
        )
        _tell(fleet, work, text, again)


def _again(fleet: Fleet, work: Work, why: str, most: int) -> None:
    number = work.lost + 1
    at = fleet.now() + retry.pause_before(number)
    fleet.record("work", "fleet", work.product, work.id, {"again": number, "why": why, "at": at.isoformat()})
    fleet.save_work(work, lost=number, not_before=at)
    requeue(fleet, [fleet.work(work.id)], f"{why}; tried again at {at:%H:%M} UTC")
    text = f"**{work.product}** · `{work.id}`: {why}. I start it again at {at:%H:%M} UTC (retry {number} of {most})."
    _tell(fleet, work, text, Suggestion("Leave it", f"/fleet cancel {work.id}"))


def _tell(fleet: Fleet, work: Work, text: str, button: Suggestion) -> None:
    for place in fleet.targets(work.product, work.conversation):
        key = f"lost:{work.tag}:{place}"
        fleet.say(place, text, key=key, kind="report", product=work.product, suggestions=(button,))
