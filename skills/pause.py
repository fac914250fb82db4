"""Holds a product: its agents stop where they are and keep their conversations, and nothing new starts on it.

Use it when a product has to wait: to free the machine, to look at what it does, or because priorities changed. With `park`
its sessions end instead, which frees their memory; its open work starts again, with a recap, after resume. Nothing that was
committed is lost either way. Where agents are at work, a call raises a gate that waits for a person's yes. To end work for
good, use stop.
"""

from bot.domain import Suggestion
from bot.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.words import count


class Args(SkillArgs):
    """Which product, and how."""

    product: str = words(description="Name of the product.")
    park: bool = option(False, description="End its sessions; its work starts again, with a recap, after resume.")


def _consent(args: Args, context: SkillContext) -> str:
    """What would be held, if anything runs."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    seen = fleet.seen(name)
    agents = ["- whatever runs there: that is not known now"]
    if seen is not None:
        agents = [f"- {each.agent} ({each.capability}, {each.state})" for each in seen.active]
    how = "ends these sessions; their work starts again, with a recap, after resume" if args.park else "halts these agents"
    return "\n".join([f"That {how} in **{name}**, and nothing new starts there:", "", *agents]) if agents else ""


@skill(
    role=Role.OPERATOR,
    summary="Hold a product: its agents stop where they are.",
    examples=["pause product-b", "pause product-b --park"],
    consent=_consent,
)
async def pause(args: Args, context: SkillContext) -> SkillResult:
    """Pause, and say what became of the agents."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    context.progress(f"pausing {name}")
    agents = await fleet.pause(name, context.person, park=args.park)
    if args.park and agents:
        what = f"parked; {count(len(agents), 'session')} ended, open work starts again with a recap when it resumes."
    elif agents:
        what = f"paused; {count(len(agents), 'agent')} stopped where {'it was' if len(agents) == 1 else 'they were'}."
    else:
        what = f"{'parked' if args.park else 'paused'}; nothing ran, and nothing starts."
    data = {"product": name, "paused": True, "parked": args.park, "agents": list(agents)}
    return SkillResult(f"**{name}** is {what}", data=data, suggestions=(Suggestion(f"Resume {name}", f"/fleet resume {name}"),))
