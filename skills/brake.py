"""Halt every agent of the fleet, or of one product, and prevent new starts until the brake is released.

Use it in an emergency: an agent does harm, costs run away, or the machine is needed. No session ends and conversations are
preserved. It first shows what is running, and a person confirms: a call by the model raises a gate. `release` releases the
brake.
"""

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import Suggestion
from bot.domain.errors import NotAllowed
from bot.text.wording import count, listed
from bot.work import brake as brakes


class Args(SkillArgs):
    """Arguments of `brake`."""

    product: str | None = words(None, description="Name of one product; the whole fleet by default.")
    release: bool = option(False, description="Release the brake.")
    yes: bool = option(False, description="Apply the brake without asking again.")


def _consent(args: Args, context: SkillContext) -> str:
    """Describe what the brake would halt, or what releasing it would resume."""
    name = context.fleet.product(args.product).name if args.product else None
    where = f" of **{name}**" if name else ""
    return f"This releases the brake{where} and resumes everything it halted." if args.release else _what(name, context)


@skill(
    role=Role.OPERATOR,
    summary="Halt everything at once, or one product.",
    examples=["brake", "brake --yes", "brake product-b --yes", "brake --release"],
    consent=_consent,
    synonyms="halt emergency freeze-all panic",
    irreversible=True,
)
async def brake(args: Args, context: SkillContext) -> SkillResult:
    """Show what is running, then halt it, or release the brake."""
    fleet = context.fleet
    name = fleet.product(args.product).name if args.product else None
    if name is None and context.person.products:
        raise NotAllowed(
            f"The brake for the whole fleet requires access to all products. {context.person.name} has access to "
            f"{listed(context.person.products)}. `/fleet brake {context.person.products[0]}` halts one product."
        )
    if args.release:
        return _release(name, context)
    if not (args.yes or context.approved):
        return _show(name, context)
    context.progress("halting")
    halted, failed = await brakes.pull(fleet, name, context.person)
    where = f"**{name}**" if name else "the fleet"
    what = f"{listed(halted)} halted" if halted else "nothing was running"
    text = f"The brake is on for {where}: {what}. No work starts until it is released."
    if failed:
        text += f" Not reached yet: {listed(failed)}. These are halted as soon as they can be reached."
    back = f"/fleet brake {name + ' ' if name else ''}--release"
    return SkillResult(
        text,
        data={"product": name, "on": True, "halted": halted, "unreached": failed},
        suggestions=(Suggestion("Release the brake", back),),
    )


def _release(name: str | None, context: SkillContext) -> SkillResult:
    goes_on = brakes.release(context.fleet, name, context.person)
    where = f" of **{name}**" if name else ""
    on = "nothing was halted by it"
    if goes_on:
        on = f"{listed(goes_on)} {'resumes' if len(goes_on) == 1 else 'resume'} as capacity permits"
    return SkillResult(f"The brake{where} is off: {on}.", data={"product": name, "on": False, "goes_on": goes_on})


def _what(name: str | None, context: SkillContext) -> str:
    """Describe what is running and what halting it would lose."""
    found = brakes.in_flight(context.fleet, name)
    lines = [f"The brake for {f'**{name}**' if name else 'the whole fleet'} would halt:", ""]
    lines += [f"- {each}" for each in brakes.describe(found)] or ["- nothing, because nothing is running"]
    lines += ["", "Each agent's in-flight response is lost and retried. Nothing else is affected."]
    held = [f"{count(found.queued, 'piece')} of work would stay queued"] if found.queued else []
    held += (
        [f"{count(len(found.gates), 'gate')} can still be decided; approved work resumes after the release"]
        if found.gates
        else []
    )
    return "\n".join([*lines, *([f"{'; '.join(held)}."] if held else [])])


def _show(name: str | None, context: SkillContext) -> SkillResult:
    found = brakes.in_flight(context.fleet, name)
    command = f"/fleet brake {name + ' ' if name else ''}--yes"
    data = {
        "product": name,
        "on": brakes.scope_of(name) in brakes.brakes(context.fleet),
        "would_halt": [f"{product}/{session.agent}" for product, session in found.sessions],
        "queued": found.queued,
        "confirm": command,
    }
    text = f"{_what(name, context)}\nNothing was changed. To apply the brake, run `{command}`."
    return SkillResult(text, data=data, suggestions=(Suggestion("Apply the brake", command),))
