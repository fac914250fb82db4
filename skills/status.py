"""Show what every product is doing: state, sessions, work, open gates, queue, cost and problems, most urgent first.

Use it for any question about what is running, waiting, queued, failing or costing money, for one product or for all. It
uses data that is already known, so it is instant and free. Omit `products` for the whole fleet.
"""

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, Table, skill, words
from bot.domain import Suggestion, Work, access
from bot.domain.errors import NotAllowed
from bot.gates.lifecycle import named
from bot.text.wording import STATE_LABELS, count, money, shortened, since
from bot.work.slots import SLOT_STATES
from bot.work.status import MARKS, FleetStatus, ProductStatus, as_json, as_text
from bot.work.status import status as fleet_status


class Args(SkillArgs):
    """Arguments of `status`."""

    products: list[str] = words([], rest=True, description="Names of products; all of them by default.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="Show what every product is doing, most urgent first.",
    examples=["status", "status product-a"],
    synonyms="ps top overview fleet",
    hints="doing going happening progress working state everything all across",
)
async def status(args: Args, context: SkillContext) -> SkillResult:
    """Return one aggregated answer from what the fleet knows."""
    fleet = fleet_status(context.fleet, _names(args, context), context.person)
    text = as_text(fleet)
    if len(args.products) == 1:
        text += _details(fleet.products[0], fleet)
    open_gates = [gate for product in fleet.products for gate in product.gates][:5]
    return SkillResult(
        text=text,
        data=as_json(fleet),
        table=_table(fleet) if len(args.products) != 1 else None,
        suggestions=tuple(Suggestion(f"Open {gate.id}", f"/fleet gates {gate.id}") for gate in open_gates),
    )


def _names(args: Args, context: SkillContext) -> list[str]:
    """Return the requested products. An empty list stands for all that the person may see."""
    names = [context.fleet.product(name).name for name in args.products]
    if refusals := [reason for name in names if (reason := access.may(context.person, Role.VIEWER, name))]:
        raise NotAllowed(refusals[0])
    return names


def _table(fleet: FleetStatus) -> Table:
    rows = tuple(
        (
            f"{MARKS[each.state]} {each.name}",
            STATE_LABELS[each.state],
            f"{each.doing} {each.trouble.hint}".strip() if each.trouble else each.doing,
            since(each.since, fleet.at),
            str(each.slots or ""),
            str(len(each.sessions) or ""),
            str(len(each.queued) or ""),
            money(each.cost_usd_today) if each.cost_usd_today else "",
        )
        for each in fleet.products
    )
    return Table(("product", "state", "doing", "since", "slots", "sessions", "queued", "today"), rows)


def _details(product: ProductStatus, fleet: FleetStatus) -> str:
    """Return the sessions, work and gates of one product."""
    lines = [
        f"{each.agent} ({each.capability}) {each.state}" + (f", {since(each.started_at, fleet.at)}" if each.started_at else "")
        for each in product.sessions
    ]
    lines += [f"`{gate.id}` {named(gate, 80)} needs your decision" for gate in product.gates[1:]]
    lines += [_work(each, product) for each in (*product.running, *product.queued)]
    if not lines:
        return ""
    used = f"{count(product.slots, 'slot')} · {count(len(product.sessions), 'session')}"
    return f"\n\n{used}\n" + "\n".join(f"- {line}" for line in lines)


def _work(work: Work, product: ProductStatus) -> str:
    reason = f": {shortened(work.reason, 100)}" if work.reason else ""
    state = "paused" if product.state == "paused" and work.state in SLOT_STATES else work.state
    return f"`{work.id}` {STATE_LABELS[state]} “{shortened(work.objective, 80)}”{reason}"
