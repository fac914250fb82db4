"""Instructions of a 0.5.8 coordinator, and the other adoption rules of this version."""

from bot.supervisor.drivers.rules import AdoptionRules

LONGEST = 12_500
"""Most bytes of a coordinator's definition, quoted for the shell. tmux 3.3 accepts a command of 16 KB.

12.7 KB were tested."""

REMOVABLE = (
    "Propulsion Principle",
    "Overlay",
    "Cost Awareness",
    "Persistence and Context Recovery",
    "Task Group Management",
    "Completion Protocol",
    "Failure Modes",
    "Escalation Routing",
)
"""Sections of the stock definition that can be removed, the most dispensable first."""

INSTRUCTIONS = """\
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

RULES = AdoptionRules(
    program="overstory",
    instructions=INSTRUCTIONS,
    tracker_key="beads",
    tracker_program="bd",
    needs_tracker_program=True,
    quality_gates=False,
    longest_definition=LONGEST,
    removable_sections=REMOVABLE,
)
