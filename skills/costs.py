"""Show what was spent, by product, by piece of work and by the fleet's own agent, and the budgets.

Use it for questions about money. The figures for agents come from the engine's records and the agents' transcripts, in US
dollars and by day in UTC. The figure for the fleet comes from its own turns.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, Table, option, skill, words
from bot.domain import Work, access
from bot.domain.errors import NotAllowed
from bot.text.wording import count, money, shortened
from bot.work import limits

if TYPE_CHECKING:
    from bot.fleet import Fleet


class Args(SkillArgs):
    """Arguments of `costs`."""

    product: str | None = words(None, description="Only this product, with its most expensive work.")
    days: int = option(1, ge=1, le=90, description="Number of days, including today; from 1 to 90.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="Show what was spent, and the budgets.",
    examples=["costs", "costs product-a --days 7"],
    synonyms="cost spend spending budget money",
    hints="cost spent money price dollars",
)
async def costs(args: Args, context: SkillContext) -> SkillResult:
    """Return the spending by product and the budgets."""
    fleet = context.fleet
    name = fleet.product(args.product).name if args.product else None
    if name and (reason := access.may(context.person, Role.VIEWER, name)):
        raise NotAllowed(reason)
    seen = [each for each in fleet.products if access.may(context.person, Role.VIEWER, each) is None and name in (None, each)]
    spent = _spent(fleet, args.days)
    seen.sort(key=lambda each: -spent.get(each, 0.0))
    products: list[dict[str, Any]] = [
        {"name": each, "usd": round(spent.get(each, 0.0), 4), "budget_usd": limits.daily_limit(fleet, each)} for each in seen
    ]
    since = fleet.today() - timedelta(days=args.days - 1)
    own = fleet.store.turns.spent_since(since)
    dear = _dearest(fleet, name) if name else []
    days = "today" if args.days == 1 else f"in {args.days} days"
    lines = [_head(fleet, products, own, days, name), "", *(f"- {_line(each, args.days)}" for each in products if each["usd"])]
    lines += [f"- `{work.id}` {money(work.cost_usd)} “{shortened(work.objective, 80)}”" for work in dear]
    rows = tuple((each["name"], money(each["usd"]), _budget(each, args.days)) for each in products if each["usd"])
    data = {
        "days": args.days,
        "products": products,
        "coordinator_usd": round(own, 4),
        "budget_usd": limits.daily_limit(fleet, limits.WHOLE_FLEET),
        "work": [{"id": work.id, "usd": round(work.cost_usd, 4), "objective": work.objective} for work in dear],
    }
    return SkillResult(
        "\n".join(lines).rstrip(), data=data, table=Table(("product", "spent", "budget"), rows) if rows else None
    )


def _spent(fleet: "Fleet", days: int) -> dict[str, float]:
    total: dict[str, float] = dict(limits.spent_today(fleet))
    first = fleet.today().date() - timedelta(days=days - 1)
    for day, products in fleet.store.spending.since(first).items():
        if day != fleet.today().date():
            for name, usd in products.items():
                total[name] = total.get(name, 0.0) + usd
    return total


def _dearest(fleet: "Fleet", product: str) -> list[Work]:
    paid = [work for work in fleet.store.work.newest(product, 200) if work.cost_usd > 0]
    return sorted(paid, key=lambda work: -work.cost_usd)[:5]


def _head(fleet: "Fleet", products: list[dict[str, Any]], own: float, days: str, name: str | None) -> str:
    agents = sum(each["usd"] for each in products)
    if name:
        return f"**{name}** has cost {money(agents)} {days}."
    budget = limits.daily_limit(fleet, limits.WHOLE_FLEET)
    of = f" of {money(budget)} today" if budget is not None and days == "today" else ""
    parts = f"{money(agents)} by agents of {count(len(products), 'product')}, {money(own)} by me"
    return f"**{money(agents + own)}**{of} {'' if of else days}: {parts}.".replace(" :", ":")


def _line(each: dict[str, Any], days: int) -> str:
    return f"**{each['name']}** {money(each['usd'])}{f', {budget}' if (budget := _budget(each, days)) else ''}"


def _budget(each: dict[str, Any], days: int) -> str:
    limit = each["budget_usd"]
    return f"of {money(limit)} a day" if limit is not None and days == 1 else ""
