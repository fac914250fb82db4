"""An open gate reminds and escalates, outside quiet hours, and is never decided by time."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import Approvals, Gate, GateKind, GateState, MailKind, Person, Press, Role
from bot.domain.access import stranger
from bot.gates import reminders
from bot.registry.schema import QuietHours
from tests.bed import Bed
from tests.fakes.chat import FakeChat

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday."""
RULES = Approvals(remind_after=30, escalate_after=120)
GATE = Gate("g1", "product-a", GateKind.PLAN, "Plan", "1. Do it", GateState.OPEN, NOW, NOW)
NIGHT = QuietHours.model_validate({"from": "22:00", "to": "07:00", "timezone": "Europe/Vienna", "weekends": True})

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, channels: ["slack:#a"]}
people:
  - {name: ana, role: admin, web: token}
  - {name: ben, role: approver, slack: U01BEN}
  - {name: cy, role: operator, slack: U01CY}
approvals: {approvers: [ana, ben], backups: [cy], remind_after: 30, escalate_after: 2h}
"""


def always(when: datetime) -> datetime:
    return when


def test_reminder_delay_doubles_up_to_a_day() -> None:
    gate, pauses = GATE, []
    for _ in range(8):
        at = reminders.reminds_at(gate, RULES, always)
        assert at is not None
        pauses.append((at - (gate.reminded_at or gate.created_at)).total_seconds() / 60)
        gate = replace(gate, reminded_at=at, reminders=gate.reminders + 1)
    assert pauses == [30, 60, 120, 240, 480, 960, 1440, 1440]


def test_escalation_happens_once_and_only_while_open() -> None:
    assert reminders.escalates_at(GATE, RULES, always) == NOW + timedelta(hours=2)
    assert reminders.escalates_at(replace(GATE, escalated_at=NOW), RULES, always) is None
    for state in set(GateState) - {GateState.OPEN}:
        assert reminders.reminds_at(replace(GATE, state=state), RULES, always) is None
        assert reminders.escalates_at(replace(GATE, state=state), RULES, always) is None


@pytest.mark.parametrize(
    ("when", "loud"),
    [
        ("2026-03-02T12:00+00:00", "2026-03-02T12:00+00:00"),
        ("2026-03-02T21:30+00:00", "2026-03-03T06:00+00:00"),
        ("2026-03-02T02:00+00:00", "2026-03-02T06:00+00:00"),
        ("2026-03-06T22:00+00:00", "2026-03-09T06:00+00:00"),
        ("2026-03-28T23:30+00:00", "2026-03-30T05:00+00:00"),
    ],
    ids=["loud", "evening", "night", "weekend", "weekend in which the clocks change"],
)
def test_reminder_waits_for_the_end_of_quiet_hours(when: str, loud: str) -> None:
    assert NIGHT.first_allowed(datetime.fromisoformat(when)) == datetime.fromisoformat(loud)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.times(),
    st.times(),
    st.booleans(),
    st.sampled_from(["UTC", "Europe/Vienna", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_quiet_hours_end_after_they_begin(when: datetime, start: object, end: object, weekends: bool, zone: str) -> None:
    text = {"from": f"{start:%H:%M}", "to": f"{end:%H:%M}", "timezone": zone, "weekends": weekends}
    if text["from"] == text["to"]:
        return
    quiet, at = QuietHours.model_validate(text), when.replace(tzinfo=UTC)
    over = quiet.first_allowed(at)
    assert not quiet.covers(over)
    assert at <= over <= at + timedelta(days=5)
    assert quiet.covers(at) is (over != at)


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    bed = Bed(tmp_path, REGISTRY, chats={"slack": FakeChat("slack")})
    bed.clock.at = NOW
    async with bed:
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan", body="1. Do it", task="t-1")
        await bed.settled()
        yield bed


async def later(bed: Bed, **span: float) -> None:
    bed.clock.forward(**span)
    await bed.jobs.tick()
    await bed.settled()


def shown(bed: Bed, place: str) -> list[str]:
    slack = bed.chats["slack"]
    assert isinstance(slack, FakeChat)
    return [post.kind for post in slack.shown_in(place)]


async def test_approvers_get_a_message_and_reminders(bed: Bed) -> None:
    assert (shown(bed, "slack:#a"), shown(bed, "slack:@U01BEN"), shown(bed, "slack:@U01CY")) == (["gate"], ["note"], [])
    await later(bed, minutes=29)
    assert shown(bed, "slack:#a") == ["gate"]
    await later(bed, minutes=1)
    assert shown(bed, "slack:#a") == ["gate", "reminder"]
    assert shown(bed, "slack:@U01BEN") == ["note", "note"]
    await later(bed, minutes=59)
    assert shown(bed, "slack:#a") == ["gate", "reminder"]
    await later(bed, minutes=1)
    assert shown(bed, "slack:#a") == ["gate", "reminder", "reminder"]
    assert bed.expect("still waits", "ana or ben", kind="reminder")
    assert bed.open_gate().decision is None


async def test_reminder_is_sent_once_despite_a_crash(bed: Bed) -> None:
    await later(bed, minutes=30)
    await bed.crash()
    await later(bed, seconds=1)
    assert shown(bed, "slack:#a") == ["gate", "reminder"]


async def test_backup_is_notified_when_it_may_decide(bed: Bed) -> None:
    bed.person = Person("cy", Role.OPERATOR, ids={"web": "x"})
    (post,) = await bed.say("/fleet approve-plan g1")
    assert "cy can decide gates of product-a after they have waited 120 min" in post.text
    await later(bed, hours=2)
    assert shown(bed, "slack:@U01CY") == ["note"]
    assert bed.expect("I ask cy, too", kind="reminder")
    await bed.say("/fleet approve-plan g1")
    assert bed.fleet.gate("g1").state is GateState.DELIVERED


async def test_open_gate_never_times_out(bed: Bed) -> None:
    for _ in range(10):
        await later(bed, days=7)
    assert bed.open_gate().reminders == 10
    assert bed.open_gate().escalated_at is not None


async def test_no_reminder_in_quiet_hours(tmp_path: Path) -> None:
    quiet = "quiet_hours: {from: 10:00, to: 15:00}\n"
    async with Bed(tmp_path, REGISTRY + quiet, chats={"slack": FakeChat("slack")}) as bed:
        bed.clock.at = NOW
        bed.engine.push_mail("product-a", kind=MailKind.QUESTION, subject="Which?", body="Which one?")
        await bed.settled()
        await later(bed, hours=2, minutes=59)
        assert shown(bed, "slack:#a") == ["gate"]
        await later(bed, minutes=1)
        assert shown(bed, "slack:#a") == ["gate", "reminder"]


async def test_deciders_are_told_once_that_another_person_tried(bed: Bed) -> None:
    bed.person = Person("cy", Role.OPERATOR, ids={"slack": "U01CY"})
    gate = bed.open_gate()
    for event in ("p1", "p2"):
        await bed.router.handle(bed.inbound("", event=event, press=Press(gate.id, "approve", "", 1, gate.digest)))
    first, second = (bed.store.posts.keyed(f"{event}:")[0] for event in ("p1", "p2"))
    assert "I have let them know that you asked" in first.text
    assert "let them know" not in second.text
    assert (first.private, second.private) == (True, True)
    await bed.settled()
    slack = bed.chats["slack"]
    assert isinstance(slack, FakeChat)
    assert [post.text for post in slack.shown_in("slack:@U01BEN")][1:] == [
        "cy would like “Plan” (`g1`) of **product-a** to be decided, and may not do it."
    ]


async def test_unknown_person_causes_no_message(bed: Bed) -> None:
    bed.person = stranger("slack", "U0999")
    await bed.router.handle(bed.inbound("", event="p1", press=Press("g1", "approve")))
    await bed.settled()
    assert shown(bed, "slack:@U01BEN") == ["note"]
