"""Invocation of a command."""

from dataclasses import dataclass

from bot.rehearsal.arguments import Arguments
from bot.rehearsal.dialects import Dialect
from bot.rehearsal.project import Project


@dataclass(frozen=True)
class Call:
    """Command with its project, its arguments and its output mode."""

    project: Project
    arguments: Arguments
    as_json: bool

    @property
    def dialect(self) -> Dialect:
        """Dialect of the project."""
        return self.project.dialect

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return a flag's value."""
        return self.arguments.get(name, default)

    def has(self, name: str) -> bool:
        """Return True if a flag was given."""
        return self.arguments.has(name)

    @property
    def first(self) -> str:
        """First positional, empty if there is none."""
        return self.arguments.positionals[0] if self.arguments.positionals else ""
