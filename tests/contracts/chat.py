"""What every chat platform does: a person's day, told once for all of them. A suite for a platform inherits `ChatContract` and
hands in a `day`: a fleet on a fake engine, connected to a stand-in of the platform through the real client library."""

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
    """A message as a person sees it now: its text (with that of its blocks), the labels of its buttons by what they do."""

    id: str
    text: str
    buttons: dict[str, str] = field(default_factory=dict)
    thread: str = ""
    """The message under which it stands, or nothing."""
    only_for: str = ""
    """The name of the one person who sees it, or nothing."""


class Day(ABC):
    """A day on a platform. Products `product-a` and `product-b` each have a channel, by that name. Ana is admin, Ben approver
    of product-a, Vic viewer; Eve is in the workspace and not among `people`."""

    bed: Bed

    @abstractmethod
    async def say(self, person: str, channel: str, text: str, *, thread: str = "", mention: bool = True) -> str:
        """A person says something in a channel, in a thread of it, or (`channel="dm"`) to the bot alone; the message's id."""

    @abstractmethod
    async def command(self, person: str, channel: str, text: str) -> None:
        """A person runs the slash command `/fleet` with these words."""

    @abstractmethod
    async def press(self, person: str, message: Seen, choice: str, *, note: str | None = None) -> None:
        """A person presses a button of a card (`approve`, `changes`, `reject`, an option, or a suggestion's label), and where a
        form opens fills in the note and sends it off (None: closes it)."""

    @abstractmethod
    async def seen(self, channel: str, *, thread: str = "", person: str = "") -> list[Seen]:
        """What a channel and its threads, or one of these (`dm`: the person's talk with the bot), show now, oldest first,
        without what people said; with `person`, also what only they see."""

    @abstractmethod
    async def until(self, what: Any, why: str) -> Any:
        """Wait until a condition (a function, async or not) gives something true; that. Fails with `why` and what is shown."""

    @abstractmethod
    async def restart(self) -> None:
        """kill -9 of the coordinator, and a new start."""

    @abstractmethod
    async def away(self) -> None:
        """The coordinator is killed and stays away."""

    @abstractmethod
    async def back(self) -> None:
        """It starts again."""

    def plan(self, product: str = PRODUCT, revision: int = 1, body: str = "1. Split the parser\n2. Test it") -> None:
        """The product's coordinator sends a plan."""
        payload = {**PLAN, "revision": revision}
        self.bed.engine.push_mail(product, kind=MailKind.PLAN, subject="Plan ready", body=body, **payload)

    async def card(self, channel: str = PRODUCT, *words: str) -> Seen:
        """The newest card in a channel that shows these words."""

        async def find() -> Seen | None:
            found = [each for each in await self.seen(channel) if each.buttons and all(word in each.text for word in words)]
            return found[-1] if found else None

        card: Seen = await self.until(find, f"a card in {channel} with {words}")
        return card


