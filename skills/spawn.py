"""Start work on a product: an objective for its coordinator, or a task for one worker of a given capability.

Use it whenever something should be built, changed, investigated, written or answered in a product. Without `capability`,
the product's coordinator plans and distributes the work; large or risky objectives return as a plan for a person to
approve. With `capability`, one worker does one task: `scout` reads and reports and changes nothing, `builder` writes code,
`reviewer` reviews, `marketing` and `support` write copy and answers. The objective has to be understandable on its own: say
what is wanted, where, and how to tell that it is done. The skill returns at once. The work is queued, starts as soon as
there is capacity, and reports here.
"""

import difflib
from typing import Literal

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import Card, Suggestion, Work, WorkState, deadlines
from bot.domain.errors import UsageError
from bot.gates.lifecycle import decides_nothing
from bot.text.wording import shortened, since
from bot.work.forecast import expected
from bot.work.queue import Terms, submit
from bot.work.views import work_json

CAPABILITIES = ("scout", "builder", "reviewer", "lead", "merger", "marketing", "support")
"""Built-in capabilities. A product's manifest may define more."""


class Args(SkillArgs):
    """Arguments of `spawn`."""

    product: str = words(description="Name of the product.")
    objective: str = words(rest=True, min_length=1, max_length=20_000, description="What is wanted, in full sentences.")
    capability: str | None = option(
        None,
        pattern=r"^[a-z][a-z0-9_-]{0,40}$",
        json_schema_extra={"known": list(CAPABILITIES)},
        description="Kind of worker for one task: scout, builder, reviewer, marketing, support. The coordinator by default.",
    )
    priority: Literal["critical", "high", "medium", "low"] | None = option(
        None, description="Priority of the work; its product's by default."
    )
    after: str | None = option(
        None, pattern=r"^[Ww]\d{1,12}(,[Ww]\d{1,12})*$", description="Ids of work that has to be done first: w3 or w3,w4."
    )
    deadline: str | None = option(
        None,
        max_length=40,
        json_schema_extra={"value": "WHEN"},
        description="When it should be done: 18:00, friday 17:00, in 3h.",
    )
    estimate: float | None = option(
        None, gt=0, le=100_000, description="Expected cost in US dollars; learned from past runs by default."
    )
    weight: float | None = option(None, gt=0, le=1000, description="Resource weight; its product's resource_weight by default.")


@skill(
    role=Role.OPERATOR,
    summary="Start work on a product: an objective, or a task for one worker.",
    examples=[
        "spawn product-a ship the auth feature",
        "spawn product-a find out how logins work --capability scout",
        "spawn product-a write the release notes --after w3 --deadline friday --priority high",
    ],
    synonyms="run start build ship scout do work",
    hints="fix implement write add create launch send finish refactor test improve update change make need want",
)
async def spawn(args: Args, context: SkillContext) -> SkillResult:
    """Queue the work and report when it is expected to start."""
    fleet = context.fleet
    _capability_known(args.capability)
    work, new = submit(
        fleet,
        fleet.product(args.product).name,
        decides_nothing(args.objective),
        capability=args.capability,
        person=context.person,
        conversation=context.conversation,
        request=context.request,
        terms=_terms(args, context),
    )
    what = f"{work.capability} task" if work.capability else "objective"
    if new:
        text = f"`{work.id}` for **{work.product}**: {what} “{shortened(work.objective, 160)}”. {expected(fleet, work)}"
    else:
        ago = since(work.created_at, fleet.now())
        text = f"You requested this {ago} ago; it is `{work.id}` for **{work.product}**. {expected(fleet, work)}"
    if work.state.open:
        text += " I'll post updates here."
    return SkillResult(
        text,
        data={"work": work_json(work, fleet), "new": new, "outlook": expected(fleet, work)},
        cards=(Card("work", work=work.id),),
        suggestions=_next(work),
    )


def _terms(args: Args, context: SkillContext) -> Terms:
    zone, now = context.fleet.registry.timezone, context.fleet.now()
    return Terms(
        priority=args.priority,
        weight=args.weight,
        estimate_usd=args.estimate,
        depends_on=tuple(dict.fromkeys(args.after.lower().split(","))) if args.after else (),
        deadline=deadlines.read(args.deadline, now, zone) if args.deadline else None,
        source="agent" if context.by_model else "person",
    )


def _capability_known(name: str | None) -> None:
    """Raise UsageError for a likely typo. Other names may be a product's own capabilities."""
    near = difflib.get_close_matches(name or "", CAPABILITIES, n=1, cutoff=0.75)
    if name and name not in CAPABILITIES and near:
        raise UsageError(f"There is no capability “{name}”.", f"Did you mean `--capability {near[0]}`?")


def _next(work: Work) -> tuple[Suggestion, ...]:
    follow = Suggestion(f"Status of {work.product}", f"/fleet status {work.product}")
    return (follow,) if work.state in {WorkState.QUEUED, WorkState.STARTING, WorkState.RUNNING, WorkState.WAITING} else ()
