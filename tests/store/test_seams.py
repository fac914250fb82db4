"""`kill -9` and cut channels at every seam between a request and its result.

A seam is the moment before a commit, an engine call or a message to a chat platform. Nothing between two seams
outlasts the process. A first run counts the seams. Each further run dies at another one, restarts, and must end as if
nothing had happened. People send unanswered messages again, as their platforms do, and agents act on what they get.
The channel is cut on both sides of each call, so that only one side may know its effect. These tests try an even
spread of the seams. `tests/e2e/test_killed_everywhere.py` tries every one.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain import GateState, Mail, MailKind, Post, Press, WorkState
from bot.domain.errors import RuntimeUnreachable
from bot.store import Store
from bot.store.database import Database
from tests.bed import Bed
from tests.fakes.chat import FakeChat
from tests.fakes.engine import FakeEngine

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, priority: high, channels: ["slack:#a"]}
  - {name: product-b, path: /projects/product-b}
scheduling: {max_concurrent_sessions: 2}
"""
CUT = "The channel was cut."
WRITES = ("INSERT", "UPDATE", "DELETE")


class Killed(BaseException):
    """The process was killed. Nothing catches this."""


class Fate:
    """Counter of seams that kills the process or cuts the channel at seam number `at`."""

    def __init__(self, at: int | None = None, cut: bool = False) -> None:
        self.at, self.cut = at, cut
        self.met: list[str] = []
        self.dead = False

    def meet(self, where: str, *, cut: bool = False) -> bool:
        """Pass a seam, or die there. Return True if the channel is to be cut."""
        if self.dead:
            raise Killed(where)
        if cut is not self.cut:
            return False
        self.met.append(where)
        if len(self.met) != self.at:
            return False
        if not self.cut:
            self.dead = True
            raise Killed(where)
        return True


class Seamed(FakeEngine):
    """An engine with a seam before each call and a channel that can be cut on both sides of it."""

    fate = Fate()

    def _begin(self, op: str, product: str, args: dict[str, Any], **how: Any) -> Callable[[], None]:
        self.fate.meet(f"engine: {op}")
        self._cut(f"before {op}", product)
        finish = super()._begin(op, product, args, **how)

        def ended() -> None:
            finish()
            self._cut(f"after {op}", product)

        return ended

    def _cut(self, where: str, product: str) -> None:
        if self.fate.meet(where, cut=True):
            self.go_down(CUT)
            raise RuntimeUnreachable(CUT, "", product=product)


class Platform(FakeChat):
    """A chat platform that outlives the process, with a seam on both sides of each post."""

    def __init__(self) -> None:
        super().__init__()
        self.fate = Fate()

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        self.fate.meet("chat: post")
        message = await super().post(post, key, again=again, plain=plain)
        self.fate.meet("chat: posted")
        return message

    async def update(self, message: str, post: Post) -> None:
        self.fate.meet("chat: update")
        await super().update(message, post)


class Life(Bed):
    """A fleet whose every seam is counted."""

    def __init__(self, folder: Path) -> None:
        self.platform = Platform()
        super().__init__(folder, REGISTRY, chats={"slack": self.platform})
        self.engine: Seamed = Seamed(now=self.clock)
        self.fate = Fate()

    def open_store(self) -> Store:
        fate = self.fate
        self.engine.fate = self.platform.fate = fate

        class Mortal(Database):
            synchronous = "OFF"  # it is not the machine that dies here

            def run(self, sql: str, *values: Any) -> Any:
                kept = hasattr(self, "origin") and (sql == "COMMIT" or (not self._depth and sql.lstrip().startswith(WRITES)))
                if kept or fate.dead:
                    fate.meet(f"store: {sql[:40]}")
                return super().run(sql, *values)

        return Store(self.folder / "fleet.db", Mortal)

    async def restart(self) -> None:
        self.engine.listener = None
        await self.kill()
        self.fate = Fate()
        await self.start()


# -- actions of people and agents, repeated until they succeed ---------------------------------------------------------------


