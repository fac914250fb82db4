"""Holding and stopping what runs in a product. Callers have passed the access check; `Fleet` has these as methods."""

from typing import TYPE_CHECKING

from bot.domain import Person, Work, WorkState
from bot.errors import Conflict, EngineError
from bot.store.work import UNDER_WAY

if TYPE_CHECKING:
    from bot.fleet import Fleet


async def pause(fleet: "Fleet", name: str, person: Person, *, park: bool = False) -> tuple[str, ...]:
    """Hold a product. Its process trees are stopped as they are; with `park` its sessions end, and its open work is
    queued again for `resume`. Returns the agents concerned. If the engine refuses, nothing is held."""
    before = fleet.store.note(f"paused:{name}")
    fleet.store.set_note(f"paused:{name}", "parked" if park else before or "kept")
    async with fleet.changing(name):
        try:
            agents = await (fleet.engine.stop(name) if park else fleet.engine.pause(name))
        except EngineError:
            fleet.store.set_note(f"paused:{name}", before)
            raise
        with fleet.transaction():
            if park:
                fleet.queue_again(fleet.store.work.open(name, states=UNDER_WAY), "parked")
                fleet.withdraw_gates(name, "its session was parked")
            fleet.record("pause", person.name, name, name, {"park": park, "agents": list(agents)})
    return agents


async def resume(fleet: "Fleet", name: str, person: Person, request: str = "") -> tuple[str, ...]:
    """Let a paused product go on. Returns the agents that run on. Raises Conflict if it was not paused, unless this very
    `request` resumed it and was cut off before that was answered."""
    if not fleet.paused(name):
        for row in fleet.store.audit.found(limit=20, kind="resume", subject=name) if request else ():
            if row["detail"].get("request") == request:
                return tuple(row["detail"]["agents"])
        raise Conflict(f"{name} is not paused.", "Nothing was changed.", code="not_paused")
    async with fleet.changing(name):
        left = fleet.store.work.open(name, states=UNDER_WAY) if fleet.store.note(f"paused:{name}") == "parked" else []
        if left:
            await fleet.engine.stop(name)  # parking was cut off before it came to this
        agents = await fleet.engine.resume(name)
        with fleet.transaction():
            fleet.queue_again(left, "parked")
            fleet.store.set_note(f"paused:{name}", None)
            fleet.record("resume", person.name, name, name, {"agents": list(agents), "request": request})
    return agents


async def stop(fleet: "Fleet", name: str, person: Person, agent: str | None = None) -> tuple[str, ...]:
    """Stop one agent, or the product's coordinator and workers, with the work they do. Returns the agents stopped."""
    async with fleet.changing(name):
        ending = [work for work in fleet.store.work.open(name, states=UNDER_WAY) if agent is None or _does(work, agent)]
        agents = await fleet.engine.stop(name, agent)
        with fleet.transaction():
            for work in ending:
                fleet.withdraw_gates(name, f"{person.name} stopped its session", work=work.id)
                if (now := fleet.work(work.id)).state.open:
                    fleet.save_work(now, state=WorkState.CANCELLED, reason=f"stopped by {person.name}")
            if agent is None:
                fleet.withdraw_gates(name, f"{person.name} stopped its session")
            fleet.record("stop", person.name, name, agent or name, {"agents": list(agents)})
    return agents


def _does(work: Work, agent: str) -> bool:
    """Whether an agent does this work."""
    return work.agent == agent or (work.capability is None and agent == "coordinator")
