"""Running schedules. The table of schedules is the truth, and a wake-up only checks it.

A run is named by its schedule and the local time, and starts one piece of work. After a crash, a jump of the clock, or in an
hour that occurs twice, the run is found to have been started.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain import Person, Suggestion, Work, WorkState, recurrence
from bot.domain.errors import FleetError
from bot.fleet import Fleet
from bot.registry import Schedule
from bot.store.schedules import Timed
from bot.text.wording import listed, span
from bot.work.queue import Terms, submit
from bot.work.states import label

GRACE = timedelta(minutes=5)
"""Delay up to which a run counts as on time, because the fleet was restarting."""
FAILURES = 3
"""Number of failed runs in a row after which a schedule is disabled."""
ASKED_BY_REGISTRY = "fleet"
"""Name of the person who asks for work of the registry's schedules."""


def follow_registry(fleet: Fleet) -> None:
    """Apply the registry's schedules to the table: new ones, changed ones, and removed ones."""
    listed_, store = {each.name: each for each in fleet.registry.schedules}, fleet.store.schedules
    with fleet.transaction():
        for timed in store.every():
            if timed.from_file and timed.name not in listed_:
                store.remove(timed.name)
        for each in fleet.registry.schedules:
            _apply(fleet, each)


def _apply(fleet: Fleet, schedule: Schedule) -> None:
    known, now = fleet.store.schedules.get(schedule.name), fleet.now()
    fresh = Timed(
        name=schedule.name,
        product=schedule.product,
        cron=schedule.cron,
        timezone=schedule.timezone,
        objective=schedule.objective,
        capability=schedule.capability,
        missed=schedule.missed,
        enabled=schedule.enabled,
        from_file=True,
        asked_by=ASKED_BY_REGISTRY,
        created_at=known.created_at if known else now,
        updated_at=now,
        last_label=known.last_label if known else "",
        counted_from=fleet.store.work.last_number(),
    )
    if known is not None and _declared(known) == _declared(fresh):
        return
    fleet.store.schedules.save(replace(fresh, next_at=following(fresh, now)))


def _declared(timed: Timed) -> tuple[object, ...]:
    """Return what the registry declares of a schedule, without what has happened since."""
    enabled = timed.enabled or bool(timed.why_off)
    return (
        timed.from_file,
        timed.product,
        timed.cron,
        timed.timezone,
        timed.objective,
        timed.capability,
        timed.missed,
        enabled,
    )


def following(timed: Timed, after: datetime) -> datetime | None:
    """Return the next time after this one that has not been run, or None if the schedule is disabled."""
    at = recurrence.following(timed.cron, timed.timezone, after) if timed.enabled else None
    while at is not None and recurrence.label(timed.cron, timed.timezone, at) <= timed.last_label:
        at = recurrence.following(timed.cron, timed.timezone, at)
        if at is not None and at - after > timedelta(days=3660):
            return None
    return at


def run_due(fleet: Fleet) -> None:
    """Start the runs that are due, and disable schedules that fail repeatedly."""
    for timed in fleet.store.schedules.due(fleet.now()):
        with fleet.transaction():
            _due(fleet, timed)
    for timed in fleet.store.schedules.every():
        if timed.enabled and (failed := _failing(fleet, timed)):
            why = f"its last {FAILURES} runs failed: {listed([f'`{work.id}`' for work in failed])}"
            disable(fleet, timed, why)


def recover_from_clock(fleet: Fleet) -> None:
    """Move next runs back to their proper time after the clock was wrong for a while."""
    now = fleet.now()
    for timed in fleet.store.schedules.every():
        if timed.enabled and timed.next_at and timed.next_at > now:
            at = following(timed, now)
            if at is not None and at < timed.next_at:
                fleet.store.schedules.save(replace(timed, next_at=at))


