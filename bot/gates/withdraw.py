"""Withdrawal of gates whose work has ended, and the record of answers that were sent."""

from bot.domain import Gate, GateState
from bot.fleet import Fleet
from bot.gates import lifecycle


def withdraw(fleet: Fleet, product: str, reason: str, work: str | None = None, *, unsent: bool = False) -> None:
    """Withdraw the open gates of a product, or of one piece of work, and cancel decisions that are not delivered yet.

    With `unsent` an answer that was already sent stays on its way, because it may have been read."""
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


def sent(fleet: Fleet, gate: Gate) -> str | None:
    """Return the id of the mail that carried a decision to the engine, from our record or from the mailbox after a crash."""
    return gate.reply or fleet.store.mail.answered_with(gate.product, gate.marker)
