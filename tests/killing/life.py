"""One process of the fleet between a mail and a delivered decision, with people and agents that outlive it.

A person requests work, and a plan arrives whose cards appear on two chat platforms. Ana requests changes while Ben
approves. Nobody answers revision 2 until they are reminded, then both approve, which is the quorum. The engine loses
the answer once and is sent it again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.domain import GateState, Inbound, Mail, MailKind, Person, Press, Role, WorkState
from bot.engine.base import Receipt
from bot.gates.decide import decide
from bot.jobs.clock import TICK
from bot.store import Store
from tests.bed import Bed
from tests.fakes.model import ScriptedModel
from tests.killing.points import Fate, mortal
from tests.killing.world import Engine, Platform, World
from tests.standins.script import Rule, Script, call, say

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, channels: ["slack:#a", "discord:1"], approvals: {required: 2}}
  - {name: product-b, path: /projects/product-b, channels: ["slack:#b"]}
people:
  - {name: ana, role: approver, slack: U01ANA}
  - {name: ben, role: approver, discord: "42"}
  - {name: cy, role: admin, web: token}
approvals: {approvers: [ana, ben, cy], remind_after: 1, escalate_after: 2d}
"""
ANA = Person("ana", Role.APPROVER, ids={"slack": "U01ANA"})
BEN = Person("ben", Role.APPROVER, ids={"discord": "42"})
CY = Person("cy", Role.ADMIN, ids={"web": "token"})
SCRIPT = Script([Rule(call("stop", product="product-b"), text="please stop"), Rule(say("It waits for a yes."), after="stop")])
OPTIONS: dict[str, Any] = {"task": "t-1"}
LAST = "cy approves the stop"
LONGEST = 3600.0
"""Seconds of the life's own time after which it counts as stuck."""
AFTERWARDS = 90.0
"""Seconds that it keeps running after a person's last action."""


