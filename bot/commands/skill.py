"""The one import of a skill module.

It gives `SkillArgs`, `option`, `words`, `skill`, `SkillContext` and `SkillResult`. A skill is one module in `skills/` with a
docstring, an `Args` and one async function::

    class Args(SkillArgs):
        product: str | None = Field(None, description="Name of a product; by default all of them.")

    @skill(reads=True, role=Role.VIEWER, summary="Show what every product is doing.", examples=["status", "status product-a"])
    async def status(args: Args, context: SkillContext) -> SkillResult: ...

From that one declaration come the Claude tool, the `/fleet` words and the command line: fields declared with `words()`
are positional, in order, and one declared with `words(rest=True)` takes all remaining words; every other field is
`--its-name value` (a flag where it is a bool). Pydantic validates arguments wherever they come from.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from bot.domain import Card, Person, Role, Suggestion

if TYPE_CHECKING:
    from bot.fleet import Fleet

__all__ = ["Role", "Skill", "SkillArgs", "SkillContext", "SkillResult", "Table", "option", "skill", "words"]


class SkillArgs(BaseModel):
    """Base of every skill's `Args`. Unknown fields are an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


def words(default: Any = ..., *, description: str, rest: bool = False, **limits: Any) -> Any:
    """Declare a positional argument, which takes the next word, or with `rest` all remaining words."""
    return Field(default, description=description, json_schema_extra={"words": "rest" if rest else "one"}, **limits)


def option(default: Any = ..., *, description: str, **limits: Any) -> Any:
    """Declare a `--name value` argument, or a flag where it is a bool."""
    return Field(default, description=description, **limits)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for a terminal, with column titles and cells as text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class SkillResult:
    """The result of a skill, with Markdown for people and `data` (JSON values) for `--json` and the model."""

    text: str
    data: Any = None
    table: Table | None = None
    cards: tuple[Card, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True)
class SkillContext:
    """The caller, the conversation and the fleet, as passed to a skill.

    It is never stored, and never shared between turns."""

    fleet: "Fleet"
    person: Person
    conversation: str
    request: str
    """Id of this call, the same when it is repeated after a crash, which makes starting work idempotent."""
    product: str | None = None
    """Product of the channel where this was said, used when none is named."""
    by_model: bool = False
    """True if the model made the call, on the person's behalf."""
    approved: bool = False
    """True if a person approved exactly this call at a gate."""
    skills: Sequence["Skill"] = ()
    """All skills, for `help`."""
    progress: Callable[[str], None] = field(default=lambda text: None)
    """Callback that shows a few words of progress while the skill runs."""


Run = Callable[[Any, SkillContext], Awaitable[SkillResult]]
Consent = Callable[[Any, SkillContext], str]
"""Callback that describes a call of the model for approval in Markdown, or returns nothing if it needs none."""
ArgsT = TypeVar("ArgsT", bound=SkillArgs)


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing the fleet can do."""

    name: str
    """Name as people type it, such as `approve-plan`."""
    summary: str
    description: str
    """The module's docstring, which tells the model when to use the skill."""
    args: type[SkillArgs]
    run: Run
    role: Role
    reads: bool
    """True if it changes nothing, so that several may run at once."""
    model: bool
    """True if the model may call it."""
    examples: tuple[str, ...] = ()
    consent: Consent | None = None
    synonyms: frozenset[str] = frozenset()
    """Names from other tools that people type for it."""
    hints: frozenset[str] = frozenset()
    """Words that make a sentence likely to mean it, although they are not typed as a command."""
    irreversible: bool = False
    """True when its effect cannot be undone, so that a button asks for confirmation first."""

    @property
    def tool(self) -> str:
        """Name as a Claude tool, such as `approve_plan`."""
        return self.name.replace("-", "_")


def skill(
    *,
    summary: str,
    role: Role = Role.OPERATOR,
    reads: bool = False,
    model: bool = True,
    examples: Sequence[str] = (),
    consent: Consent | None = None,
    synonyms: str = "",
    hints: str = "",
    irreversible: bool = False,
) -> Callable[[Callable[[ArgsT, SkillContext], Awaitable[SkillResult]]], Skill]:
    """Make the decorated async function the module's skill, named after the function.

    `synonyms` and `hints` are words separated by spaces."""

    def declare(run: Callable[[ArgsT, SkillContext], Awaitable[SkillResult]]) -> Skill:
        import inspect
        import sys

        module = sys.modules[run.__module__]
        args = inspect.get_annotations(run, eval_str=True)["args"]
        return Skill(
            name=run.__name__.replace("_", "-"),
            summary=summary,
            description=inspect.cleandoc(module.__doc__ or summary),
            args=args,
            run=run,
            role=role,
            reads=reads,
            model=model,
            examples=tuple(examples),
            consent=consent,
            synonyms=frozenset(synonyms.split()),
            hints=frozenset(hints.split()),
            irreversible=irreversible,
        )

    return declare
