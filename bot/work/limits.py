"""Limits on money: what has been spent today, and how much a product, the fleet or one piece of work may spend."""

from bot.domain import Work
from bot.fleet import Fleet

WHOLE_FLEET = "*"
"""Scope of a brake or limit that applies to the whole fleet. Other scopes are a product's name or an id of work."""


def spent_today(fleet: Fleet) -> dict[str, float]:
    """Return the US dollars spent by each product since the day began (UTC).

    The highest figure reported that day counts, because a coordinator that was restarted counts from zero."""
    day = fleet.today().date()
    spent = fleet.store.spending.on(day)
    for name, snapshot in fleet.snapshots.items():
        if snapshot.at.date() == day:
            spent[name] = max(spent.get(name, 0.0), snapshot.cost_usd_today)
    return spent


def fleet_spent_today(fleet: Fleet) -> float:
    """Return the US dollars spent since the day began (UTC) by all products and by the fleet's own agent."""
    return fleet.store.turns.spent_since(fleet.today()) + sum(spent_today(fleet).values())


def daily_limit(fleet: Fleet, scope: str) -> float | None:
    """Return today's limit of a product or of the whole fleet in US dollars, with what a person has added to it."""
    product = fleet.products.get(scope)
    budget = fleet.registry.budget if scope == WHOLE_FLEET else product.budget if product else None
    if budget is None or budget.per_day_usd is None:
        return None
    return budget.per_day_usd + _added(fleet, scope)


def work_limit(fleet: Fleet, work: Work) -> float | None:
    """Return the limit of one piece of work in US dollars, with what a person has added to it.

    It is the product's limit if it has one, else the fleet's."""
    product = fleet.products.get(work.product)
    own = product.budget.per_work_usd if product else None
    most = fleet.registry.budget.per_work_usd if own is None else own
    return None if most is None else most + _added(fleet, work.id)


def _added(fleet: Fleet, scope: str) -> float:
    """Return the US dollars that a person has added to the limit of a day or of a piece of work."""
    day = None if scope.startswith("w") and scope[1:].isdigit() else fleet.today().date()
    return fleet.store.raised_limits.get(scope, day)
