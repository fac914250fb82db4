"""Decide one gate, or several at once: approve, request changes, reject, or answer.

The decision is made with the rights of the person who runs the command. The skill is never offered to the model, and a
decision is bound to the revision that was shown. Without an answer it approves. For a question or an escalation, the words
are the answer.
"""

import difflib
from collections.abc import Sequence

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import TERMINAL, Card, Gate
from bot.domain.errors import FleetError, NotAllowed, UsageError
from bot.gates import lifecycle
from bot.gates.decide import Shown, decide, decide_each, deliver_again
from bot.gates.inbox import assess
from bot.text.wording import count
from bot.work.views import gate_json, gates_json


class Args(SkillArgs):
    """Arguments of `approve-plan`."""

    gate: str = words(
        pattern=r"^[Gg]?[0-9]{1,12}(,[Gg]?[0-9]{1,12})*$",
        max_length=2000,
        description="Id of the gate, such as g7, or several of the same kind: g7,g8,g9.",
    )
    answer: str = words(
        "",
        rest=True,
        description="approve (the default), changes, reject or an option of the gate, then a note; or the answer.",
    )
    note: str = option(
        "", json_schema_extra={"value": "TEXT"}, description="A note with the answer: what to change, or why you reject."
    )
    again: bool = option(False, description="Send the decision again if it did not arrive.")
    revision: int | None = option(None, ge=1, description="Decide only if the plan is still at this revision.")


@skill(
    role=Role.VIEWER,
    model=False,
    summary="Decide a gate: approve, request changes, reject or answer.",
    examples=[
        "approve-plan g7",
        "approve-plan g7 changes use a table instead",
        "approve-plan g8 reject --note too risky",
        "approve-plan g7,g8,g9 approve",
    ],
    synonyms="approve reject decide answer",
)
async def approve_plan(args: Args, context: SkillContext) -> SkillResult:
    """Record one person's answer to a gate. Deciding checks the person's rights."""
    if context.by_model:
        raise NotAllowed("The model may not decide gates. A person has to.")
    fleet = context.fleet
    ids = list(dict.fromkeys(f"g{id.lstrip('Gg')}" for id in args.gate.split(",")))
    if len(ids) > 1:
        return await _several(ids, args, context)
    gate = fleet.gate(ids[0])
    if args.again:
        gate = deliver_again(fleet, gate.id, context.person)
        text = f"**{gate.product}** “{gate.title}” (`{gate.id}`): {lifecycle.outcome(gate)}. Sending it again."
        return SkillResult(text, data={"gates": [gate_json(gate, fleet)]}, cards=(Card("gate", gate=gate.id),))
    choice, note = read(gate, args.answer)
    gate = decide(
        fleet,
        gate.id,
        choice,
        context.person,
        note=_joined(note, args.note),
        revision=args.revision,
        platform=_platform(context),
    )
    text = f"**{gate.product}** “{gate.title}” (`{gate.id}`): {lifecycle.outcome(gate)}"
    return SkillResult(text, data={"gates": [gate_json(gate, fleet)]}, cards=(Card("gate", gate=gate.id),))


async def _several(ids: Sequence[str], args: Args, context: SkillContext) -> SkillResult:
    """Give several gates of one kind the same answer. Raises UsageError if none of them accepts it."""
    fleet = context.fleet
    if args.revision is not None:
        raise UsageError("--revision applies to one gate only.", "Omit --revision, or decide the gates one by one.")
    choice, note = read(fleet.gate(ids[0]), args.answer)
    outcomes = await decide_each(
        fleet,
        [Shown(id) for id in ids],
        choice,
        context.person,
        note=_joined(note, args.note),
        platform=_platform(context),
    )
    after = [outcome for _, outcome in outcomes if isinstance(outcome, Gate)]
    lines = [f"- {_outcome(id, outcome)}" for id, outcome in outcomes]
    if not after:
        raise UsageError("\n".join(["None of the gates was decided.", "", *lines]), code="none_decided")
    text = "\n".join([f"**{len(after)} of {count(len(outcomes), 'gate')} decided.**", "", *lines])
    data = {
        "gates": gates_json(assess(fleet, after), fleet),
        "errors": [{"id": id, **outcome.as_json()} for id, outcome in outcomes if isinstance(outcome, FleetError)],
    }
    return SkillResult(text, data=data)


def _outcome(id: str, outcome: Gate | FleetError) -> str:
    if isinstance(outcome, FleetError):
        return f"✖ `{id}`: {outcome}"
    return f"✔ **{outcome.product}** “{outcome.title}” (`{id}`): {lifecycle.outcome(outcome)}"


def _platform(context: SkillContext) -> str:
    return "terminal" if context.conversation == TERMINAL else context.conversation.partition(":")[0]


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def read(gate: Gate, answer: str) -> tuple[str, str]:
    """Return the choice and the note in the words typed after the gate's id."""
    said = answer.strip()
    if not said and lifecycle.APPROVE in gate.options:
        return lifecycle.APPROVE, ""
    choices = {**{each.lower(): each for each in gate.options}, **lifecycle.SYNONYMS}
    for words_ in sorted(choices, key=len, reverse=True):
        rest = said[len(words_) :]
        if said.lower().startswith(words_) and (not rest or rest[0] in " :,.;\n"):
            return choices[words_], rest.lstrip(" :,.;\n")
    if lifecycle.ANSWER in gate.options and said:
        return lifecycle.ANSWER, said
    near = difflib.get_close_matches(said.lower().split()[0] if said else "", choices, n=1, cutoff=0.6)
    hint = f"Did you mean `/fleet approve-plan {gate.id} {choices[near[0]]}`?" if near else ""
    raise UsageError(
        f"{gate.id} does not accept “{said[:60]}”. Its options are {', '.join(gate.options)}."
        if said
        else f"{gate.id} needs an answer.",
        hint or f"Run `/fleet approve-plan {gate.id}` with one of: {', '.join(gate.options)}.",
        code="unknown_choice",
    )
