"""Enforcement of budgets: a warning at 80 %, and at 100 % running agents are paused, not ended, and a person is asked.

A limit applies to a product for a day, to the fleet for a day, or to one piece of work. It is checked whenever the engine
reports costs, so the overspend is what running sessions spend between two checks (see `docs/operate.md`). The pause for a day's
limit ends when the next day begins.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from bot.domain import Action, Gate, GateState, Person, Role, WorkState
from bot.domain.errors import EngineError
from bot.fleet import Fleet
from bot.gates import actions, lifecycle
from bot.text.wording import listed, money
from bot.work.limits import WHOLE_FLEET, daily_limit, fleet_spent_today, spent_today, work_limit
from bot.work.pause import pause, resume_later
from bot.work.slots import SLOT_STATES, halted

FLEET = Person("fleet", Role.ADMIN)
"""Person in whose name products are paused at a limit."""
WARN_AT = 0.8
"""Part of a limit at which people are warned."""
BY_DAY = "budget:"
"""Prefix of the cause of a pause that ends with the day."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit and what has been spent of it, US dollars. `scope` is a product, the fleet (`*`) or an id of work."""

    scope: str
    product: str
    """Product that it pauses."""
    spent: float
    most: float
    work: str | None = None

    @property
    def words(self) -> str:
        """Subject of the limit, as the beginning of a sentence."""
        if self.work:
            return f"`{self.work}` of **{self.product}** has cost"
        return f"{'The fleet' if self.scope == WHOLE_FLEET else f'**{self.product}**'} has spent"

    @property
    def more(self) -> int:
        """Amount offered to be added: a quarter of the limit, in whole dollars."""
        return max(1, math.ceil(self.most / 4))


def every_limit(fleet: Fleet) -> Iterator[Limit]:
    """Yield every limit, once for each product that it would pause."""
    spent, whole = spent_today(fleet), daily_limit(fleet, WHOLE_FLEET)
    for product in fleet.registry.products:
        if (most := daily_limit(fleet, product.name)) is not None:
            yield Limit(product.name, product.name, spent.get(product.name, 0.0), most)
    if whole is not None:
        total = fleet_spent_today(fleet)
        for product in fleet.registry.products:
            yield Limit(WHOLE_FLEET, product.name, total, whole)
    for work in fleet.store.work.open(states=(WorkState.RUNNING,)):
        if (most := work_limit(fleet, work)) is not None:
            yield Limit(work.id, work.product, work.cost_usd, most, work.id)


def check(fleet: Fleet) -> list[Limit]:
    """Warn people of limits that are nearly reached, and return the reached ones whose product is still running."""
    budget = fleet.registry.budget
    if not (budget.per_day_usd or budget.per_work_usd or _any_own(fleet)):
        return []
    found: list[Limit] = []
    stopped = halted(fleet) - _half_paused(fleet)
    for limit in every_limit(fleet):
        if limit.spent >= limit.most:
            if limit.product not in stopped and _moves(fleet, limit.product):
                found.append(limit)
        elif limit.spent >= WARN_AT * limit.most:
            _warn(fleet, limit)
    return list({limit.product: limit for limit in found}.values())


def _half_paused(fleet: Fleet) -> set[str]:
    """Return products whose pause for money was interrupted by a crash: they may still run, and no person was asked."""
    asked = fleet.store.product_states.overspent()
    return {name for name, how in fleet.store.product_states.pauses().items() if how.startswith("budget") and name not in asked}


def _any_own(fleet: Fleet) -> bool:
    return any(each.budget.per_day_usd or each.budget.per_work_usd for each in fleet.registry.products)


def _moves(fleet: Fleet, product: str) -> bool:
    snapshot = fleet.snapshots.get(product)
    return bool((snapshot and snapshot.active) or fleet.store.work.open(product, states=SLOT_STATES))


def _warn(fleet: Fleet, limit: Limit) -> None:
    """Warn once for each limit, and again on each day of a daily limit."""
    mark = f"{fleet.today():%Y-%m-%d} {limit.most:g}" if limit.work is None else f"{limit.most:g}"
    if fleet.store.budget_warnings.get(limit.scope) == mark:
        return
    share = math.floor(100 * limit.spent / limit.most)
    text = (
        f"{limit.words} {money(limit.spent)} of {money(limit.most)}{'' if limit.work else ' today'}, {share} %. "
        "At 100 % running agents are paused, and you are asked."
    )
    with fleet.transaction():
        fleet.store.budget_warnings.set(limit.scope, mark)
        fleet.record("budget", "fleet", _of(limit), limit.scope, {"warned": round(limit.spent, 4), "limit": limit.most})
        for target in fleet.targets("" if limit.scope == WHOLE_FLEET else limit.product, ""):
            key = f"warned:{limit.scope}:{mark}:{target}"
            fleet.say(target, text, key=key, kind="report", product=_of(limit))


