"""`docs/performance.md`: what was measured, as a page."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.figures import Section

HEAD = """# Performance

Written by `make bench`; every figure is from one run on one machine. {summary}

{facts}

OpenClaw's figures are those of OpenClaw 2026.9.6, measured on a machine of the same size (2 cores) with a scripted model that
answers without delay; where there is none, it has nothing that compares.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """The run as a whole: the machine, when, and how busy it was (processes that wanted to run, before and after)."""

    machine: str
    date: str
    seconds: float
    load: tuple[float, float]
    cores: int


def page(run: Run, sections: Sequence[Section]) -> str:
    """The whole page."""
    facts = [
        f"- machine: {run.machine}",
        f"- run: {run.date}, {run.seconds:.0f} s",
        f"- load of the machine: {run.load[0]:.1f} when it began, {run.load[1]:.1f} when it ended{_busy(run)}",
    ]
    parts = [HEAD.format(summary=summary(sections), facts="\n".join(facts))]
    return "\n".join([*parts, *(_section(each) for each in sections)])


def summary(sections: Sequence[Section]) -> str:
    """How many goals were met, and which were not."""
    goals = [figure for section in sections for figure in section.figures if figure.goal]
    missed = [figure for figure in goals if figure.missed]
    said = f"{len(goals) - len(missed)} of {len(goals)} goals are met."
    if missed:
        said += " **Missed:** " + "; ".join(f"{each.what} ({each.measured}, the goal is {each.aim})" for each in missed) + "."
    if absent := [section.title for section in sections if section.unmeasured]:
        said += f" **Not measured:** {', '.join(absent)}."
    return said


def _busy(run: Run) -> str:
    if run.load[0] <= run.cores / 2:
        return ""
    return "; other programs wanted the cores as well, so times are longer than this machine needs"


def _section(section: Section) -> str:
    lines = [f"## {section.title}", "", section.method, ""]
    if section.unmeasured:
        lines += [f"**Not measured:** {section.unmeasured}.", ""]
        return "\n".join(lines)
    lines += ["| what | measured | goal | OpenClaw |", "| --- | --- | --- | --- |"]
    for each in section.figures:
        goal = f"{each.aim}: {'**missed**' if each.missed else 'met'}" if each.goal else ""
        lines.append(f"| {_cell(each.what)} | {_cell(each.measured)} | {goal} | {_cell(each.openclaw)} |")
    lines += ["", *(f"{note}\n" for note in section.notes)]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
