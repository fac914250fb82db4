"""What a skill module imports, and all of it: `SkillArgs`, `option`, `words`, `skill`, `SkillContext`, `SkillResult`.

A skill is one module in `skills/` with a docstring, an `Args` and one async function::

    class Args(SkillArgs):
        product: str | None = Field(None, description="Name of a product; all of them when left out.")

    @skill(reads=True, role=Role.VIEWER, summary="What every product is doing.", examples=["status", "status product-a"])
    async def status(args: Args, context: SkillContext) -> SkillResult: ...

From that one declaration come the Claude tool, the `/fleet` words and the command line: fields declared with `words()`
are positional, in order, and one declared with `words(rest=True)` takes all remaining words; every other field is
`--its-name value` (a flag where it is a bool). Arguments are validated by pydantic wherever they come from.
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
    """Base of every skill's `Args`: unknown fields are an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


def words(default: Any = ..., *, description: str, rest: bool = False, **limits: Any) -> Any:
    """A positional argument: the next word, or with `rest` all the words that are left."""
    return Field(default, description=description, json_schema_extra={"words": "rest" if rest else "one"}, **limits)


def option(default: Any = ..., *, description: str, **limits: Any) -> Any:
    """A `--name value` argument (a flag, where it is a bool)."""
    return Field(default, description=description, **limits)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for a terminal: column titles, and cells as text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class SkillResult:
    """What a skill answers: Markdown for people, `data` (JSON values) for `--json` and for the model."""

    text: str
    data: Any = None
    table: Table | None = None
    cards: tuple[Card, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True)
class SkillContext:
    """Handed to a skill: who asks, where, and the fleet. Never stored, never shared between turns."""

    fleet: "Fleet"
    person: Person
    conversation: str
    request: str
    """Unique to this call and the same when it is repeated after a crash: what makes starting work idempotent."""
    product: str | None = None
    """The product whose channel this was said in, used where none is named."""
    by_model: bool = False
    """Whether the model chose to call it, on the person's behalf."""
    approved: bool = False
    """Whether a person has said yes to exactly this, at a gate."""
    skills: Sequence["Skill"] = ()
    """All skills, for `help`."""
    progress: Callable[[str], None] = field(default=lambda text: None)
    """Says what is being done, in a few words; shown while it runs."""


Run = Callable[[Any, SkillContext], Awaitable[SkillResult]]
Consent = Callable[[Any, SkillContext], str]
"""What a call would do, in Markdown, if it takes a person's yes when the model makes it; nothing if it takes none."""
ArgsT = TypeVar("ArgsT", bound=SkillArgs)


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing the coordinator can do."""

    name: str
    """As people type it: `approve-plan`."""
    summary: str
    description: str
    """The module's docstring: what it does, when to use it."""
    args: type[SkillArgs]
    run: Run
    role: Role
    reads: bool
    """Whether it only reads, so that several may run at once and a viewer may ask for it."""
    model: bool
    """Whether the model is offered it."""
    examples: tuple[str, ...] = ()
    consent: Consent | None = None
    synonyms: frozenset[str] = frozenset()
    """Names that people type for it who know other tools."""
    hints: frozenset[str] = frozenset()
    """Words that make a sentence likely to mean it, though nobody types them as a command."""
    irreversible: bool = False
    """True when its effect cannot be undone, so that a button asks for confirmation first."""

    @property
    def tool(self) -> str:
        """Its name as a Claude tool: `approve_plan`."""
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
    """Make the decorated async function the module's skill, named after the function."""

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
