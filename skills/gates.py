"""List the gates that need a decision, or show one of them in full.

Gates are plans, decisions, questions and escalations by the products' agents. Use it to see what is open, to read a plan
with what changed since its last revision, or to look up who decided what. It only shows: people decide with the buttons on
the card or with approve-plan. Name a gate (`g7`) to see it in full.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, Table, option, skill, words
from bot.domain import Card, Gate, GateState, Suggestion, access
from bot.domain.errors import NotAllowed
from bot.gates.inbox import Waiting, assess, inbox
from bot.gates.lifecycle import ANSWER, named, outcome
from bot.gates.notify import Deciders
from bot.text.quoting import fenced
from bot.text.wording import count, listed, shortened, since
from bot.work.views import gate_json, gates_json

if TYPE_CHECKING:
    from bot.fleet import Fleet

MOST = 50
"""Maximum number of gates in one message. The table has up to `ROWS`, the data all of them."""
ROWS = 200


class Args(SkillArgs):
    """Arguments of `gates`."""

    gate: str | None = words(None, pattern=r"^[Gg]?\d{1,12}$", description="Id of one gate (g7), to read it in full.")
    product: str | None = option(None, description="Only gates of this product.")
    state: Literal["open", "decided", "delivered", "superseded", "withdrawn"] | None = option(
        None, description="Only gates in this state; open by default."
    )
    all: bool = option(False, description="Gates in every state, the newest 50.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="List the gates that need a decision, or show one in full.",
    examples=["gates", "gates g7", "gates --product product-a --all"],
    synonyms="inbox plans approvals waiting",
    hints="approve approval reject decide decision answer wait waits pending",
)
async def gates(args: Args, context: SkillContext) -> SkillResult:
    """Return one gate in full, or a list with open gates by urgency and others oldest first."""
    if args.gate:
        return _one(context.fleet.gate(f"g{args.gate.lstrip('Gg')}"), context)
    fleet, person = context.fleet, context.person
    product = fleet.product(args.product).name if args.product else None
    if reason := access.may(person, Role.VIEWER, product):
        raise NotAllowed(reason)
    state = GateState(args.state or "open")
    if args.all or state is not GateState.OPEN:
        states = () if args.all else (state,)
        found = fleet.store.gates.in_states(*states, product=product, limit=MOST if args.all else -1)
        shown = assess(fleet, [gate for gate in found if access.may(person, Role.VIEWER, gate.product) is None])
    else:
        shown = inbox(fleet, product, person)
    return _list(shown, args, fleet, f" on {product}" if product else "")


def _list(shown: Sequence[Waiting], args: Args, fleet: "Fleet", where: str) -> SkillResult:
    needs, now = Deciders(fleet), fleet.now()
    what = count(len(shown), "gate" if args.all else f"{args.state or 'open'} gate")
    lines = [f"- {_line(each, needs, now)}" for each in shown[:MOST]]
    more = [f"\n{len(shown) - MOST} more; `/fleet gates --product …` lists those of one product."] if len(shown) > MOST else []
    text = "\n".join([f"**{what}**{where}", "", *lines, *more])
    waiting = [each.gate for each in shown if each.gate.state is GateState.OPEN]
    if not shown:
        text = f"No such gate{where}." if args.all or args.state else f"Nothing needs your decision{where}."
    return SkillResult(
        text,
        data={"gates": gates_json(shown, fleet)},
        table=_table(shown[:ROWS], needs, now),
        suggestions=tuple(Suggestion(f"Open {gate.id}", f"/fleet gates {gate.id}") for gate in waiting[:5]),
    )


def _one(gate: Gate, context: SkillContext) -> SkillResult:
    fleet = context.fleet
    if reason := access.may(context.person, Role.VIEWER, gate.product):
        raise NotAllowed(reason)
    data: dict[str, Any] = gate_json(gate, fleet)
    kind = "" if gate.title.lower().startswith(gate.kind) else f"{gate.kind.capitalize()}: "
    (waiting,) = assess(fleet, [gate])
    lines = [f"**{kind}{gate.title}** (`{gate.id}`)", "", _line(waiting, Deciders(fleet), fleet.now(), titled=False)]
    if data["objective"]:
        lines += ["", f"Requested by {data['asked_by'] or 'an agent'}: “{shortened(data['objective'], 200)}”"]
    lines += ["", gate.body]
    if data["diff"]:
        lines += ["", f"Changes since revision {gate.revision - 1}:", "", fenced(data["diff"], "diff")]
    if gate.state is GateState.OPEN:
        options = listed(["your answer" if each == ANSWER else f"`{each}`" for each in gate.options], "or")
        lines += ["", f"Decide on the card, or run `/fleet approve-plan {gate.id}` followed by {options}."]
    return SkillResult("\n".join(lines), data={"gates": [data]}, cards=(Card("gate", gate=gate.id),))


def _line(waiting: Waiting, needs: Deciders, now: datetime, *, titled: bool = True) -> str:
    gate = waiting.gate
    parts = [f"`{gate.id}` **{gate.product}** {named(gate, 80)}"] if titled else [gate.product]
    parts += [f"revision {gate.revision}", since(gate.created_at, now)]
    if gate.state is GateState.OPEN:
        parts += [f"needs {needs.of(gate)[1]}", *waiting.why]
    else:
        parts.append(outcome(gate))
    return " · ".join(parts)


def _table(shown: Sequence[Waiting], needs: Deciders, now: datetime) -> Table:
    rows = tuple(
        (
            gate.id,
            gate.product,
            gate.kind.value,
            str(gate.revision),
            since(gate.created_at, now),
            shortened(gate.title, 60),
            f"needs {needs.of(gate)[1]}" if gate.state is GateState.OPEN else outcome(gate),
            "; ".join(each.why),
        )
        for each in shown
        for gate in (each.gate,)
    )
    return Table(("gate", "product", "kind", "rev", "age", "title", "state", "urgency"), rows)
