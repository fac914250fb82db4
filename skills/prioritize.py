"""Changes what comes first: a product's priority, one queued piece of work's, or its place in line.

Use it when somebody says that a product or a piece of work is more, or less, urgent than the rest: `critical`, `high`,
`medium`, `low`; `default` goes back to what products.yaml says, which is never changed. With `before` a piece of work is put
right before another, `first` and `last` put it at an end. `after` names work that has to be done first (`none`: nothing any
more), `deadline` a moment by which it should be done. To hold a product and put another first, use pause with `focus`.
"""

from typing import Literal

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import Work, access, deadlines
from bot.domain.errors import NotAllowed, UsageError
from bot.text.wording import listed
from bot.work import queue
from bot.work.forecast import expected
from bot.work.queue import Terms
from bot.work.views import work_json

Level = Literal["critical", "high", "medium", "low", "default"]


class Args(SkillArgs):
    """What, and where to."""

    what: str = words(description="Name of a product, or id of queued work (w12).")
    level: Level | None = words(None, description="Its new priority; default: as products.yaml has it.")
    before: str | None = option(None, pattern=r"^[Ww]\d{1,12}$", description="Put the work right before this one.")
    first: bool = option(False, description="Put the work at the head of the queue.")
    last: bool = option(False, description="Put the work at the end of the queue.")
    after: str | None = option(
        None, pattern=r"^(none|[Ww]\d{1,12}(,[Ww]\d{1,12})*)$", description="Ids of work to be done first (w3,w4), or none."
    )
    deadline: str | None = option(
        None, max_length=40, json_schema_extra={"value": "WHEN"}, description="18:00, 2026-03-02 18:00, friday, in 3h, or none."
    )


@skill(
    role=Role.OPERATOR,
    summary="Change what comes first: a product, or work in line.",
    examples=[
        "prioritize product-a high",
        "prioritize w12 critical",
        "prioritize w12 --before w9",
        "prioritize w12 --after w9",
    ],
    synonyms="prioritise priority reorder move bump",
    hints="urgent important",
)
async def prioritize(args: Args, context: SkillContext) -> SkillResult:
    """Change it, and say what comes of it."""
    fleet, what = context.fleet, args.what
    if not (what[:1] in "wW" and what[1:].isdigit()):
        return _product(args, context)
    work = fleet.work(what.lower())
    if reason := access.may(context.person, Role.OPERATOR, work.product):
        raise NotAllowed(reason)
    if not (args.level or args.before or args.first or args.last or args.after or args.deadline):
        raise UsageError("To what?", f"Say `/fleet prioritize {work.id} high`, or `--first`, `--before w9`, `--after w9`.")
    with fleet.transaction():
        work = _changed(args, context, work)
        work = _moved(args, context, work)
    text = f"`{work.id}` for **{work.product}**: {_said(work)}. {expected(fleet, work)}"
    return SkillResult(text, data={"work": work_json(work)})


def _product(args: Args, context: SkillContext) -> SkillResult:
    fleet, name = context.fleet, context.fleet.product(args.what).name
    if reason := access.may(context.person, Role.OPERATOR, name):
        raise NotAllowed(reason)
    if args.before or args.first or args.last or args.after or args.deadline:
        raise UsageError("Only work has a place in line, what it waits for, and a deadline.", "Name its id, such as w12.")
    if args.level is None:
        raise UsageError("To what?", f"Say `/fleet prioritize {name} high`: critical, high, medium, low or default.")
    written = fleet.product(name).priority
    queue.set_priority(fleet, name, None if args.level == "default" else args.level, context.person)
    now = written if args.level == "default" else args.level
    text = f"**{name}** has {now} priority now" + (
        ", as in products.yaml." if now == written else f"; products.yaml says {written}, and stays as it is."
    )
    return SkillResult(text, data={"product": name, "priority": now})


def _changed(args: Args, context: SkillContext, work: Work) -> Work:
    """With its new priority, dependencies and deadline, those that were named."""
    if not (args.level or args.after or args.deadline):
        return work
    fleet = context.fleet
    priority = work.priority if args.level is None else None if args.level == "default" else args.level
    after = work.depends_on if args.after is None else () if args.after == "none" else tuple(args.after.lower().split(","))
    deadline = work.deadline
    if args.deadline is not None:
        zone = fleet.registry.timezone
        deadline = None if args.deadline == "none" else deadlines.read(args.deadline, fleet.now(), zone)
    return queue.change(fleet, work, context.person, Terms(priority=priority, depends_on=after, deadline=deadline))


def _moved(args: Args, context: SkillContext, work: Work) -> Work:
    fleet = context.fleet
    if args.before:
        return queue.move(fleet, work, fleet.work(args.before.lower()), context.person)
    if args.first:
        others = [each for each in queue.line(fleet).rest() if each.id != work.id]
        return queue.move(fleet, work, others[0], context.person) if others else work
    return queue.move(fleet, work, None, context.person) if args.last else work


def _said(work: Work) -> str:
    parts = [f"priority {work.priority}" if work.priority else "its product's priority"]
    if work.depends_on:
        parts.append(f"after {listed([f'`{id}`' for id in work.depends_on])}")
    if work.deadline:
        parts.append(f"by {work.deadline:%Y-%m-%d %H:%M} UTC")
    return ", ".join(parts)
