"""Objectives, briefs and recaps in plain text for agents. Pure."""

from dataclasses import replace

from bot.domain import LEAD, Gate, Work
from bot.engine.base import Answer, Reporting
from bot.text.quoting import quoted
from bot.text.wording import shortened

LONGEST_QUESTION = 6000
"""Most characters of a plan or question that are repeated to a coordinator that does not know it."""


def subject(work: Work) -> str:
    """Return the subject of an objective's mail. The engine adds the marker."""
    return shortened(work.objective, 90)


def body(work: Work, recap: str = "") -> str:
    """Return the mail that hands an objective to a coordinator. The engine adds how to report."""
    return f"{work.objective}\n{recap}"


def reporting(work: Work) -> Reporting:
    """Return how a coordinator is to report on an objective."""
    return Reporting(work.asked_by or "the operator", work.marker)


def brief(work: Work, recap: str = "") -> str:
    """Return the brief of a worker that is started for one task."""
    return (
        f"# {shortened(work.objective, 120)}\n\n{work.objective}\n{recap}\n---\n"
        f"Asked by {work.asked_by or 'the operator'} through the fleet. Write your findings or what you did, in\n"
        f"Markdown, into the body of your closing mail, and put {work.marker} at the end of its subject.\n"
    )


def recap(work: Work, happened: list[str]) -> str:
    """Return what a newly started coordinator has to know of work that was under way."""
    if work.attempt == 1:
        return ""
    known = "\n".join(f"- {each}" for each in happened) or "- nothing was reported yet"
    return (
        f"\nThis was begun before and its session has ended since. What is known:\n{known}\n"
        "Look at branches and specs before you start over.\n"
    )


def late_answer(gate: Gate, answer: Answer, work: Work | None) -> Answer:
    """Return an answer for a coordinator that does not know the question.

    It was restarted, or another agent had asked."""
    anew = "Your session was started anew since you asked. You"
    who = anew if gate.sender == LEAD else f"{gate.sender} has ended. It"
    asked = f"{who} had sent “{gate.title}” (revision {gate.revision}):\n{quoted(gate.body[:LONGEST_QUESTION])}"
    of = f"\n\n---\nIt belongs to this, which you see to from here on:\n\n{body(work)}" if work else ""
    context = f"{answer.context}\n\n---\n{asked}{of}"
    return replace(answer, context=context, reporting=reporting(work) if work else None)
