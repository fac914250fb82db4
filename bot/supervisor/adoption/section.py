"""What a coordinator is told by an adoption, and how a definition is brought to take it in. Pure text.

It says in the long form what every objective repeats in short (`bot.work.briefs`): mark the subjects, report, ask
before large work with a `decision_gate`, go on after `DECISION: …`.
"""

import re

from bot.supervisor.adoption.records import BEGIN, END, SECTION
from bot.supervisor.drivers.rules import AdoptionRules

REPORTS = """\
Objectives come by mail from `operator`: the fleet, and the people behind it. Where these lines differ from the rest of this
file, these hold.

**Marks.** An objective's subject ends in a mark such as `[w12.k3f9]`. Put that mark at the end of the subject of every mail
that you send about it.

**Reports.** Mail `operator` (`{ov} mail send --to operator --from coordinator …`): one `--type status` when you begin, then one
`--type result` when all of it is finished and merged, or one `--type error` when it cannot be done. Say what changed, where,
what the quality gates said, and what is left. `{ov} mail reply <id> --from coordinator --body …` answers a mail of `operator`.
"""

NO_TRACKER = """
**Tasks.** This product keeps no task tracker: leave out what is said of `{cli}`. A task id is any short word that is new.
"""


class Unclear(Exception):
    """A file is not in a form that can be changed safely; its words say which and why."""


def section(rules: AdoptionRules, *, tracker: bool) -> str:
    """Return the coordinator's instructions between their markers. `tracker` is true if the product uses a task tracker."""
    reports = REPORTS.format(ov=rules.program)
    none = "" if tracker else NO_TRACKER.format(cli=rules.tracker_program)
    return f"{BEGIN}\n{rules.instructions.format(reports=reports, tracker=none)}{END}"


def told(text: str, lines: str) -> str:
    """A definition with these lines in it: in place of older ones, else at its end. Raises Unclear."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = lines.replace("\n", newline)
    found = SECTION.findall(text)
    if len(found) > 1 or len(re.findall(r"<!-- fleet adopt\b", text)) != 2 * len(found):
        raise Unclear("its `fleet adopt` lines are damaged: remove them all, then adopt again")
    if found:
        return SECTION.sub(lambda _: lines, text)
    return f"{text.rstrip()}{newline}{newline}{lines}{newline}" if text.strip() else f"{lines}{newline}"


def untold(text: str) -> str:
    """A definition without those lines."""
    return SECTION.sub("", text).rstrip() + "\n" if SECTION.search(text) else text


def quoted_bytes(text: str) -> int:
    """How long a text is in a shell command, between single quotes."""
    return len(text.encode()) + 3 * text.count("'")


def shortened(text: str, rules: AdoptionRules) -> str:
    """Return a definition within the version's limit, whole sections removed. Raises Unclear if that is not enough."""
    longest = rules.longest_definition
    if longest is None:
        return text
    for heading in rules.removable_sections:
        if quoted_bytes(text) <= longest:
            break
        text = _without(text, heading)
    if (length := quoted_bytes(text)) > longest:
        raise Unclear(f"it has {length} bytes, and tmux accepts at most {longest}. Shorten it by hand")
    return text


def _without(text: str, heading: str) -> str:
    """A definition without one of its sections, up to the next heading of that rank or our own lines."""
    pattern = rf"^## {re.escape(heading)}[ \t]*\r?\n.*?(?=^## |^<!-- fleet adopt |\Z)"
    return re.sub(pattern, "", text, count=1, flags=re.DOTALL | re.MULTILINE)


def rendered(text: str, cli: str, name: str) -> str:
    """A definition with the tracker's names filled in, which the engine leaves open in those it uses as they are."""
    return text.replace("{{TRACKER_CLI}}", cli).replace("{{TRACKER_NAME}}", name)
