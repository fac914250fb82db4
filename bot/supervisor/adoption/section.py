"""The section of a coordinator's definition that an adoption writes, as text.

It says at length what every objective repeats briefly, namely to mark subjects, to report, to ask before large work and to
continue after a decision.
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
    """File that cannot be edited safely, with the file's problem as its message."""


def section(rules: AdoptionRules, *, tracker: bool) -> str:
    """Return the coordinator's instructions between their markers.

    `tracker` is true if the product uses a task tracker."""
    reports = REPORTS.format(ov=rules.program)
    none = "" if tracker else NO_TRACKER.format(cli=rules.tracker_program)
    return f"{BEGIN}\n{rules.instructions.format(reports=reports, tracker=none)}{END}"


def with_section(text: str, lines: str) -> str:
    """Return a definition with this section, replacing an older one. Raises Unclear."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = lines.replace("\n", newline)
    found = SECTION.findall(text)
    if len(found) > 1 or len(re.findall(r"<!-- fleet adopt\b", text)) != 2 * len(found):
        raise Unclear("its `fleet adopt` section is damaged. Remove all of it, then run `fleet adopt` again")
    if found:
        return SECTION.sub(lambda _: lines, text)
    return f"{text.rstrip()}{newline}{newline}{lines}{newline}" if text.strip() else f"{lines}{newline}"


def without_section(text: str) -> str:
    """Return a definition without the section."""
    return SECTION.sub("", text).rstrip() + "\n" if SECTION.search(text) else text


def quoted_bytes(text: str) -> int:
    """Return the length of a text in single quotes in a shell command."""
    return len(text.encode()) + 3 * text.count("'")


def shortened(text: str, rules: AdoptionRules) -> str:
    """Return a definition within the version's limit, with whole sections removed.

    Raises Unclear if that is not enough."""
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
    """Return a definition without one of its own sections."""
    pattern = rf"^## {re.escape(heading)}[ \t]*\r?\n.*?(?=^## |^<!-- fleet adopt |\Z)"
    return re.sub(pattern, "", text, count=1, flags=re.DOTALL | re.MULTILINE)


def rendered(text: str, cli: str, name: str) -> str:
    """Return a definition with the tracker's names filled in."""
    return text.replace("{{TRACKER_CLI}}", cli).replace("{{TRACKER_NAME}}", name)
