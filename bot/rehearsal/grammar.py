"""Table of all commands with their functions and arguments.

`word word` is a command with a subcommand.
"""

from dataclasses import dataclass
from typing import NamedTuple

from bot.rehearsal.arguments import Grammar
from bot.rehearsal.dialects import Dialect


class Entry(NamedTuple):
    """One command."""

    place: str
    """`module:function` below `bot.rehearsal`."""
    grammar: Grammar
    says: str
    dialects: tuple[str, ...] = ("0.11.0", "0.5.8")


ONLY_NEW = ("0.11.0",)
MAIL_FROM = ("--from <name>", "--agent <name>")
START_FLAGS = ("--attach", "--no-attach", "--watchdog", "--accept-existing-watchdog", "--monitor", "--profile <name>")

COMMANDS: dict[str, Entry] = {
    "init": Entry(
        "commands.init:init",
        Grammar(
            flags=(
                "--force",
                "--yes",
                "-y",
                "--name <name>",
                "--tools <list>",
                "--skip-mulch",
                "--skip-seeds",
                "--skip-canopy",
                "--skip-onboard",
            )
        ),
        "create .overstory/ in this repository",
    ),
    "status": Entry(
        "commands.status:status",
        Grammar(flags=("--agent <name>", "--all", "--watch", "--interval <ms>")),
        "show agents, worktrees and unread mail, and update states",
    ),
    "coordinator start": Entry("commands.coordinator:start", Grammar(flags=START_FLAGS), "start a detached coordinator"),
    "coordinator stop": Entry("commands.coordinator:stop", Grammar(), "stop the coordinator, not its workers"),
    "coordinator status": Entry("commands.coordinator:status", Grammar(), "show whether it runs"),
    "coordinator send": Entry(
        "commands.coordinator:send",
        Grammar(flags=("--subject <text>", "--from <name>"), required=("--body <text>",)),
        "mail the coordinator an objective",
        ONLY_NEW,
    ),
    "coordinator ask": Entry(
        "commands.coordinator:ask",
        Grammar(flags=("--subject <text>", "--from <name>", "--timeout <seconds>"), required=("--body <text>",)),
        "mail the coordinator and wait for its answer",
        ONLY_NEW,
    ),
    "coordinator output": Entry(
        "commands.coordinator:output", Grammar(flags=("--lines <n>", "--follow", "--interval <ms>")), "show its pane", ONLY_NEW
    ),
    "coordinator check-complete": Entry("commands.coordinator:check_complete", Grammar(), "evaluate exit triggers", ONLY_NEW),
    "mail send": Entry(
        "commands.mail:send",
        Grammar(
            flags=(*MAIL_FROM, "--type <type>", "--priority <level>", "--payload <json>", "--json"),
            required=("--to <agent>", "--subject <text>", "--body <text>"),
            apart=True,
        ),
        "send mail",
    ),
    "mail check": Entry(
        "commands.mail:check",
        Grammar(flags=("--agent <name>", "--inject", "--json", "--debounce <ms>"), apart=True),
        "show an inbox and mark it read",
    ),
    "mail list": Entry(
        "commands.mail:list_mail",
        Grammar(flags=("--from <name>", "--to <name>", "--agent <name>", "--unread", "--type <type>", "--json"), apart=True),
        "list mail",
    ),
    "mail read": Entry("commands.mail:read", Grammar(("<message-id>",), apart=True), "mark a mail read"),
    "mail reply": Entry(
        "commands.mail:reply",
        Grammar(("<message-id>",), (*MAIL_FROM, "--json"), ("--body <text>",), apart=True),
        "answer a mail",
    ),
    "mail purge": Entry(
        "commands.mail:purge", Grammar(flags=("--all", "--days <n>", "--agent <name>", "--json"), apart=True), "delete mail"
    ),
    "sling": Entry(
        "commands.sling:sling",
        Grammar(
            ("<task-id>",),
            (
                "--capability <type>",
                "--name <name>",
                "--spec <path>",
                "--files <list>",
                "--parent <agent>",
                "--depth <n>",
                "--skip-scout",
                "--skip-task-check",
                "--force-hierarchy",
                "--max-agents <n>",
                "--skip-review",
                "--no-scout-check",
                "--dispatch-max-agents <n>",
                "--runtime <name>",
                "--base-branch <branch>",
                "--profile <name>",
                "--recover",
                "--headless",
                "--siblings <list>",
                "--mode <mode>",
            ),
            naive=True,
        ),
        "start an agent",
    ),
    "stop": Entry("commands.stop:stop", Grammar(("<agent-name>",), ("--force", "--clean-worktree")), "stop an agent", ONLY_NEW),
    "nudge": Entry(
        "commands.nudge:nudge",
        Grammar(("<agent-name>", "[message...]"), ("--from <name>", "--force", "--json"), apart=True),
        "wake an agent",
    ),
    "worktree clean": Entry(
        "commands.worktree:clean", Grammar(flags=("--completed", "--all", "--force")), "remove worktrees of ended agents"
    ),
    "spec write": Entry(
        "commands.spec:write", Grammar(("<task-id>",), ("--body <content>", "--agent <name>")), "write a task's specification"
    ),
    "merge": Entry(
        "commands.merge:merge",
        Grammar(flags=("--branch <name>", "--all", "--into <branch>", "--dry-run")),
        "merge an agent's branch",
    ),
    "serve": Entry(
        "server.command:serve",
        Grammar(flags=("--port <n>", "--host <addr>")),
        "REST and WebSocket, headless coordinator",
        ONLY_NEW,
    ),
}


@dataclass(frozen=True)
class Found:
    """Recognised command with the words after it."""

    name: str
    entry: Entry
    rest: list[str]


def available(dialect: Dialect) -> dict[str, Entry]:
    """Return the commands of a dialect."""
    return {name: entry for name, entry in COMMANDS.items() if dialect.version in entry.dialects}


def recognise(words: list[str], dialect: Dialect) -> Found | None:
    """Return the command that the words begin with, None if there is none.

    A subcommand wins over the command alone. Flags between a command and its subcommand are kept for it."""
    known = available(dialect)
    second = next((place for place, word in enumerate(words[1:], 1) if not word.startswith("-")), None)
    if second is not None:
        name = f"{words[0]} {words[second]}"
        if name in known:
            return Found(name, known[name], words[1:second] + words[second + 1 :])
    if words[0] in known:
        return Found(words[0], known[words[0]], words[1:])
    return None
