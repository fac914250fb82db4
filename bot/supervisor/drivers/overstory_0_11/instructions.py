"""Instructions of a 0.11 coordinator, and the other adoption rules of this version."""

from bot.supervisor.drivers.rules import AdoptionRules

INSTRUCTIONS = """\
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

RULES = AdoptionRules(program="ov", instructions=INSTRUCTIONS, tracker_key="taskTracker", tracker_program="sd")