class ChatContract(ABC):
    """The person's day; `day` is a fresh one for each test."""

    @pytest.fixture
    @abstractmethod
    def day(self) -> Any: ...

    async def test_a_plan_is_approved_in_its_channel_and_the_card_becomes_its_outcome(self, day: Day) -> None:
        day.plan()
        card = await day.card(PRODUCT, "Plan ready", "Split the parser")
        await day.press("ben", card, "approve")

        async def outcome() -> bool:
            shown = next(each for each in await day.seen(PRODUCT) if each.id == card.id)
            return "Approved by ben" in shown.text and not shown.buttons

        await day.until(outcome, "the card says who approved it")
        assert [mail.body.split("\n")[0] for mail in day.bed.engine.box(PRODUCT).mail if mail.ours] == ["DECISION: approve"]

    async def test_a_click_of_somebody_who_may_not_decide_is_answered_in_private_with_who_may(self, day: Day) -> None:
        day.plan()
        await day.press("vic", await day.card(), "approve")

        async def told() -> bool:
            return any("can decide" in each.text and each.only_for == "vic" for each in await day.seen(PRODUCT, person="vic"))

        await day.until(told, "vic is told who may")
        assert day.bed.open_gate().decision is None

    async def test_a_click_while_the_coordinator_is_away_counts_or_is_said_on_the_card_afterwards(self, day: Day) -> None:
        day.plan()
        card = await day.card()
        await day.restart()
        await day.press("ben", card, "changes", note="use a table")

        async def outcome() -> bool:
            shown = next(each for each in await day.seen(PRODUCT) if each.id == card.id)
            return "Changes requested by ben" in shown.text and "use a table" in shown.text

        await day.until(outcome, "the card says what was asked")

    async def test_a_decision_made_elsewhere_is_on_the_card(self, day: Day) -> None:
        day.plan()
        card = await day.card()
        decide(day.bed.fleet, "g1", "approve", day.bed.fleet.registry.people[0], platform="web")

        async def outcome() -> bool:
            shown = next(each for each in await day.seen(PRODUCT) if each.id == card.id)
            return "Approved by ana" in shown.text and not shown.buttons

        await day.until(outcome, "the card says who approved it elsewhere")

    async def test_a_revision_takes_the_place_of_the_card_before_it(self, day: Day) -> None:
        day.plan()
        first = await day.card()
        day.plan(revision=2, body="1. Split the parser\n2. Test it twice")
        second = await day.card(PRODUCT, "revision 2", "Test it twice")

        async def replaced() -> bool:
            return not next(each for each in await day.seen(PRODUCT) if each.id == first.id).buttons

        await day.until(replaced, "the first card takes no answer any more")
        await day.press("ben", second, "approve")
        await day.until(lambda: day.bed.fleet.gate("g2").decision, "the second one does")

    async def test_an_answer_is_given_once_also_when_the_coordinator_is_killed_after_it(self, day: Day) -> None:
        await day.say("ana", PRODUCT, "!status")

        async def answers() -> list[Seen]:
            return [each for each in await day.seen(PRODUCT) if "Fleet" in each.text]

        await day.until(answers, "an answer")
        await day.restart()
        await day.say("ana", "dm", "!products")
        await day.until(lambda: "marketing" in day.bed.heard[-1].text, "another answer")
        assert len(await answers()) == 1

    async def test_what_was_said_while_the_coordinator_was_away_is_answered_when_it_is_back(self, day: Day) -> None:
        await day.away()
        await day.say("ana", PRODUCT, "!status")
        await day.back()
        await day.until(lambda: day.bed.heard and "Fleet" in day.bed.heard[-1].text, "an answer")

    async def test_a_command_is_answered_where_it_is_given(self, day: Day) -> None:
        await day.command("ana", PRODUCT, "status")

        async def answered() -> bool:
            return any("product-b" in each.text for each in await day.seen(PRODUCT, person="ana"))

        await day.until(answered, "the status")

    async def test_a_mention_begins_a_thread_in_which_nobody_mentions_it_again(self, day: Day) -> None:
        said = await day.say("ana", OTHER, "!spawn fix the test", mention=True)

        async def answers() -> list[Seen]:
            return [each for each in await day.seen(OTHER) if each.thread == said]

        await day.until(answers, "an answer in the thread")
        assert day.bed.work("w1").product == OTHER
        await day.say("ana", OTHER, "!gates", thread=said, mention=False)

        async def nothing() -> bool:
            return any("Nothing waits" in each.text for each in await answers())

        await day.until(nothing, "the second answer, in the same thread")

    async def test_questions_in_private_are_about_all_products(self, day: Day) -> None:
        await day.say("ana", "dm", "!status")

        async def answered() -> bool:
            return any("product-a" in each.text and "product-b" in each.text for each in await day.seen("dm", person="ana"))

        await day.until(answered, "an answer about both")

    async def test_a_stranger_is_refused_and_changes_nothing(self, day: Day) -> None:
        day.plan()
        await day.press("eve", await day.card(), "approve")

        async def told() -> bool:
            return any("I do not know you" in each.text for each in await day.seen(PRODUCT, person="eve") if each.only_for)

        await day.until(told, "eve is told, alone")
        assert day.bed.open_gate().decision is None

    async def test_a_click_that_comes_too_late_hears_who_was_first(self, day: Day) -> None:
        day.plan()
        card = await day.card()
        decide(day.bed.fleet, "g1", "approve", day.bed.fleet.registry.people[0], platform="web")
        await day.press("ben", card, "approve")

        async def told() -> bool:
            return any("ana was first" in each.text for each in await day.seen(PRODUCT, person="ben") if each.only_for)

        await day.until(told, "ben hears that ana was first")

    async def test_a_rejection_gives_its_reason_to_the_coordinator(self, day: Day) -> None:
        day.plan()
        await day.press("ana", await day.card(), "reject", note="not this year")
        await day.until(lambda: day.bed.fleet.gate("g1").decision, "it is decided")

        def sent() -> bool:
            return any("not this year" in mail.body for mail in day.bed.engine.box(PRODUCT).mail if mail.ours)

        await day.until(sent, "its product's coordinator reads why")

    async def test_a_burst_of_reports_is_one_message(self, day: Day) -> None:
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
