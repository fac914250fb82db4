"""What we write to the engine: objectives, briefs, and recaps after a restart. Plain text that a model reads. Pure."""

from bot.domain import Gate, Work
from bot.text.quoting import quoted
from bot.text.wording import shortened

LONGEST_QUESTION = 6000
"""Characters of a plan or question that are repeated to a coordinator that does not know it."""

RULES = """
---
Asked by {asked_by} through the fleet's coordinator. How to report:
- Put {marker} at the end of the subject of every mail about this.
- Mail `operator` (`--from coordinator`): a `status` when you begin, and one `result` when it is done, or one `error` when
  it cannot be.
- Before anything large, risky or unclear: write a plan, mail all of it to `operator` as type `decision_gate` with payload
  {{"options": ["approve", "revise", "reject"], "taskId": "<task>", "revision": 1}}, and end your turn. Go on only after mail
  from `operator`: "DECISION: approve", "DECISION: revise: …" (send the plan again with revision + 1) or "DECISION: reject: …"
  (close the task and report).
- Forward every question, decision gate and critical escalation of your workers to `operator` in the same way.
"""


def subject(work: Work) -> str:
    """The subject of an objective's mail; the engine adds the marker."""
    return shortened(work.objective, 90)


def body(work: Work, recap: str = "") -> str:
    """The mail that carries an objective to a coordinator."""
    return f"{work.objective}\n{recap}{RULES.format(asked_by=work.asked_by or 'the operator', marker=work.marker)}"


def brief(work: Work, recap: str = "") -> str:
    """The brief of a worker that is started for one task."""
    return (
        f"# {shortened(work.objective, 120)}\n\n{work.objective}\n{recap}\n---\n"
        f"Asked by {work.asked_by or 'the operator'} through the fleet's coordinator. Write your findings or what you did, in\n"
        f"Markdown, into the body of your closing mail, and put {work.marker} at the end of its subject.\n"
    )


def recap(work: Work, happened: list[str]) -> str:
    """What a coordinator that starts anew has to know of work that was under way."""
    if work.attempt == 1:
        return ""
    known = "\n".join(f"- {each}" for each in happened) or "- nothing was reported yet"
    return (
        f"\nThis was begun before and its session has ended since. What is known:\n{known}\n"
        "Look at branches and specs before you start over.\n"
    )


def late_answer(gate: Gate, text: str, work: Work | None) -> str:
    """An answer for a coordinator that knows nothing of the question: started anew since it asked, or another agent asked."""
    anew = "Your session was started anew since you asked. You"
    who = anew if gate.sender == "coordinator" else f"{gate.sender} has ended. It"
    asked = f"{who} had sent “{gate.title}” (revision {gate.revision}):\n{quoted(gate.body[:LONGEST_QUESTION])}"
    of = f"\n\n---\nIt belongs to this, which you see to from here on:\n\n{body(work)}" if work else ""
    return f"{text}\n\n---\n{asked}{of}"
