"""Takes work out of the queue before it has started.

Use it when something that waits is no longer wanted. What has started already is ended with stop, for its product or one
agent. What depends on cancelled work is not started by itself.
"""

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, skill, words
from bot.domain import WorkState, access
from bot.domain.errors import NotAllowed
from bot.text.wording import listed, shortened
from bot.work import queue
from bot.work.views import work_json


class Args(SkillArgs):
    """What is to be taken out."""

    work: str = words(pattern=r"^[Ww]?\d{1,12}$", description="Id of the work, such as w12.")


@skill(
    role=Role.OPERATOR,
    summary="Take work out of the queue.",
    examples=["cancel w12"],
    synonyms="dequeue drop unqueue",
    irreversible=True,
)
async def cancel(args: Args, context: SkillContext) -> SkillResult:
    """Cancel it, and say what depended on it."""
    fleet = context.fleet
    work = fleet.work(f"w{args.work.lstrip('Ww')}")
    if reason := access.may(context.person, Role.OPERATOR, work.product):
        raise NotAllowed(reason)
    with fleet.transaction():
        work = queue.cancel(fleet, work, context.person)
    queued = fleet.store.work.open(states=(WorkState.QUEUED,))
    left = [f"`{each.id}`" for each in queued if work.id in each.depends_on]
    behind = f" {listed(left)} depended on it: `/fleet prioritize {left[0].strip('`')} --after none` frees it." if left else ""
    text = f"`{work.id}` for **{work.product}** is cancelled: “{shortened(work.objective, 120)}”.{behind}"
    return SkillResult(text, data={"work": work_json(work)})
