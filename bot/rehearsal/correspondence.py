"""What has been written about one objective so far. A coordinator's whole memory: it is read from the mail, never kept."""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.rehearsal.mail import Message
from bot.rehearsal.objective import Objective, addressed_task, decision

ME = "coordinator"
GATES = ("decision_gate", "plan_ready")
OBJECTIVES = ("dispatch", "assign")
FINAL = ("result", "error")


@dataclass(frozen=True)
class Correspondence:
    """The mail of one objective, oldest first; of the mail to the coordinator only what has been delivered to it."""

    mail: list[Message]
    agents: frozenset[str]
    """Everyone who is not a person."""

    def said(self, *kinds: str) -> list[Message]:
        """What the coordinator has sent about it, of these types."""
        return [one for one in self.mail if one.from_agent == ME and one.type in kinds]

    @property
    def finished(self) -> bool:
        """Whether the coordinator has reported its end."""
        return bool(self.said(*FINAL))

    @property
    def gates(self) -> list[Message]:
        """The plans that were put up for approval."""
        return [one for one in self.mail if one.type in GATES and one.from_agent in self.agents]

    def answers_after(self, asked: Message) -> list[Message]:
        """What people have written since then."""
        place = next((index for index, one in enumerate(self.mail) if one.id == asked.id), len(self.mail))
        return [one for one in self.mail[place + 1 :] if one.to_agent == ME and one.from_agent not in self.agents]

    @property
    def notes(self) -> list[str]:
        """The wishes for changes so far, oldest first."""
        if not self.gates:
            return []
        said = [decision(one) for one in self.answers_after(self.gates[0])]
        return [one.note for one in said if one.choice == "revise" and one.note]

    def reports(self) -> set[str]:
        """The workers that have reported."""
        return {one.from_agent for one in self.mail if one.type in ("worker_done", "result") and one.from_agent != ME}


def about(objective: Objective, everything: Iterable[Message], agents: frozenset[str]) -> Correspondence:
    """The correspondence of an objective out of all mail, oldest first."""

    def belongs(one: Message) -> bool:
        if one.to_agent == ME and not one.read:
            return False
        if one.thread == objective.mail.id:
            return True
        return one.to_agent == ME and one.thread_id is None and addressed_task(one) == objective.task

    return Correspondence([one for one in everything if belongs(one)], agents | {ME})
