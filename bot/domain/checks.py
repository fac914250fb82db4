"""Results of `fleet doctor`."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of checking one thing."""

    name: str
    status: Status
    message: str
    fix: str = ""
    """The step that resolves a warning or failure, with the exact command where there is one."""
    fatal: bool = False
    """True when the fleet cannot start before this is fixed."""
