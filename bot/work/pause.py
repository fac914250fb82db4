"""Pausing, resuming and stopping what runs in a product. Callers have passed the access check."""

from dataclasses import dataclass

from bot.domain import LEAD, Person, Work, WorkState
from bot.domain.errors import Conflict, EngineError
from bot.fleet import Change, Fleet
from bot.gates.withdraw import withdraw
from bot.store.resumptions import Resumption
from bot.store.work import UNDER_WAY
from bot.text.wording import money
from bot.work import holds, limits, slots
from bot.work.admission import Hold
from bot.work.admission_input import admissions
from bot.work.capacity import capacity
from bot.work.ending import end
from bot.work.priorities import unfocus
from bot.work.queue import requeue


@dataclass(frozen=True, slots=True)
class Resumed:
    """Result of resuming a product: the agents that run again, or why it waits (`waits`)."""

    agents: tuple[str, ...] = ()
    waits: str = ""


def paused(fleet: Fleet, product: str) -> bool:
    """Return True if a product is paused, by us or in its runtime."""
    snapshot = fleet.snapshots.get(product)
    return fleet.store.product_states.pause(product) is not None or (snapshot is not None and snapshot.paused)


async def pause(fleet: Fleet, product: str, person: Person, *, park: bool = False, how: str = "kept") -> tuple[str, ...]:
    """Pause a product and return its agents.

    Its process trees are stopped as they are. With `park` its sessions end instead, and its open work is queued again for
    `resume`. `how` is the cause: kept (a person) or budget. Raises EngineError, and then nothing is paused."""
    name = fleet.product(product).name
    before = fleet.store.product_states.pause(name)
    with fleet.transaction():
        fleet.store.product_states.set_pause(name, "parked" if park else before or how)
        fleet.store.resumptions.remove(name)
    async with fleet.lock(name):
        try:
            agents = await (fleet.engine.stop(name) if park else fleet.engine.pause(name))
        except EngineError:
            fleet.store.product_states.set_pause(name, before)
            raise
        with fleet.transaction():
            if park:
                requeue(fleet, fleet.store.work.open(name, states=UNDER_WAY), "parked")
                withdraw(fleet, name, "its session was parked")
            fleet.record("pause", person.name, name, name, {"park": park, "how": how, "agents": list(agents)})
    fleet.changed(Change("status", product=name))
    return agents


async def resume(fleet: Fleet, product: str, person: Person, request: str = "", conversation: str = "") -> Resumed:
    """Resume a paused product, at once or as soon as there is capacity for its paused work.

    Raises Conflict if it is not paused (unless this same `request` resumed it and was cut off before the answer), if the brake
    is on, or if its budget is spent."""
    name = fleet.product(product).name
    resumed = await _resume(fleet, name, person, request, conversation)
    fleet.changed(Change("status", product=name))
    return resumed


def waiting_to_resume(fleet: Fleet) -> list[Resumption]:
    """Return the products of the registry that wait for capacity to resume, oldest request first."""
    return [each for each in fleet.store.resumptions.all() if each.product in fleet.products]


def resume_later(fleet: Fleet, name: str, person: str, conversation: str = "", request: str = "") -> None:
    """Have a product resumed as soon as there is capacity."""
    fleet.store.resumptions.add(Resumption(name, person, conversation, request), fleet.now())


async def resume_now(fleet: Fleet, name: str, person: str, request: str = "") -> tuple[str, ...]:
    """Resume a product for which there is capacity, and return the agents that run again."""
    resuming = fleet.state(slots.Resuming).products
    resuming.add(name)
    try:
        async with fleet.lock(name):
            if not paused(fleet, name) and not fleet.store.resumptions.has(name):
                return ()
            left = fleet.store.work.open(name, states=UNDER_WAY) if fleet.store.product_states.pause(name) == "parked" else []
            if left:
                await fleet.engine.stop(name)  # parking was interrupted before it ended the sessions
            agents = await fleet.engine.resume(name)
            with fleet.transaction():
                requeue(fleet, left, "parked")
                fleet.store.product_states.end_pause(name)
                fleet.store.resumptions.remove(name)
                now = capacity(fleet)
                detail = {"agents": list(agents), "request": request, "slots in use": f"{now.running} of {now.max_sessions}"}
                fleet.record("resume", person, name, name, detail)
    finally:
        resuming.discard(name)
    return agents


