"""Posts on a chat platform, which appear once, in order, and are updated when a gate on them changes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain import MailKind, Post
from bot.domain.errors import DeliveryError
from bot.engine.base import Receipt
from bot.fleet import BOARD
from bot.gates.decide import decide
from tests.bed import Bed
from tests.fakes.chat import FakeChat

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, channels: ["slack:#a"]}
  - {name: product-b, path: /projects/product-b, channels: ["slack:#b"]}
"""
PLAN: dict[str, Any] = {"task": "t-1", "revision": 1}


class SlackBed(Bed):
    """A fleet with one chat platform."""

    def __init__(self, folder: Path) -> None:
        self.slack = FakeChat("slack")
        super().__init__(folder, REGISTRY, chats={"slack": self.slack})

    def plan(self, product: str = "product-a", revision: int = 1) -> None:
        payload = {**PLAN, "revision": revision}
        self.engine.push_mail(product, kind=MailKind.PLAN, subject="Plan", body=f"plan {revision}", **payload)

    async def later(self, **span: float) -> None:
        """Let time pass, and see to what became due."""
        self.clock.forward(**span)
        await self.settled()


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[SlackBed]:
    bed = SlackBed(tmp_path)
    async with bed:
        yield bed


def texts(posts: list[Post]) -> list[str]:
    return [post.text for post in posts]


async def test_card_is_updated_when_its_gate_is_decided_elsewhere(bed: SlackBed) -> None:
    bed.plan()
    await bed.settled()
    (card,) = bed.slack.messages.values()
    decide(bed.fleet, "g1", "approve", bed.person, platform="web")
    await bed.settled()
    assert [each.key for each in bed.slack.messages.values()] == [card.key]
    assert next(iter(bed.slack.messages.values())).edits >= 1
    assert bed.store.outbox.stale("slack") == []


async def test_card_is_not_updated_for_invisible_changes(bed: SlackBed) -> None:
    bed.engine.next_receipt = Receipt.WAITING
    bed.plan()
    await bed.settled()
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.settled()
    edits = next(iter(bed.slack.messages.values())).edits
    gate = bed.fleet.gate("g1")
    bed.fleet.save_gate(replace(gate, sendings=gate.sendings + 1))
    assert bed.store.outbox.stale("slack") == []
    assert edits <= 2


async def test_failed_card_update_is_repeated_after_a_crash(bed: SlackBed) -> None:
    bed.plan()
    await bed.settled()
    bed.slack.fail(DeliveryError("busy", code="limited", retry_after=60.0), times=50)
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.settled()
    assert next(iter(bed.slack.messages.values())).edits == 0
    bed.slack._failures.clear()
    await bed.crash()
    assert next(iter(bed.slack.messages.values())).edits >= 1


async def test_attempt_with_lost_answer_is_not_repeated(bed: SlackBed) -> None:
    bed.slack.lose_answer()
    bed.plan()
    await bed.settled()
    await bed.later(minutes=1)
    assert bed.slack.doubles() == []
    assert len(bed.slack.messages) == len(bed.slack.looks) == 1
    assert bed.store.outbox.counts() == {"delivered": 1}


async def test_recovered_card_shows_a_decision_made_meanwhile(bed: SlackBed) -> None:
    bed.slack.lose_answer()
    bed.plan()
    await bed.settled()
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.later(minutes=1)
    (card,) = bed.slack.messages.values()
    assert (len(bed.slack.looks), card.edits >= 1) == (1, True)
    assert bed.store.outbox.stale("slack") == []


async def test_rejected_form_is_sent_as_plain_text(bed: SlackBed, caplog: pytest.LogCaptureFixture) -> None:
    bed.slack.fail(DeliveryError("invalid_blocks: too long", code="malformed"))
    bed.plan()
    await bed.settled()
    (message,) = bed.slack.messages.values()
    assert message.plain
    assert "invalid_blocks" in caplog.text