def _due(fleet: Fleet, timed: Timed) -> None:
    """Start or skip a run that is due, or find that it has been started."""
    now, at = fleet.now(), timed.next_at
    if at is None:
        return
    run_label = recurrence.label(timed.cron, timed.timezone, at)
    after = replace(timed, next_at=recurrence.following(timed.cron, timed.timezone, max(now, at)), updated_at=now)
    late = now - at
    if run_label <= timed.last_label:
        fleet.store.schedules.save(after)
    elif late > GRACE and timed.missed == "skip":
        fleet.record("schedule", "fleet", timed.product, timed.name, {"missed": at.isoformat(), "late": span(late)})
        fleet.store.schedules.save(after)
    elif (before := _still_open(fleet, timed)) is not None:
        fleet.store.schedules.save(replace(after, last_label=run_label))
        run = f"its run of {recurrence.zoned(at, timed.timezone)}"
        text = f"Schedule **{timed.name}**: {run} was skipped, because `{before.id}` is still {label(before)}."
        _tell(fleet, timed, text, key=f"left out:{timed.name}:{run_label}")
    else:
        fleet.store.schedules.save(replace(after, last_label=run_label))
        _run(fleet, replace(after, last_label=run_label), at)


def _run(fleet: Fleet, timed: Timed, at: datetime) -> None:
    try:
        work, _ = submit(
            fleet,
            timed.product,
            timed.objective,
            capability=timed.capability,
            person=Person(timed.asked_by or ASKED_BY_REGISTRY),
            conversation=timed.conversation,
            request=f"schedule:{timed.name}:{at.isoformat()}",
            terms=Terms(source="schedule", schedule=timed.name),
        )
    except FleetError as error:
        disable(fleet, timed, f"its work cannot be queued: {error.message}")
        return
    fleet.record("schedule", "fleet", timed.product, timed.name, {"ran": at.isoformat(), "work": work.id})


def _still_open(fleet: Fleet, timed: Timed) -> Work | None:
    return next((work for work in fleet.store.work.of_schedule(timed.name, limit=1) if work.state.open), None)


def _failing(fleet: Fleet, timed: Timed) -> list[Work]:
    runs = fleet.store.work.of_schedule(timed.name, after=timed.counted_from, limit=FAILURES)
    return runs if len(runs) == FAILURES and all(work.state is WorkState.FAILED for work in runs) else []


def disable(fleet: Fleet, timed: Timed, why: str) -> None:
    """Disable a schedule, and report it with a button that enables it again."""
    with fleet.transaction():
        off = replace(timed, enabled=False, why_off=why, next_at=None, updated_at=fleet.now())
        fleet.store.schedules.save(off)
        fleet.record("schedule", "fleet", timed.product, timed.name, {"disabled": why})
        text = f"Schedule **{timed.name}** is disabled: {why}. Fix the cause, then run `/fleet schedule --enable {timed.name}`."
        again = Suggestion("Enable again", f"/fleet schedule --enable {timed.name}")
        _tell(fleet, timed, text, key=f"disabled:{timed.name}:{fleet.now().isoformat()}", suggestions=(again,))


def enable(fleet: Fleet, timed: Timed, person: Person) -> Timed:
    """Enable a schedule from now on. Earlier failures no longer count."""
    now = fleet.now()
    fresh = replace(timed, enabled=True, why_off="", counted_from=fleet.store.work.last_number(), updated_at=now)
    fresh = replace(fresh, next_at=following(fresh, now))
    with fleet.transaction():
        fleet.store.schedules.save(fresh)
        fleet.record("schedule", person.name, timed.product, timed.name, {"enabled": True})
    return fresh


def _tell(fleet: Fleet, timed: Timed, text: str, *, key: str, suggestions: tuple[Suggestion, ...] = ()) -> None:
    for target in fleet.targets(timed.product, timed.conversation):
        fleet.say(target, text, key=f"{key}:{target}", kind="report", product=timed.product, suggestions=suggestions)
