"""Asks the guard for everything that wants a place, and gives the places out: work that starts, decisions that let work go on,
products that are resumed. What it decided is in the store before anything happens, with the reason.

It is called whenever something has changed (see `bot.jobs`), and is safe to repeat.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.domain import Gate, Work, WorkState
from bot.fleet import Fleet
from bot.store.admissions import Ruling
from bot.work import capacity, forecast
from bot.work.admission import Admission

if TYPE_CHECKING:
    from bot.jobs.model_choice import Judgement

BY_WEIGHTS = "by priority, age and weight"
GOES_ON = "goes on: it was decided"
CHOOSING = "the agent chooses what starts next"
SHOWN = 20
"""Of so many at the head of the queue every change of the reason is kept; of those behind only another kind of reason."""


class Scheduler:
    """Gives places out. With a `judgement` (strategy `reasoned`) the agent is asked where there is something to choose."""

    def __init__(self, fleet: Fleet, judgement: "Judgement | None" = None) -> None:
        self._fleet = fleet
        self.judgement = judgement

    def admit(self) -> None:
        """Let start what may start, and say of the rest why it waits."""
        fleet = self._fleet
        queue = fleet.store.work.open(states=(WorkState.QUEUED,))
        if not queue:
            return
        made, why = self._judged(queue, capacity.decisions(fleet, queue))
        with fleet.transaction():
            for decision in made:
                self._act(decision, why)

    def asks(self) -> bool:
        """Whether the agent has to be asked before what could start does."""
        return self.judgement is not None and self.judgement.wanted

    def _judged(self, queue: Sequence[Work], made: list[Admission]) -> tuple[list[Admission], str]:
        """The decisions with the agent's choice in them, and what it was chosen by."""
        if self.judgement is None or self._fleet.registry.scheduling.strategy != "reasoned":
            return made, BY_WEIGHTS
        choice = self.judgement.consider(made)
        if choice is not None:
            return capacity.decisions(self._fleet, queue, first=choice.order), choice.why
        if not self.judgement.wanted:
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
            if other or decision.place <= SHOWN:
                fleet.save_work(work, reason=decision.reason)
            if other:
                self._rule(decision, "wait", "")

    def _rule(self, decision: Admission, verdict: str, chosen: str) -> None:
        work, numbers = decision.work, dict(decision.numbers)
        if decision.place:
            numbers["place"] = decision.place
        ruling = Ruling(self._fleet.now(), work.product, work.id, verdict, decision.code, decision.reason, numbers, chosen)
        self._fleet.store.admissions.add(ruling)

    # -- what was under way, and goes on ------------------------------------------------------------------------------

    def may_deliver(self, gates: Sequence[Gate]) -> list[Gate]:
        """Decisions that may go to the engine now. What waited for one has given its place away: it needs one again, and
        gets it here; so does a coordinator that the answer would start."""
        fleet, found, taken = self._fleet, [], list[Work]()
        for gate in gates:
            if (work := self._wants_place(gate)) is None:
                found.append(gate)
            elif work.state is WorkState.WAITING:
                taken.append(work)
            elif gate.product in capacity.answering(fleet):
                found.append(gate)
            elif forecast.outlook(fleet, work).start:
                capacity.woken(fleet, gate.product)
                found.append(gate)
        goes_on = self._return(taken) if taken else set()
        return [gate for gate in gates if gate in found or gate.work in goes_on]

    def _wants_place(self, gate: Gate) -> Work | None:
        """The work that an answer lets go on, or one that stands for a coordinator without any; None: it needs no place."""
        fleet = self._fleet
        if (
            gate.action is not None
            or gate.mail is None
            or gate.reply is not None
            or fleet.registry.scheduling.waiting_keeps_place
        ):
            return None
        work = fleet.store.work.get(gate.work) if gate.work else None
        if work is not None and work.state.open:
            return work if work.state is WorkState.WAITING else None
        snapshot = fleet.snapshots.get(gate.product)
        if snapshot is None or snapshot.coordinator or gate.sender in {each.agent for each in snapshot.active}:
            return None
        return Work("w0", gate.product, "", WorkState.QUEUED, fleet.now(), fleet.now())

    def _return(self, waiting: Sequence[Work]) -> set[str]:
        """Give waiting work its place back, where there is one. Returns the ids of those that go on."""
        fleet, back = self._fleet, set[str]()
        unique = list({work.id: work for work in waiting}.values())
        with fleet.transaction():
            for decision in capacity.decisions(fleet, unique):
                work = decision.work
                if decision.start:
                    back.add(work.id)
                    fleet.save_work(work, state=WorkState.RUNNING, reason=GOES_ON)
                    self._rule(decision, "resume", "what a person has decided goes before what is new")
                elif work.reason != (said := f"decided, and goes on when there is room: {decision.reason}"):
                    fleet.save_work(work, reason=said)
                    self._rule(decision, "wait", "")
        return back


def _kind(reason: str) -> str:
    """What two reasons of one kind have in common, whatever their figures are."""
    return "".join(sign for sign in reason if not sign.isdigit())