async def test_permanent_rejection_is_reported_on_the_page(bed: SlackBed) -> None:
    bed.slack.fail(DeliveryError("not_allowed_by_policy.", "Ask an admin of the workspace."))
    bed.plan()
    await bed.settled()
    assert bed.store.outbox.counts() == {"failed": 1}
    said = bed.expect("not_allowed_by_policy", "slack:#a", kind="error")
    assert said.conversation == BOARD


async def test_rate_limited_posts_wait_and_stay_in_order(bed: SlackBed) -> None:
    bed.slack.fail(DeliveryError("ratelimited", code="limited", retry_after=30.0))
    bed.fleet.say("slack:#a", "first", key="1")
    bed.fleet.say("slack:#a", "second", key="2")
    bed.fleet.say("slack:#b", "elsewhere", key="3")
    await bed.settled()
    assert texts(bed.slack.shown_in("slack:#a")) == []
    assert texts(bed.slack.shown_in("slack:#b")) == ["elsewhere"]
    await bed.later(seconds=29)
    assert texts(bed.slack.shown_in("slack:#a")) == []
    await bed.later(seconds=12)
    assert texts(bed.slack.shown_in("slack:#a")) == ["first", "second"]


async def test_unreachable_conversation_is_reported_once_and_moved_to_the_page(bed: SlackBed) -> None:
    bed.slack.fail(DeliveryError("The channel is archived.", code="gone"))
    bed.plan()
    await bed.settled()
    assert bed.expect("slack:#a", "archived").conversation == BOARD
    bed.plan(revision=2)
    await bed.settled()
    assert bed.expect("product-a", "revision 2", kind="gate").conversation == BOARD
    assert len([post for post in bed.posts("error") if "archived" in post.text]) == 1
    bed.fleet.mark_reachable("slack:#a")
    bed.plan(revision=3)
    await bed.settled()
    assert len(bed.slack.shown_in("slack:#a")) == 1


async def test_posts_wait_while_the_platform_is_down(bed: SlackBed) -> None:
    bed.slack.down = "the socket is cut"
    bed.plan()
    await bed.settled()
    await bed.later(days=3)
    assert bed.slack.messages == {}
    bed.slack.down = ""
    await bed.settled()
    assert len(bed.slack.messages) == 1


async def test_post_rejected_for_a_day_is_given_up_and_reported(bed: SlackBed) -> None:
    bed.slack.fail(DeliveryError("It failed.", retry_after=1.0), times=500)
    bed.plan()
    for _ in range(26):
        await bed.later(hours=1)
    assert bed.store.outbox.counts() == {"failed": 1}
    bed.expect("couldn't post a message", "slack:#a")


async def test_reports_of_five_agents_become_one_message(bed: SlackBed) -> None:
    for number in range(5):
        bed.engine.push_mail("product-a", sender=f"builder-{number}", kind=MailKind.WORKER_FINISHED, body=f"part {number} done")
        bed.clock.forward(seconds=0.5)
    await bed.settled()
    assert bed.slack.shown_in("slack:#a") == []
    await bed.later(seconds=3)
    (post,) = bed.slack.shown_in("slack:#a")
    assert [f"part {number} done" in post.text for number in range(5)] == [True] * 5


async def test_report_is_sent_before_later_posts(bed: SlackBed) -> None:
    bed.engine.push_mail("product-a", sender="builder-1", kind=MailKind.WORKER_FINISHED, body="part 1 done")
    bed.plan()
    await bed.settled()
    assert [post.kind for post in bed.slack.shown_in("slack:#a")] == ["report", "gate"]


async def test_thread_receives_posts_instead_of_its_channel(bed: SlackBed) -> None:
    assert bed.fleet.targets("product-a", "slack:#a:171.1") == ("slack:#a:171.1",)
    assert bed.fleet.targets("product-a", "slack:#b:171.1") == ("slack:#b:171.1", "slack:#a")
    assert bed.fleet.targets("product-a", "web:main") == ("web:main", "slack:#a")
