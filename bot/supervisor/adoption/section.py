"""What a coordinator is told by an adoption, and how a definition is brought to take it in. Pure text.

It says in the long form what every objective repeats in short (`bot.work.briefs`): mark the subjects, report, ask
before large work with a `decision_gate`, go on after `DECISION: …`.
"""

import re

from bot.supervisor.adoption.records import BEGIN, END, SECTION

LONGEST = 12_500
"""Bytes of a 0.5.8 coordinator's definition, quoted for the shell: tmux 3.3 takes a command of 16 KB, 12.7 KB were tried."""

SPARED = (
    "Propulsion Principle",
    "Overlay",
    "Cost Awareness",
    "Persistence and Context Recovery",
    "Task Group Management",
    "Completion Protocol",
    "Failure Modes",
    "Escalation Routing",
)
"""Sections of a 0.5.8 coordinator's definition that are left out when it is too long, the most dispensable first."""

REPORTS = """\
Objectives come by mail from `operator`: the fleet, and the people behind it. Where these lines differ from the rest of this
file, these hold.

**Marks.** An objective's subject ends in a mark such as `[w12.k3f9]`. Put that mark at the end of the subject of every mail
that you send about it.

**Reports.** Mail `operator` (`{ov} mail send --to operator --from coordinator …`): one `--type status` when you begin, then one
`--type result` when all of it is finished and merged, or one `--type error` when it cannot be done. Say what changed, where,
what the quality gates said, and what is left. `{ov} mail reply <id> --from coordinator --body …` answers a mail of `operator`.
"""

CURRENT = """\
## operator-approval (comes before propulsion-principle)

{reports}
**Plans.** Before you start any worker for something large, risky, unclear or marked `[complex]`, ask:

1. Write the plan with `ov spec write <task-id> --agent coordinator --body "<plan>"`. This spec is yours to write, whatever is
   said about specs elsewhere.
2. Send the whole of it; people see the body and nothing else:
   `ov mail send --to operator --from coordinator --type decision_gate --priority high --subject "Plan ready: <task-id> <mark>"
   --body "<the whole plan: steps, files, risks, how it is checked>" --payload '{{"options":["approve","revise","reject"],
   "context":".overstory/specs/<task-id>.md","taskId":"<task-id>","revision":1}}'`
3. End your turn. Mail wakes you; do not wait in a loop, and begin nothing of the plan meanwhile.

Go on only after mail from `operator` that says
- `DECISION: approve`: do what the plan says, and only that;
- `DECISION: revise: …`: write the plan anew as asked, send it again with `revision` one higher, end your turn;
- `DECISION: reject: …`: start nothing, close the task, send a `result` that says so.

Silence is not consent, and nobody but `operator` decides.

**Questions.** Your own go to `operator` as `--type question --priority high`, with what you would do; then end your turn. A
worker's `question`, `decision_gate` or critical `escalation` goes to `operator` in the same way, with its type and its whole
text. Take the answer back to the worker; one that has ended is started again with it.
{tracker}"""

PLANNING = """\
## Operator Approval (comes before everything above)

{reports}
**Plans.** People approve through the fleet; nobody sits at your terminal. Never use AskUserQuestion or EnterPlanMode.

1. For a COMPLEX objective start a plan-mode lead. It cannot write into `.overstory/plans/`: tell it in its dispatch to write
   the plan with `overstory spec write <task-id> --body "<plan>"`, and to put all of it into the body of its `plan_ready` mail
   and the mark at the end of the subject.
2. When `plan_ready` has come, end your turn. The fleet shows the plan to people; do not send it on.
3. Go on only after mail or a nudge from `operator`:
   - `approve: <task-id>`: start an execute-mode lead for that task under a new name; the approved plan is in
     `.overstory/plans/<task-id>.md`;
   - `revise: <task-id>` or `changes: <task-id>`: start a new plan-mode lead under a new name (the former one has ended) with
     the old plan and what is asked, and `revision` one higher;
   - `reject: <task-id>`: start nothing, close the task, send a `result` that says so.

Silence is not consent, and nobody but `operator` decides.

**Questions.** Your own go to `operator` as `--type question --priority high`, with what you would do; then end your turn. A
worker's `question` or critical `escalation` goes to `operator` in the same way, with its type and its whole text.
{tracker}"""

NO_TRACKER = """
**Tasks.** This product keeps no task tracker: leave out what is said of `{cli}`. A task id is any short word that is new.
"""


class Unclear(Exception):
    """A file is not in a form that can be changed safely; its words say which and why."""


def section(*, planning: bool, tracker: bool) -> str:
    """The lines for a coordinator, between their marks. `tracker`: whether the product keeps its tasks in one."""
    words = PLANNING if planning else CURRENT
    reports = REPORTS.format(ov="overstory" if planning else "ov")
    none = "" if tracker else NO_TRACKER.format(cli="bd" if planning else "sd")
    return f"{BEGIN}\n{words.format(reports=reports, tracker=none)}{END}"


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


def shortened(text: str, longest: int = LONGEST) -> str:
    """A definition short enough for tmux, whole sections left out. Raises Unclear if that is not enough."""
    for heading in SPARED:
        if quoted_bytes(text) <= longest:
            break
        text = _without(text, heading)
    if (length := quoted_bytes(text)) > longest:
        raise Unclear(f"it has {length} bytes, and tmux takes {longest} of it at most: shorten it by hand")
    return text


def _without(text: str, heading: str) -> str:
    """A definition without one of its sections, up to the next heading of that rank or our own lines."""
    pattern = rf"^## {re.escape(heading)}[ \t]*\r?\n.*?(?=^## |^<!-- fleet adopt |\Z)"
    return re.sub(pattern, "", text, count=1, flags=re.DOTALL | re.MULTILINE)


def rendered(text: str, cli: str, name: str) -> str:
    """A definition with the tracker's names filled in, which the engine leaves open in those it uses as they are."""
    return text.replace("{{TRACKER_CLI}}", cli).replace("{{TRACKER_NAME}}", name)
