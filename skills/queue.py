"""What waits to start, in its order: for what each piece of work waits, about how long, and what has a place now.

Use it for questions about the order of work or why something has not begun. To change the order use prioritize, to take work
out use cancel; `why` says more about one piece of work or one product.
"""

from typing import TYPE_CHECKING

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, Table, skill, words
from bot.domain import Suggestion, access
from bot.domain.errors import NotAllowed
from bot.text.wording import shortened, since
from bot.work import queue_view
from bot.work.forecast import ordinal

if TYPE_CHECKING:
    from bot.fleet import Fleet
    from bot.work.queue_view import Queued


class Args(SkillArgs):
    """Of which product."""

    product: str | None = words(None, description="Only what waits for this product.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="What waits to start, and for what.",
    examples=["queue", "queue product-a"],
    synonyms="line backlog waiting-list",
    hints="queued order next",
)
async def queue(args: Args, context: SkillContext) -> SkillResult:
    """The queue as the guard sees it now."""
    fleet = context.fleet
    name = fleet.product(args.product).name if args.product else None
    if name and (reason := access.may(context.person, Role.VIEWER, name)):
        raise NotAllowed(reason)
    picture = queue_view.picture(fleet, context.person)
    shown = [each for each in picture.queue if name in (None, each.work.product)]
    head = queue_view.headline(picture)
    lines = [f"{ordinal(each.place)} {_line(each, fleet)}" for each in shown]
    if not shown:
        lines = [f"Nothing waits{f' for {name}' if name else ''}."]
    rows = tuple(
        (str(each.place), each.work.id, each.work.product, shortened(each.work.objective, 60), each.reason, each.wait)
        for each in shown
    )
    cancel = tuple(Suggestion(f"Cancel {each.work.id}", f"/fleet cancel {each.work.id}") for each in shown[:3])
    return SkillResult(
        "\n".join([head, "", *(f"- {line}" for line in lines)]),
        data=queue_view.as_json(picture, fleet, name),
        table=Table(("place", "work", "product", "objective", "waits for", "about"), rows) if shown else None,
        suggestions=cancel,
    )


def _line(each: "Queued", fleet: "Fleet") -> str:
    work = each.work
    asked = f"asked {since(work.created_at, fleet.now())} ago by {work.asked_by or 'somebody'}"
    about = f"; {each.wait}" if each.wait else ""
    return f"`{work.id}` **{work.product}** “{shortened(work.objective, 80)}”: {each.reason}{about} ({asked})"
