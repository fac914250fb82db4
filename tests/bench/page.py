"""The page `docs/performance.md`."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.figures import Section

HEAD = """# Performance

Written by `make bench`. Every figure is from one run on one machine. {summary}

{facts}

For comparison, the last column shows OpenClaw 2026.9.6, another chat bot that runs agents, on a machine of the same size
(2 cores), with a scripted model that answers without delay. An empty cell means that it has nothing comparable.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Machine, time and load (runnable processes before and after) of the run."""

    machine: str
    date: str
    seconds: float
    load: tuple[float, float]
    cores: int


def page(run: Run, sections: Sequence[Section]) -> str:
    """Render the whole page."""
    facts = [
        f"- machine: {run.machine}",
        f"- run: {run.date}, {run.seconds:.0f} s",
        f"- load: {run.load[0]:.1f} at the start, {run.load[1]:.1f} at the end{_busy(run)}",
    ]
    parts = [HEAD.format(summary=summary(sections), facts="\n".join(facts))]
    return "\n".join([*parts, *(_section(each) for each in sections)])


def summary(sections: Sequence[Section]) -> str:
    """Summarize how many goals were met and which were missed."""
    goals = [figure for section in sections for figure in section.figures if figure.goal]
    missed = [figure for figure in goals if figure.missed]
    said = f"{len(goals) - len(missed)} of {len(goals)} goals are met."
    if missed:
        said += " **Missed:** " + "; ".join(f"{each.what} ({each.measured}, goal {each.aim})" for each in missed) + "."
    if absent := [section.title for section in sections if section.unmeasured]:
        said += f" **Not measured:** {', '.join(absent)}."
    return said


def _busy(run: Run) -> str:
    if run.load[0] <= run.cores / 2:
        return ""
    return "; other programs were running, so times are longer than on an idle machine"


def _section(section: Section) -> str:
    lines = [f"## {section.title}", "", section.method, ""]
    if section.unmeasured:
        lines += [f"**Not measured:** {section.unmeasured}.", ""]
        return "\n".join(lines)
    lines += ["| figure | measured | goal | OpenClaw |", "| --- | --- | --- | --- |"]
    for each in section.figures:
        goal = f"{each.aim}: {'**missed**' if each.missed else 'met'}" if each.goal else ""
        lines.append(f"| {_cell(each.what)} | {_cell(each.measured)} | {goal} | {_cell(each.openclaw)} |")
    lines += ["", *(f"{note}\n" for note in section.notes)]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
