"""Ends what runs in a product: its coordinator and workers, or one agent, with the work they do.

What was committed stays on its branches; the conversations of the agents, and the work under way, are gone. Only a person
ends what runs: a call raises a gate that shows what would be lost and waits for a yes. To hold a product and go on later, use
pause.
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
    """What is to end."""

    product: str = words(description="Name of the product.")
    agent: str | None = words(None, description="Name of one agent; the coordinator and every worker when left out.")
    yes: bool = option(False, description="End what runs without asking again.")


def _consent(args: Args, context: SkillContext) -> str:
    """What would end, if anything would."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    if fleet.seen(name) is None:
        return f"That ends {args.agent or 'whatever runs'} in **{name}**, for good; what runs there is not known now."
    sessions = [session(fleet, name, args.agent)] if args.agent else _running(fleet, name)
    work = _ending(fleet, name, args.agent)
    return _what_ends(name, sessions, work) if sessions or work else ""


@skill(
    role=Role.OPERATOR,
    summary="End what runs in a product, or one of its agents.",
    examples=["stop product-a", "stop product-a scout-w3 --yes"],
    consent=_consent,
    synonyms="kill end terminate",
    hints="abort",
    irreversible=True,
)
async def stop(args: Args, context: SkillContext) -> SkillResult:
    """Stop, once a person has seen what that ends."""
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
    more = f" {count(queued, 'piece')} of work still queued: `/fleet pause {name}` holds it." if queued else ""
    data = {"product": name, "stopped": list(agents), "cancelled": [each.id for each in work]}
    return SkillResult(f"**{name}**: {what}{ended}.{more}", data=data)


def _running(fleet: "Fleet", product: str) -> Sequence[Session]:
    snapshot = fleet.snapshots.get(product)
    return snapshot.active if snapshot else ()


def _ending(fleet: "Fleet", product: str, agent: str | None) -> list[Work]:
    open_work = fleet.store.work.open(product, states=(WorkState.STARTING, WorkState.RUNNING, WorkState.WAITING))
    return [work for work in open_work if agent is None or work.agent == agent]


def _what_ends(product: str, sessions: Sequence[Session], work: Sequence[Work]) -> str:
    lines = [f"That ends in **{product}**, for good:", ""]
    lines += [f"- {each.agent} ({each.capability}, {each.state})" for each in sessions]
    lines += [f"- `{each.id}` “{shortened(each.objective, 100)}”" for each in work]
    return "\n".join([*lines, "", "What was committed stays on its branches."])


def _unless_sure(product: str, agent: str | None, sessions: Sequence[Session], work: Sequence[Work]) -> SkillResult:
    command = " ".join(["/fleet stop", product, *([agent] if agent else []), "--yes"])
    text = f"{_what_ends(product, sessions, work)} Nothing was stopped. To do it, say `{command}`."
    data = {"product": product, "stopped": [], "confirm": command, "would_end": [each.agent for each in sessions]}
    return SkillResult(text, data=data, suggestions=(Suggestion(f"Stop {agent or product}", command),))
