"""Ceilings on money: people are told at 80 %, at 100 % what runs is paused, not ended, and a person is asked.

A limit is of a product for a day, of the fleet for a day, or of one piece of work. It is looked at whenever the engine says
what something has cost, so what is spent beyond it is what the running sessions spend between two looks: see
`docs/operate.md`. A day's pause ends by itself when the next day begins.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain import Action, Gate, GateState, Person, Role, WorkState
from bot.domain.errors import EngineError
from bot.gates import actions, lifecycle
from bot.text.wording import listed, money
from bot.work import capacity
from bot.work.pause import let_go_on, pause

if TYPE_CHECKING:
    from bot.fleet import Fleet

FLEET = Person("fleet", Role.ADMIN)
"""Who pauses when a limit is reached."""
WARN_AT = 0.8
"""The part of a limit from which on people are told."""
BY_DAY = "budget:"
"""Begins the note of a pause that ends with its day."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit and what has gone of it, US dollars. `scope` is a product, the fleet (`*`) or the id of a piece of work."""

    scope: str
    product: str
    """The product that it stops."""
    spent: float
    most: float
    work: str | None = None

    @property
    def words(self) -> str:
        """What it limits."""
        if self.work:
            return f"`{self.work}` of **{self.product}** has cost"
        return f"{'The fleet' if self.scope == capacity.WHOLE else f'**{self.product}**'} has spent"

    @property
    def more(self) -> int:
        """What is offered to be added: a quarter of the limit, in whole dollars."""
        return max(1, math.ceil(self.most / 4))


def limits(fleet: "Fleet") -> Iterator[Limit]:
    """Every limit there is, for each product that it would stop."""
    spent, whole = capacity.spent_today(fleet), capacity.limit(fleet, capacity.WHOLE)
    for product in fleet.registry.products:
        if (most := capacity.limit(fleet, product.name)) is not None:
            yield Limit(product.name, product.name, spent.get(product.name, 0.0), most)
    if whole is not None:
        total = sum(spent.values()) + fleet.store.turns.spent_since(fleet.today())
        for product in fleet.registry.products:
            yield Limit(capacity.WHOLE, product.name, total, whole)
    for work in fleet.store.work.open(states=(WorkState.RUNNING,)):
        if (most := capacity.work_limit(fleet, work)) is not None:
            yield Limit(work.id, work.product, work.cost_usd, most, work.id)


def look(fleet: "Fleet") -> list[Limit]:
    """Tell people of limits that are nearly reached, and return those at which something still runs."""
    budget = fleet.registry.budget
    if not (budget.per_day_usd or budget.per_work_usd or _any_own(fleet)):
        return []
    found: list[Limit] = []
    standing = capacity.halted(fleet) - _half_stopped(fleet)
    for limit in limits(fleet):
        if limit.spent >= limit.most:
            if limit.product not in standing and _moves(fleet, limit.product):
                found.append(limit)
        elif limit.spent >= WARN_AT * limit.most:
            _warn(fleet, limit)
    return list({limit.product: limit for limit in found}.values())


def _half_stopped(fleet: "Fleet") -> set[str]:
    """Products that were being paused for their money when we were killed: not halted yet, perhaps, and nobody was asked."""
    asked = fleet.store.product_states.overspent()
    return {name for name, how in fleet.store.product_states.pauses().items() if how.startswith("budget") and name not in asked}


def _any_own(fleet: "Fleet") -> bool:
    return any(each.budget.per_day_usd or each.budget.per_work_usd for each in fleet.registry.products)


def _moves(fleet: "Fleet", product: str) -> bool:
    snapshot = fleet.snapshots.get(product)
    return bool((snapshot and snapshot.active) or fleet.store.work.open(product, states=capacity.HOLDING))


def _warn(fleet: "Fleet", limit: Limit) -> None:
    """Once for each limit, and each day of it."""
    mark = f"{fleet.today():%Y-%m-%d} {limit.most:g}" if limit.work is None else f"{limit.most:g}"
    if fleet.store.budget_warnings.get(limit.scope) == mark:
        return
    share = math.floor(100 * limit.spent / limit.most)
    text = (
        f"{limit.words} {money(limit.spent)} of {money(limit.most)}{'' if limit.work else ' today'}, {share} %. "
        "At 100 % what runs is paused, and you are asked."
    )
    with fleet.transaction():
        fleet.store.budget_warnings.set(limit.scope, mark)
        fleet.record("budget", "fleet", _of(limit), limit.scope, {"warned": round(limit.spent, 4), "limit": limit.most})
        for place in fleet.targets("" if limit.scope == capacity.WHOLE else limit.product, ""):
            key = f"warned:{limit.scope}:{mark}:{place}"
            fleet.say(place, text, key=key, kind="report", product=_of(limit))


