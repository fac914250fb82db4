"""Notifies people, once, of running work that shows no activity.

It keeps its slot, because its sessions keep their memory.
"""

from datetime import datetime, timedelta

from bot.domain import LEAD, Session, Snapshot, Suggestion, Work, WorkState
from bot.fleet import Fleet
from bot.text.wording import span
from bot.work.slots import halted


def check(fleet: Fleet) -> None:
    """Report each piece of work that has stalled since the last check."""
    patience, paused = timedelta(minutes=fleet.registry.scheduling.stalled_after), halted(fleet)
    for work in fleet.store.work.open(states=(WorkState.RUNNING,)):
        snapshot = fleet.snapshots.get(work.product)
        if snapshot is None or snapshot.trouble or work.product in paused:
            continue
        quiet = _quiet(work, snapshot, fleet.now())
        if quiet is not None and (quiet >= patience or _said_by_engine(work, snapshot)):
            _tell(fleet, work, quiet)


def _of(work: Work, snapshot: Snapshot) -> list[Session]:
    """Return the sessions that do this work.

    They are its own agent's, or all of the product where its coordinator has the work."""
    return [each for each in snapshot.active if work.capability is None or each.agent == work.agent]


def _quiet(work: Work, snapshot: Snapshot, now: datetime) -> timedelta | None:
    """Return the time without activity, or None where the engine does not report any."""
    seen = [each.last_activity for each in _of(work, snapshot) if each.last_activity]
    if not seen:
        return timedelta() if _said_by_engine(work, snapshot) else None
    return now - max(*seen, work.updated_at)


def _said_by_engine(work: Work, snapshot: Snapshot) -> bool:
    """Return True if the engine itself reports all sessions of the work as stalled."""
    doing = _of(work, snapshot)
    return bool(doing) and all(each.state == "stalled" for each in doing)


def _tell(fleet: Fleet, work: Work, quiet: timedelta) -> None:
    if fleet.store.work.stall_reported(work.id) == work.tag:
        return
    agent = work.agent or LEAD
    how = f"no activity from {agent} for {span(quiet)}" if quiet else f"the engine reports {agent} as stalled"
    text = f"**{work.product}** · `{work.id}` may have stalled: {how}. Nothing was stopped, and it keeps its slot."
    buttons = (
        Suggestion("Inspect", f"/fleet inspect {work.product} {agent}"),
        Suggestion("Nudge", f"/fleet nudge {work.product} {agent} Are you stuck? Continue, or say what you need."),
        Suggestion("Stop", f"/fleet stop {work.product}" + ("" if work.capability is None else f" {agent}")),
    )
    with fleet.transaction():
        fleet.store.work.set_stall_reported(work.id, work.tag)
        fleet.record("work", "fleet", work.product, work.id, {"stalled": how})
        fleet.save_work(work, reason=f"stalled: {how}")
        for target in fleet.targets(work.product, work.conversation):
            fleet.say(
                target, text, key=f"stalled:{work.tag}:{target}", kind="report", product=work.product, suggestions=buttons
            )
