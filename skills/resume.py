"""Lets a paused or parked product go on: its agents continue where they stopped, and queued work may start again."""

from bot.domain import Suggestion
from bot.skill import Role, SkillArgs, SkillContext, SkillResult, skill, words
from bot.words import count


class Args(SkillArgs):
    """Which product."""

    product: str = words(description="Name of the product.")


@skill(role=Role.OPERATOR, summary="Let a paused product go on.", examples=["resume product-b"])
async def resume(args: Args, context: SkillContext) -> SkillResult:
    """Resume, and say what goes on."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    context.progress(f"resuming {name}")
    agents = await fleet.resume(name, context.person, context.request)
    queued = len(fleet.status([name]).products[0].queued)
    parts = [f"{count(len(agents), 'agent')} {'runs' if len(agents) == 1 else 'run'} on"] if agents else []
    parts += [f"{count(queued, 'piece')} of work start{'s' if queued == 1 else ''} as soon as there is room"] if queued else []
    return SkillResult(
        f"**{name}** goes on: {', '.join(parts) or 'nothing was running'}.",
        data={"product": name, "paused": False, "agents": list(agents), "queued": queued},
        suggestions=(Suggestion(f"Status of {name}", f"/fleet status {name}"),),
    )
