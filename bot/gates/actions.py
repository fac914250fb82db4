"""Action gates: an action that the model or the scheduler wants to take for a person waits for approval.

The gate stores the skill, its arguments and the person. Once approved it runs with that person's rights at that time. A person
who types the command needs no gate.
"""

from bot.domain import Action, Gate, GateKind, GateState
from bot.fleet import Fleet
from bot.gates import notify
from bot.gates.lifecycle import APPROVE, REJECT, plain_title


def asked(fleet: Fleet, product: str, request: str) -> Gate | None:
    """Return the gate that was raised for a request, or None."""
    return fleet.store.gates.latest_of(product, GateKind.ACTION, f"action:{request}")


def ask(fleet: Fleet, action: Action, *, product: str, title: str, body: str, conversation: str, request: str) -> Gate:
    """Raise the gate that asks for approval of an action, once for each `request`, and return it.

    `product` is empty for the whole fleet. `body` says in Markdown what would happen."""
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