async def enforce(fleet: Fleet, limit: Limit) -> None:
    """Pause the product that has reached a limit, and ask a person. Raises EngineError, and is then called again."""
    how = f"{BY_DAY}{fleet.today():%Y-%m-%d}" if limit.work is None else "budget"
    try:
        await pause(fleet, limit.product, FLEET, how=how)
    except EngineError:
        # Nothing new starts on it meanwhile, because admission uses the same figures.
        fleet.record("budget", "fleet", limit.product, limit.scope, {"could not be paused": True})
        raise
    with fleet.transaction():
        detail = {"paused": limit.product, "spent": round(limit.spent, 4), "limit": limit.most}
        fleet.record("budget", "fleet", _of(limit), limit.scope, detail)
        fleet.store.product_states.set_overspent(limit.product, limit.scope)
        ask(fleet, limit)


def ask(fleet: Fleet, limit: Limit) -> Gate:
    """Ask a person whether more may be spent, once for a limit however many products it has paused."""
    of_fleet = limit.scope == WHOLE_FLEET
    until = "" if limit.work else " Without an answer it resumes when the next day begins (UTC)."
    what = "Every product" if of_fleet else f"**{limit.product}**"
    body = (
        f"{limit.words} {money(limit.spent)} of {money(limit.most)}{'' if limit.work else ' today'}. {what} is paused, and "
        f"no work is lost.{until}\n\nApprove to allow {money(limit.more)} more and resume. "
        f"For another amount: `/fleet resume {limit.product} --spend 10`."
    )
    action = Action("resume", {"product": limit.product, "spend": limit.more}, FLEET, Role.APPROVER)
    work = fleet.store.work.get(limit.work) if limit.work else None
    running = fleet.store.work.open(limit.product, states=SLOT_STATES)
    asked = None if of_fleet else work or (running[0] if running else None)
    return actions.ask(
        fleet,
        action,
        product="" if of_fleet else limit.product,
        title=f"Spend {money(limit.more)} more on {limit.work or ('the fleet' if of_fleet else limit.product)}?",
        body=body,
        conversation=asked.conversation if asked else "",
        request=f"{_asks(limit.scope)}{fleet.today():%Y-%m-%d}:{limit.most:g}",
    )


def _asks(scope: str) -> str:
    return f"overspent:{scope}:"


def _withdraw_question(fleet: Fleet, scope: str, why: str) -> None:
    """Withdraw the question whether more may be spent on a limit."""
    for gate in fleet.store.gates.in_states(GateState.OPEN):
        if gate.action is not None and gate.thread.startswith(f"action:{_asks(scope)}"):
            fleet.save_gate(lifecycle.withdrawn(gate, why, fleet.now()))


def _of(limit: Limit) -> str | None:
    return None if limit.scope == WHOLE_FLEET else limit.product


def reached(fleet: Fleet, product: str) -> list[Limit]:
    """Return the limits that a product has reached."""
    return [limit for limit in every_limit(fleet) if limit.product == product and limit.spent >= limit.most]


def allow(fleet: Fleet, product: str, usd: float, person: Person) -> list[Limit]:
    """Add an amount to each limit that a product has reached, for today or for that work, and return those limits."""
    stopping = reached(fleet, product)
    with fleet.transaction():
        for limit in stopping:
            day = None if limit.work else fleet.today().date()
            # The overspend is added too, so that the whole amount named can be spent.
            more = fleet.store.raised_limits.get(limit.scope, day) + usd + (limit.spent - limit.most)
            fleet.store.raised_limits.set(limit.scope, round(more, 6), day)
            detail = {"allowed": usd, "spent": round(limit.spent, 4), "limit": limit.most}
            fleet.record("budget", person.name, _of(limit), limit.scope, detail)
            _withdraw_question(fleet, limit.scope, f"{person.name} allowed {money(usd)} more")
        if any(limit.scope == WHOLE_FLEET for limit in stopping):
            for name, how in fleet.store.product_states.pauses().items():
                if how.startswith(BY_DAY) and name != product and not reached(fleet, name):
                    resume_later(fleet, name, person.name)
    return stopping


def begin_day(fleet: Fleet) -> None:
    """Resume products paused for a budget of a past day, once a day, and delete what was allowed for it and old records."""
    today = f"{fleet.today():%Y-%m-%d}"
    if fleet.store.fleet_state.budget_day() == fleet.today().date():
        return
    pauses = fleet.store.product_states.pauses()
    over = [name for name, cause in pauses.items() if cause.startswith(BY_DAY) and cause != f"{BY_DAY}{today}"]
    with fleet.transaction():
        for name in over:
            resume_later(fleet, name, "fleet")
            fleet.record("budget", "fleet", name, name, {"a new day": today})
            _withdraw_question(fleet, name, "a new day has begun with a new budget")
        _withdraw_question(fleet, WHOLE_FLEET, "a new day has begun with a new budget")
        fleet.store.raised_limits.forget_before(fleet.today().date())
        fleet.store.fleet_state.begin_budget_day(fleet.today().date())


def allowed_text(allowed: list[Limit], usd: float) -> str:
    """Return in words what was allowed."""
    names = ["the fleet" if each.scope == WHOLE_FLEET else each.work or each.product for each in allowed]
    return f"{money(usd)} more allowed for {listed(names)}{'' if all(each.work for each in allowed) else ' today'}"
