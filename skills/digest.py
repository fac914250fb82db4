"""What changed across the products in the last hours: what was done, failed, asked, decided, and what waits since.

Use it to catch up after a while away. It is made of records, costs no tokens, and says nothing of products in which nothing
happened. products.yaml (`digest`) has it said once a day by itself.
"""

from datetime import timedelta

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill
from bot.text.wording import span
from bot.work import digest as digests
from bot.work.views import work_json


class Args(SkillArgs):
    """How far back."""

    hours: float = option(24, gt=0, le=24 * 31, description="How many hours back; at most 744.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="What changed across the products lately.",
    examples=["digest", "digest --hours 72"],
    synonyms="changes news summary",
    hints="changed overnight yesterday",
)
async def digest(args: Args, context: SkillContext) -> SkillResult:
    """The changes, as far as the person may see them."""
    fleet, length = context.fleet, timedelta(hours=args.hours)
    now = fleet.now()
    found = digests.changes(fleet, now - length, context.person)
    text = digests.as_text(found, now - length, now) if found else f"Nothing changed in the last {span(length)}."
    data = {
        "hours": args.hours,
        "products": [
            {
                "name": each.product,
                "done": [work_json(work) for work in each.done],
                "failed": [work_json(work) for work in each.failed],
                "asked": [work.id for work in each.asked],
                "cancelled": [work.id for work in each.cancelled],
                "decided": [gate.id for gate in each.decided],
                "opened": [gate.id for gate in each.opened],
                "cost_usd_today": round(each.spent_usd, 4),
            }
            for each in found
        ],
    }
    return SkillResult(text, data=data)