class Life(Bed):
    """A fleet that may die at any point."""

    engine: Engine

    def __init__(self, folder: Path, fate: Fate, cuts: Fate) -> None:
        self.world, self.fate = World(folder), fate
        self.slack, self.discord = (Platform(name, self.world, fate, lambda: self.fleet) for name in ("slack", "discord"))
        chats = {"slack": self.slack, "discord": self.discord}
        super().__init__(folder, REGISTRY, model=lambda: ScriptedModel(script=SCRIPT), chats=chats)
        self.clock = self.world
        self.engine = Engine(self.world, fate, cuts)

    def open_store(self) -> Store:
        return Store(self.folder / "fleet.db", mortal(self.fate))

    async def live(self) -> None:
        """Run until everything is done, then check the outcome."""
        self.engine.runs("product-b")
        await self.start()
        others = [asyncio.create_task(self.engine.speak()), asyncio.create_task(self._tick())]
        ended = LONGEST
        while self.world.seconds < ended:
            self.people()
            self.agents()
            if LAST in self.world.kept.done:
                ended = min(ended, self.world.seconds + AFTERWARDS)
            self.world.moved.clear()
            pause = asyncio.get_running_loop().call_later(0.5, self.world.moved.set)
            await self.world.moved.wait()
            pause.cancel()
        self.check()
        for task in others:
            task.cancel()
        await self.kill()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            await asyncio.create_task(self.jobs.tick())

    # -- people and agents -------------------------------------------------------------------------------------------

    def people(self) -> None:
        """Perform the people's next actions that were not confirmed yet."""
        self._says("cy asks", "/fleet spawn product-a fix it")
        self._presses("ana wants changes", ANA, self.slack, "slack:#a", "gate", 1, "changes", "smaller")
        self._presses("ben would approve", BEN, self.discord, "discord:1", "gate", 1, "approve")
        self._presses("ben approves", BEN, self.discord, "discord:1", "reminder", 2, "approve")
        self._presses("ana approves", ANA, self.slack, "slack:#a", "reminder", 2, "approve")
        if any("result body" in message.post.text for message in self.slack.messages.values()):
            self._says("cy asks for a stop", "please stop product-b")
        if card := self.slack.open_card("slack:#b", "gate"):
            self._once(LAST, lambda: self._decides(*card))

    def _says(self, event: str, text: str) -> None:
        said = Inbound(event, "web", "web:main", CY, self.clock(), text=text)
        self._once(event, lambda: self.router.receive(said))

    def _presses(
        self, event: str, who: Person, chat: Platform, place: str, kind: str, revision: int, choice: str, note: str = ""
    ) -> None:
        if card := chat.open_card(place, kind, revision):
            press = Press(card[0], choice, note, revision, card[1])
            pressed = Inbound(event, chat.platform, place, who, self.clock(), press=press)
            self._once(event, lambda: self.router.receive(pressed))

    def _decides(self, gate: str, digest: str) -> None:
        """Decide on the page, which answers once the decision is stored."""
        decide(self.fleet, gate, "approve", CY, revision=1, digest=digest)

    def _once(self, event: str, do: Callable[[], Any]) -> None:
        if event not in self.world.kept.done:
            do()
            self.fate.meet(f"{event}: acknowledged")
            self.world.kept.done.append(event)
            self.world.save()

    def agents(self) -> None:
        """Read new mail as the agents and answer it."""
        box = self.engine.boxes.get("product-a")
        if box is None:
            return
        got = [mail for mail in box.mail if mail.ours]
        for mail in got:
            if box.receipts.get(mail.id) is Receipt.WAITING and (self.clock() - mail.created_at).total_seconds() >= 2:
                self._reads(mail)
        self._answers(got, "fix it", "Plan 1", kind=MailKind.PLAN, body="plan body 1", **{**OPTIONS, "revision": 1})
        read = [mail for mail in got if mail.id in self.world.kept.read]
        payload = {**OPTIONS, "revision": 2}
        self._answers(read, "DECISION: revise: smaller", "Plan 2", kind=MailKind.PLAN, body="plan body 2", **payload)
        self._answers(
            read, "DECISION: approve", "Done", kind=MailKind.FINISHED, body="result body", thread=got[0].id if got else None
        )

    def _reads(self, mail: Mail) -> None:
        box, lost = self.engine.box("product-a"), Receipt.LOST
        swallowed = mail.body.startswith("DECISION: approve") and lost not in box.receipts.values()
        box.receipts[mail.id] = lost if swallowed else Receipt.TAKEN
        if not swallowed:
            self.world.kept.read.append(mail.id)
        self.world.save()

    def _answers(self, read: list[Mail], words: str, subject: str, **mail: Any) -> None:
        known = {each.subject for each in self.engine.box("product-a").mail}
        if subject not in known and any(each.body.startswith(words) for each in read):
            self.engine.push_mail("product-a", subject=subject, **mail)
            self.world.save()

    # -- how it has to end -------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Check the final state.

        No gate or decision is lost, none is delivered twice, no card is stale and every click is answered.
        """
        assert LAST in self.world.kept.done, f"the life stopped after {self.world.kept.done}"
        self._check_gates()
        self._check_engine()
        for chat in (self.slack, self.discord):
            self._check_platform(chat)
        for event in self.world.kept.done[:-1]:
            answers = [post for post in self._posts() if post.answers == event]
            assert len(answers) == 1, (event, answers)
        assert self.store.inbound.unhandled() == []
        assert self.store.audit.verify().broken is None
        assert not self.store.database._db.in_transaction

    def _check_gates(self) -> None:
        gates = self.store.gates.in_states()
        ends = [(gate.id, gate.revision, gate.state, gate.decision and gate.decision.choice) for gate in gates]
        delivered = GateState.DELIVERED
        assert ends == [("g1", 1, delivered, "changes"), ("g2", 2, delivered, "approve"), ("g3", 1, delivered, "approve")], ends
        assert [sorted({each.by for each in gate.answers}) for gate in gates[1:]] == [["ana", "ben"], ["cy"]]
        rows = self.store.audit.newest(1000)
        made = Counter((row["subject"], row["person"]) for row in rows if row["kind"] == "decision")
        assert made - Counter([("g1", "ben")]) == Counter([("g1", "ana"), ("g2", "ana"), ("g2", "ben"), ("g3", "cy")])
        ended = Counter(row["subject"] for row in rows if row["kind"] == "gate" and "delivered" in row["detail"])
        assert ended == Counter(["g1", "g2", "g3"])
        assert self.work("w1").state is WorkState.DONE
        assert len(self.store.work.newest()) == 1

    def _check_engine(self) -> None:
        origin, read = self.store.origin, self.world.kept.read
        got = [mail for mail in self.engine.box("product-a").mail if mail.ours]
        decisions = [mail.body.split("\n\n")[::2] for mail in got if mail.body.startswith("DECISION")]
        assert len(got) == 1 + len(decisions)
        assert [marker for mail in got for marker in mail.body.splitlines()[-1:] if marker.startswith("[g")] == [
            f"[g1.{origin}]",
            f"[g2.{origin}]",
            f"[g2.{origin}.2]",
        ]
        shown = [mail.body.splitlines()[0] for mail in got if mail.id in read]
        assert shown == ["DECISION: revise: smaller", "DECISION: approve"]
        assert not self.engine.box("product-b").snapshot.active

    def _check_platform(self, chat: Platform) -> None:
        assert chat.doubles() == []
        assert self.store.outbox.stale(chat.platform) == []
        posts = {post.id: post for post in self._posts() if post.author == "fleet"}
        for id, message in chat.messages.items():
            assert self.world.kept.faces[chat.platform, id] == chat.face(posts[message.post.id]), "a message is stale"
        there = [post.id for post in posts.values() if post.conversation.startswith(f"{chat.platform}:")]
        assert sorted(message.post.id for message in chat.messages.values()) == sorted(there)
        assert set(self.store.outbox.counts()) == {"delivered"}
        told = Counter(
            (message.post.conversation, message.post.kind, *map(str, message.post.cards)) for message in chat.messages.values()
        )
        repeated = {what: times for what, times in told.items() if times > 1 and what[1] in {"gate", "report"}}
        assert repeated == {}
        reminders = Counter(message.post.text for message in chat.messages.values() if message.post.kind == "reminder")
        assert set(reminders.values()) == {1}

    def _posts(self) -> list[Any]:
        places = [place["id"] for name in ("web", "slack", "discord") for place in self.store.conversations.newest(name)]
        return [post for place in places for post in self.store.posts.of(place, limit=500)]
