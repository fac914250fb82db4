"""The two versions of overstory that the rehearsal imitates.

0.5.8 runs its coordinator in tmux. Here `tmuxSession` is only a name, and the coordinator is a detached background process that
listens on a named pipe as the real one listens to its pane.
"""

import os
from dataclasses import dataclass

CHILD = "rehearsal-"
"""Prefix of the first argument of every process that the engine starts.

It tells own processes from others."""
COMMON_TYPES = (
    "status",
    "question",
    "result",
    "error",
    "worker_done",
    "merge_ready",
    "merged",
    "merge_failed",
    "escalation",
    "health_check",
    "dispatch",
    "assign",
)


@dataclass(frozen=True)
class Dialect:
    """Behaviour of one version."""

    version: str
    program: str
    envelope: bool
    """True if JSON answers have `success` and `command`, and errors are JSON too."""
    strict_flags: bool
    """True if unknown flags are refused. The old version ignores them."""
    task_key: str
    task_column: str
    mail_types: tuple[str, ...]
    direct_capabilities: tuple[str, ...]
    """Capabilities that may be started without a parent."""
    headless: bool
    """True if workers and the served coordinator have no tmux session and sling waits for the first turn."""

    @property
    def label(self) -> str:
        """Version with a note that this is a rehearsal."""
        return f"{self.version} (rehearsal)"


CURRENT = Dialect(
    version="0.11.0",
    program="ov",
    envelope=True,
    strict_flags=True,
    task_key="taskId",
    task_column="task_id",
    mail_types=(*COMMON_TYPES[:5], "worker_died", *COMMON_TYPES[5:], "decision_gate"),
    direct_capabilities=("lead", "scout", "builder"),
    headless=True,
)
PLANNING = Dialect(
    version="0.5.8",
    program="overstory",
    envelope=False,
    strict_flags=False,
    task_key="beadId",
    task_column="bead_id",
    mail_types=(*COMMON_TYPES, "plan_ready"),
    direct_capabilities=("lead",),
    headless=False,
)
DIALECTS = {dialect.version: dialect for dialect in (CURRENT, PLANNING)}


def chosen(name: str | None = None) -> Dialect:
    """Return the named dialect, else the one of REHEARSAL_DIALECT, else 0.11.0.

    A prefix such as 0.11 is enough."""
    wanted = name or os.environ.get("REHEARSAL_DIALECT") or CURRENT.version
    for version, dialect in DIALECTS.items():
        if version.startswith(wanted):
            return dialect
    known = ", ".join(DIALECTS)
    raise SystemExit(f"rehearsal: unknown dialect {wanted!r}. Set REHEARSAL_DIALECT or --dialect to one of: {known}")
