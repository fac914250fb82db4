"""What is handed to the engine: work that starts, and decisions that are delivered. Both happen once for their mark, however
often they are tried, and hold the product meanwhile, so that nothing is stopped while it starts."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from bot.commands.skill import SkillResult
from bot.domain import LEAD, Action, Gate, GateState, Suggestion, Work, WorkState
from bot.domain.errors import EngineError, FleetError
from bot.engine.base import Answer, Receipt
from bot.fleet import Fleet
from bot.gates import lifecycle, notify
from bot.jobs.scheduler import RESUMES
from bot.text.wording import shortened
from bot.work import briefs
from bot.work.pause import paused

AGAIN = frozenset({"unreachable", "locked", "timed_out", "paused", "limit_reached"})
"""Engine errors that pass by themselves: what met them is tried again."""
READ_FOR_GOOD = timedelta(seconds=20)
"""An answer that was handed to its reader so long ago counts as taken, though nothing was heard of it since."""
WAKE_AFTER = timedelta(seconds=20)
"""A reader that has not looked at its mail for so long is prodded, at each further look."""
GONE_AFTER = timedelta(seconds=10)
"""What a start of the coordinator, which an answer may bring about, takes to become visible."""
SENT_BEFORE = "\n\n(You may have been sent this before, under another mark. Act on it once.)"
MOST_SENDINGS = 3
"""How often an answer is sent that the engine swallows."""


async def start(fleet: Fleet, work: Work) -> None:
    """Start admitted work, unless it has been stopped meanwhile. Raises EngineError to be called again."""
    async with fleet.lock(work.product):
        if not _still_starts(fleet, work):
            return
        try:
            carried = await _hand_over(fleet, work)
        except EngineError as error:
            if _still_starts(fleet, work):
                _not_started(fleet, fleet.work(work.id), error)
            return
        now = fleet.work(work.id)
        if now.attempt == work.attempt:
            begun = {"state": WorkState.RUNNING, "reason": ""} if now.state is WorkState.STARTING else {}
            fleet.save_work(now, started_at=now.started_at or fleet.now(), **begun, **carried)


def _still_starts(fleet: Fleet, work: Work) -> bool:
    now = fleet.work(work.id)
    return now.state is WorkState.STARTING and now.attempt == work.attempt


async def _hand_over(fleet: Fleet, work: Work) -> dict[str, str]:
    """Hand work to the engine; what is known of it then."""
    if work.capability is None:
        text = briefs.body(work, briefs.recap(work, _happened(fleet, work)))
        reporting = briefs.reporting(work)
        sent = await fleet.engine.send(work.product, briefs.subject(work), text, marker=work.marker, reporting=reporting)
        return {"mail": sent}
    task = work.tag.replace(".", "-")
    agent = f"{work.capability}-{task}"
    brief = briefs.brief(work, briefs.recap(work, _happened(fleet, work)))
    fleet.save_work(work, agent=agent)
    await fleet.engine.start_worker(
        work.product, agent=agent, capability=work.capability, task=task, brief=brief, marker=work.marker
    )
    return {"agent": agent}


def _not_started(fleet: Fleet, work: Work, error: EngineError) -> None:
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
    for place in fleet.targets(work.product, work.conversation):
        fleet.say(place, text, key=f"unstarted:{work.tag}:{place}", kind="error", product=work.product)


def still_not_started(fleet: Fleet, work: Work) -> None:
    """Tell people that work is tried again and again to be started: only they can see why."""
    now = fleet.work(work.id)
    text = (
        f"**{work.product}** · `{work.id}` could not be started yet: {now.reason or 'its engine does not answer'}. "
        "It is tried again every half minute, and keeps its place."
    )
    stop = Suggestion("Stop it", f"/fleet stop {work.product}")
    for place in fleet.targets(work.product, work.conversation):
        fleet.say(place, text, key=f"not yet:{work.tag}:{place}", kind="error", product=work.product, suggestions=(stop,))


def _happened(fleet: Fleet, work: Work) -> list[str]:
    """What is known of the attempts before this one: mail that bears their mark, and what people decided."""
    if work.attempt == 1:
        return []
    mark = f"[{work.id}.{work.origin}"
    about = [mail for mail in fleet.store.mail.newest(work.product, 200) if mark in mail.subject]
    told = [f"{mail.sender} ({mail.label}): {shortened(mail.body, 400)}" for mail in reversed(about) if not mail.ours]
    decided = [gate for gate in fleet.store.gates.of_work(work.id) if gate.decision]
    return told + [f"{gate.kind} “{gate.title}”, revision {gate.revision}: {lifecycle.outcome(gate)}" for gate in decided]


Act = Callable[[Action, str, str, str], Awaitable[SkillResult]]
"""`Router.act`."""


async def deliver(fleet: Fleet, id: str, act: Act | None = None) -> bool:
    """See that what was decided at a gate is taken up, unless nobody waits for it any more. True while nobody has been seen to
    read it, so that it has to be looked at again; raises EngineError, to be called again, where it cannot be sent now."""
    if fleet.gate(id).action is not None:
        await _act(fleet, fleet.gate(id), act)
        return False
    async with fleet.lock(fleet.gate(id).product):
        gate = fleet.gate(id)
        if not _on_its_way(gate):
            return False
        if gate.mail is None:
            _delivered(fleet, gate, "done")
            return False
        if gate.reply is None:
            await _send(fleet, gate, gate.mail)
        if _on_its_way(gate := fleet.gate(id)):
            await _see_to_it(fleet, gate)
        return _on_its_way(fleet.gate(id))


def _on_its_way(gate: Gate) -> bool:
    return gate.state is GateState.DECIDED and not gate.reason


async def _act(fleet: Fleet, gate: Gate, act: Act | None) -> None:
    """Do what an action gate asked leave for, or say that it is not done."""
    action, decision = gate.action, gate.decision
    if not _on_its_way(gate) or action is None or decision is None or act is None:
        return
    command = f"`{action.skill}` for {action.person.name}"
    if decision.choice != lifecycle.APPROVE:
        note = f": {decision.note}" if decision.note else ""
        result, reason = SkillResult(f"{command} is not done: {decision.by} said no{note}."), "not done"
    else:
        try:
            result, reason = await act(action, gate.product, gate.conversation, f"gate:{gate.id}.{gate.origin}"), "done"
        except EngineError as error:
            if error.code in AGAIN:
                raise
            result, reason = SkillResult(f"{command} failed: {error}"), error.message
        except FleetError as error:
            result, reason = SkillResult(f"{command} was refused: {error}"), error.message
    with fleet.transaction():
        _delivered(fleet, fleet.gate(gate.id), reason)
        for place in fleet.targets(gate.product, gate.conversation)[:1]:
            product = gate.product or None
            fleet.say(place, result.text, key=f"acted:{gate.id}", product=product, suggestions=result.suggestions)


async def _send(fleet: Fleet, gate: Gate, mail: str) -> None:
    """Send the answer. What was sent under the same mark before, and not noted, is found again and not repeated."""
    approved = gate.body if gate.decision and gate.decision.choice == lifecycle.APPROVE else None
    try:
        reply = await fleet.engine.reply(gate.product, mail, _answer(fleet, gate), marker=gate.marker, plan=approved)
    except EngineError as error:
        if error.code in AGAIN:
            raise
        _undelivered(fleet, fleet.gate(gate.id), error)
        return
    with fleet.transaction():
        if not _on_its_way(now := fleet.gate(gate.id)):
            return
        gate = fleet.save_gate(lifecycle.sent(now, reply, fleet.now()))
        fleet.record("gate", "fleet", gate.product, gate.id, {"sent": reply, "times": gate.sendings})
        _goes_on(fleet, gate)


async def _see_to_it(fleet: Fleet, gate: Gate) -> None:
    """Look how far the answer got: it is delivered once its reader was seen to act on it; one that the engine swallowed
    (marked as read, yet never shown to the model) is sent again."""
    assert gate.reply is not None and gate.sent_at is not None  # noqa: S101  it was sent
    age = fleet.now() - gate.sent_at
    try:
        uptake = await fleet.engine.receipt(gate.product, gate.reply)
    except EngineError as error:
        if error.code in AGAIN:
            raise
        uptake = Receipt.TAKEN  # the engine has cleaned it away, which it does with what is done
    now = fleet.gate(gate.id)
    if not _on_its_way(now) or now.reply != gate.reply:
        return
    if uptake is Receipt.TAKEN or (uptake is Receipt.READ and age >= READ_FOR_GOOD):
        _delivered(fleet, now, f"{_reader(fleet, now)} has it")
    elif _over(fleet, gate) and uptake is not Receipt.READ:
        why = f"{gate.work} ended before it was read"
        with fleet.transaction():
            fleet.record("gate", "fleet", gate.product, gate.id, {"undelivered": why})
            fleet.save_gate(lifecycle.undeliverable(now, why, fleet.now()))
    elif uptake is Receipt.LOST and gate.sendings >= MOST_SENDINGS:
        why = f"{_reader(fleet, now)} was sent it {gate.sendings} times and was never shown it."
        hint = "See that the agents' user may write its `.claude/settings.local.json`: the hooks in it could not be mended."
        again = Suggestion("Hand it over again", f"/fleet approve-plan {gate.id} --again")
        _undelivered(fleet, now, EngineError(why, hint), again)
    elif uptake is Receipt.LOST:
        with fleet.transaction():
            fleet.record("gate", "fleet", gate.product, gate.id, {"swallowed": gate.reply})
            fleet.save_gate(lifecycle.to_send_again(now, fleet.now()))
    elif _gone(fleet, gate):
        again = Suggestion("Start it again with the decision", f"/fleet approve-plan {gate.id} --again")
        _undelivered(fleet, now, EngineError("its session ended before it read it."), again)
    elif uptake is Receipt.WAITING and age >= WAKE_AFTER and not paused(fleet, gate.product):
        await fleet.engine.nudge(gate.product, LEAD, "The operator has answered. Check your mail.")


def _over(fleet: Fleet, gate: Gate) -> bool:
    """Whether the work that an answer is for has ended, so that nobody waits for it."""
    work = fleet.store.work.get(gate.work) if gate.work else None
    return work is not None and not work.state.open


def _reader(fleet: Fleet, gate: Gate) -> str:
    """Who was sent the answer: whoever asked, or the coordinator where they have ended."""
    sent = fleet.store.mail.get(gate.product, gate.reply or "")
    return sent.recipient if sent else gate.sender


def _gone(fleet: Fleet, gate: Gate) -> bool:
    """Whether nobody runs any more who could read an answer that was sent a while ago."""
    seen = fleet.snapshots.get(gate.product)
    if seen is None or seen.trouble or seen.paused or fleet.trouble(fleet.products[gate.product]) or gate.sent_at is None:
        return False
    return seen.at - gate.sent_at > GONE_AFTER and not seen.coordinator and not seen.active


def _answer(fleet: Fleet, gate: Gate) -> Answer:
    """Return the answer, with the question and the objective for a coordinator that does not know them."""
    decision = gate.decision
    assert decision is not None  # noqa: S101  only decided gates are delivered
    answer = Answer(decision.choice, decision.note, SENT_BEFORE if gate.sendings > 1 else "")
    snapshot = fleet.snapshots.get(gate.product)
    asked = fleet.store.mail.get(gate.product, gate.mail or "")
    knowing = {gate.sender} | ({asked.recipient} if asked else set())
    active = {session.agent for session in snapshot.active} if snapshot else knowing
    if knowing & (active | ({LEAD} if snapshot and snapshot.coordinator else set())):
        return answer
    return briefs.late_answer(gate, answer, fleet.store.work.get(gate.work) if gate.work else None)


def _delivered(fleet: Fleet, gate: Gate, reason: str) -> None:
    with fleet.transaction():
        if gate.state is GateState.DECIDED:
            gate = fleet.save_gate(lifecycle.delivered(gate, reason, fleet.now()))
        fleet.record("gate", "fleet", gate.product or None, gate.id, {"delivered": reason})
        _goes_on(fleet, gate)


def _goes_on(fleet: Fleet, gate: Gate) -> None:
    """Work that waited for this gate waits no more, unless it waits for another one, too."""
    work = fleet.store.work.get(gate.work) if gate.work else None
    if work is None or work.state not in {WorkState.WAITING, WorkState.RUNNING}:
        return
    others = [each for each in fleet.store.gates.of_work(work.id) if each.state is GateState.OPEN]
    if others:
        fleet.save_work(work, state=WorkState.WAITING, reason=notify.waits_for(others[0]))
    elif work.state is WorkState.WAITING or work.reason == RESUMES:
        fleet.save_work(work, state=WorkState.RUNNING, reason=lifecycle.outcome(gate))


def _undelivered(fleet: Fleet, gate: Gate, error: EngineError, offer: Suggestion | None = None) -> None:
    """The engine will not take the answer: say so, and offer what can be done."""
    with fleet.transaction():
        gate = fleet.save_gate(lifecycle.undeliverable(gate, error.message, fleet.now()))
        fleet.record("gate", "fleet", gate.product, gate.id, {"undelivered": error.message, "code": error.code})
        said = f"**{gate.product}** did not take the decision on `{gate.id}`: {error.message} {error.hint}".rstrip()
        work = fleet.store.work.get(gate.work) if gate.work else None
        # What agents write is no command: the button asks for what a person asked for.
        offer = offer or (Suggestion("Ask for it anew", work.spawn_command) if work else None)
        if work and (work.state is WorkState.WAITING or work.reason == RESUMES):
            fleet.save_work(work, state=WorkState.WAITING, reason=f"the decision on {gate.id} did not arrive: {error.message}")
        for place in fleet.targets(gate.product, gate.conversation):
            key = f"undelivered:{gate.id}:{place}"
            fleet.say(place, said, key=key, kind="error", product=gate.product, suggestions=(offer,) if offer else ())
