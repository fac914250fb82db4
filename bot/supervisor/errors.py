"""Errors with a code and a fix, derived from the engine's messages.

The patterns match 0.11.0. 0.5.8 prints the same messages after `Error [CODE]: `.
"""

import re
from pathlib import Path

from bot.supervisor.protocol import ChannelError

CATALOGUE: tuple[tuple[str, str, str], ...] = (
    (
        # 0.5.8 blames root for a session that ended: "This often happens when running as root".
        r"cannot reach session",
        "claude_missing",
        "Claude Code ended at its start. Run `claude --dangerously-skip-permissions` there once and answer its questions.",
    ),
    (r"as root|root/sudo privileges", "wrong_user", "Run the supervisor as an ordinary user that owns the products."),
    (
        r"dubious ownership",
        "not_a_repository",
        "Change the folder's owner to the runtime's user, or add it to git's safe.directory.",
    ),
    (r"requires a git repository", "not_a_repository", "Run `git init -b main` in the product's folder."),
    (r"not an overstory project|unable to open database file", "not_initialised", "Run `fleet adopt` for it."),
    (r'not found in \$PATH: "claude"|claude: (command )?not found', "claude_missing", "Install Claude Code in this runtime."),
    (r'not found in \$PATH: "tmux"|tmux.*(not found|not installed)', "tmux_missing", "Install tmux in this runtime."),
    (r"command too long", "tmux_missing", "The coordinator's definition is too long for tmux. Shorten coordinator.md."),
    (
        r"died during startup|did not become ready",
        "claude_missing",
        "Run `claude` in the runtime by hand to check that it is installed and logged in.",
    ),
    (r"is already (being )?work", "task_refused", "Wait for that agent, or stop it."),
    (
        r"Bead task",
        "task_refused",
        "Set `beads: {enabled: false}` in .overstory/config.yaml. This version cannot skip the check.",
    ),
    (r"not found or inaccessible|is not workable", "task_refused", "Name a task that is open in the product's tracker."),
    (r"terminal state", "recipient_terminal", "Start the agent again, or write to the coordinator."),
    (r"Unknown recipient", "unknown_agent", "List the product's agents with `fleet status`."),
    (r"Unknown capability", "unknown_capability", "Choose one of those, or add it to the product's agent manifest."),
    (r"Cannot spawn|HierarchyError", "unknown_capability", "Only another agent can start this capability."),
    (r"limit (reached|exceeded)", "limit_reached", "Stop an agent, or raise the limit in .overstory/config.yaml."),
    (
        r'Agent name ".*" is already in use|already checked out|already exists',
        "name_taken",
        "Choose another name for the agent.",
    ),
    (r'Agent not found|Agent ".*" not found', "unknown_agent", "List the product's agents with `fleet status`."),
    (r"No active .* session|not running|already completed", "not_running", ""),
    (r"Message not found", "not_found", "The engine deleted that mail."),
    (r"already running", "engine_failed", "Stop the running one first. This supervisor did not start it."),
    (
        r"database is locked|Failed to insert message",
        "locked",
        "Try again. If it stays locked, find the process that holds it.",
    ),
    (r"not a database|malformed", "corrupt", "Move the damaged file away. The engine creates a new one."),
    (r"readonly property|must be non-negative|YAML|config\.yaml", "config_broken", "Fix .overstory/config.yaml."),
    (r"manifest", "config_broken", "Fix .overstory/agent-manifest.json. Every file that it names must exist."),
    (
        r"unknown option|Unknown command|required option|Invalid --",
        "unsupported",
        "This version of the engine does not support it. Update the engine.",
    ),
    (
        r"attempt to write a readonly|EACCES|Permission denied",
        "wrong_user",
        "Change the owner of .overstory to the runtime's user (chown -R).",
    ),
)
"""Pattern, code and fix, the most specific first."""

MAX_WORDS = 600
"""Most characters of the engine's message to repeat."""


def from_engine(text: str, product: str | None = None, doing: str = "") -> ChannelError:
    """Return the error that an engine's message stands for."""
    words = " ".join(re.sub(r"^\s*Error(?: \[\w+\])?: ", "", text).split())[:MAX_WORDS] or "The engine printed no message."
    message = f"{doing}: {words}" if doing else words
    for pattern, code, hint in CATALOGUE:
        if re.search(pattern, text, re.IGNORECASE):
            return ChannelError(code, message, hint, product)
    return ChannelError("engine_failed", message, "Check the product's .overstory/logs in the runtime.", product)


def path_missing(path: Path) -> ChannelError:
    """Return the error for a product folder that does not exist."""
    return ChannelError(
        "path_missing", f"There is no folder {path} in this runtime.", "Fix `path` in products.yaml, or mount the folder."
    )


def not_a_repository(path: Path) -> ChannelError:
    """Return the error for a product folder without a git repository."""
    return ChannelError("not_a_repository", f"{path} is not a git repository.", "Run `git init -b main` there and commit.")


def not_initialised(path: Path) -> ChannelError:
    """Return the error for a product without an engine folder."""
    return ChannelError("not_initialised", f"{path} has no .overstory/config.yaml.", "Run `fleet adopt` for it.")


def wrong_user(path: Path) -> ChannelError:
    """Return the error for a file that the engine must write but another user owns."""
    return ChannelError(
        "wrong_user",
        f"The runtime's user cannot write {path}. Another user owns it, perhaps root.",
        f"Run `chown -R <user> {path.parent}` with the runtime's user.",
    )


def corrupt(path: Path, words: object) -> ChannelError:
    """Return the error for a damaged database."""
    return ChannelError(
        "corrupt", f"{path} is damaged ({words}).", "Stop the product and move the file away. The engine creates a new one."
    )


def engine_missing(names: str) -> ChannelError:
    """Return the error for a runtime without an engine."""
    return ChannelError(
        "engine_missing", f"There is no {names} in this runtime.", "Install overstory there, or set FLEET_ENGINE=rehearsal."
    )


def paused(product: str | None = None) -> ChannelError:
    """Return the error for an operation that a pause forbids."""
    return ChannelError("paused", "The product is paused.", "Resume it with `fleet resume`.", product)
