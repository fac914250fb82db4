"""Mail about one objective, which is a coordinator's whole memory.

It is read from the mail every time and never stored.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.rehearsal.mail import Message
from bot.rehearsal.objective import Objective, addressed_task, decision

COORDINATOR = "coordinator"
GATES = ("decision_gate", "plan_ready")
OBJECTIVES = ("dispatch", "assign")
FINAL = ("result", "error")


@dataclass(frozen=True)
class Correspondence:
    """Mail of one objective, oldest first.

    Mail to the coordinator counts only once it was delivered."""

    mail: list[Message]
    agents: frozenset[str]
    """Names of all agents."""

    def said(self, *kinds: str) -> list[Message]:
        """Return the coordinator's mail of these types."""
        return [one for one in self.mail if one.from_agent == COORDINATOR and one.type in kinds]

    @property
    def finished(self) -> bool:
        """True if the coordinator reported the end."""
        return bool(self.said(*FINAL))

    @property
    def gates(self) -> list[Message]:
        """Plans sent for approval."""
        return [one for one in self.mail if one.type in GATES and one.from_agent in self.agents]

    def answers_after(self, asked: Message) -> list[Message]:
        """Return the mail from people since a mail."""
        place = next((index for index, one in enumerate(self.mail) if one.id == asked.id), len(self.mail))
        return [one for one in self.mail[place + 1 :] if one.to_agent == COORDINATOR and one.from_agent not in self.agents]

    @property
    def notes(self) -> list[str]:
        """Requested changes so far, oldest first."""
        if not self.gates:
            return []
        said = [decision(one) for one in self.answers_after(self.gates[0])]
        return [one.note for one in said if one.choice == "revise" and one.note]

    def reports(self) -> set[str]:
        """Names of the workers that reported."""
        return {one.from_agent for one in self.mail if one.type in ("worker_done", "result") and one.from_agent != COORDINATOR}


def about(objective: Objective, everything: Iterable[Message], agents: frozenset[str]) -> Correspondence:
    """Return the correspondence of an objective from all mail, oldest first."""

    def belongs(one: Message) -> bool:
        if one.to_agent == COORDINATOR and not one.read:
            return False
        if one.thread == objective.mail.id:
            return True
        return one.to_agent == COORDINATOR and one.thread_id is None and addressed_task(one) == objective.task

    return Correspondence([one for one in everything if belongs(one)], agents | {COORDINATOR})
