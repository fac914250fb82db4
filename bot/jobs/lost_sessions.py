"""Detects work whose session has ended without a report, then retries or fails it.

A snapshot may predate a start that it does not show yet, and its clock is another machine's. So ages are measured on our own
clock, and a session counts as lost when the snapshot before showed it, or when two snapshots miss it.
"""

from datetime import datetime, timedelta

from bot.domain import Gate, GateState, Snapshot, Suggestion, Work, WorkState
from bot.fleet import Fleet
from bot.gates.withdraw import withdraw
from bot.work import retry
from bot.work.ending import end, rejected
from bot.work.queue import requeue

GRACE = timedelta(seconds=10)
"""Time for which a session may be missing, because a start and its mail take a while to be visible."""


class LostSessions:
    """Remembers since when each session has been missing."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._missed: dict[str, dict[str, datetime]] = {}
        """Time at which each session was first missing, by product and the work's tag."""

    def check(self, before: Snapshot | None, snapshot: Snapshot) -> None:
        """Give up a product's work whose session is lost.

        `before` is the previous snapshot."""
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
    """Return True beyond the grace time. A clock that was set back counts as beyond it."""
    return not timedelta() <= span < GRACE


def _lost(work: Work, snapshot: Snapshot, gates: list[Gate]) -> str:
    if any(_waits(gate) for gate in gates):
        return ""  # the answer starts the coordinator again, with the context it needs
    if work.capability is None:
        return "" if snapshot.coordinator else f"the coordinator of {work.product} ended without a result"
    if any(session.active for session in snapshot.sessions if session.agent == work.agent):
        return ""
    if snapshot.coordinator and any(gate.state is GateState.DELIVERED and gate.sender == work.agent for gate in gates):
        return ""  # an agent that asks has ended by the time it is answered; its coordinator continues with the answer
    return f"{work.agent} ended without a report"


def _waits(gate: Gate) -> bool:
    """Return True while an answer is awaited, on its way, or unread and to be sent again by a person."""
    return gate.state is GateState.OPEN or (gate.state is GateState.DECIDED and (not gate.reason or gate.reply is not None))


def _give_up(fleet: Fleet, work: Work, why: str) -> None:
    """Retry the work where that is safe and retries are left.

    Otherwise fail it and offer a person to start it again."""
    most = fleet.registry.scheduling.retries
    with fleet.transaction():
        withdraw(fleet, work.product, why, work=work.id)
        if rejected(fleet, work):
            fleet.record("work", "fleet", work.product, work.id, {"ended": "rejected", "why": why})
            end(fleet, work, WorkState.REJECTED, reason="its plan was rejected")
            return
        if retry.safe_to_repeat(work) and work.lost < most:
            _again(fleet, work, why, most)
            return
        fleet.record("work", "fleet", work.product, work.id, {"ended": "failed", "why": why})
        end(fleet, work, WorkState.FAILED, reason=why)
        again = Suggestion("Start again", work.spawn_command)
        tried = f" It was started {work.lost + 1} times." if work.lost else ""
        text = f"**{work.product}** · `{work.id}` failed: {why}.{tried} Its agents' commits are still on their branches."
        _tell(fleet, work, text, again)


def _again(fleet: Fleet, work: Work, why: str, most: int) -> None:
    number = work.lost + 1
    at = fleet.now() + retry.pause_before(number)
    fleet.record("work", "fleet", work.product, work.id, {"again": number, "why": why, "at": at.isoformat()})
    fleet.save_work(work, lost=number, not_before=at)
    requeue(fleet, [fleet.work(work.id)], f"{why}; retried at {at:%H:%M} UTC")
    text = f"**{work.product}** · `{work.id}`: {why}. I'll start it again at {at:%H:%M} UTC (retry {number} of {most})."
    _tell(fleet, work, text, Suggestion("Cancel", f"/fleet cancel {work.id}"))


def _tell(fleet: Fleet, work: Work, text: str, button: Suggestion) -> None:
    for target in fleet.targets(work.product, work.conversation):
        key = f"lost:{work.tag}:{target}"
        fleet.say(target, text, key=key, kind="report", product=work.product, suggestions=(button,))
