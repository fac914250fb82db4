"""The brake: halts every agent at once, of the whole fleet or of one product, and lets nothing start until it is released.

Use it in an emergency: something does harm, costs run away, or the machine is needed. Nothing is ended and conversations are
kept. It shows first what is in flight, and a person confirms: a call raises a gate that waits for a yes. `release` takes it
off.
"""

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import Suggestion
from bot.domain.errors import NotAllowed
from bot.text.wording import count, listed
from bot.work import brake as brakes


class Args(SkillArgs):
    """Where, and whether on or off."""

    product: str | None = words(None, description="Name of one product; the whole fleet when left out.")
    release: bool = option(False, description="Take the brake off.")
    yes: bool = option(False, description="Put it on without asking again.")


def _consent(args: Args, context: SkillContext) -> str:
    """What the brake would halt, or what would go on."""
    name = context.fleet.product(args.product).name if args.product else None
    where = f" of **{name}**" if name else ""
    return f"The brake{where} is taken off, and what it halted goes on." if args.release else _what(name, context)


@skill(
    role=Role.OPERATOR,
    summary="Halt everything at once, or one product.",
    examples=["brake", "brake --yes", "brake product-b --yes", "brake --release"],
    consent=_consent,
    synonyms="halt emergency freeze-all panic",
    irreversible=True,
)
async def brake(args: Args, context: SkillContext) -> SkillResult:
    """Show what is in flight, then halt it; or let it go on."""
    fleet = context.fleet
    name = fleet.product(args.product).name if args.product else None
    if name is None and context.person.products:
        raise NotAllowed(
            f"The brake of the whole fleet takes somebody who may act on all of it; {context.person.name} may act on "
            f"{listed(context.person.products)}. `/fleet brake {context.person.products[0]}` halts one product."
        )
    if args.release:
        return _release(name, context)
    if not (args.yes or context.approved):
        return _show(name, context)
    context.progress("halting")
    halted, failed = await brakes.pull(fleet, name, context.person)
    where = f"**{name}**" if name else "the fleet"
    text = f"The brake is on for {where}: {f'{listed(halted)} halted' if halted else 'nothing was moving'}, and nothing starts."
    if failed:
        text += f" Not reached yet, and halted as soon as that is possible: {listed(failed)}."
    back = f"/fleet brake {name + ' ' if name else ''}--release"
    return SkillResult(
        text,
        data={"product": name, "on": True, "halted": halted, "unreached": failed},
        suggestions=(Suggestion("Release it", back),),
    )


def _release(name: str | None, context: SkillContext) -> SkillResult:
    goes_on = brakes.release(context.fleet, name, context.person)
    where = f" of **{name}**" if name else ""
    on = "nothing stood still for it"
    if goes_on:
        on = f"{listed(goes_on)} {'goes' if len(goes_on) == 1 else 'go'} on as soon as there is room"
    return SkillResult(f"The brake{where} is off: {on}.", data={"product": name, "on": False, "goes_on": goes_on})


def _what(name: str | None, context: SkillContext) -> str:
    """What is in flight, and what would be lost of it."""
    found = brakes.in_flight(context.fleet, name)
    lines = [f"The brake for {f'**{name}**' if name else 'the whole fleet'} would halt:", ""]
    lines += [f"- {each}" for each in brakes.words(found)] or ["- nothing: nothing runs"]
    lines += ["", "Lost would be the answer that each agent is just being given, which it asks for again; all else is kept."]
    held = [f"{count(found.queued, 'piece')} of work would stay queued"] if found.queued else []
    held += [f"{count(len(found.gates), 'gate')} can be decided, and what is decided goes on afterwards"] if found.gates else []
    return "\n".join([*lines, *([f"{'; '.join(held)}."] if held else [])])


def _show(name: str | None, context: SkillContext) -> SkillResult:
    found = brakes.in_flight(context.fleet, name)
    command = f"/fleet brake {name + ' ' if name else ''}--yes"
    data = {
        "product": name,
        "on": brakes.scope_of(name) in brakes.on(context.fleet),
        "would_halt": [f"{product}/{session.agent}" for product, session in found.sessions],
        "queued": found.queued,
        "confirm": command,
    }
    text = f"{_what(name, context)}\nNothing was changed. To put it on, say `{command}`."
    return SkillResult(text, data=data, suggestions=(Suggestion("Put the brake on", command),))
