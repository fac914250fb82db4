"""The engine's own words for what is wrong, as errors with a code and a cure.

The texts are those of 0.11.0; 0.5.8 prints the same ones behind `Error [CODE]: `.
"""

import re
from pathlib import Path

from bot.supervisor.protocol import ChannelError

CATALOGUE: tuple[tuple[str, str, str], ...] = (
    (
        # 0.5.8 takes a session that has ended for a lack of rights: "This often happens when running as root".
        r"cannot reach session",
        "claude_missing",
        "Claude Code ended as it started: run `claude --dangerously-skip-permissions` there once, as that user, and answer it.",
    ),
    (r"as root|root/sudo privileges", "wrong_user", "Run the supervisor as an ordinary user that owns the products."),
    (r"dubious ownership", "not_a_repository", "Give the folder to the runtime's user, or add it to git's safe.directory."),
    (r"requires a git repository", "not_a_repository", "Run `git init -b main` in the product's folder."),
    (r"not an overstory project|unable to open database file", "not_initialised", "Adopt it first (`fleet adopt`)."),
    (r'not found in \$PATH: "claude"|claude: (command )?not found', "claude_missing", "Install Claude Code in this runtime."),
    (r'not found in \$PATH: "tmux"|tmux.*(not found|not installed)', "tmux_missing", "Install tmux in this runtime."),
    (r"command too long", "tmux_missing", "The coordinator's definition is too long for tmux; shorten coordinator.md."),
    (
        r"died during startup|did not become ready",
        "claude_missing",
        "Run `claude` in the runtime by hand: is it installed, logged in?",
    ),
    (r"is already (being )?work", "task_refused", "Wait for that agent, or stop it."),
    (r"Bead task", "task_refused", "Set `beads: {enabled: false}` in .overstory/config.yaml; this version cannot skip it."),
    (r"not found or inaccessible|is not workable", "task_refused", "Name a task that the product's tracker has open."),
    (r"terminal state", "recipient_terminal", "Start the agent again, or write to the coordinator."),
    (r"Unknown recipient", "unknown_agent", "Look at the product's agents first."),
    (r"Unknown capability", "unknown_capability", "Choose one of those, or add it to the product's agent manifest."),
    (r"Cannot spawn|HierarchyError", "unknown_capability", "This capability has to be started by another agent."),
    (r"limit (reached|exceeded)", "limit_reached", "Stop an agent, or raise the limit in .overstory/config.yaml."),
    (
        r'Agent name ".*" is already in use|already checked out|already exists',
        "name_taken",
        "Choose another name for the agent.",
    ),
    (r'Agent not found|Agent ".*" not found', "unknown_agent", "Look at the product's agents first."),
    (r"No active .* session|not running|already completed", "not_running", ""),
    (r"Message not found", "not_found", "The engine has deleted that mail."),
    (r"already running", "engine_failed", "Stop what runs there first; it was not started by this supervisor."),
    (
        r"database is locked|Failed to insert message",
        "locked",
        "It is tried again; if it stays, look for a process that holds it.",
    ),
    (r"not a database|malformed", "corrupt", "Move the damaged file away; the engine makes a new one."),
    (r"readonly property|must be non-negative|YAML|config\.yaml", "config_broken", "Mend .overstory/config.yaml."),
    (r"manifest", "config_broken", "Mend .overstory/agent-manifest.json; every file that it names must exist."),
    (
        r"unknown option|Unknown command|required option|Invalid --",
        "unsupported",
        "This version of the engine does not know that.",
    ),
    (
        r"attempt to write a readonly|EACCES|Permission denied",
        "wrong_user",
        "Give .overstory to the runtime's user (chown -R).",
    ),
)
"""Pattern, code and cure, the most telling first."""

MAX_WORDS = 600
"""Most characters of the engine's own words that a message repeats."""


def from_engine(text: str, product: str | None = None, doing: str = "") -> ChannelError:
    """The error that the engine's words stand for."""
    words = " ".join(re.sub(r"^\s*Error(?: \[\w+\])?: ", "", text).split())[:MAX_WORDS] or "The engine said nothing."
    message = f"{doing}: {words}" if doing else words
    for pattern, code, hint in CATALOGUE:
        if re.search(pattern, text, re.IGNORECASE):
            return ChannelError(code, message, hint, product)
    return ChannelError("engine_failed", message, "Look at the product's .overstory/logs in the runtime.", product)


def path_missing(path: Path) -> ChannelError:
    """The product's folder is not there."""
    return ChannelError(
        "path_missing", f"There is no folder {path} in this runtime.", "Mend `path` in products.yaml, or mount the folder."
    )


def not_a_repository(path: Path) -> ChannelError:
    """The product's folder is no git repository."""
    return ChannelError("not_a_repository", f"{path} is no git repository.", "Run `git init -b main` there and commit.")


def not_initialised(path: Path) -> ChannelError:
    """The product has no engine folder."""
    return ChannelError("not_initialised", f"{path} has no .overstory/config.yaml.", "Adopt it first (`fleet adopt`).")


def wrong_user(path: Path) -> ChannelError:
    """A file that the engine must write belongs to somebody else."""
    return ChannelError(
        "wrong_user",
        f"{path} cannot be written by the runtime's user; another user, perhaps root, made it.",
        f"Give the folder back: chown -R to that user, {path.parent}.",
    )


def corrupt(path: Path, words: object) -> ChannelError:
    """A database is damaged."""
    return ChannelError(
        "corrupt", f"{path} is damaged ({words}).", "Stop the product and move the file away; the engine makes a new one."
    )


def engine_missing(names: str) -> ChannelError:
    """There is no engine."""
    return ChannelError(
        "engine_missing", f"There is no {names} in this runtime.", "Install overstory there, or choose FLEET_ENGINE=rehearsal."
    )


def paused(product: str | None = None) -> ChannelError:
    """The product is paused."""
    return ChannelError("paused", "The product is paused.", "Resume it first.", product)
