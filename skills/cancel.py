"""Remove work from the queue before it has started.

Use it when queued work is no longer wanted. Use stop for work that has already started. Work that depends on cancelled work
does not start by itself.
"""

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, skill, words
from bot.domain import WorkState, access
from bot.domain.errors import NotAllowed
from bot.text.wording import listed, shortened
from bot.work import queue
from bot.work.views import work_json


class Args(SkillArgs):
    """Arguments of `cancel`."""

    work: str = words(pattern=r"^[Ww]?\d{1,12}$", description="Id of the work, such as w12.")


@skill(
    role=Role.OPERATOR,
    summary="Remove work from the queue.",
    examples=["cancel w12"],
    synonyms="dequeue drop unqueue",
    irreversible=True,
)
async def cancel(args: Args, context: SkillContext) -> SkillResult:
    """Cancel the work and name the work that depends on it."""
    fleet = context.fleet
    work = fleet.work(f"w{args.work.lstrip('Ww')}")
    if reason := access.may(context.person, Role.OPERATOR, work.product):
        raise NotAllowed(reason)
    with fleet.transaction():
        work = queue.cancel(fleet, work, context.person)
    queued = fleet.store.work.open(states=(WorkState.QUEUED,))
    left = [f"`{each.id}`" for each in queued if work.id in each.depends_on]
    behind = (
        f" {listed(left)} depended on it; `/fleet prioritize {left[0].strip('`')} --after none` removes the dependency."
        if left
        else ""
    )
    text = f"`{work.id}` for **{work.product}** is cancelled: “{shortened(work.objective, 120)}”.{behind}"
    return SkillResult(text, data={"work": work_json(work, fleet)})
