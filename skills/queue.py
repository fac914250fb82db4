"""Show the queue in order: what each piece of work waits for and about how long, and which work uses a slot.

Use it for questions about the order of work or why something has not started. To change the order use prioritize, to remove
work use cancel. `why` gives more detail about one piece of work or one product.
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
    """Arguments of `queue`."""

    product: str | None = words(None, description="Only work of this product.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="Show queued work and what it waits for.",
    examples=["queue", "queue product-a"],
    synonyms="line backlog waiting-list",
    hints="queued order next",
)
async def queue(args: Args, context: SkillContext) -> SkillResult:
    """Return the queue in its current order."""
    fleet = context.fleet
    name = fleet.product(args.product).name if args.product else None
    if name and (reason := access.may(context.person, Role.VIEWER, name)):
        raise NotAllowed(reason)
    picture = queue_view.picture(fleet, context.person)
    shown = [each for each in picture.queue if name in (None, each.work.product)]
    head = queue_view.headline(picture)
    lines = [f"{ordinal(each.position)} {_line(each, fleet)}" for each in shown]
    if not shown:
        lines = [f"No queued work{f' for {name}' if name else ''}."]
    rows = tuple(
        (str(each.position), each.work.id, each.work.product, shortened(each.work.objective, 60), each.reason, each.wait)
        for each in shown
    )
    cancel = tuple(Suggestion(f"Cancel {each.work.id}", f"/fleet cancel {each.work.id}") for each in shown[:3])
    return SkillResult(
        "\n".join([head, "", *(f"- {line}" for line in lines)]),
        data=queue_view.as_json(picture, fleet, name),
        table=Table(("position", "work", "product", "objective", "waits for", "about"), rows) if shown else None,
        suggestions=cancel,
    )


def _line(each: "Queued", fleet: "Fleet") -> str:
    work = each.work
    asked = f"requested {since(work.created_at, fleet.now())} ago by {work.asked_by or 'an unknown person'}"
    about = f"; {each.wait}" if each.wait else ""
    return f"`{work.id}` **{work.product}** “{shortened(work.objective, 80)}”: {each.reason}{about} ({asked})"
