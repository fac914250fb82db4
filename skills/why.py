"""Explain from records why something waits, runs, was paused, was refused or was decided.

Use it for every question that begins with why: why a product does nothing, why a piece of work waits or was started, what
happened to a gate. It uses the guard's records and the journal, costs nothing and does not guess. Without a name it
explains all queued work.
"""

from dataclasses import asdict

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, skill, words
from bot.domain import access
from bot.domain.errors import NotAllowed
from bot.work import explain as reasons


class Args(SkillArgs):
    """Arguments of `why`."""

    about: str | None = words(
        None, description="Name of a product, or id of work (w12) or a gate (g7); all queued work by default."
    )


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="Explain why something waits, runs or was refused.",
    examples=["why product-b", "why w12", "why g7"],
    synonyms="explain reason",
)
async def why(args: Args, context: SkillContext) -> SkillResult:
    """Return the reasons from the records."""
    product, found = _reasons(args.about or "", context)
    if product is not None and (refusal := access.may(context.person, Role.VIEWER, product)):
        raise NotAllowed(refusal)
    text = found[0] if len(found) == 1 else "\n".join([found[0], "", *(f"- {line}" for line in found[1:])])
    data = {"about": args.about, "product": product, "reasons": found, "rulings": _rulings(args.about or "", context)}
    return SkillResult(text, data=data)


def _rulings(about: str, context: SkillContext) -> list[dict[str, object]]:
    """Return the guard's rulings on a piece of work, newest first, for programs."""
    if not (about[:1] in "wW" and about[1:].isdigit()):
        return []
    found = context.fleet.store.admissions.of(about.lower())
    return [{**asdict(each), "at": each.at.isoformat()} for each in found]


def _reasons(about: str, context: SkillContext) -> tuple[str | None, list[str]]:
    """Return the product concerned and the reasons, one line each."""
    fleet = context.fleet
    if about[:1] in "wW" and about[1:].isdigit():
        work = fleet.work(about.lower())
        return work.product, reasons.of_work(fleet, work)
    if about[:1] in "gG" and about[1:].isdigit():
        gate = fleet.gate(about.lower())
        return gate.product, reasons.of_gate(fleet, gate)
    if about:
        name = fleet.product(about).name
        return name, reasons.of_product(fleet, name)
    seen = [name for name in fleet.products if access.may(context.person, Role.VIEWER, name) is None]
    return None, reasons.of_queue(fleet, seen)
