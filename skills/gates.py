"""What waits for a person: plans, decisions, questions and escalations of the products' agents.

Use it to see what is open, to read one plan whole with what changed since its last revision, or to look up who decided what.
It only shows: people decide, with the buttons on the card or with approve-plan. Name a gate (`g7`) for the whole of it.
"""

from typing import TYPE_CHECKING, Any, Literal

from bot import access
from bot.domain import Card, Gate, GateState, Suggestion
from bot.errors import NotAllowed
from bot.gates import ANSWER, outcome
from bot.quote import fenced
from bot.raising import deciders, needs
from bot.skill import Role, SkillArgs, SkillContext, SkillResult, Table, option, skill, words
from bot.views import gate_json
from bot.words import count, listed, shortened, since

if TYPE_CHECKING:
    from bot.fleet import Fleet


class Args(SkillArgs):
    """Which gates."""

    gate: str | None = words(None, pattern=r"^[Gg]?\d{1,12}$", description="Id of one gate (g7), to read the whole of it.")
    product: str | None = option(None, description="Only those of this product.")
    state: Literal["open", "decided", "delivered", "superseded", "withdrawn"] | None = option(
        None, description="Only those in this state; open when left out."
    )
    all: bool = option(False, description="In every state, the newest 50.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="What waits for a person, or one plan whole.",
    examples=["gates", "gates g7", "gates --product product-a --all"],
)
async def gates(args: Args, context: SkillContext) -> SkillResult:
    """One gate whole, or a list, oldest first."""
    if args.gate:
        return _one(context.fleet.gate(f"g{args.gate.lstrip('Gg')}"), context)
    fleet = context.fleet
    product = fleet.product(args.product).name if args.product else None
    if reason := access.may(context.person, Role.VIEWER, product):
        raise NotAllowed(reason)
    states = () if args.all else (GateState(args.state or "open"),)
    found = fleet.store.gates.in_states(*states, product=product)
    shown = [gate for gate in found if access.may(context.person, Role.VIEWER, gate.product) is None]
    shown = shown[-50:] if args.all else shown
    where = f" on {product}" if product else ""
    what = count(len(shown), "gate") if args.all else count(len(shown), f"{args.state or 'open'} gate")
    text = f"**{what}**{where}\n\n" + "\n".join(f"- {_line(gate, fleet)}" for gate in shown)
    if not shown:
        text = f"Nothing waits for you{where}." if states == (GateState.OPEN,) else f"No such gate{where}."
    return SkillResult(
        text,
        data={"gates": [gate_json(gate, fleet) for gate in shown]},
        table=_table(shown, fleet),
        suggestions=tuple(
            Suggestion(f"Open {gate.id}", f"/fleet gates {gate.id}") for gate in shown if gate.state is GateState.OPEN
        )[:5],
    )


def _one(gate: Gate, context: SkillContext) -> SkillResult:
    fleet = context.fleet
    if reason := access.may(context.person, Role.VIEWER, gate.product):
        raise NotAllowed(reason)
    data: dict[str, Any] = gate_json(gate, fleet)
    kind = "" if gate.title.lower().startswith(gate.kind) else f"{gate.kind.capitalize()}: "
    lines = [f"**{kind}{gate.title}** (`{gate.id}`)", "", _line(gate, fleet, titled=False)]
    if data["objective"]:
        lines += ["", f"Asked by {data['asked_by'] or 'nobody in particular'}: “{shortened(data['objective'], 200)}”"]
    lines += ["", gate.body]
    if data["diff"]:
        lines += ["", f"Changes since revision {gate.revision - 1}:", "", fenced(data["diff"], "diff")]
    if gate.state is GateState.OPEN:
        options = listed(["your answer" if each == ANSWER else f"`{each}`" for each in gate.options], "or")
        lines += ["", f"Decide on the card, or say `/fleet approve-plan {gate.id}` with {options}."]
    return SkillResult("\n".join(lines), data={"gates": [data]}, cards=(Card("gate", gate=gate.id),))


def _line(gate: Gate, fleet: "Fleet", *, titled: bool = True) -> str:
    parts = [f"`{gate.id}` **{gate.product}** {gate.kind} “{shortened(gate.title, 80)}”"] if titled else [gate.product]
    parts.append(f"revision {gate.revision}")
    parts.append(since(gate.created_at, fleet.now()))
    if gate.state is GateState.OPEN:
        parts.append(f"needs {_needs(gate, fleet)}")
    else:
        parts.append(outcome(gate))
    return " · ".join(parts)


def _needs(gate: Gate, fleet: "Fleet") -> str:
    product = fleet.products.get(gate.product)
    if product is None and gate.action is None:
        return "its product back in the registry"
    return needs(product, gate, deciders(fleet, gate))


def _table(gates: list[Gate], fleet: "Fleet") -> Table:
    rows = tuple(
        (
            gate.id,
            gate.product,
            gate.kind.value,
            str(gate.revision),
            since(gate.created_at, fleet.now()),
            shortened(gate.title, 60),
            f"needs {_needs(gate, fleet)}" if gate.state is GateState.OPEN else outcome(gate),
        )
        for gate in gates
    )
    return Table(("gate", "product", "kind", "rev", "age", "title", "state"), rows)
