"""Action gates: what the model, or the scheduler, would do on a person's behalf waits for a yes.

The gate keeps which skill with which arguments, for whom. Approved, it is run with that person's rights (as they are then);
rejected, it is not. A person who says the command needs no gate for it.
"""

from typing import TYPE_CHECKING

from bot.domain import Action, Gate, GateKind, GateState
from bot.gates import notify
from bot.gates.lifecycle import APPROVE, REJECT, plain_title

if TYPE_CHECKING:
    from bot.fleet import Fleet


def asked(fleet: "Fleet", product: str, request: str) -> Gate | None:
    """The gate that was raised for a request, if one was."""
    return fleet.store.gates.latest_of(product, GateKind.ACTION, f"action:{request}")


def ask(fleet: "Fleet", action: Action, *, product: str, title: str, body: str, conversation: str, request: str) -> Gate:
    """Raise the gate that asks leave for an action, once for each `request`; the gate as it is. `product`: that it is about, or
    nothing for the whole fleet; `body`: what would happen, in Markdown."""
    with fleet.transaction():
        if known := asked(fleet, product, request):
            return known
        now = fleet.now()
        opened = Gate(
            id="",
            product=product,
            kind=GateKind.ACTION,
            title=plain_title(title),
            body=body,
            state=GateState.OPEN,
            created_at=now,
            updated_at=now,
            options=(APPROVE, REJECT),
            thread=f"action:{request}",
            sender=action.person.name,
            conversation=conversation,
            action=action,
        )
        gate = fleet.store.gates.add(opened)
        assert gate is not None  # noqa: S101  a gate without a mail is always new
        detail = {"raised": "action", "skill": action.skill, "arguments": action.arguments, "digest": gate.digest}
        fleet.record("gate", action.person.name, product or None, gate.id, detail)
        notify.show(fleet, gate)
    return gate
