"""Commands of the terminal that prepare a platform's app, before the fleet can connect to it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Output:
    """The result of a command, with text for people and `data` for `--json`."""

    text: str
    data: Any
    notes: tuple[str, ...] = ()
    """Lines for standard error, so that the text can be piped."""


@dataclass(frozen=True, slots=True)
class SetupCommand:
    """A command that is typed as `fleet NAME …`."""

    name: str
    summary: str
    options: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Settings], Output]
    """Run the command. It raises FleetError, and prints nothing itself."""
