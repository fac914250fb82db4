"""Schedules as they are run: the table is the truth, whoever wakes us only asks it.

A run has one name, made of the schedule's and the time on the wall, and starts one piece of work for it: after a crash, after a
clock that jumps, or in an hour that comes twice it is found to have been started.
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

GRACE = timedelta(minutes=5)
"""A run that is so late counts as on time: the fleet was being started anew."""
FAILURES = 3
"""So many failed runs in a row, and it is disabled."""
NOBODY_ASKS = "fleet"
"""Who asks for what a schedule of the registry starts."""


def follow_registry(fleet: Fleet) -> None:
    """Take up the registry's schedules: new ones, changed ones, and those that it lists no more."""
    listed_, store = {each.name: each for each in fleet.registry.schedules}, fleet.store.schedules
    with fleet.transaction():
        for timed in store.every():
            if timed.from_file and timed.name not in listed_:
                store.remove(timed.name)
        for each in fleet.registry.schedules:
            _take_up(fleet, each)


def _take_up(fleet: Fleet, schedule: Schedule) -> None:
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
        asked_by=NOBODY_ASKS,
        created_at=known.created_at if known else now,
        updated_at=now,
        last_label=known.last_label if known else "",
        counted_from=fleet.store.work.last_number(),
    )
    if known is not None and _said(known) == _said(fresh):
        return
    fleet.store.schedules.save(replace(fresh, next_at=following(fresh, now)))


def _said(timed: Timed) -> tuple[object, ...]:
    """What the registry says of it; what became of it since is another matter."""
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
    """Its next run after a moment that has not been run; None while it is disabled."""
    at = recurrence.following(timed.cron, timed.timezone, after) if timed.enabled else None
    while at is not None and recurrence.label(timed.cron, timed.timezone, at) <= timed.last_label:
        at = recurrence.following(timed.cron, timed.timezone, at)
        if at is not None and at - after > timedelta(days=3660):
            return None
    return at


def look(fleet: Fleet) -> None:
    """Start what is due, and disable what fails again and again."""
    for timed in fleet.store.schedules.due(fleet.now()):
        with fleet.transaction():
            _due(fleet, timed)
    for timed in fleet.store.schedules.every():
        if timed.enabled and (failed := _failing(fleet, timed)):
            why = f"its last {FAILURES} runs failed: {listed([f'`{work.id}`' for work in failed])}"
            disable(fleet, timed, why)


def mend(fleet: Fleet) -> None:
    """After a clock that was wrong for a while: nothing waits for a year that has not come."""
    now = fleet.now()
    for timed in fleet.store.schedules.every():
        if timed.enabled and timed.next_at and timed.next_at > now:
            at = following(timed, now)
            if at is not None and at < timed.next_at:
                fleet.store.schedules.save(replace(timed, next_at=at))


def _due(fleet: Fleet, timed: Timed) -> None:
    """One run whose time has come: started, left out, or found to have been started."""
    now, at = fleet.now(), timed.next_at
    if at is None:
        return
    label = recurrence.label(timed.cron, timed.timezone, at)
    after = replace(timed, next_at=recurrence.following(timed.cron, timed.timezone, max(now, at)), updated_at=now)
    late = now - at
    if label <= timed.last_label:
        fleet.store.schedules.save(after)
    elif late > GRACE and timed.missed == "skip":
        fleet.record("schedule", "fleet", timed.product, timed.name, {"missed": at.isoformat(), "late": span(late)})
        fleet.store.schedules.save(after)
    elif (before := _still_open(fleet, timed)) is not None:
        fleet.store.schedules.save(replace(after, last_label=label))
        run = f"its run of {recurrence.zoned(at, timed.timezone)}"
        text = f"Schedule **{timed.name}**: {run} is left out, for `{before.id}` is still {before.state}."
        _tell(fleet, timed, text, key=f"left out:{timed.name}:{label}")
    else:
        fleet.store.schedules.save(replace(after, last_label=label))
        _run(fleet, replace(after, last_label=label), at)


def _run(fleet: Fleet, timed: Timed, at: datetime) -> None:
    try:
        work, _ = submit(
            fleet,
            timed.product,
            timed.objective,
            capability=timed.capability,
            person=Person(timed.asked_by or NOBODY_ASKS),
            conversation=timed.conversation,
            request=f"schedule:{timed.name}:{at.isoformat()}",
            terms=Terms(source="schedule", schedule=timed.name),
        )
    except FleetError as error:
        disable(fleet, timed, f"its work cannot be asked for: {error.message}")
        return
    fleet.record("schedule", "fleet", timed.product, timed.name, {"ran": at.isoformat(), "work": work.id})


def _still_open(fleet: Fleet, timed: Timed) -> Work | None:
    return next((work for work in fleet.store.work.of_schedule(timed.name, limit=1) if work.state.open), None)


def _failing(fleet: Fleet, timed: Timed) -> list[Work]:
    runs = fleet.store.work.of_schedule(timed.name, after=timed.counted_from, limit=FAILURES)
    return runs if len(runs) == FAILURES and all(work.state is WorkState.FAILED for work in runs) else []


def disable(fleet: Fleet, timed: Timed, why: str) -> None:
    """Run it no more, and say so, with the way back."""
    with fleet.transaction():
        off = replace(timed, enabled=False, why_off=why, next_at=None, updated_at=fleet.now())
        fleet.store.schedules.save(off)
        fleet.record("schedule", "fleet", timed.product, timed.name, {"disabled": why})
        text = (
            f"Schedule **{timed.name}** is disabled: {why}. Mend what is wrong, then `/fleet schedule --enable {timed.name}`."
        )
        again = Suggestion("Enable it again", f"/fleet schedule --enable {timed.name}")
        _tell(fleet, timed, text, key=f"disabled:{timed.name}:{fleet.now().isoformat()}", suggestions=(again,))


def enable(fleet: Fleet, timed: Timed, person: Person) -> Timed:
    """Run it again from now on; failures before this count no more."""
    now = fleet.now()
    fresh = replace(timed, enabled=True, why_off="", counted_from=fleet.store.work.last_number(), updated_at=now)
    fresh = replace(fresh, next_at=following(fresh, now))
    with fleet.transaction():
        fleet.store.schedules.save(fresh)
        fleet.record("schedule", person.name, timed.product, timed.name, {"enabled": True})
    return fresh


def _tell(fleet: Fleet, timed: Timed, text: str, *, key: str, suggestions: tuple[Suggestion, ...] = ()) -> None:
    for place in fleet.targets(timed.product, timed.conversation):
        fleet.say(place, text, key=f"{key}:{place}", kind="report", product=timed.product, suggestions=suggestions)