def sent(bed: Bed, product: str, words: str) -> Mail:
    """Return the operator's mail to this product's agents that starts with these words."""
    return next(mail for mail in bed.engine.box(product).mail if mail.ours and mail.body.startswith(words))


def agent(bed: Bed, product: str, subject: str, **mail: Any) -> None:
    """Send a mail as an agent, once."""
    if all(known.subject != subject for known in bed.engine.box(product).mail):
        bed.engine.push_mail(product, subject=subject, **mail)


def plan(bed: Bed, revision: int) -> None:
    sent(bed, "product-a", "fix it" if revision == 1 else "DECISION: revise: smaller")
    payload = {"task": "t-1", "revision": revision}
    agent(bed, "product-a", f"Plan {revision}", kind=MailKind.PLAN, body=f"plan body {revision}", **payload)


async def press(bed: Bed, event: str, revision: int, choice: str, note: str = "") -> None:
    gate = next(gate for gate in bed.store.gates.in_states() if gate.revision == revision)
    given = Press(gate.id, choice, note, revision, gate.digest)
    await bed.router.handle(bed.inbound("", event=event, press=given))


async def agents_begin(bed: Bed) -> None:
    agent(bed, "product-a", "Began", kind=MailKind.PROGRESS, body="status body", thread=bed.work("w1").mail)
    plan(bed, 1)


async def agents_rework(bed: Bed) -> None:
    plan(bed, 2)


async def agents_end(bed: Bed) -> None:
    sent(bed, "product-a", "DECISION: approve")
    agent(bed, "product-a", "Done", kind=MailKind.FINISHED, body="result body", thread=bed.work("w1").mail)


async def scout_reports(bed: Bed) -> None:
    (name,) = bed.engine.box("product-b").started.values()
    agent(bed, "product-b", "Seen", sender=name, recipient="coordinator", kind=MailKind.WORKER_FINISHED, body="findings body")


async def coordinator_asks(bed: Bed) -> None:
    agent(bed, "product-b", "Which?", kind=MailKind.QUESTION, body="question body?")


async def operator_answers(bed: Bed) -> None:
    gate = next(gate for gate in bed.store.gates.in_states() if gate.product == "product-b")
    await bed.say(f"/fleet approve-plan {gate.id} the blue one", event="answer")


def says(event: str, text: str) -> Callable[[Bed], Awaitable[Any]]:
    """Return a step that sends a message, and sends it again if the runtime did not answer."""

    async def step(bed: Bed) -> None:
        (post,) = await bed.say(text, event=event)
        if post.kind == "error":
            assert CUT in post.text
            bed.engine.come_up()
            await bed.say(text, event=f"{event} again")

    return step


STEPS: tuple[Callable[[Bed], Awaitable[Any]], ...] = (
    says("spawn", "/fleet spawn product-a fix it"),
    agents_begin,
    lambda bed: press(bed, "changes", 1, "changes", "smaller"),
    agents_rework,
    says("pause", "/fleet pause product-a"),
    says("scout", "/fleet spawn product-b --capability scout look"),
    lambda bed: press(bed, "approve", 2, "approve"),
    says("resume", "/fleet resume product-a"),
    scout_reports,
    agents_end,
    coordinator_asks,
    operator_answers,
    says("late", "/fleet spawn product-b tidy up"),
    says("stop", "/fleet stop product-b --yes"),
)


async def moment(bed: Life) -> None:
    """Advance a few seconds, so that delayed reports are posted."""
    bed.clock.forward(seconds=5)
    await bed.settled()


async def live(bed: Life) -> None:
    """Perform every step, and repeat it after a crash or cut."""
    for step in STEPS:
        while True:
            try:
                await step(bed)
                await bed.settled()
            except Killed:
                pass
            if bed.fate.dead:
                await bed.restart()
                await bed.settled()
                continue
            if bed.engine.down is not None:
                bed.engine.come_up()
            try:
                await moment(bed)
            except Killed:
                continue
            if not bed.fate.dead:
                break


