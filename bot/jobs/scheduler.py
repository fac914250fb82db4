"""Assigns slots to queued work, and to waiting work whose decision has been made.

Every ruling and its reason are stored before anything is started. Calls are safe to repeat.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.domain import Gate, Work, WorkState
from bot.fleet import Fleet
from bot.store.admissions import Ruling
from bot.work import slots
from bot.work.admission import Admission
from bot.work.admission_input import admissions
from bot.work.forecast import forecast

if TYPE_CHECKING:
    from bot.jobs.model_choice import ModelChoice

BY_WEIGHTS = "by priority, age and weight"
RESUMES = "resumed after the decision"
CHOOSING = "the agent is choosing what starts next"
SHOWN = 20
"""Positions at the head of the queue whose every new reason is stored.

Further back, only a reason of another kind is."""


class Scheduler:
    """Scheduler by weight, or by the model's choice if the strategy is `reasoned`."""

    def __init__(self, fleet: Fleet, choice: "ModelChoice | None" = None) -> None:
        self._fleet = fleet
        self.choice = choice

    def admit(self) -> None:
        """Admit queued work that may start, and store the reason why the rest waits."""
        fleet = self._fleet
        queue = fleet.store.work.open(states=(WorkState.QUEUED,))
        if not queue:
            return
        made, why = self._chosen(queue, admissions(fleet, queue))
        with fleet.transaction():
            for decision in made:
                self._act(decision, why)

    def undecided(self) -> list["ModelChoice"]:
        """Return the model's choice while it must be asked before work can start."""
        return [self.choice] if self.choice is not None and self.choice.wanted else []

    def _chosen(self, queue: Sequence[Work], made: list[Admission]) -> tuple[list[Admission], str]:
        """Return the admissions with the model's choice applied, and what they were chosen by."""
        if self.choice is None or self._fleet.registry.scheduling.strategy != "reasoned":
            return made, BY_WEIGHTS
        order = self.choice.consider(made)
        if order is not None:
            return admissions(self._fleet, queue, first=order.ids), order.why
        if not self.choice.wanted:
            return made, BY_WEIGHTS
        held = [each._replace(start=False, reason=CHOOSING, code="choosing") if each.start else each for each in made]
        return held, ""

    def _act(self, decision: Admission, chosen: str) -> None:
        fleet, work = self._fleet, decision.work
        if decision.start:
            fleet.save_work(work, state=WorkState.STARTING, reason=decision.reason, not_before=None)
            self._rule(decision, "start", chosen)
        elif work.reason != decision.reason:
            other = _kind(work.reason) != _kind(decision.reason)
            if other or decision.position <= SHOWN:
                fleet.save_work(work, reason=decision.reason)
            if other:
                self._rule(decision, "wait", "")

    def _rule(self, decision: Admission, verdict: str, chosen: str) -> None:
        work, numbers = decision.work, dict(decision.numbers)
        if decision.position:
            numbers["position"] = decision.position
        ruling = Ruling(self._fleet.now(), work.product, work.id, verdict, decision.code, decision.reason, numbers, chosen)
        self._fleet.store.admissions.add(ruling)

    # -- work that resumes ---------------------------------------------------------------------------------------------

    def admit_decisions(self, gates: Sequence[Gate]) -> list[Gate]:
        """Return the decisions that may go to the engine now, and give their work its slot back.

        Waiting work has given its slot away. So has a coordinator that ended, which the answer starts again."""
        fleet, found, taken = self._fleet, [], list[Work]()
        for gate in gates:
            if (work := self._needs_slot(gate)) is None:
                found.append(gate)
            elif work.state is WorkState.WAITING:
                taken.append(work)
            elif gate.product in slots.replying(fleet):
                found.append(gate)
            elif forecast(fleet, work).start:
                slots.take_for_reply(fleet, gate.product)
                found.append(gate)
        resumed = self._resume(taken) if taken else set()
        return [gate for gate in gates if gate in found or gate.work in resumed]

    def _needs_slot(self, gate: Gate) -> Work | None:
        """Return the work that an answer resumes, or a stand-in for a coordinator without any.

        None if no slot is needed."""
        fleet = self._fleet
        if (
            gate.action is not None
            or gate.mail is None
            or gate.reply is not None
            or fleet.registry.scheduling.waiting_keeps_slot
        ):
            return None
        work = fleet.store.work.get(gate.work) if gate.work else None
        if work is not None and work.state.open:
            return work if work.state is WorkState.WAITING else None
        snapshot = fleet.snapshots.get(gate.product)
        if snapshot is None or snapshot.coordinator or gate.sender in {each.agent for each in snapshot.active}:
            return None
        return Work("w0", gate.product, "", WorkState.QUEUED, fleet.now(), fleet.now())

    def _resume(self, waiting: Sequence[Work]) -> set[str]:
        """Give waiting work its slot back where one is free. Return the ids of the work that resumes."""
        fleet, back = self._fleet, set[str]()
        unique = list({work.id: work for work in waiting}.values())
        with fleet.transaction():
            for decision in admissions(fleet, unique):
                work = decision.work
                if decision.start:
                    back.add(work.id)
                    fleet.save_work(work, state=WorkState.RUNNING, reason=RESUMES)
                    self._rule(decision, "resume", "approved work has priority over new work")
                elif work.reason != (said := f"decided, resumes when a slot is free: {decision.reason}"):
                    fleet.save_work(work, reason=said)
                    self._rule(decision, "wait", "")
        return back


def _kind(reason: str) -> str:
    """Return the text of a reason without its figures, which reasons of one kind have in common."""
    return "".join(sign for sign in reason if not sign.isdigit())
