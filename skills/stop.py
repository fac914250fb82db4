"""Stop what is running in a product, or one of its agents, and cancel the work it does.

Commits stay on their branches. The agents' conversations and their uncommitted work are lost. Only a person stops running
work: a call by the model raises a gate that shows what would be lost. To resume later, use pause instead.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import Session, Suggestion, Work, WorkState
from bot.text.wording import count, listed, shortened
from bot.work import pause
from bot.work.sessions import session

if TYPE_CHECKING:
    from bot.fleet import Fleet


class Args(SkillArgs):
    """Arguments of `stop`."""

    product: str = words(description="Name of the product.")
    agent: str | None = words(None, description="Name of one agent; the coordinator and every worker by default.")
    yes: bool = option(False, description="Stop without asking again.")


def _consent(args: Args, context: SkillContext) -> str:
    """Describe what would be stopped, or return nothing if nothing runs."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    if fleet.seen(name) is None:
        return f"This permanently stops {args.agent or 'all agents'} in **{name}**. Which agents are running is not known now."
    sessions = [session(fleet, name, args.agent)] if args.agent else _running(fleet, name)
    work = _ending(fleet, name, args.agent)
    return _what_ends(name, sessions, work) if sessions or work else ""


@skill(
    role=Role.OPERATOR,
    summary="Stop what is running in a product, or one of its agents.",
    examples=["stop product-a", "stop product-a scout-w3 --yes"],
    consent=_consent,
    synonyms="kill end terminate",
    hints="abort",
    irreversible=True,
)
async def stop(args: Args, context: SkillContext) -> SkillResult:
    """Stop the agents, once a person has seen what that ends."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    sessions = [session(fleet, name, args.agent)] if args.agent else _running(fleet, name)
    work = _ending(fleet, name, args.agent)
    if (sessions or work) and not (args.yes or context.approved):
        return _unless_sure(name, args.agent, sessions, work)
    context.progress(f"stopping {args.agent or name}")
    agents = await pause.stop(fleet, name, context.person, args.agent)
    what = f"{listed(agents)} stopped" if agents else "nothing was running"
    ended = f"; {listed([f'`{each.id}`' for each in work])} cancelled" if work else ""
    queued = len(fleet.store.work.open(name, states=(WorkState.QUEUED,)))
    more = f" {count(queued, 'piece')} of work still queued; `/fleet pause {name}` keeps it from starting." if queued else ""
    data = {"product": name, "stopped": list(agents), "cancelled": [each.id for each in work]}
    return SkillResult(f"**{name}**: {what}{ended}.{more}", data=data)


def _running(fleet: "Fleet", product: str) -> Sequence[Session]:
    snapshot = fleet.snapshots.get(product)
    return snapshot.active if snapshot else ()


def _ending(fleet: "Fleet", product: str, agent: str | None) -> list[Work]:
    open_work = fleet.store.work.open(product, states=(WorkState.STARTING, WorkState.RUNNING, WorkState.WAITING))
    return [work for work in open_work if agent is None or work.agent == agent]


def _what_ends(product: str, sessions: Sequence[Session], work: Sequence[Work]) -> str:
    lines = [f"This permanently stops in **{product}**:", ""]
    lines += [f"- {each.agent} ({each.capability}, {each.state})" for each in sessions]
    lines += [f"- `{each.id}` “{shortened(each.objective, 100)}”" for each in work]
    return "\n".join([*lines, "", "Commits stay on their branches."])


def _unless_sure(product: str, agent: str | None, sessions: Sequence[Session], work: Sequence[Work]) -> SkillResult:
    command = " ".join(["/fleet stop", product, *([agent] if agent else []), "--yes"])
    text = f"{_what_ends(product, sessions, work)} Nothing was stopped. To stop it, run `{command}`."
    data = {"product": product, "stopped": [], "confirm": command, "would_end": [each.agent for each in sessions]}
    return SkillResult(text, data=data, suggestions=(Suggestion(f"Stop {agent or product}", command),))
