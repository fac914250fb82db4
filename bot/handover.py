"""What is handed to the engine: work that starts, and decisions that are delivered. Both happen once for their mark, however
often they are tried, and hold the product meanwhile, so that nothing is stopped while it starts."""

from bot import gates, intake, objective
from bot.domain import Gate, GateKind, GateState, Suggestion, Work, WorkState
from bot.errors import EngineError
from bot.fleet import Fleet
from bot.words import shortened

AGAIN = frozenset({"unreachable", "locked", "timed_out", "paused", "limit_reached"})
"""Engine errors that pass by themselves: what met them is tried again."""


async def start(fleet: Fleet, work: Work) -> None:
    """Start admitted work, unless it has been stopped meanwhile. Raises EngineError to be called again."""
    async with fleet.changing(work.product):
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
        text = objective.body(work, objective.recap(work, _happened(fleet, work)))
        return {"mail": await fleet.engine.send(work.product, objective.subject(work), text, marker=work.marker)}
    task = work.tag.replace(".", "-")
    agent = f"{work.capability}-{task}"
    brief = objective.brief(work, objective.recap(work, _happened(fleet, work)))
    fleet.save_work(work, agent=agent)
    await fleet.engine.sling(work.product, agent=agent, capability=work.capability, task=task, brief=brief, marker=work.marker)
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
    for place in fleet.places(work.product, work.conversation):
        fleet.say(place, text, key=f"unstarted:{work.tag}:{place}", kind="error", product=work.product)


def _happened(fleet: Fleet, work: Work) -> list[str]:
    """What is known of the attempts before this one: mail that bears their mark, and what people decided."""
    if work.attempt == 1:
        return []
    mark = f"[{work.id}.{work.origin}"
    about = [mail for mail in fleet.store.mail.newest(work.product, 200) if mark in mail.subject]
    told = [
        f"{mail.sender} ({mail.type}): {shortened(mail.body, 400)}" for mail in reversed(about) if mail.sender != "operator"
    ]
    decided = [gate for gate in fleet.store.gates.of_work(work.id) if gate.decision]
    return told + [f"{gate.kind} “{gate.title}”, revision {gate.revision}: {gates.outcome(gate)}" for gate in decided]


async def deliver(fleet: Fleet, id: str) -> None:
    """Deliver the decision on a gate, unless nobody waits for it any more. Raises EngineError to be called again."""
    async with fleet.changing(fleet.gate(id).product):
        gate = fleet.gate(id)
        if gate.state is not GateState.DECIDED or gate.reason:
            return
        if gate.kind is GateKind.ACTION or gate.mail is None:
            _delivered(fleet, gate, "done")
            return
        approved = gate.body if gate.decision and gate.decision.choice == gates.APPROVE else None
        try:
            await fleet.engine.reply(gate.product, gate.mail, _reply(fleet, gate), marker=gate.marker, plan=approved)
        except EngineError as error:
            if error.code in AGAIN:
                raise
            _undelivered(fleet, fleet.gate(id), error)
            return
        _delivered(fleet, fleet.gate(id), f"{gate.sender} has it")


def _reply(fleet: Fleet, gate: Gate) -> str:
    """The answer; where it goes to a coordinator that does not know the question, with all that it has to know."""
    snapshot = fleet.snapshots.get(gate.product)
    asked = fleet.store.mail.get(gate.product, gate.mail or "")
    knowing = {gate.sender} | ({asked.recipient} if asked else set())
    active = {session.agent for session in snapshot.active} if snapshot else knowing
    if knowing & (active | ({"coordinator"} if snapshot and snapshot.coordinator else set())):
        return gates.reply(gate)
    return objective.late_answer(gate, gates.reply(gate), fleet.store.work.get(gate.work) if gate.work else None)


def _delivered(fleet: Fleet, gate: Gate, reason: str) -> None:
    with fleet.transaction():
        if gate.state is GateState.DECIDED:
            gate = fleet.save_gate(gates.delivered(gate, reason, fleet.now()))
        fleet.record("gate", "fleet", gate.product, gate.id, {"delivered": reason})
        work = fleet.store.work.get(gate.work) if gate.work else None
        if work and work.state is WorkState.WAITING:
            others = [each for each in fleet.store.gates.of_work(work.id) if each.state is GateState.OPEN]
            then = {"reason": intake.waits_for(others[0])} if others else {"state": WorkState.RUNNING}
            fleet.save_work(work, **{"reason": gates.outcome(gate), **then})


def _undelivered(fleet: Fleet, gate: Gate, error: EngineError) -> None:
    """The engine will not take the answer: say so, and offer what can be done."""
    with fleet.transaction():
        gate = fleet.save_gate(gates.undeliverable(gate, error.message, fleet.now()))
        fleet.record("gate", "fleet", gate.product, gate.id, {"undelivered": error.message, "code": error.code})
        said = f"**{gate.product}** did not take the decision on `{gate.id}`: {error.message} {error.hint}".rstrip()
        work = fleet.store.work.get(gate.work) if gate.work else None
        # What agents write is no command: the button asks for what a person asked for.
        again = (Suggestion("Ask for it anew", objective.again(work)),) if work else ()
        if work and work.state is WorkState.WAITING:
            fleet.save_work(work, reason=f"the decision on {gate.id} did not arrive: {error.message}")
        for place in fleet.places(gate.product, gate.conversation):
            key = f"undelivered:{gate.id}:{place}"
            fleet.say(place, said, key=key, kind="error", product=gate.product, suggestions=again)
