"""Nudge one agent with a short message that it sees at once, for example when it seems stuck.

Use it to wake an idle agent or to make it check its mail. A busy agent may not accept the nudge; send mail if the message
must not be missed.
"""

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, skill, words
from bot.domain import Suggestion
from bot.domain.errors import Conflict
from bot.gates.lifecycle import decides_nothing
from bot.text.wording import since
from bot.work.sessions import session


class Args(SkillArgs):
    """Arguments of `nudge`."""

    product: str = words(description="Name of the product.")
    agent: str = words(description="Name of the agent, as status and inspect show it.")
    text: str = words(rest=True, min_length=1, max_length=2000, description="What to tell it.")


@skill(
    role=Role.OPERATOR,
    summary="Nudge an agent that seems stuck.",
    examples=["nudge product-a coordinator check your mail"],
    synonyms="poke",
)
async def nudge(args: Args, context: SkillContext) -> SkillResult:
    """Nudge the agent and report whether it accepted the message."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    found = session(fleet, name, args.agent)
    if not found.active:
        ended = f" Its last activity was {since(found.last_activity, fleet.now())} ago." if found.last_activity else ""
        raise Conflict(
            f"{args.agent} is not running; its state is {found.state}.{ended}",
            f"See `/fleet inspect {name}`.",
            code="not_running",
        )
    delivered = await fleet.engine.nudge(name, args.agent, decides_nothing(args.text))
    fleet.record("engine", context.person.name, name, args.agent, {"nudge": args.text, "delivered": delivered})
    data = {"product": name, "agent": args.agent, "delivered": delivered}
    if delivered:
        return SkillResult(f"**{name}**: {args.agent} received the message.", data=data)
    mail = f"/fleet mail {name} --to {args.agent} {args.text}"
    return SkillResult(
        f"**{name}**: {args.agent} is busy and did not accept the message. Try again in a minute, or send it as mail.",
        data=data,
        suggestions=(Suggestion("Send as mail", mail),),
    )
