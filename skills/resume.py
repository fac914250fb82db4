"""Lets a paused or parked product go on: its agents continue where they stopped, and queued work may start again.

What it had a place for needs one again: without room it goes on by itself as soon as there is some, and says so. It undoes what
was put first while it was paused, lets a product try again that failed too often in a row, and with `spend` lets that many US
dollars more be spent where a budget has stopped it.
"""

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import Suggestion, access
from bot.domain.errors import NotAllowed
from bot.text.wording import count, listed, money
from bot.work import budgets, pause
from bot.work.status import status


class Args(SkillArgs):
    """Which product."""

    product: str = words(description="Name of the product.")
    spend: float | None = option(
        None, gt=0, le=100_000, description="US dollars that may be spent beyond the budget that stops it."
    )


def _consent(args: Args, context: SkillContext) -> str:
    """What would be spent beyond a budget."""
    name = context.fleet.product(args.product).name
    return f"**{name}** goes on, and may spend {money(args.spend)} beyond the budget that stops it." if args.spend else ""


@skill(
    role=Role.OPERATOR,
    summary="Let a paused product go on.",
    examples=["resume product-b", "resume product-b --spend 5"],
    consent=_consent,
    synonyms="unpause continue go",
)
async def resume(args: Args, context: SkillContext) -> SkillResult:
    """Resume, and say what goes on."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    allowed = _allow(args, name, context) if args.spend else None
    if allowed is not None and not pause.paused(fleet, name):
        return SkillResult(f"**{name}**: {allowed}.", data={"product": name, "paused": False, "agents": [], "queued": 0})
    context.progress(f"resuming {name}")
    focused = fleet.store.focuses.of(name)
    resumed = await pause.resume(fleet, name, context.person, context.request, context.conversation)
    agents, queued = resumed.agents, len(status(fleet, [name]).products[0].queued)
    data = {"product": name, "paused": bool(resumed.waits), "waits": resumed.waits, "agents": list(agents), "queued": queued}
    parts = [f"{allowed}"] if allowed else []
    if resumed.waits:
        parts.append(f"it goes on by itself as soon as there is room: {resumed.waits}")
        return SkillResult(f"**{name}**: {'; '.join(parts)}.", data=data, suggestions=_follow(name))
    parts += [f"{count(len(agents), 'agent')} {'runs' if len(agents) == 1 else 'run'} on"] if agents else []
    parts += [f"{count(queued, 'piece')} of work start{'s' if queued == 1 else ''} as soon as there is room"] if queued else []
    parts += [f"{listed(focused)} no longer first"] if focused else []
    return SkillResult(
        f"**{name}** goes on: {', '.join(parts) or 'nothing was running'}.", data=data, suggestions=_follow(name)
    )


def _follow(name: str) -> tuple[Suggestion, ...]:
    return (Suggestion(f"Status of {name}", f"/fleet status {name}"),)


def _allow(args: Args, name: str, context: SkillContext) -> str:
    """Let more be spent: for people who may approve."""
    if reason := access.may(context.person, Role.APPROVER, name):
        raise NotAllowed(f"Spending beyond a budget: {reason}")
    spend = args.spend or 0.0
    allowed = budgets.allow(context.fleet, name, spend, context.person)
    return budgets.said(allowed, spend) if allowed else "no budget stops it, so nothing was changed"
