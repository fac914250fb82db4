"""Holding and stopping what runs in a product. Callers have passed the access check."""

from dataclasses import dataclass

from bot.domain import LEAD, Person, Work, WorkState
from bot.domain.errors import Conflict, EngineError
from bot.fleet import Change, Fleet
from bot.gates.withdraw import withdraw
from bot.store.resumptions import Resumption
from bot.store.work import UNDER_WAY
from bot.text.wording import money
from bot.work import capacity as room
from bot.work.admission import Hold
from bot.work.queue import requeue, unfocus


def paused(fleet: Fleet, product: str) -> bool:
    """Return True if a product is paused, by us or in its runtime."""
    snapshot = fleet.snapshots.get(product)
    return fleet.store.product_states.pause(product) is not None or (snapshot is not None and snapshot.paused)


async def pause(fleet: "Fleet", product: str, person: Person, *, park: bool = False, how: str = "kept") -> tuple[str, ...]:
    """Hold a product. Its process trees are stopped as they are; with `park` its sessions end, and its open work is
    queued again for `resume`. `how` says for whom: kept (a person), or budget. Returns the agents concerned. If the engine
    refuses, nothing is held."""
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


@dataclass(frozen=True, slots=True)
class Resumed:
    """What became of letting a product go on: the agents that run on, or why it waits (`waits`)."""

    agents: tuple[str, ...] = ()
    waits: str = ""


def resuming(fleet: "Fleet") -> list[Resumption]:
    """Return the products of the registry that wait for capacity to resume, oldest request first."""
    return [each for each in fleet.store.resumptions.all() if each.product in fleet.products]


def let_go_on(fleet: "Fleet", name: str, person: str, conversation: str = "", request: str = "") -> None:
    """Have a product go on as soon as there is room."""
    fleet.store.resumptions.add(Resumption(name, person, conversation, request), fleet.now())


def refusal(fleet: "Fleet", name: str) -> Hold | None:
    """Why a halted product cannot go on now: what stands still in it has given its place away, and needs it again."""
    for scope in (room.WHOLE, name):
        if said := room.brake_words(scope, fleet.store.brakes.get(scope)):
            return Hold("brake", said)
    spent, most = room.spent_today(fleet).get(name, 0.0), room.limit(fleet, name)
    if most is not None and spent >= most:
        return Hold("budget", f"{name} has spent {money(spent)} of {money(most)} today")
    for work in fleet.store.work.open(name, states=UNDER_WAY):
        limit = room.work_limit(fleet, work)
        if limit is not None and work.cost_usd >= limit:
            return Hold("budget", f"{work.id} has cost {money(work.cost_usd)} of {money(limit)}")
    standing = fleet.store.work.open(name, states=room.HOLDING)
    made = room.decisions(fleet, standing, going_on=(name,))
    return next((Hold(each.code, each.reason) for each in made if not each.start), None)


async def resume(fleet: "Fleet", product: str, person: Person, request: str = "", conversation: str = "") -> Resumed:
    """Let a paused product go on, once there is room for what stands still in it: until then that is kept, and done by itself.

    Raises Conflict if it was not paused, unless this very `request` resumed it and was cut off before that was answered, and
    when it may not go on: the brake is on, or its budget is spent."""
    name = fleet.product(product).name
    resumed = await _resume(fleet, name, person, request, conversation)
    fleet.changed(Change("status", product=name))
    return resumed


async def _resume(fleet: "Fleet", name: str, person: Person, request: str, conversation: str) -> Resumed:
    unfocused = unfocus(fleet, name, person)
    if not paused(fleet, name):
        if unfocused or _trial(fleet, name, person):
            return Resumed()
        for row in fleet.store.audit.found(limit=20, kind="resume", subject=name) if request else ():
            if row["detail"].get("request") == request:
                return Resumed(tuple(row["detail"]["agents"]))
        raise Conflict(f"{name} is not paused.", "Nothing was changed.", code="not_paused")
    if (against := refusal(fleet, name)) is not None:
        if against.code == "budget":
            hint = f"`/fleet resume {name} --spend 5` lets $5 more be spent today."
            raise Conflict(f"{name} cannot go on: {against.reason}.", hint, code="budget")
        if against.code == "brake":
            raise Conflict(f"{name} cannot go on: {against.reason}.", "Release the brake first.", code="brake")
        with fleet.transaction():
            let_go_on(fleet, name, person.name, conversation, request)
            fleet.record("resume", person.name, name, name, {"waits": against.reason, "agents": [], "request": request})
        return Resumed(waits=against.reason)
    return Resumed(await go_on(fleet, name, person.name, request))


async def go_on(fleet: "Fleet", name: str, person: str, request: str = "") -> tuple[str, ...]:
    """Let a product go on for which there is room. Returns the agents that run on."""
    fleet.state(room.Resuming).products.add(name)
    try:
        async with fleet.lock(name):
            if not paused(fleet, name) and not fleet.store.resumptions.has(name):
                return ()
            left = fleet.store.work.open(name, states=UNDER_WAY) if fleet.store.product_states.pause(name) == "parked" else []
            if left:
                await fleet.engine.stop(name)  # parking was cut off before it came to this
            agents = await fleet.engine.resume(name)
            with fleet.transaction():
                requeue(fleet, left, "parked")
                fleet.store.product_states.end_pause(name)
                fleet.store.resumptions.remove(name)
                capacity = room.capacity(fleet)
                used = f"{capacity.running} of {capacity.max_sessions}"
                detail = {"agents": list(agents), "request": request, "sessions in use": used}
                fleet.record("resume", person, name, name, detail)
    finally:
        fleet.state(room.Resuming).products.discard(name)
    return agents


def _trial(fleet: "Fleet", name: str, person: Person) -> bool:
    """Let a product try again that has failed too often in a row; whether it had."""
    places = {work.product: 1 for work in room.holding(fleet)}
    held = room.holds(fleet, places).get(name)
    if held is None or held.code != "breaker":
        return False
    with fleet.transaction():
        fleet.store.product_states.set_retried_at(name, fleet.now())
        fleet.record("resume", person.name, name, name, {"breaker": held.reason, "agents": []})
    return True


async def stop(fleet: "Fleet", product: str, person: Person, agent: str | None = None) -> tuple[str, ...]:
    """Stop one agent, or the product's coordinator and workers, with the work they do. Returns the agents stopped."""
    name = fleet.product(product).name
    async with fleet.lock(name):
        ending = [work for work in fleet.store.work.open(name, states=UNDER_WAY) if agent is None or _does(work, agent)]
        agents = await fleet.engine.stop(name, agent)
        with fleet.transaction():
            for work in ending:
                withdraw(fleet, name, f"{person.name} stopped its session", work=work.id)
                if (now := fleet.work(work.id)).state.open:
                    fleet.save_work(now, state=WorkState.CANCELLED, reason=f"stopped by {person.name}")
            if agent is None:
                withdraw(fleet, name, f"{person.name} stopped its session")
            fleet.record("stop", person.name, name, agent or name, {"agents": list(agents)})
    fleet.changed(Change("status", product=name))
    return agents


def _does(work: Work, agent: str) -> bool:
    """Whether an agent does this work."""
    return work.agent == agent or (work.capability is None and agent == LEAD)
