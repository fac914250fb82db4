"""List, create, remove, enable or disable recurring work.

Use it when a person wants work done regularly. `when` takes words such as "every weekday at 9" or a cron expression with
five fields, and `timezone` an IANA name. It repeats the time zone and the next run, and saves nothing until a person
confirms: a call by the model raises a gate. Schedules defined in products.yaml are listed here and changed there. Without
arguments it lists all schedules.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, Table, option, skill, words
from bot.domain import Suggestion, access, recurrence
from bot.domain.errors import Conflict, NotAllowed, NotFound, UsageError
from bot.gates.lifecycle import decides_nothing
from bot.store.schedules import Timed
from bot.text.wording import count, shortened
from bot.work import schedules

if TYPE_CHECKING:
    from bot.fleet import Fleet


class Args(SkillArgs):
    """Arguments of `schedule`."""

    product: str | None = words(None, description="Name of the product; without it, all schedules are listed.")
    objective: str = words("", rest=True, max_length=20_000, description="What each run should do, in full sentences.")
    when: str | None = option(
        None,
        max_length=80,
        json_schema_extra={"value": "WHEN"},
        description="When to run: every weekday at 9, or cron: 0 9 * * mon-fri.",
    )
    timezone: str | None = option(None, description="Time zone of --when; by default that of quiet_hours, else UTC.")
    name: str | None = option(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Name of the schedule.")
    capability: str | None = option(
        None, pattern=r"^[a-z][a-z0-9_-]{0,40}$", description="Kind of worker; the coordinator by default."
    )
    missed: Literal["skip", "once"] = option("skip", description="How to treat runs missed while the fleet was down.")
    yes: bool = option(False, description="Save it without asking again.")
    remove: str | None = option(None, description="Name of a schedule to remove.")
    enable: str | None = option(None, description="Name of a schedule to enable.")
    disable: str | None = option(None, description="Name of a schedule to disable.")


def _consent(args: Args, context: SkillContext) -> str:
    """Describe what would be saved or changed. Raises UsageError if it is not valid."""
    for name, what in ((args.remove, "removed"), (args.enable, "enabled"), (args.disable, "disabled")):
        if name:
            return f"Schedule **{_known(context, name).name}** will be {what}."
    if not (args.objective and args.when and args.product):
        return ""
    return _said(_timed(args, context, context.fleet.product(args.product).name), args)


@skill(
    role=Role.VIEWER,
    summary="List or change recurring work.",
    examples=[
        "schedule",
        'schedule product-c write the social pieces --when "every weekday at 9" --timezone Europe/Vienna',
        "schedule --disable weekday-marketing",
    ],
    consent=_consent,
    synonyms="schedules cron every timer",
)
async def schedule(args: Args, context: SkillContext) -> SkillResult:
    """List the schedules, or change one."""
    for name, change in ((args.remove, _remove), (args.enable, _enable), (args.disable, _disable)):
        if name:
            return change(_known(context, name), context)
    if not args.objective and not args.when:
        return _list(context, context.fleet.product(args.product).name if args.product else None)
    if not (args.product and args.objective and args.when):
        raise UsageError(
            "A schedule needs a product, an objective and a time.",
            'Run `/fleet schedule product-c write the social pieces --when "every weekday at 9"`.',
        )
    return _make(args, context)


def _make(args: Args, context: SkillContext) -> SkillResult:
    fleet, product = context.fleet, context.fleet.product(args.product or "")
    if reason := access.may(context.person, Role.OPERATOR, product.name):
        raise NotAllowed(reason)
    if not product.overstory:
        raise UsageError(f"{product.name} has `overstory: false`: it runs no agents.", "Set it to true in products.yaml.")
    timed = _timed(args, context, product.name)
    said, zone = _said(timed, args), timed.timezone
    data = {**_json(timed), "saved": args.yes or context.approved}
    if not (args.yes or context.approved):
        command = _command(timed)
        text = f"{said} Nothing is saved yet. To save it, run `{command}`."
        return SkillResult(text, data={**data, "confirm": command}, suggestions=(Suggestion("Save schedule", command),))
    with fleet.transaction():
        fleet.store.schedules.save(timed)
        fleet.record("schedule", context.person.name, timed.product, timed.name, {"saved": timed.cron, "timezone": zone})
    return SkillResult(f"Saved as **{timed.name}**: {said}", data=data, suggestions=_buttons(timed))


def _said(timed: Timed, args: Args) -> str:
    """Describe a schedule with its time zone and its next run."""
    if timed.next_at is None:
        raise UsageError(f"“{args.when}” never occurs.", f"Use for example {recurrence.EXAMPLES}.")
    what = f"“{shortened(timed.objective, 160)}” on **{timed.product}**"
    return (
        f"**{recurrence.words(timed.cron)}**, {timed.timezone}: {what}; next {recurrence.zoned(timed.next_at, timed.timezone)}."
    )


def _timed(args: Args, context: SkillContext, product: str) -> Timed:
    """Return the schedule the arguments describe. Raises UsageError for an invalid time, zone or name."""
    fleet, now = context.fleet, context.fleet.now()
    zone = args.timezone or fleet.registry.timezone
    try:
        parts = recurrence.read(args.when or "")
        recurrence.following(parts, zone, now)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except (KeyError, OSError):
        raise UsageError(f"{zone[:40]} is not a time zone.", "Use a name such as Europe/Vienna.") from None
    name = args.name or _free_name(fleet, product)
    known = fleet.store.schedules.get(name)
    if known is not None and known.from_file:
        raise Conflict(f"{name} is defined in products.yaml.", "Change it there, or choose another --name.")
    timed = Timed(
        name=known.name if known else name,
        product=product,
        cron=parts,
        timezone=zone,
        objective=decides_nothing(args.objective),
        capability=args.capability,
        missed=args.missed,
        asked_by=context.person.name,
        conversation=context.conversation,
        created_at=known.created_at if known else now,
        updated_at=now,
        last_label=known.last_label if known else "",
        counted_from=fleet.store.work.last_number(),
    )
    return replace(timed, next_at=schedules.following(timed, now))


def _free_name(fleet: "Fleet", product: str) -> str:
    taken = {each.name.casefold() for each in fleet.store.schedules.every()}
    return next(name for number in range(1, 10_000) if (name := f"{product[:50]}-{number}").casefold() not in taken)


def _command(timed: Timed) -> str:
    options = [f'--when "{timed.cron}"', f"--timezone {timed.timezone}", f"--name {timed.name}"]
    options += [f"--capability {timed.capability}"] if timed.capability else []
    options += [f"--missed {timed.missed}"] if timed.missed != "skip" else []
    return f"/fleet schedule {timed.product} {' '.join(options)} --yes -- {' '.join(timed.objective.split())}"


def _known(context: SkillContext, name: str) -> Timed:
    """Return the schedule of this name, if the person may change it."""
    every = context.fleet.store.schedules.every()
    found = next((each for each in every if each.name.casefold() == name.casefold()), None)
    if found is None:
        listed = (
            f"Existing schedules: {', '.join(each.name for each in every[:12])}." if every else "There are no schedules yet."
        )
        raise NotFound(f"There is no schedule “{name[:64]}”.", listed)
    if reason := access.may(context.person, Role.OPERATOR, found.product):
        raise NotAllowed(reason)
    return found


def _remove(timed: Timed, context: SkillContext) -> SkillResult:
    if timed.from_file:
        raise Conflict(
            f"{timed.name} is defined in products.yaml.",
            f"Remove it there, or run `/fleet schedule --disable {timed.name}`.",
        )
    with context.fleet.transaction():
        context.fleet.store.schedules.remove(timed.name)
        context.fleet.record("schedule", context.person.name, timed.product, timed.name, {"removed": timed.cron})
    return SkillResult(f"Schedule **{timed.name}** is removed. Work it has started continues.", data={"removed": timed.name})


def _enable(timed: Timed, context: SkillContext) -> SkillResult:
    fresh = timed if timed.enabled else schedules.enable(context.fleet, timed, context.person)
    first = recurrence.zoned(fresh.next_at, fresh.timezone) if fresh.next_at else "never"
    return SkillResult(f"Schedule **{fresh.name}** is enabled; next {first}.", data=_json(fresh))


def _disable(timed: Timed, context: SkillContext) -> SkillResult:
    off = replace(
        timed, enabled=False, why_off=f"disabled by {context.person.name}", next_at=None, updated_at=context.fleet.now()
    )
    with context.fleet.transaction():
        context.fleet.store.schedules.save(off)
        context.fleet.record("schedule", context.person.name, timed.product, timed.name, {"disabled": off.why_off})
    again = Suggestion("Enable schedule", f"/fleet schedule --enable {timed.name}")
    return SkillResult(f"Schedule **{timed.name}** is disabled. It stays in the list.", data=_json(off), suggestions=(again,))


def _list(context: SkillContext, product: str | None) -> SkillResult:
    fleet = context.fleet
    shown = [
        each
        for each in fleet.store.schedules.every()
        if product in (None, each.product) and access.may(context.person, Role.VIEWER, each.product) is None
    ]
    lines = [f"**{count(len(shown), 'schedule')}**", "", *(f"- {_line(each)}" for each in shown)]
    if not shown:
        lines = ['No schedules yet. Run `/fleet schedule product-c write the social pieces --when "every weekday at 9"`.']
    rows = tuple((each.name, each.product, recurrence.words(each.cron), each.timezone, _state(each)) for each in shown)
    table = Table(("schedule", "product", "when", "zone", "state"), rows) if rows else None
    return SkillResult("\n".join(lines), data={"schedules": [_json(each) for each in shown]}, table=table)


def _line(timed: Timed) -> str:
    where = " (products.yaml)" if timed.from_file else ""
    what = f"{recurrence.words(timed.cron)}, {timed.timezone}: “{shortened(timed.objective, 80)}” on {timed.product}"
    return f"**{timed.name}**{where} {what}; {_state(timed)}"


def _state(timed: Timed) -> str:
    if not timed.enabled:
        return f"disabled{f': {timed.why_off}' if timed.why_off else ''}"
    return f"next {recurrence.zoned(timed.next_at, timed.timezone)}" if timed.next_at else "never runs"


def _buttons(timed: Timed) -> tuple[Suggestion, ...]:
    return (Suggestion("Remove schedule", f"/fleet schedule --remove {timed.name}"),)


def _json(timed: Timed) -> dict[str, object]:
    return {
        "name": timed.name,
        "product": timed.product,
        "cron": timed.cron,
        "timezone": timed.timezone,
        "objective": timed.objective,
        "capability": timed.capability,
        "missed": timed.missed,
        "enabled": timed.enabled,
        "why_off": timed.why_off,
        "from_file": timed.from_file,
        "next_at": timed.next_at.isoformat() if timed.next_at else None,
    }