def check(bed: Life) -> None:
    """All as if nothing had happened."""
    assert [bed.work(id).state for id in ("w1", "w2", "w3")] == [WorkState.DONE, WorkState.DONE, WorkState.CANCELLED]
    assert len(bed.store.work.newest()) == 3
    gates = bed.store.gates.in_states()
    assert [(gate.state, gate.revision) for gate in gates] == [(GateState.DELIVERED, n) for n in (1, 2, 1)]
    wrote = Counter(mail.body for box in bed.engine.boxes.values() for mail in box.mail if mail.ours)
    assert set(wrote.values()) == {1}, wrote
    assert sorted(marks for body in wrote for marks in re.findall(r"\[(g\d)\.", body)) == ["g1", "g2", "g3"]
    assert [len(box.started) for box in bed.engine.boxes.values()] == [0, 1]
    conversations = [one["id"] for platform in ("web", "slack") for one in bed.store.conversations.newest(platform)]
    posts = [post for conversation in conversations for post in _all(bed, conversation)]
    assert {post.text for post in posts if post.kind == "error"} <= {CUT}
    for body in ("status body", "result body", "findings body"):
        told = Counter(post.conversation for post in posts if post.kind == "report" and body in post.text)
        assert set(told.values()) == {1}, (body, told)
    cards = Counter((post.conversation, post.cards[0].gate) for post in posts if post.kind == "gate")
    assert set(cards.values()) == {1}
    assert {gate for _, gate in cards} == {"g1", "g2", "g3"}
    assert len([post for post in posts if post.kind == "reply"]) == 9
    on_slack = [post for post in posts if post.conversation == "slack:#a"]
    assert bed.platform.doubles() == []
    assert bed.store.outbox.stale("slack") == []
    assert {post.cards[0].gate for post in bed.platform.shown_in("slack:#a") if post.kind == "gate"} == {"g1", "g2"}
    assert Counter(post.id for post in bed.platform.shown_in("slack:#a")) == Counter(
        post.id for post in on_slack if post.author == "fleet"
    )
    assert bed.store.inbound.unhandled() == []
    assert bed.store.audit.first_broken() is None
    assert sum(row["kind"] == "decision" for row in bed.store.audit.newest(500)) == 3
    assert not bed.store.database._db.in_transaction


def _all(bed: Bed, conversation: str) -> list[Post]:
    return bed.store.posts.of(conversation, limit=500)


async def killed(folder: Path, at: int | None) -> list[str]:
    """Run one life that dies at a seam and restarts, and return the seams of its first process."""
    return await _run(folder, at, cut=False)


async def cut_off(folder: Path, at: int | None) -> list[str]:
    """Run one life whose channel is cut at a seam, and return the seams of the channel."""
    return await _run(folder, at, cut=True)


async def _run(folder: Path, at: int | None, *, cut: bool) -> list[str]:
    folder.mkdir()
    bed = Life(folder)
    bed.fate = fate = Fate(cut=cut)
    await bed.start()
    fate.at = at
    try:
        await live(bed)
        await bed.settled()
        check(bed)
    finally:
        await bed.kill()
    return fate.met


async def every(once: Callable[[Path, int | None], Awaitable[list[str]]], folder: Path, least: int, step: int = 1) -> None:
    """Run one undisturbed life, then one for every `step`-th of its seams. Check that it has at least `least` seams."""
    seams = await once(folder / "whole", None)
    assert len(seams) >= least
    for at, seam in list(enumerate(seams, 1))[::step]:
        try:
            await once(folder / f"{at}", at)
        except Exception as error:
            raise AssertionError(f"broken at seam {at} of {len(seams)}, {seam}: {error}") from error


KILLED = (killed, 75)
CUT_OFF = (cut_off, 18)
"""The two kinds of failure, with the minimum number of seams for each."""


@pytest.mark.parametrize(("once", "least", "step"), [(*KILLED, 6), (*CUT_OFF, 2)], ids=["killed", "cut"])
async def test_crash_or_cut_at_any_seam_loses_and_repeats_nothing(tmp_path: Path, once: Any, least: int, step: int) -> None:
    await every(once, tmp_path, least, step)
