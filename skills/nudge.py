"""Prods one agent of a product with a short message that it sees at once, for instance when it seems stuck.

Use it to wake an agent that idles or to point it at its mail. An agent that is thinking may not take it; what it must not
miss is sent as mail.
"""

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, skill, words
from bot.domain import Suggestion
from bot.domain.errors import Conflict
from bot.gates.lifecycle import decides_nothing
from bot.text.wording import since
from bot.work.sessions import session


class Args(SkillArgs):
    """Whom, and with what words."""

    product: str = words(description="Name of the product.")
    agent: str = words(description="Name of the agent, as status and inspect show it.")
    text: str = words(rest=True, min_length=1, max_length=2000, description="What to tell it.")


@skill(
    role=Role.OPERATOR,
    summary="Prod an agent that seems stuck.",
    examples=["nudge product-a coordinator check your mail"],
    synonyms="poke",
)
async def nudge(args: Args, context: SkillContext) -> SkillResult:
    """Nudge, and say whether it arrived."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    found = session(fleet, name, args.agent)
    if not found.active:
        ended = f" It was last heard of {since(found.last_activity, fleet.now())} ago." if found.last_activity else ""
        raise Conflict(
            f"{args.agent} does not run: it is {found.state}.{ended}", f"See `/fleet inspect {name}`.", code="not_running"
        )
    delivered = await fleet.engine.nudge(name, args.agent, decides_nothing(args.text))
    fleet.record("engine", context.person.name, name, args.agent, {"nudge": args.text, "delivered": delivered})
    data = {"product": name, "agent": args.agent, "delivered": delivered}
    if delivered:
        return SkillResult(f"**{name}**: {args.agent} has it.", data=data)
    mail = f"/fleet mail {name} --to {args.agent} {args.text}"
    return SkillResult(
        f"**{name}**: {args.agent} did not take it, it is thinking. Try again in a minute, or mail it.",
        data=data,
        suggestions=(Suggestion("Mail it instead", mail),),
    )