async def stop(fleet: "Fleet", limit: Limit) -> None:
    """Pause the product that has reached a limit, and ask. Raises EngineError to be called again."""
    how = f"{BY_DAY}{fleet.today():%Y-%m-%d}" if limit.work is None else "budget"
    try:
        await pause(fleet, limit.product, FLEET, how=how)
    except EngineError:
        # Nothing new starts on it meanwhile: the guard knows the same figures.
        fleet.record("budget", "fleet", limit.product, limit.scope, {"could not be paused": True})
        raise
    with fleet.transaction():
        detail = {"paused": limit.product, "spent": round(limit.spent, 4), "limit": limit.most}
        fleet.record("budget", "fleet", _of(limit), limit.scope, detail)
        fleet.store.product_states.set_overspent(limit.product, limit.scope)
        ask(fleet, limit)


def ask(fleet: "Fleet", limit: Limit) -> Gate:
    """Ask a person whether more may be spent; once for a limit, however many products it has stopped."""
    of_fleet = limit.scope == capacity.WHOLE
    until = "" if limit.work else " Without an answer it goes on by itself when the next day begins (UTC)."
    what = "Everything that costs" if of_fleet else f"**{limit.product}**"
    body = (
        f"{limit.words} {money(limit.spent)} of {money(limit.most)}{'' if limit.work else ' today'}. {what} is paused, and "
        f"nothing of it is lost.{until}\n\nA yes lets {money(limit.more)} more be spent, and what is paused goes on. "
        f"Another sum: `/fleet resume {limit.product} --spend 10`."
    )
    action = Action("resume", {"product": limit.product, "spend": limit.more}, FLEET, Role.APPROVER)
    work = fleet.store.work.get(limit.work) if limit.work else None
    running = fleet.store.work.open(limit.product, states=capacity.HOLDING)
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


def _answered(fleet: "Fleet", scope: str, why: str) -> None:
    """Nobody needs to be asked any more whether more may be spent."""
    for gate in fleet.store.gates.in_states(GateState.OPEN):
        if gate.action is not None and gate.thread.startswith(f"action:{_asks(scope)}"):
            fleet.save_gate(lifecycle.withdrawn(gate, why, fleet.now()))


def _of(limit: Limit) -> str | None:
    return None if limit.scope == capacity.WHOLE else limit.product


def reached(fleet: "Fleet", product: str) -> list[Limit]:
    """The limits that stop a product now."""
    return [limit for limit in limits(fleet) if limit.product == product and limit.spent >= limit.most]


def allow(fleet: "Fleet", product: str, usd: float, person: Person) -> list[Limit]:
    """Let so much more be spent on each limit that stops a product, today or on that work. Returns those limits."""
    stopping = reached(fleet, product)
    with fleet.transaction():
        for limit in stopping:
            day = None if limit.work else fleet.today().date()
            # What was spent beyond the limit is paid first, so that the sum named is what there is to spend.
            more = fleet.store.raised_limits.get(limit.scope, day) + usd + (limit.spent - limit.most)
            fleet.store.raised_limits.set(limit.scope, round(more, 6), day)
            detail = {"allowed": usd, "spent": round(limit.spent, 4), "limit": limit.most}
            fleet.record("budget", person.name, _of(limit), limit.scope, detail)
            _answered(fleet, limit.scope, f"{person.name} lets {money(usd)} more be spent")
        if any(limit.scope == capacity.WHOLE for limit in stopping):
            for name, how in fleet.store.product_states.pauses().items():
                if how.startswith(BY_DAY) and name != product and not reached(fleet, name):
                    let_go_on(fleet, name, person.name)
    return stopping


def new_day(fleet: "Fleet") -> None:
    """Let go on what was paused for a budget of a day that is over, and forget what was allowed for it, and what is old."""
    today = f"{fleet.today():%Y-%m-%d}"
    if fleet.store.fleet_state.budget_day() == fleet.today().date():
        return
    pauses = fleet.store.product_states.pauses()
    over = [name for name, cause in pauses.items() if cause.startswith(BY_DAY) and cause != f"{BY_DAY}{today}"]
    with fleet.transaction():
        for name in over:
            let_go_on(fleet, name, "fleet")
            fleet.record("budget", "fleet", name, name, {"a new day": today})
            _answered(fleet, name, "a new day has begun, with a budget of its own")
        _answered(fleet, capacity.WHOLE, "a new day has begun, with a budget of its own")
        fleet.store.raised_limits.forget_before(fleet.today().date())
        fleet.store.fleet_state.begin_budget_day(fleet.today().date())


def said(allowed: list[Limit], usd: float) -> str:
    """What was allowed, in words."""
    names = ["the fleet" if each.scope == capacity.WHOLE else each.work or each.product for each in allowed]
    return f"{money(usd)} more may be spent on {listed(names)}{'' if all(each.work for each in allowed) else ' today'}"
