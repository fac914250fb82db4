"""Decisions of people on gates: the one door through which every answer passes, whichever surface it came from.

The permission is checked here. Every answer, accepted or refused, is written to the audit journal.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.domain import Decision, Gate, GateState, Person, Role, access
from bot.domain.errors import Conflict, FleetError, NotAllowed, UsageError
from bot.fleet import Fleet
from bot.gates import lifecycle, notify
from bot.store.work import UNDER_WAY


@dataclass(frozen=True, slots=True)
class Shown:
    """A gate as a person was shown it, to which their decision is bound."""

    gate: str
    revision: int | None = None
    digest: str | None = None


def decide(
    fleet: Fleet,
    id: str,
    choice: str,
    person: Person,
    *,
    note: str = "",
    revision: int | None = None,
    digest: str | None = None,
    platform: str = "web",
) -> Gate:
    """Check and store one person's answer to a gate, and return the gate. The jobs deliver it to the engine.

    Raises NotFound, NotAllowed (the people who may decide are then told once), UsageError (the gate does not accept this
    answer) or Conflict (too late, or another revision)."""
    given, product = Decision(choice, person.name, fleet.now(), note, platform), None
    try:
        with fleet.transaction():
            gate = fleet.gate(id)
            product = gate.product
            decided = _decided(fleet, gate, given, person, revision, digest)
            if decided != gate:
                _tell_outcome(fleet, decided)
    except FleetError as refusal:
        detail = {"choice": choice[:200], "why": refusal.message, "platform": platform}
        fleet.record("refused", person.name, product, id[:40], detail)
        if isinstance(refusal, NotAllowed) and _asked_deciders(fleet, fleet.gate(id), person):
            raise NotAllowed(f"{refusal.message} I have let them know that you asked.") from refusal
        raise
    return decided


async def decide_each(
    fleet: Fleet, shown: Sequence[Shown], choice: str, person: Person, *, note: str = "", platform: str = "web"
) -> list[tuple[str, Gate | FleetError]]:
    """Give one person's answer to several gates of the same kind, each decided and recorded on its own.

    Returns the id of each gate with the gate after the decision, or with the error. Yields to other tasks in between. Raises
    UsageError, and decides nothing, if the gates do not take the same answers."""
    try:
        lifecycle.same_shape(fleet.store.gates.some(each.gate for each in shown).values())
    except UsageError as refusal:
        detail = {"choice": choice[:200], "gates": [each.gate[:40] for each in shown], "why": refusal.message}
        fleet.record("refused", person.name, None, "gates", {**detail, "platform": platform})
        raise
    outcomes: list[tuple[str, Gate | FleetError]] = []
    for each in shown:
        bound: dict[str, Any] = {"revision": each.revision, "digest": each.digest}
        try:
            outcomes.append((each.gate, decide(fleet, each.gate, choice, person, note=note, platform=platform, **bound)))
        except FleetError as refusal:
            outcomes.append((each.gate, refusal))
        await asyncio.sleep(0)
    return outcomes


def deliver_again(fleet: Fleet, id: str, person: Person) -> Gate:
    """Have a decision that did not arrive sent to the engine again, which starts the product's coordinator if it is gone.

    Raises NotFound, NotAllowed, and Conflict if it has arrived or is on its way, or if its work has ended."""
    gate = fleet.gate(id)
    _required(fleet, gate, person)
    if gate.state is not GateState.DECIDED or not gate.reason:
        raise Conflict(f"{gate.id}: {lifecycle.outcome(gate)}.", "There is nothing to hand over again.")
    work = fleet.store.work.get(gate.work) if gate.work else None
    if work is not None and not work.state.open:
        # The coordinator would start on work that has been stopped.
        raise Conflict(
            f"{work.id}, which {gate.id} belongs to, has ended ({work.state}).",
            f"To start it again, run `{work.spawn_command}`.",
        )
    with fleet.transaction():
        fleet.record("decision", person.name, gate.product, gate.id, {"handed over again": gate.reason})
        return fleet.save_gate(lifecycle.to_send_again(gate, fleet.now()))


def _decided(fleet: Fleet, gate: Gate, given: Decision, person: Person, revision: int | None, digest: str | None) -> Gate:
    required = _required(fleet, gate, person)
    after = lifecycle.answer(gate, given, required=required, revision=revision, digest=digest)
    if after == gate:
        fleet.record("event", given.by, gate.product, gate.id, {"said again": given.choice, "platform": given.platform})
        return gate
    detail = {"choice": given.choice, "note": given.note, "digest": gate.digest, "platform": given.platform}
    fleet.record("decision", given.by, gate.product, gate.id, detail)
    return fleet.save_gate(after)


def _required(fleet: Fleet, gate: Gate, person: Person) -> int:
    """Return the number of people that a gate needs. Raises NotAllowed if this person may not be one of them, or UsageError."""
    product = fleet.products.get(gate.product)
    if gate.action is not None and (product is None or not gate.action.role.includes(Role.APPROVER)):
        # Anyone who may run the action may also approve it.
        if reason := access.may(person, gate.action.role, gate.product or None):
            raise NotAllowed(reason)
        return 1
    if product is None:
        raise UsageError(f"{gate.product} is no longer in the registry.", "Put it back into products.yaml to decide its gates.")
    people, escalated = fleet.registry.people, gate.escalated_at is not None
    for asked_by in _asked_by(fleet, gate):
        if reason := access.may_decide(person, product, asked_by, people, escalated=escalated):
            raise NotAllowed(reason)
    return product.approvals.required


def _asked_by(fleet: Fleet, gate: Gate) -> tuple[str, ...]:
    """Return who asked for the gate's work or, if its work is not known, for all work that it may belong to."""
    if gate.action is not None:
        return (gate.action.person.name,)
    work = fleet.store.work.get(gate.work) if gate.work else None
    having = [work] if work else fleet.store.work.open(gate.product, states=UNDER_WAY)
    return tuple(dict.fromkeys(each.asked_by for each in having)) or ("",)


def _asked_deciders(fleet: Fleet, gate: Gate, person: Person) -> bool:
    """Notify the deciders that this person tried to, if the person may see the gate. Return True if any was notified."""
    visible = access.may(person, Role.VIEWER, gate.product or None) is None
    return gate.state is GateState.OPEN and visible and notify.notify_deciders(fleet, gate, person)


def _tell_outcome(fleet: Fleet, gate: Gate) -> None:
    """Post the outcome where the web shows the gate. On chat platforms the card itself shows it."""
    text = f"**{gate.product}** “{gate.title}” (`{gate.id}`): {lifecycle.outcome(gate)}"
    for target in dict.fromkeys(post.conversation for post in fleet.store.posts.with_gate(gate.id)):
        if target.startswith("web:"):
            key = f"outcome:{gate.id}:{len(gate.answers)}:{target}"
            fleet.say(target, text, key=key, kind="outcome", product=gate.product)