def refusal(fleet: Fleet, name: str) -> Hold | None:
    """Return why a paused product cannot resume now. Its paused work gave its slots to others, and needs them again."""
    for scope in (limits.WHOLE_FLEET, name):
        if reason := holds.brake_reason(scope, fleet.store.brakes.get(scope)):
            return Hold("brake", reason)
    spent, most = limits.spent_today(fleet).get(name, 0.0), limits.daily_limit(fleet, name)
    if most is not None and spent >= most:
        return Hold("budget", f"{name} has spent {money(spent)} of {money(most)} today")
    for work in fleet.store.work.open(name, states=UNDER_WAY):
        limit = limits.work_limit(fleet, work)
        if limit is not None and work.cost_usd >= limit:
            return Hold("budget", f"{work.id} has cost {money(work.cost_usd)} of {money(limit)}")
    made = admissions(fleet, fleet.store.work.open(name, states=slots.SLOT_STATES), resuming=(name,))
    return next((Hold(each.code, each.reason) for each in made if not each.start), None)


async def stop(fleet: Fleet, product: str, person: Person, agent: str | None = None) -> tuple[str, ...]:
    """Stop one agent, or the product's coordinator and workers, with their work. Return the agents stopped."""
    name = fleet.product(product).name
    async with fleet.lock(name):
        ending = [work for work in fleet.store.work.open(name, states=UNDER_WAY) if agent is None or _does(work, agent)]
        agents = await fleet.engine.stop(name, agent)
        with fleet.transaction():
            for work in ending:
                withdraw(fleet, name, f"{person.name} stopped its session", work=work.id)
                if (now := fleet.work(work.id)).state.open:
                    end(fleet, now, WorkState.CANCELLED, reason=f"stopped by {person.name}")
            if agent is None:
                withdraw(fleet, name, f"{person.name} stopped its session")
            fleet.record("stop", person.name, name, agent or name, {"agents": list(agents)})
    fleet.changed(Change("status", product=name))
    return agents


async def _resume(fleet: Fleet, name: str, person: Person, request: str, conversation: str) -> Resumed:
    unfocused = unfocus(fleet, name, person)
    if not paused(fleet, name):
        if unfocused or _retry_after_failures(fleet, name, person):
            return Resumed()
        for row in fleet.store.audit.found(limit=20, kind="resume", subject=name) if request else ():
            if row["detail"].get("request") == request:
                return Resumed(tuple(row["detail"]["agents"]))
        raise Conflict(f"{name} is not paused.", "Nothing was changed.", code="not_paused")
    if (against := refusal(fleet, name)) is not None:
        if against.code == "budget":
            hint = f"`/fleet resume {name} --spend 5` allows $5 more today."
            raise Conflict(f"{name} cannot resume: {against.reason}.", hint, code="budget")
        if against.code == "brake":
            raise Conflict(f"{name} cannot resume: {against.reason}.", "Release the brake first.", code="brake")
        with fleet.transaction():
            resume_later(fleet, name, person.name, conversation, request)
            fleet.record("resume", person.name, name, name, {"waits": against.reason, "agents": [], "request": request})
        return Resumed(waits=against.reason)
    return Resumed(await resume_now(fleet, name, person.name, request))


def _retry_after_failures(fleet: Fleet, name: str, person: Person) -> bool:
    """Let a product try again that is held after failures in a row. Return True if it was."""
    held = holds.holds(fleet, slots.by_product(fleet)).get(name)
    if held is None or held.code != "breaker":
        return False
    with fleet.transaction():
        fleet.store.product_states.set_retried_at(name, fleet.now())
        fleet.record("resume", person.name, name, name, {"breaker": held.reason, "agents": []})
    return True


def _does(work: Work, agent: str) -> bool:
    """Return True if an agent does this work."""
    return work.agent == agent or (work.capability is None and agent == LEAD)
