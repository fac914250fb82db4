"""A command being run."""

from dataclasses import dataclass

from bot.rehearsal.arguments import Arguments
from bot.rehearsal.dialects import Dialect
from bot.rehearsal.project import Project


@dataclass(frozen=True)
class Call:
    """The project it is about, its arguments, and how it was called."""

    project: Project
    arguments: Arguments
    as_json: bool

    @property
    def dialect(self) -> Dialect:
        """The dialect it speaks."""
        return self.project.dialect

    def get(self, name: str, default: str | None = None) -> str | None:
        """A flag's value."""
        return self.arguments.get(name, default)

    def has(self, name: str) -> bool:
        """Whether a flag was given."""
        return self.arguments.has(name)

    @property
    def first(self) -> str:
        """The first positional, empty when there is none."""
        return self.arguments.positionals[0] if self.arguments.positionals else ""
