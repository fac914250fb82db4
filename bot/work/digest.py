"""The digest: what changed across products since a moment, from records alone, so that it costs nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.domain import Gate, GateState, Person, Role, Work, WorkState, access
from bot.fleet import Fleet
from bot.gates import lifecycle
from bot.text.wording import count, headline, listed, money, span
from bot.work.limits import spent_today

DAY = timedelta(days=1)
SHOWN = 3
"""Number of results of a product that are named. The rest is counted."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes in one product."""

    product: str
    asked: tuple[Work, ...]
    done: tuple[Work, ...]
    failed: tuple[Work, ...]
    rejected: tuple[Work, ...]
    cancelled: tuple[Work, ...]
    decided: tuple[Gate, ...]
    opened: tuple[Gate, ...]
    """Gates that were raised since then and are still open."""
    spent_usd: float = 0.0
    """US dollars spent today, also before that moment."""

    def __bool__(self) -> bool:
        return any((self.asked, self.done, self.failed, self.rejected, self.cancelled, self.decided, self.opened))


def changes(fleet: Fleet, then: datetime, person: Person | None = None) -> list[Changes]:
    """Return what changed since then, for each product with changes that the person may see."""
    work, gates = fleet.store.work.changed_since(then), fleet.store.gates.changed_since(then)
    spent, found = spent_today(fleet), []
    for product in fleet.registry.products:
        if person is not None and access.may(person, Role.VIEWER, product.name):
            continue
        mine = [each for each in work if each.product == product.name]
        ended = [each for each in mine if each.ended_at and each.ended_at >= then]
        about = [gate for gate in gates if gate.product == product.name and gate.updated_at >= then]
        each = Changes(
            product=product.name,
            asked=tuple(one for one in mine if one.created_at >= then),
            done=tuple(one for one in ended if one.state is WorkState.DONE),
            failed=tuple(one for one in ended if one.state is WorkState.FAILED),
            rejected=tuple(one for one in ended if one.state is WorkState.REJECTED),
            cancelled=tuple(one for one in ended if one.state is WorkState.CANCELLED),
            decided=tuple(gate for gate in about if gate.decision),
            opened=tuple(gate for gate in about if gate.state is GateState.OPEN and gate.created_at >= then),
            spent_usd=spent.get(product.name, 0.0),
        )
        if each:
            found.append(each)
    return found


def period(length: timedelta) -> str:
    """Format the length of the period that a digest covers, as in `24 hours`, `90 min` or `3 days`."""
    hours = length / timedelta(hours=1)
    if hours >= 48 and hours % 24 == 0:
        return count(int(hours // 24), "day")
    return count(int(hours), "hour") if hours >= 1 and hours == int(hours) else span(length)


def as_text(found: list[Changes], then: datetime, now: datetime) -> str:
    """Return the changes in Markdown, with open gates and failures first in each product."""
    total = {
        "done": sum(len(each.done) for each in found),
        "failed": sum(len(each.failed) for each in found),
        "rejected": sum(len(each.rejected) for each in found),
    }
    head = f"**What changed** in the last {period(now - then)}: " + ", ".join(
        f"{number} {what}" for what, number in total.items() if number
    )
    waits = sum(len(each.opened) for each in found)
    head = head.rstrip(": ") + (f", {count(waits, 'gate')} waiting for a decision" if waits else "")
    return "\n".join([head, "", *(f"- {_line(each)}" for each in found)])


def _line(each: Changes) -> str:
    parts = []
    if each.opened:
        parts.append(f"needs a decision: {listed([f'{lifecycle.named(gate, 60)} (`{gate.id}`)' for gate in each.opened])}")
    if each.failed:
        parts.append("failed: " + _named(each.failed))
    if each.done:
        parts.append("done: " + _named(each.done))
    if each.decided:
        parts.append(f"{count(len(each.decided), 'decision')} made")
    open_asked = [work for work in each.asked if work.state.open]
    if open_asked:
        parts.append(f"{len(open_asked)} unfinished")
    if each.rejected:
        parts.append(f"{len(each.rejected)} rejected")
    if each.cancelled:
        parts.append(f"{len(each.cancelled)} cancelled")
    if each.spent_usd:
        parts.append(f"{money(each.spent_usd)} today")
    return f"**{each.product}** {' · '.join(parts)}"


def _named(work: tuple[Work, ...]) -> str:
    shown = [f"`{each.id}` {headline(each.result or each.reason or each.objective, 80)}" for each in work[-SHOWN:]]
    more = len(work) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


def post_due(fleet: Fleet) -> None:
    """Post the digest of the day once, when its time has come and something changed."""
    wanted = fleet.registry.digest
    if wanted is None:
        return
    now = fleet.now()
    local = now.astimezone(ZoneInfo(wanted.timezone))
    last = fleet.store.fleet_state.last_digest()
    if local.time() < wanted.time or (last and local.date() <= last.day) or (local.weekday() >= 5 and not wanted.weekends):
        return
    then = last.sent_at if last and last.sent_at else now - DAY
    found = changes(fleet, then)
    with fleet.transaction():
        fleet.store.fleet_state.record_digest(local.date(), now)
        if found:
            target = str(wanted.channel) if wanted.channel and wanted.channel.platform in fleet.platforms else "web:fleet"
            fleet.say(target, as_text(found, then, now), key=f"digest:{local:%Y-%m-%d}", kind="report")
