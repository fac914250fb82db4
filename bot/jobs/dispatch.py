"""Start of admitted work in its engine.

A start is idempotent by marker and holds the product's lock, so a stop cannot race it.
"""

from bot.domain import Suggestion, Work, WorkState
from bot.domain.errors import EngineError
from bot.fleet import Fleet
from bot.gates import lifecycle
from bot.text.wording import shortened
from bot.work import briefs
from bot.work.ending import end

TEMPORARY = frozenset({"unreachable", "locked", "timed_out", "paused", "limit_reached"})
"""Codes of engine errors that pass. The operation is retried."""


async def start(fleet: Fleet, work: Work) -> None:
    """Start admitted work unless it was stopped meanwhile. Raises EngineError to be called again."""
    async with fleet.lock(work.product):
        if not _still_starts(fleet, work):
            return
        try:
            started = await _start(fleet, work)
        except EngineError as error:
            if _still_starts(fleet, work):
                _failed(fleet, fleet.work(work.id), error)
            return
        now = fleet.work(work.id)
        if now.attempt == work.attempt:
            running = {"state": WorkState.RUNNING, "reason": ""} if now.state is WorkState.STARTING else {}
            fleet.save_work(now, started_at=now.started_at or fleet.now(), **running, **started)


def _still_starts(fleet: Fleet, work: Work) -> bool:
    now = fleet.work(work.id)
    return now.state is WorkState.STARTING and now.attempt == work.attempt


async def _start(fleet: Fleet, work: Work) -> dict[str, str]:
    """Send the objective to the lead agent, or start one worker. Returns the changed fields of the work."""
    recap = briefs.recap(work, _history(fleet, work))
    if work.capability is None:
        subject, text, reporting = briefs.subject(work), briefs.body(work, recap), briefs.reporting(work)
        return {"mail": await fleet.engine.send(work.product, subject, text, marker=work.marker, reporting=reporting)}
    task = work.tag.replace(".", "-")
    agent = f"{work.capability}-{task}"
    fleet.save_work(work, agent=agent)
    await fleet.engine.start_worker(
        work.product,
        agent=agent,
        capability=work.capability,
        task=task,
        brief=briefs.brief(work, recap),
        marker=work.marker,
    )
    return {"agent": agent}


def _failed(fleet: Fleet, work: Work, error: EngineError) -> None:
    if error.code == "paused":
        # While the product is paused, other work may use the slot.
        fleet.save_work(work, state=WorkState.QUEUED, reason=error.message)
        return
    if error.code in TEMPORARY:
        fleet.save_work(work, reason=error.message)
        raise error
    fleet.record("work", "fleet", work.product, work.id, {"failed": error.message, "code": error.code})
    end(fleet, work, WorkState.FAILED, reason=error.message)
    text = f"**{work.product}** · `{work.id}` could not start: {error.message} {error.hint}".rstrip()
    for target in fleet.targets(work.product, work.conversation):
        fleet.say(target, text, key=f"unstarted:{work.tag}:{target}", kind="error", product=work.product)


def report_delay(fleet: Fleet, work: Work) -> None:
    """Notify people of work whose start keeps failing."""
    now = fleet.work(work.id)
    text = (
        f"**{work.product}** · `{work.id}` could not start yet: {now.reason or 'its engine does not answer'}. "
        "I retry every 30 s, and it keeps its slot."
    )
    stop = Suggestion("Stop", f"/fleet stop {work.product}")
    for target in fleet.targets(work.product, work.conversation):
        fleet.say(target, text, key=f"not yet:{work.tag}:{target}", kind="error", product=work.product, suggestions=(stop,))


def _history(fleet: Fleet, work: Work) -> list[str]:
    """Return the mail of earlier attempts and the decisions on their gates, oldest first."""
    if work.attempt == 1:
        return []
    mark = f"[{work.id}.{work.origin}"
    marked = [mail for mail in fleet.store.mail.newest(work.product, 200) if mark in mail.subject]
    mail = [f"{each.sender} ({each.label}): {shortened(each.body, 400)}" for each in reversed(marked) if not each.ours]
    decided = [gate for gate in fleet.store.gates.of_work(work.id) if gate.decision]
    return mail + [f"{gate.kind} “{gate.title}”, revision {gate.revision}: {lifecycle.outcome(gate)}" for gate in decided]
