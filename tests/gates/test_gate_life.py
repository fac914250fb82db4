"""Gates under any order of events.

Every gate has at most one decision, which a person made on the text that was shown and which its reader gets once.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from bot.domain import Decision, Gate, GateState, Mail, MailKind, Person, Role
from bot.domain.errors import FleetError, NotAllowed
from bot.engine.base import EngineEvent, MailArrived, Receipt
from bot.fleet import Fleet
from bot.gates import reminders
from bot.gates.decide import decide, deliver_again
from bot.gates.withdraw import withdraw
from bot.jobs import deliver, ingest
from bot.registry import RegistryFile
from bot.store import Store
from tests.bed import Clock
from tests.fakes.engine import FakeEngine

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a}
people:
  - {name: ana, role: admin, slack: U01ANA}
  - {name: ben, role: approver, slack: U01BEN}
  - {name: cy, role: operator, slack: U01CY}
  - {name: vic, role: viewer, slack: U01VIC}
approvals: {approvers: [ana, ben], backups: [cy], required: %d, remind_after: 30, escalate_after: 2h}
"""
PEOPLE = {name: Person(name, role) for name, role in zip(["ana", "ben", "cy", "vic"], reversed(Role), strict=True)}
MET = frozenset({Receipt.READ, Receipt.TAKEN})


@dataclass(frozen=True, slots=True)
class Shown:
    """A card as a person saw it."""

    gate: str
    revision: int
    digest: str
    text: tuple[str, str]


