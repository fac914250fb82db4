"""The contract of every chat platform, as a person's day.

A suite for a platform inherits `ChatContract` and provides a `day`, which is a fleet on a fake engine that is connected to a
stand-in of the platform through the real client library.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.domain import MailKind
from bot.gates.decide import decide
from tests.bed import Bed

PRODUCT, OTHER = "product-a", "product-b"
PLAN: dict[str, Any] = {"task": "t-1", "revision": 1}


@dataclass(slots=True)
class Seen:
    """A message as a person sees it.

    It has the text with that of its blocks, and the labels of its buttons by action.
    """

    id: str
    text: str
    buttons: dict[str, str] = field(default_factory=dict)
    thread: str = ""
    """Id of the message whose thread it is in. Empty outside threads."""
    only_for: str = ""
    """Name of the one person who sees it. Empty for everyone."""


class Day(ABC):
    """A day on a platform.

    Products `product-a` and `product-b` each have a channel of that name. Ana is admin, Ben approver of product-a, Vic viewer.
    Eve is in the workspace and not in the registry.
    """

    bed: Bed

    @abstractmethod
    async def say(self, person: str, channel: str, text: str, *, thread: str = "", mention: bool = True) -> str:
        """Send a person's message and return its id.

        It goes to a channel, to a thread of it, or (`channel="dm"`) to the bot's direct messages.
        """

    @abstractmethod
    async def command(self, person: str, channel: str, text: str) -> None:
        """Send the slash command `/fleet` with this text."""

    @abstractmethod
    async def press(self, person: str, message: Seen, choice: str, *, note: str | None = None) -> None:
        """Press a button of a card (`approve`, `changes`, `reject`, an option, or a suggestion's label).

        If a form opens, submit it with the note, or close it without one.
        """

    @abstractmethod
    async def seen(self, channel: str, *, thread: str = "", person: str = "") -> list[Seen]:
        """Return what the bot shows in a channel and its threads, oldest first.

        It can be limited to one thread or to direct messages (`dm`). With `person`, messages that only they see are included.
        """

    @abstractmethod
    async def until(self, what: Any, why: str) -> Any:
        """Wait until a function, async or not, returns a true value, and return it.

        Fails with `why` and the messages shown.
        """

    @abstractmethod
    async def restart(self) -> None:
        """Kill the fleet and start it again."""

    @abstractmethod
    async def away(self) -> None:
        """Kill the fleet."""

    @abstractmethod
    async def back(self) -> None:
        """Start the fleet after `away`."""

    def plan(self, product: str = PRODUCT, revision: int = 1, body: str = "1. Split the parser\n2. Test it") -> None:
        """Send a plan from the product's coordinator."""
        payload = {**PLAN, "revision": revision}
        self.bed.engine.push_mail(product, kind=MailKind.PLAN, subject="Plan ready", body=body, **payload)

    async def card(self, channel: str = PRODUCT, *words: str) -> Seen:
        """Wait for the newest card in a channel with these words."""

        async def find() -> Seen | None:
            found = [each for each in await self.seen(channel) if each.buttons and all(word in each.text for word in words)]
            return found[-1] if found else None

        card: Seen = await self.until(find, f"a card in {channel} with {words}")
        return card


class ChatContract(ABC):
    """The contract. `day` is a fresh one for each test."""

    @pytest.fixture
    @abstractmethod
    def day(self) -> Any: ...

    async def test_approved_plan_card_shows_outcome(self, day: Day) -> None:
        day.plan()
        card = await day.card(PRODUCT, "Plan ready", "Split the parser")
        await day.press("ben", card, "approve")

        async def outcome() -> bool:
            shown = next(each for each in await day.seen(PRODUCT) if each.id == card.id)
            return "Approved by ben" in shown.text and not shown.buttons

        await day.until(outcome, "the card says who approved it")
        assert [mail.body.split("\n")[0] for mail in day.bed.engine.box(PRODUCT).mail if mail.ours] == ["DECISION: approve"]

    async def test_forbidden_click_names_deciders_in_private(self, day: Day) -> None:
        day.plan()
        await day.press("vic", await day.card(), "approve")

        async def told() -> bool:
            return any("can decide" in each.text and each.only_for == "vic" for each in await day.seen(PRODUCT, person="vic"))

        await day.until(told, "vic is told who may")
        assert day.bed.open_gate().decision is None

    async def test_click_after_restart_counts(self, day: Day) -> None:
        day.plan()
        card = await day.card()
        await day.restart()
        await day.press("ben", card, "changes", note="use a table")

        async def outcome() -> bool:
            shown = next(each for each in await day.seen(PRODUCT) if each.id == card.id)
            return "Changes requested by ben" in shown.text and "use a table" in shown.text

        await day.until(outcome, "the card says what was asked")

    async def test_decision_made_elsewhere_is_shown_on_card(self, day: Day) -> None:
        day.plan()
        card = await day.card()
        decide(day.bed.fleet, "g1", "approve", day.bed.fleet.registry.people[0], platform="web")

        async def outcome() -> bool:
            shown = next(each for each in await day.seen(PRODUCT) if each.id == card.id)
            return "Approved by ana" in shown.text and not shown.buttons

        await day.until(outcome, "the card says who approved it elsewhere")

    async def test_revision_replaces_previous_card(self, day: Day) -> None:
        day.plan()
        first = await day.card()
        day.plan(revision=2, body="1. Split the parser\n2. Test it twice")
        second = await day.card(PRODUCT, "revision 2", "Test it twice")

        async def replaced() -> bool:
            return not next(each for each in await day.seen(PRODUCT) if each.id == first.id).buttons

        await day.until(replaced, "the first card takes no answer any more")
        await day.press("ben", second, "approve")
        await day.until(lambda: day.bed.fleet.gate("g2").decision, "the second one does")

    async def test_answer_is_given_once_despite_kill(self, day: Day) -> None:
        await day.say("ana", PRODUCT, "!status")

        async def answers() -> list[Seen]:
            return [each for each in await day.seen(PRODUCT) if "Fleet" in each.text]

        await day.until(answers, "an answer")
        await day.restart()
        await day.say("ana", "dm", "!products")
        await day.until(lambda: "marketing" in day.bed.heard[-1].text, "another answer")
        assert len(await answers()) == 1

    async def test_message_sent_while_offline_is_answered_after_restart(self, day: Day) -> None:
        await day.away()
        await day.say("ana", PRODUCT, "!status")
        await day.back()
        await day.until(lambda: day.bed.heard and "Fleet" in day.bed.heard[-1].text, "an answer")

    async def test_command_is_answered_in_its_channel(self, day: Day) -> None:
        await day.command("ana", PRODUCT, "status")

        async def answered() -> bool:
            return any("product-b" in each.text for each in await day.seen(PRODUCT, person="ana"))

        await day.until(answered, "the status")

    async def test_mention_starts_thread_that_needs_no_mention(self, day: Day) -> None:
        said = await day.say("ana", OTHER, "!spawn fix the test", mention=True)

        async def answers() -> list[Seen]:
            return [each for each in await day.seen(OTHER) if each.thread == said]

        await day.until(answers, "an answer in the thread")
        assert day.bed.work("w1").product == OTHER
        await day.say("ana", OTHER, "!gates", thread=said, mention=False)

        async def nothing() -> bool:
            return any("Nothing needs your decision" in each.text for each in await answers())

        await day.until(nothing, "the second answer, in the same thread")

    async def test_direct_messages_are_about_all_products(self, day: Day) -> None:
        await day.say("ana", "dm", "!status")

        async def answered() -> bool:
            return any("product-a" in each.text and "product-b" in each.text for each in await day.seen("dm", person="ana"))

        await day.until(answered, "an answer about both")

    async def test_stranger_is_refused_and_changes_nothing(self, day: Day) -> None:
        day.plan()
        await day.press("eve", await day.card(), "approve")

        async def told() -> bool:
            return any("I do not know you" in each.text for each in await day.seen(PRODUCT, person="eve") if each.only_for)

        await day.until(told, "eve is told, alone")
        assert day.bed.open_gate().decision is None

    async def test_late_click_names_decider(self, day: Day) -> None:
        day.plan()
        card = await day.card()
        decide(day.bed.fleet, "g1", "approve", day.bed.fleet.registry.people[0], platform="web")
        await day.press("ben", card, "approve")

        async def told() -> bool:
            return any(
                "Already decided: approved by ana" in each.text
                for each in await day.seen(PRODUCT, person="ben")
                if each.only_for
            )

        await day.until(told, "ben hears that ana decided first")

    async def test_rejection_sends_reason_to_coordinator(self, day: Day) -> None:
        day.plan()
        await day.press("ana", await day.card(), "reject", note="not this year")
        await day.until(lambda: day.bed.fleet.gate("g1").decision, "it is decided")

        def sent() -> bool:
            return any("not this year" in mail.body for mail in day.bed.engine.box(PRODUCT).mail if mail.ours)

        await day.until(sent, "its product's coordinator reads why")

    async def test_burst_of_reports_is_one_message(self, day: Day) -> None:
        for number in range(5):
            day.bed.engine.push_mail(
                PRODUCT, sender=f"builder-{number}", kind=MailKind.WORKER_FINISHED, body=f"part {number} done"
            )
        await day.bed.settled()
        day.bed.clock.forward(seconds=10)
        await day.bed.settled()

        async def reports() -> list[Seen]:
            return [each for each in await day.seen(PRODUCT) if "part" in each.text and "done" in each.text]

        (one,) = await day.until(reports, "the reports")
        assert all(f"part {number} done" in one.text for number in range(5))
