"""Change the priority of a product or of queued work, or move work in the queue.

Use it when a person says that a product or a piece of work is more or less urgent: `critical`, `high`, `medium`, `low`.
`default` reverts to products.yaml, which is never changed. `before` moves work right before another piece, `first` and
`last` move it to an end of the queue. `after` names work that has to be done first (`none` removes dependencies), and
`deadline` sets a time by which it should be done. To pause a product and prioritize another, use pause with `focus`.
"""

from typing import Literal

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import Work, access, deadlines
from bot.domain.errors import NotAllowed, UsageError
from bot.text.wording import listed
from bot.work import priorities, queue
from bot.work.forecast import expected
from bot.work.queue import Terms
from bot.work.views import work_json

Level = Literal["critical", "high", "medium", "low", "default"]


class Args(SkillArgs):
    """Arguments of `prioritize`."""

    what: str = words(description="Name of a product, or id of queued work (w12).")
    level: Level | None = words(None, description="The new priority, or default for that of products.yaml.")
    before: str | None = option(None, pattern=r"^[Ww]\d{1,12}$", description="Move the work right before this one.")
    first: bool = option(False, description="Move the work to the head of the queue.")
    last: bool = option(False, description="Move the work to the end of the queue.")
    after: str | None = option(
        None,
        pattern=r"^(none|[Ww]\d{1,12}(,[Ww]\d{1,12})*)$",
        description="Ids of work that has to be done first (w3,w4), or none.",
    )
    deadline: str | None = option(
        None,
        max_length=40,
        json_schema_extra={"value": "WHEN"},
        description="When it should be done: 18:00, 2026-03-02 18:00, friday, in 3h, or none.",
    )


@skill(
    role=Role.OPERATOR,
    summary="Change the priority of a product or of queued work.",
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
    """Apply the change and report the expected start."""
    fleet, what = context.fleet, args.what
    if not (what[:1] in "wW" and what[1:].isdigit()):
        return _product(args, context)
    work = fleet.work(what.lower())
    if reason := access.may(context.person, Role.OPERATOR, work.product):
        raise NotAllowed(reason)
    if not (args.level or args.before or args.first or args.last or args.after or args.deadline):
        raise UsageError(
            "The new priority or position is missing.",
            f"Run `/fleet prioritize {work.id} high`, or use `--first`, `--before w9` or `--after w9`.",
        )
    with fleet.transaction():
        work = _changed(args, context, work)
        work = _moved(args, context, work)
    text = f"`{work.id}` for **{work.product}**: {_said(work)}. {expected(fleet, work)}"
    return SkillResult(text, data={"work": work_json(work, fleet)})


def _product(args: Args, context: SkillContext) -> SkillResult:
    fleet, name = context.fleet, context.fleet.product(args.what).name
    if reason := access.may(context.person, Role.OPERATOR, name):
        raise NotAllowed(reason)
    if args.before or args.first or args.last or args.after or args.deadline:
        raise UsageError(
            "Positions, dependencies and deadlines apply to work, not to products.", "Name the id of the work, such as w12."
        )
    if args.level is None:
        raise UsageError(
            "The new priority is missing.", f"Run `/fleet prioritize {name} high`, or use critical, medium, low or default."
        )
    written = fleet.product(name).priority
    priorities.set_priority(fleet, name, None if args.level == "default" else args.level, context.person)
    now = written if args.level == "default" else args.level
    text = f"**{name}** now has {now} priority" + (
        ", as in products.yaml." if now == written else f". products.yaml says {written} and was not changed."
    )
    return SkillResult(text, data={"product": name, "priority": now})


def _changed(args: Args, context: SkillContext, work: Work) -> Work:
    """Return the work with the priority, dependencies and deadline that were given."""
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
