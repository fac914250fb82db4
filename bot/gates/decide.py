"""People's answers to gates, and gates that nobody waits for any more. `Fleet` has these as methods.

Who may answer is checked here, whoever calls. Every answer, taken or refused, is in the audit journal.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.domain import Decision, Gate, GateState, Person, Role, access
from bot.domain.errors import Conflict, FleetError, NotAllowed, UsageError
from bot.gates import lifecycle
from bot.store.work import UNDER_WAY
from bot.work import briefs

if TYPE_CHECKING:
    from bot.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Shown:
    """A gate as somebody was shown it: what their decision binds to."""

    gate: str
    revision: int | None = None
    digest: str | None = None


def decide(
    fleet: "Fleet",
    id: str,
    choice: str,
    person: Person,
    *,
    note: str = "",
    revision: int | None = None,
    digest: str | None = None,
    platform: str = "web",
) -> Gate:
    """One person's answer to a gate, checked, kept and told to everyone. The jobs deliver it to the engine.

    Raises NotFound, NotAllowed, UsageError (an answer it does not take) or Conflict (too late, another revision)."""
    given, product = Decision(choice, person.name, fleet.now(), note, platform), None
    try:
        with fleet.transaction():
            gate = fleet.gate(id)
            product = gate.product
            decided = _decided(fleet, gate, given, person, revision, digest)
            if decided != gate:
                _tell(fleet, decided)
    except FleetError as refusal:
        detail = {"choice": choice[:200], "why": refusal.message, "platform": platform}
        fleet.record("refused", person.name, product, id[:40], detail)
        raise
    return decided


def hand_over_again(fleet: "Fleet", id: str, person: Person) -> Gate:
    """Have a decision that did not arrive handed to the engine once more, which starts the product's coordinator if it is gone.

    Raises NotFound, NotAllowed, and Conflict when it has arrived or is on its way, or when its work has ended."""
    gate = fleet.gate(id)
    _allowed(fleet, gate, person)
    if gate.state is not GateState.DECIDED or not gate.reason:
        raise Conflict(f"{gate.id}: {lifecycle.outcome(gate)}.", "There is nothing to hand over again.")
    work = fleet.store.work.get(gate.work) if gate.work else None
    if work is not None and not work.state.open:
        # Its coordinator would set about what has been stopped.
        raise Conflict(f"{work.id}, which {gate.id} belongs to, has ended ({work.state}).", f"Say `{briefs.again(work)}`.")
    with fleet.transaction():
        fleet.record("decision", person.name, gate.product, gate.id, {"handed over again": gate.reason})
        return fleet.save_gate(lifecycle.to_send_again(gate, fleet.now()))


async def decide_each(
    fleet: "Fleet", shown: Sequence[Shown], choice: str, person: Person, *, note: str = "", platform: str = "web"
) -> list[tuple[str, Gate | FleetError]]:
    """One person's answer to several gates that ask for the same: each decided and recorded by itself, as if it were alone. The
    id of each with the gate after it, or with why it was not decided. Others have their turn in between.

    Raises UsageError, and decides nothing, where they do not ask for the same."""
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


def withdraw(fleet: "Fleet", product: str, reason: str, work: str | None = None, *, unsent: bool = False) -> None:
    """Nobody waits for these gates of a product (of one work, if named) any more; answers on their way stay here. With `unsent`
    only those: what was sent may have been read, which the engine is still asked."""
    for gate in fleet.store.gates.in_states(GateState.OPEN, GateState.DECIDED, product=product):
        if work is not None and gate.work != work:
            continue
        if gate.state is GateState.OPEN:
            gate = lifecycle.withdrawn(gate, reason, fleet.now())
        elif not gate.reason and gate.action is None and not (unsent and sent(fleet, gate)):
            gate = lifecycle.undeliverable(gate, reason, fleet.now())
        else:
            continue
        fleet.record("gate", "fleet", product, gate.id, {"withdrawn": reason})
        fleet.save_gate(gate)


def sent(fleet: "Fleet", gate: Gate) -> str | None:
    """The mail that carried a decision to the engine, if one has: noted, or seen in the mailbox after a crash."""
    return gate.reply or fleet.store.mail.answered_with(gate.product, gate.marker)


def _decided(fleet: "Fleet", gate: Gate, given: Decision, person: Person, revision: int | None, digest: str | None) -> Gate:
    required = _allowed(fleet, gate, person)
    after = lifecycle.answer(gate, given, required=required, revision=revision, digest=digest)
    if after == gate:
        fleet.record("event", given.by, gate.product, gate.id, {"said again": given.choice, "platform": given.platform})
        return gate
    detail = {"choice": given.choice, "note": given.note, "digest": gate.digest, "platform": given.platform}
    fleet.record("decision", given.by, gate.product, gate.id, detail)
    return fleet.save_gate(after)


def _allowed(fleet: "Fleet", gate: Gate, person: Person) -> int:
    """How many people it takes, if this one may be among them. Raises NotAllowed, UsageError."""
    product = fleet.products.get(gate.product)
    if gate.action is not None and (product is None or not gate.action.role.includes(Role.APPROVER)):
        # Whoever may do it themselves may say that it be done.
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


def _asked_by(fleet: "Fleet", gate: Gate) -> tuple[str, ...]:
    """Who asked for what a gate is about: of its work, or, where that is not known, of all that it may belong to."""
    if gate.action is not None:
        return (gate.action.person.name,)
    work = fleet.store.work.get(gate.work) if gate.work else None
    having = [work] if work else fleet.store.work.open(gate.product, states=UNDER_WAY)
    return tuple(dict.fromkeys(each.asked_by for each in having)) or ("",)


def _tell(fleet: "Fleet", gate: Gate) -> None:
    """Say what became of it where the web shows it; on chat platforms the card itself says so."""
    text = f"**{gate.product}** “{gate.title}” (`{gate.id}`): {lifecycle.outcome(gate)}"
    for place in dict.fromkeys(post.conversation for post in fleet.store.posts.with_gate(gate.id)):
        if place.startswith("web:"):
            key = f"outcome:{gate.id}:{len(gate.answers)}:{place}"
            fleet.say(place, text, key=key, kind="outcome", product=gate.product)
