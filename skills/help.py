"""List every command on one line, or show one of them with its arguments and examples.

Use it when a person asks what is possible or how a command is used.
"""

import difflib
from typing import Any

from bot.commands.catalogue import fields, named, usage
from bot.commands.skill import Role, Skill, SkillArgs, SkillContext, SkillResult, Table, skill, words
from bot.domain import Suggestion
from bot.domain.errors import NotFound


class Args(SkillArgs):
    """Arguments of `help`."""

    command: str | None = words(None, description="Name of a command, to see its arguments and examples.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="List the commands, or explain one of them.",
    examples=["help", "help spawn"],
    synonyms="commands usage",
)
async def help(args: Args, context: SkillContext) -> SkillResult:
    """Return the help text, generated from the skills' declarations."""
    if args.command is None:
        return _all(context)
    found = named(args.command.removeprefix("/fleet").strip(), context.skills)
    if found is None:
        near = difflib.get_close_matches(args.command.lower(), [each.name for each in context.skills], n=1, cutoff=0.5)
        hint = f"Did you mean `/fleet help {near[0]}`?" if near else "Run `/fleet help` to list all commands."
        raise NotFound(f"There is no command “{args.command[:60]}”.", hint)
    return _one(found)


def _all(context: SkillContext) -> SkillResult:
    lines = ["Ask in plain words or use a command: `/fleet …` anywhere, or `!…` where slash commands are not available."]
    for title, reads in (("View", True), ("Act", False)):
        lines += ["", f"**{title}**"]
        lines += [f"- `/fleet {each.name}` {each.summary}" for each in context.skills if each.reads is reads]
    lines += ["", "`/fleet help <command>` explains a command."]
    rows = tuple((each.name, each.summary) for each in context.skills)
    return SkillResult(
        "\n".join(lines),
        data={"commands": [_json(each) for each in context.skills]},
        table=Table(("command", "what it does"), rows),
        suggestions=(Suggestion("Status", "/fleet status"), Suggestion("Open gates", "/fleet gates")),
    )


def _one(skill: Skill) -> SkillResult:
    lines = [f"`{usage(skill)}`", "", skill.description]
    if arguments := fields(skill):
        lines += ["", "**Arguments**", *(f"- `{field.shown}` {field.description}" for field in arguments)]
    lines += ["", "**Examples**", *(f"- `/fleet {example}`" for example in skill.examples)]
    who = "people only" if not skill.model else "people, and to the model on their behalf"
    lines += ["", f"Requires the {skill.role} role. Available to {who}."]
    return SkillResult("\n".join(lines), data=_json(skill))


def _json(skill: Skill) -> dict[str, Any]:
    return {
        "name": skill.name,
        "summary": skill.summary,
        "usage": usage(skill),
        "description": skill.description,
        "role": skill.role.value,
        "reads": skill.reads,
        "model": skill.model,
        "examples": [f"/fleet {example}" for example in skill.examples],
        "arguments": [
            {"name": field.name, "place": field.kind, "required": field.required, "description": field.description}
            for field in fields(skill)
        ],
    }