class GateLife(RuleBasedStateMachine):
    """People, agents, time, the engine and crashes, in any order."""

    cards: Bundle[Shown] = Bundle("cards")

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.engine = FakeEngine(now=self.clock)
        self.engine.next_receipt = Receipt.WAITING
        self.store = Store(":memory:")
        self.given: dict[str, Decision] = {}
        self.shown: dict[str, Shown] = {}
        self.number = 0

    @initialize(required=st.integers(1, 2))
    def begin(self, required: int) -> None:
        file = Path(self.folder.name) / "products.yaml"
        file.write_text(REGISTRY % required)
        self.required, self.registry = required, RegistryFile(file)
        self.wake_up()
        self.run(self.engine.open(self.hear))
        self.run(self.engine.watch(self.registry.current.products, {}))

    def wake_up(self) -> None:
        self.fleet = Fleet(self.registry, self.store, self.engine, now=self.clock)

    def hear(self, event: EngineEvent) -> None:
        if isinstance(event, MailArrived):
            ingest.take(self.fleet, event)

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(doing)

    def teardown(self) -> None:
        self.store.close()
        self.loop.close()
        self.folder.cleanup()

    # -- events -----------------------------------------------------------------------------------------------------

    @rule(target=cards, counts=st.booleans())
    def revise(self, counts: bool) -> Any:
        """Let the agent ask, with or without a revision number."""
        self.number += 1
        revision = self.number if counts else 0
        self.engine.push_mail("product-a", kind=MailKind.PLAN, body=f"plan {self.number}", task="t-1", revision=revision)
        newest = self.gates()[-1]
        card = Shown(newest.id, newest.revision, newest.digest, (newest.title, newest.body))
        known = self.shown.setdefault(newest.id, card) is not card
        return multiple() if known else card

    @rule(
        card=cards,
        by=st.sampled_from(sorted(PEOPLE)),
        choice=st.sampled_from(["approve", "approve", "changes", "reject", "nonsense"]),
        note=st.sampled_from(["", "smaller"]),
        forged=st.sampled_from(["", "", "revision", "digest"]),
    )
    def decide(self, card: Shown, by: str, choice: str, note: str, forged: str) -> None:
        """Answer a card of any age, or with a revision or digest that was never shown."""
        before = self.fleet.gate(card.gate)
        revision = card.revision + (forged == "revision")
        digest = "0" * 64 if forged == "digest" else card.digest
        try:
            after = decide(self.fleet, card.gate, choice, PEOPLE[by], note=note, revision=revision, digest=digest)
        except FleetError as refusal:
            assert self.fleet.gate(card.gate) == before
            assert (
                isinstance(refusal, NotAllowed)
                or by not in ("ana", "ben")
                or before.state is not GateState.OPEN
                or forged
                or (choice == "nonsense" or (choice == "changes" and not note))
            )
            return
        assert not forged
        assert by != "vic"
        assert by != "cy" or before.escalated_at is not None
        assert before.state is GateState.OPEN or after == before
        if after.decision is not None and before.decision is None:
            assert choice != "approve" or len({each.by for each in after.answers if each.choice == "approve"}) >= self.required
            self.given[card.gate] = after.decision

    @rule(card=cards, by=st.sampled_from(["ana", "vic"]))
    def hand_over_again(self, card: Shown, by: str) -> None:
        """Request that an undelivered decision is sent again."""
        before = self.fleet.gate(card.gate)
        try:
            after = deliver_again(self.fleet, card.gate, PEOPLE[by])
        except FleetError:
            assert self.fleet.gate(card.gate) == before
        else:
            assert (by, after.decision) == ("ana", before.decision)

    @rule(card=cards, lost=st.booleans())
    def deliver(self, card: Shown, lost: bool) -> None:
        """Let the jobs send a decision or check its delivery. The engine's answer may be lost."""
        if lost:
            self.engine.lose_answer("reply")
        try:
            self.run(deliver.deliver(self.fleet, card.gate))
        except FleetError:
            assert lost
        self.engine._failures.clear()

    @rule(data=st.data(), receipt=st.sampled_from(list(Receipt)))
    def read(self, data: st.DataObject, receipt: Receipt) -> None:
        """Let the reader read the last answer, or let a hook swallow it."""
        waiting = [mail for mail in self.sent() if self.receipt_of(mail) in (Receipt.WAITING, Receipt.READ)]
        if waiting:
            mail = data.draw(st.sampled_from(waiting))
            if self.receipt_of(mail) is Receipt.WAITING or receipt is Receipt.TAKEN:
                self.engine.box("product-a").receipts[mail.id] = receipt

    @rule(hours=st.floats(0.01, 200))
    def wait(self, hours: float) -> None:
        """Let time pass and send due reminders."""
        self.clock.forward(hours=hours)
        reminders.send_due(self.fleet)

    @rule()
    def withdraw(self) -> None:
        """End the session that asks."""
        withdraw(self.fleet, "product-a", "its session ended")

    @rule()
    def crash(self) -> None:
        """Lose everything except the stored bytes."""
        path = Path(self.folder.name) / "fleet.db"
        path.write_bytes(self.store.database._db.serialize())
        self.store.close()
        self.store = Store(":memory:")
        with closing(Store(path)) as found:
            found.database._db.backup(self.store.database._db)
            self.store.database.origin = self.store.origin = found.origin
        self.wake_up()

    # -- invariants -------------------------------------------------------------------------------------------------

    def gates(self) -> list[Gate]:
        return self.store.gates.in_states()

    def sent(self) -> list[Mail]:
        return [mail for mail in self.engine.box("product-a").mail if mail.ours]

    def receipt_of(self, mail: Mail) -> Receipt:
        return self.engine.box("product-a").receipts[mail.id]

    @invariant()
    def a_person_gave_every_decision_for_what_was_shown(self) -> None:
        for gate in self.gates():
            assert gate.decision == self.given.get(gate.id)
            card = self.shown[gate.id]
            assert (gate.revision, gate.digest, (gate.title, gate.body)) == (card.revision, card.digest, card.text)
            assert (gate.decision is None) == (gate.state in {GateState.OPEN, GateState.WITHDRAWN}) or (
                gate.state is GateState.SUPERSEDED
            )

    @invariant()
    def nobody_is_asked_twice(self) -> None:
        assert len([gate for gate in self.gates() if gate.state is GateState.OPEN]) <= 1

    @invariant()
    def each_decision_is_sent_recognisably_and_met_once(self) -> None:
        texts = [mail.body for mail in self.sent()]
        assert len(set(texts)) == len(texts)
        for gate in self.gates():
            mine = [mail for mail in self.sent() if f"[{gate.id}." in mail.body]
            assert len([mail for mail in mine if self.receipt_of(mail) in MET]) <= 1
            assert gate.decision is not None or not mine
            assert all(mail.body.startswith(f"DECISION: {WORD[gate.decision.choice]}") for mail in mine if gate.decision)
            assert mine or gate.state is not GateState.DELIVERED

    @invariant()
    def the_journal_is_whole(self) -> None:
        assert self.store.audit.verify().broken is None


WORD = {"approve": "approve", "changes": "revise", "reject": "reject"}
GateLife.TestCase.settings = settings(max_examples=30, stateful_step_count=30)
TestGateLife = GateLife.TestCase
