"""Pause a product: its agents halt where they are and keep their conversations, and no new work starts.

Use it when a product has to wait: to free the machine, to check what it does, or because priorities changed. Other products
may use its slots meanwhile. With `park`, its sessions end, which frees their memory, and its unfinished work starts again
with a recap after resume. With `focus`, other products have priority until then ("pause product-b, focus on product-a");
resume undoes both. Committed work is never lost. If agents are running, a call by the model raises a gate. To end work
permanently, use stop.
"""

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import Suggestion, access
from bot.domain.errors import NotAllowed, UsageError
from bot.text.wording import count
from bot.work import pause as pausing
from bot.work import priorities


class Args(SkillArgs):
    """Arguments of `pause`."""

    product: str = words(description="Name of the product.")
    park: bool = option(False, description="End its sessions; unfinished work starts again with a recap after resume.")
    focus: str | None = option(None, description="Product (or several: a,b) that has priority until this one resumes.")


def _consent(args: Args, context: SkillContext) -> str:
    """Describe what would be paused, or return nothing if no agent runs."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    seen = fleet.seen(name)
    agents = ["- any running agents; which ones is not known now"]
    if seen is not None:
        agents = [f"- {each.agent} ({each.capability}, {each.state})" for each in seen.active]
    how = "ends these sessions (unfinished work starts again with a recap after resume)" if args.park else "halts these agents"
    return "\n".join([f"This {how} in **{name}** and prevents new starts there:", "", *agents]) if agents else ""


@skill(
    role=Role.OPERATOR,
    summary="Pause a product; its agents halt where they are.",
    examples=["pause product-b", "pause product-b --park", "pause product-b --focus product-a"],
    consent=_consent,
    synonyms="hold freeze",
)
async def pause(args: Args, context: SkillContext) -> SkillResult:
    """Pause the product and report which agents were halted."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    focus = _focus(args, name, context)
    context.progress(f"pausing {name}")
    agents = await pausing.pause(fleet, name, context.person, park=args.park)
    if focus:
        priorities.focus(fleet, name, focus, context.person)
    if args.park and agents:
        what = f"parked; {count(len(agents), 'session')} ended. Unfinished work starts again with a recap after resume."
    elif agents:
        what = f"paused; {count(len(agents), 'agent')} halted."
    else:
        what = f"{'parked' if args.park else 'paused'}; no agent was running, and no new work starts."
    what += f" {priorities.focus_text(focus, name)}." if focus else ""
    data = {"product": name, "paused": True, "parked": args.park, "agents": list(agents), "focus": list(focus)}
    return SkillResult(f"**{name}** is {what}", data=data, suggestions=(Suggestion(f"Resume {name}", f"/fleet resume {name}"),))


def _focus(args: Args, name: str, context: SkillContext) -> tuple[str, ...]:
    """Return the products to prioritize. Raises UsageError if the paused product is among them."""
    names = tuple(context.fleet.product(each).name for each in (args.focus or "").split(",") if each.strip())
    for each in names:
        if each == name:
            raise UsageError(
                f"{name} cannot be paused and have priority at the same time.", "Name another product to focus on."
            )
        if reason := access.may(context.person, Role.OPERATOR, each):
            raise NotAllowed(reason)
    return names
