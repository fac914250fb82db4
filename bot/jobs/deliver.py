"""Delivery of decisions to the agents that asked, and execution of approved actions.

A delivery is idempotent by marker and holds the product's lock. An answer counts as delivered once its reader has acted on it.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from bot.commands.skill import SkillResult
from bot.domain import LEAD, Action, Gate, GateState, Suggestion, WorkState
from bot.domain.errors import EngineError, FleetError
from bot.engine.base import Answer, Receipt
from bot.fleet import Fleet
from bot.gates import lifecycle, notify
from bot.jobs.dispatch import TEMPORARY
from bot.jobs.scheduler import RESUMES
from bot.work import briefs
from bot.work.pause import paused

TAKEN_AFTER = timedelta(seconds=20)
"""Time after which an answer that was read counts as consumed, even without activity since."""
NUDGE_AFTER = timedelta(seconds=20)
"""Time after which a reader with unread mail is nudged, at each check."""
GONE_AFTER = timedelta(seconds=10)
"""Time that a lead agent started by an answer needs to appear in snapshots."""
SENT_BEFORE = "\n\n(You may have been sent this before, under another mark. Act on it once.)"
MAX_SENDINGS = 3
"""Most sendings of an answer that the engine loses."""

Act = Callable[[Action, str, str, str], Awaitable[SkillResult]]
"""Signature of `Router.act`."""


async def deliver(fleet: Fleet, id: str, act: Act | None = None) -> bool:
    """Deliver the decision of a gate, and return True if its receipt has to be checked again.

    Raises EngineError to be called again when it cannot be sent now."""
    if fleet.gate(id).action is not None:
        await _act(fleet, fleet.gate(id), act)
        return False
    async with fleet.lock(fleet.gate(id).product):
        gate = fleet.gate(id)
        if not _pending(gate):
            return False
        if gate.mail is None:
            _delivered(fleet, gate, "done")
            return False
        if gate.reply is None:
            await _send(fleet, gate, gate.mail)
        if _pending(gate := fleet.gate(id)):
            await _check_receipt(fleet, gate)
        return _pending(fleet.gate(id))


def _pending(gate: Gate) -> bool:
    return gate.state is GateState.DECIDED and not gate.reason


async def _act(fleet: Fleet, gate: Gate, act: Act | None) -> None:
    """Run the action of an approved action gate, or report that it was refused."""
    action, decision = gate.action, gate.decision
    if not _pending(gate) or action is None or decision is None or act is None:
        return
    command = f"`{action.skill}` for {action.person.name}"
    if decision.choice != lifecycle.APPROVE:
        note = f": {decision.note}" if decision.note else ""
        result, reason = SkillResult(f"{command} was not run: {decision.by} rejected it{note}."), "not done"
    else:
        try:
            result, reason = await act(action, gate.product, gate.conversation, f"gate:{gate.id}.{gate.origin}"), "done"
        except EngineError as error:
            if error.code in TEMPORARY:
                raise
            result, reason = SkillResult(f"{command} failed: {error}"), error.message
        except FleetError as error:
            result, reason = SkillResult(f"{command} was refused: {error}"), error.message
    with fleet.transaction():
        _delivered(fleet, fleet.gate(gate.id), reason)
        for target in fleet.targets(gate.product, gate.conversation)[:1]:
            product = gate.product or None
            fleet.say(target, result.text, key=f"acted:{gate.id}", product=product, suggestions=result.suggestions)


async def _send(fleet: Fleet, gate: Gate, mail: str) -> None:
    """Send the answer, once for its marker."""
    approved = gate.body if gate.decision and gate.decision.choice == lifecycle.APPROVE else None
    try:
        reply = await fleet.engine.reply(gate.product, mail, _answer(fleet, gate), marker=gate.marker, plan=approved)
    except EngineError as error:
        if error.code in TEMPORARY:
            raise
        _undelivered(fleet, fleet.gate(gate.id), error)
        return
    with fleet.transaction():
        if not _pending(now := fleet.gate(gate.id)):
            return
        gate = fleet.save_gate(lifecycle.sent(now, reply, fleet.now()))
        fleet.record("gate", "fleet", gate.product, gate.id, {"sent": reply, "times": gate.sendings})
        _resume_work(fleet, gate)


async def _check_receipt(fleet: Fleet, gate: Gate) -> None:
    """Follow the receipt of a sent answer, and send again what the engine lost."""
    assert gate.reply is not None and gate.sent_at is not None  # noqa: S101  it was sent
    age = fleet.now() - gate.sent_at
    try:
        receipt = await fleet.engine.receipt(gate.product, gate.reply)
    except EngineError as error:
        if error.code in TEMPORARY:
            raise
        receipt = Receipt.TAKEN  # The engine purges mail that is done with.
    now = fleet.gate(gate.id)
    if not _pending(now) or now.reply != gate.reply:
        return
    again = f"/fleet approve-plan {gate.id} --again"
    if receipt is Receipt.TAKEN or (receipt is Receipt.READ and age >= TAKEN_AFTER):
        _delivered(fleet, now, f"{_reader(fleet, now)} has it")
    elif _work_ended(fleet, gate) and receipt is not Receipt.READ:
        why = f"{gate.work} ended before it was read"
        with fleet.transaction():
            fleet.record("gate", "fleet", gate.product, gate.id, {"undelivered": why})
            fleet.save_gate(lifecycle.undeliverable(now, why, fleet.now()))
    elif receipt is Receipt.LOST and gate.sendings >= MAX_SENDINGS:
        why = f"{_reader(fleet, now)} was sent it {gate.sendings} times but never shown it."
        hint = "Make `.claude/settings.local.json` writable for the agents' user, so that I can repair its hooks."
        _undelivered(fleet, now, EngineError(why, hint), Suggestion("Send again", again))
    elif receipt is Receipt.LOST:
        with fleet.transaction():
            fleet.record("gate", "fleet", gate.product, gate.id, {"swallowed": gate.reply})
            fleet.save_gate(lifecycle.to_send_again(now, fleet.now()))
    elif _reader_is_gone(fleet, gate):
        gone = EngineError("its session ended before it read it.")
        _undelivered(fleet, now, gone, Suggestion("Restart with the decision", again))
    elif receipt is Receipt.WAITING and age >= NUDGE_AFTER and not paused(fleet, gate.product):
        await fleet.engine.nudge(gate.product, LEAD, "The operator has answered. Check your mail.")


def _work_ended(fleet: Fleet, gate: Gate) -> bool:
    """Return True if the work that an answer is for has ended."""
    work = fleet.store.work.get(gate.work) if gate.work else None
    return work is not None and not work.state.open


def _reader(fleet: Fleet, gate: Gate) -> str:
    """Return the agent that the answer was sent to."""
    sent = fleet.store.mail.get(gate.product, gate.reply or "")
    return sent.recipient if sent else gate.sender


def _reader_is_gone(fleet: Fleet, gate: Gate) -> bool:
    """Return True if no agent runs that could read a sent answer."""
    seen = fleet.snapshots.get(gate.product)
    if seen is None or seen.trouble or seen.paused or fleet.trouble(fleet.products[gate.product]) or gate.sent_at is None:
        return False
    return seen.at - gate.sent_at > GONE_AFTER and not seen.coordinator and not seen.active


def _answer(fleet: Fleet, gate: Gate) -> Answer:
    """Return the answer, with the question and the objective for a lead agent that does not know them."""
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
        _resume_work(fleet, gate)


def _resume_work(fleet: Fleet, gate: Gate) -> None:
    """Mark the work that waited for this gate as running, unless another gate of it is open."""
    work = fleet.store.work.get(gate.work) if gate.work else None
    if work is None or work.state not in {WorkState.WAITING, WorkState.RUNNING}:
        return
    others = [each for each in fleet.store.gates.of_work(work.id) if each.state is GateState.OPEN]
    if others:
        fleet.save_work(work, state=WorkState.WAITING, reason=notify.waits_for(others[0]))
    elif work.state is WorkState.WAITING or work.reason == RESUMES:
        fleet.save_work(work, state=WorkState.RUNNING, reason=lifecycle.outcome(gate))


def _undelivered(fleet: Fleet, gate: Gate, error: EngineError, offer: Suggestion | None = None) -> None:
    """Report an answer that the engine refuses, with the next step."""
    with fleet.transaction():
        gate = fleet.save_gate(lifecycle.undeliverable(gate, error.message, fleet.now()))
        fleet.record("gate", "fleet", gate.product, gate.id, {"undelivered": error.message, "code": error.code})
        message = f"**{gate.product}** did not get the decision on `{gate.id}`: {error.message} {error.hint}".rstrip()
        work = fleet.store.work.get(gate.work) if gate.work else None
        # Text of agents must not become a command, so the button repeats what a person asked for.
        offer = offer or (Suggestion("Ask again", work.spawn_command) if work else None)
        if work and (work.state is WorkState.WAITING or work.reason == RESUMES):
            reason = f"the decision on {gate.id} was not delivered: {error.message}"
            fleet.save_work(work, state=WorkState.WAITING, reason=reason)
        for target in fleet.targets(gate.product, gate.conversation):
            key = f"undelivered:{gate.id}:{target}"
            fleet.say(target, message, key=key, kind="error", product=gate.product, suggestions=(offer,) if offer else ())
