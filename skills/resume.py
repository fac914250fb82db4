"""Resume a paused or parked product: its agents continue where they stopped, and queued work may start again.

Its work needs a slot again. If no capacity is free, it resumes as soon as some is, and says so. It also ends a `focus` set
while pausing, retries a product that failed too often in a row, and with `spend` allows that many US dollars beyond the
budget that stopped it.
"""

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import Suggestion, access
from bot.domain.errors import NotAllowed
from bot.text.wording import count, listed, money
from bot.work import budgets, pause
from bot.work.status import status


class Args(SkillArgs):
    """Arguments of `resume`."""

    product: str = words(description="Name of the product.")
    spend: float | None = option(
        None, gt=0, le=100_000, description="US dollars that may be spent beyond the budget that stopped it."
    )


def _consent(args: Args, context: SkillContext) -> str:
    """Describe what would be spent beyond a budget."""
    name = context.fleet.product(args.product).name
    return f"This resumes **{name}** and allows {money(args.spend)} beyond the budget that stopped it." if args.spend else ""


@skill(
    role=Role.OPERATOR,
    summary="Resume a paused product.",
    examples=["resume product-b", "resume product-b --spend 5"],
    consent=_consent,
    synonyms="unpause continue go",
)
async def resume(args: Args, context: SkillContext) -> SkillResult:
    """Resume the product and report what continues."""
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
        parts.append(f"resumes as soon as there is capacity: {resumed.waits}")
        return SkillResult(f"**{name}**: {'; '.join(parts)}.", data=data, suggestions=_follow(name))
    parts += [f"{count(len(agents), 'agent')} running"] if agents else []
    parts += [f"{count(queued, 'piece')} of work queued"] if queued else []
    parts += [f"{listed(focused)} no longer prioritized"] if focused else []
    return SkillResult(
        f"**{name}** is resumed: {', '.join(parts) or 'nothing was running'}.", data=data, suggestions=_follow(name)
    )


def _follow(name: str) -> tuple[Suggestion, ...]:
    return (Suggestion(f"Status of {name}", f"/fleet status {name}"),)


def _allow(args: Args, name: str, context: SkillContext) -> str:
    """Allow more spending, if the person may approve it."""
    if reason := access.may(context.person, Role.APPROVER, name):
        raise NotAllowed(f"Spending beyond a budget: {reason}")
    spend = args.spend or 0.0
    allowed = budgets.allow(context.fleet, name, spend, context.person)
    return budgets.allowed_text(allowed, spend) if allowed else "no budget stopped it, so nothing was changed"
