"""Running work without a sign of life: people are told once, with what they can do about it. It keeps its place, because its
sessions keep their memory."""

from datetime import datetime, timedelta

from bot.domain import LEAD, Session, Snapshot, Suggestion, Work, WorkState
from bot.fleet import Fleet
from bot.text.wording import span
from bot.work import capacity


def look(fleet: Fleet) -> None:
    """Tell of every piece of work that has stalled since the last look."""
    patience, standing = timedelta(minutes=fleet.registry.scheduling.stalled_after), capacity.halted(fleet)
    for work in fleet.store.work.open(states=(WorkState.RUNNING,)):
        snapshot = fleet.snapshots.get(work.product)
        if snapshot is None or snapshot.trouble or work.product in standing:
            continue
        quiet = _quiet(work, snapshot, fleet.now())
        if quiet is not None and (quiet >= patience or _said_by_engine(work, snapshot)):
            _tell(fleet, work, quiet)


def _of(work: Work, snapshot: Snapshot) -> list[Session]:
    """The sessions that do this work: its own agent's, or all of a product whose coordinator has it."""
    return [each for each in snapshot.active if work.capability is None or each.agent == work.agent]


def _quiet(work: Work, snapshot: Snapshot, now: datetime) -> timedelta | None:
    """How long nothing has been seen of it; None where the engine does not say when an agent was last active."""
    seen = [each.last_activity for each in _of(work, snapshot) if each.last_activity]
    if not seen:
        return timedelta() if _said_by_engine(work, snapshot) else None
    return now - max(*seen, work.updated_at)


def _said_by_engine(work: Work, snapshot: Snapshot) -> bool:
    """Whether the engine itself counts all of its sessions as stalled."""
    doing = _of(work, snapshot)
    return bool(doing) and all(each.state == "stalled" for each in doing)


def _tell(fleet: Fleet, work: Work, quiet: timedelta) -> None:
    if fleet.store.work.stall_reported(work.id) == work.tag:
        return
    agent = work.agent or LEAD
    how = f"{agent} has shown no sign of life for {span(quiet)}" if quiet else f"the engine says that {agent} has stalled"
    text = f"**{work.product}** · `{work.id}` seems to have stalled: {how}. It keeps its place; nothing was stopped."
    buttons = (
        Suggestion("Look", f"/fleet inspect {work.product} {agent}"),
        Suggestion("Prod it", f"/fleet nudge {work.product} {agent} Are you stuck? Go on, or say what you need."),
        Suggestion("Stop it", f"/fleet stop {work.product}" + ("" if work.capability is None else f" {agent}")),
    )
    with fleet.transaction():
        fleet.store.work.set_stall_reported(work.id, work.tag)
        fleet.record("work", "fleet", work.product, work.id, {"stalled": how})
        fleet.save_work(work, reason=f"stalled: {how}")
        for place in fleet.targets(work.product, work.conversation):
            fleet.say(place, text, key=f"stalled:{work.tag}:{place}", kind="report", product=work.product, suggestions=buttons)
