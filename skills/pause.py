"""Holds a product: its agents stop where they are and keep their conversations, and nothing new starts on it.

Use it when a product has to wait: to free the machine, to look at what it does, or because priorities changed. Others may have
its places meanwhile. With `park` its sessions end instead, which frees their memory; its open work starts again, with a recap,
after resume. With `focus` other products come before all else until then ("pause product-b, focus on product-a"); resume undoes
both. Nothing that was committed is lost either way. Where agents are at work, a call raises a gate that waits for a person's
yes. To end work for good, use stop.
"""

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import Suggestion, access
from bot.domain.errors import NotAllowed, UsageError
from bot.text.wording import count
from bot.work import pause as pausing
from bot.work import queue


class Args(SkillArgs):
    """Which product, and how."""

    product: str = words(description="Name of the product.")
    park: bool = option(False, description="End its sessions; its work starts again, with a recap, after resume.")
    focus: str | None = option(None, description="Product (or several: a,b) that comes before all others until it goes on.")


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
    examples=["pause product-b", "pause product-b --park", "pause product-b --focus product-a"],
    consent=_consent,
    synonyms="hold freeze",
)
async def pause(args: Args, context: SkillContext) -> SkillResult:
    """Pause, and say what became of the agents."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    focus = _focus(args, name, context)
    context.progress(f"pausing {name}")
    agents = await pausing.pause(fleet, name, context.person, park=args.park)
    if focus:
        queue.focus(fleet, name, focus, context.person)
    if args.park and agents:
        what = f"parked; {count(len(agents), 'session')} ended, open work starts again with a recap when it resumes."
    elif agents:
        what = f"paused; {count(len(agents), 'agent')} stopped where {'it was' if len(agents) == 1 else 'they were'}."
    else:
        what = f"{'parked' if args.park else 'paused'}; nothing ran, and nothing starts."
    what += f" {queue.said_of(focus)[0].upper()}{queue.said_of(focus)[1:]}." if focus else ""
    data = {"product": name, "paused": True, "parked": args.park, "agents": list(agents), "focus": list(focus)}
    return SkillResult(f"**{name}** is {what}", data=data, suggestions=(Suggestion(f"Resume {name}", f"/fleet resume {name}"),))


def _focus(args: Args, name: str, context: SkillContext) -> tuple[str, ...]:
    """The products that are to come first. Raises UsageError for the one that is being paused."""
    names = tuple(context.fleet.product(each).name for each in (args.focus or "").split(",") if each.strip())
    for each in names:
        if each == name:
            raise UsageError(f"{name} cannot be paused and come first.", "Name another product to focus on.")
        if reason := access.may(context.person, Role.OPERATOR, each):
            raise NotAllowed(reason)
    return names
