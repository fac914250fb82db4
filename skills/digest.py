"""Summarize what changed across the products in the last hours.

It lists finished, failed, requested and decided items, and open gates. Use it to catch up after some time away. It is
compiled from records, costs no tokens, and omits products without changes. `digest` in products.yaml posts it once a day.
"""

from datetime import timedelta

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill
from bot.work import digest as digests
from bot.work.views import work_json


class Args(SkillArgs):
    """Arguments of `digest`."""

    hours: float = option(24, gt=0, le=24 * 31, description="Number of hours; at most 744.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="Summarize recent changes across the products.",
    examples=["digest", "digest --hours 72"],
    synonyms="changes news summary",
    hints="changed overnight yesterday",
)
async def digest(args: Args, context: SkillContext) -> SkillResult:
    """Return the changes the person may see."""
    fleet, length = context.fleet, timedelta(hours=args.hours)
    now = fleet.now()
    found = digests.changes(fleet, now - length, context.person)
    text = digests.as_text(found, now - length, now) if found else f"Nothing changed in the last {digests.period(length)}."
    data = {
        "hours": args.hours,
        "products": [
            {
                "name": each.product,
                "done": [work_json(work, fleet) for work in each.done],
                "failed": [work_json(work, fleet) for work in each.failed],
                "asked": [work.id for work in each.asked],
                "rejected": [work.id for work in each.rejected],
                "cancelled": [work.id for work in each.cancelled],
                "decided": [gate.id for gate in each.decided],
                "opened": [gate.id for gate in each.opened],
                "cost_usd_today": round(each.spent_usd, 4),
            }
            for each in found
        ],
    }
    return SkillResult(text, data=data)
