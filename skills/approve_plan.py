"""Decides a gate with the rights of the person who says so: approve, ask for changes, reject, or answer.

For people only: it is never offered to the model, and a decision binds to the revision that was shown. Without an answer it
approves. A gate of kind question or escalation takes the words as the answer itself.
"""

import difflib

from bot import gates
from bot.domain import Card, Gate
from bot.errors import NotAllowed, UsageError
from bot.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.views import gate_json


class Args(SkillArgs):
    """Which gate, and the answer."""

    gate: str = words(pattern=r"^[Gg]?\d{1,12}$", description="Id of the gate, such as g7.")
    answer: str = words(
        "", rest=True, description="approve (when left out), changes, reject or one of its options, then a note; or the answer."
    )
    note: str = option(
        "", json_schema_extra={"value": "TEXT"}, description="A note to go with the answer: what to change, or why not."
    )
    again: bool = option(False, description="Hand a decision that did not arrive to the product once more.")
    revision: int | None = option(None, ge=1, description="Decide only if the plan is still at this revision.")


@skill(
    role=Role.VIEWER,
    model=False,
    summary="Decide a gate: approve, changes, reject, or an answer.",
    examples=["approve-plan g7", "approve-plan g7 changes use a table instead", "approve-plan g8 reject --note too risky"],
)
async def approve_plan(args: Args, context: SkillContext) -> SkillResult:
    """One person's answer to one gate. Who may give it is checked where it is decided."""
    if context.by_model:
        raise NotAllowed("The model does not decide gates; a person has to.")
    fleet = context.fleet
    gate = fleet.gate(f"g{args.gate.lstrip('Gg')}")
    if args.again:
        gate = fleet.hand_over_again(gate.id, context.person)
        text = f"**{gate.product}** “{gate.title}” (`{gate.id}`): {gates.outcome(gate)}; it is handed over again."
        return SkillResult(text, data={"gates": [gate_json(gate, fleet)]}, cards=(Card("gate", gate=gate.id),))
    choice, note = read(gate, args.answer)
    gate = fleet.decide(
        gate.id,
        choice,
        context.person,
        note="\n".join(part for part in (note, args.note) if part),
        revision=args.revision,
        platform=context.conversation.partition(":")[0],
    )
    text = f"**{gate.product}** “{gate.title}” (`{gate.id}`): {gates.outcome(gate)}"
    return SkillResult(text, data={"gates": [gate_json(gate, fleet)]}, cards=(Card("gate", gate=gate.id),))


def read(gate: Gate, answer: str) -> tuple[str, str]:
    """Choice and note in what was typed after the gate's id."""
    said = answer.strip()
    if not said and gates.APPROVE in gate.options:
        return gates.APPROVE, ""
    choices = {**{each.lower(): each for each in gate.options}, **gates.SYNONYMS}
    for words_ in sorted(choices, key=len, reverse=True):
        rest = said[len(words_) :]
        if said.lower().startswith(words_) and (not rest or rest[0] in " :,.;\n"):
            return choices[words_], rest.lstrip(" :,.;\n")
    if gates.ANSWER in gate.options and said:
        return gates.ANSWER, said
    near = difflib.get_close_matches(said.lower().split()[0] if said else "", choices, n=1, cutoff=0.6)
    hint = f"Did you mean `/fleet approve-plan {gate.id} {choices[near[0]]}`?" if near else ""
    raise UsageError(
        f"{gate.id} takes: {', '.join(gate.options)}; not “{said[:60]}”." if said else f"{gate.id} needs an answer.",
        hint or f"Say `/fleet approve-plan {gate.id}` and one of: {', '.join(gate.options)}.",
        code="unknown_choice",
    )
