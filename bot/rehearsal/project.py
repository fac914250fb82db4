"""One product and its `.overstory/`."""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bot.rehearsal import settings
from bot.rehearsal.dialects import Dialect
from bot.rehearsal.errors import InvalidRequest, NotInitialised
from bot.rehearsal.events import EventStore
from bot.rehearsal.mail import MailStore, Message
from bot.rehearsal.metrics import MetricsStore
from bot.rehearsal.sessions import SessionStore


@dataclass(frozen=True)
class Project:
    """Product folder, seen in one dialect."""

    root: Path
    dialect: Dialect

    @property
    def state(self) -> Path:
        """Folder of the engine."""
        return self.root / ".overstory"

    @cached_property
    def config(self) -> dict[str, Any]:
        """Settings, read once."""
        return settings.read(self.state / "config.yaml")

    def setting(self, dotted: str, default: Any) -> Any:
        """Return one setting by its dotted name."""
        return settings.setting(self.config, dotted, default)

    @property
    def name(self) -> str:
        """Name of the project."""
        return str(self.setting("project.name", self.root.name))

    @property
    def branch(self) -> str:
        """Branch that work is merged into."""
        return str(self.setting("project.canonicalBranch", "main"))

    def mail(self) -> MailStore:
        """Open the mail."""
        return MailStore(self._database("mail.db"), self.dialect)

    def sessions(self) -> SessionStore:
        """Open the sessions and runs."""
        return SessionStore(self._database("sessions.db"), self.dialect)

    def metrics(self) -> MetricsStore:
        """Open the spending."""
        return MetricsStore(self._database("metrics.db"), self.dialect)

    def events(self) -> EventStore:
        """Open the events."""
        return EventStore(self._database("events.db"))

    def _database(self, name: str) -> Path:
        if not self.state.is_dir():
            raise NotInitialised
        return self.state / name

    def post(self, message: Message) -> Message:
        """Send mail and record the event."""
        with self.mail() as mail:
            sent = mail.send(message)
        about = {"to": sent.to_agent, "subject": sent.subject, "type": sent.type, "priority": sent.priority}
        self.record("mail_sent", sent.from_agent, data={**about, "messageId": sent.id})
        return sent

    def record(self, kind: str, agent: str, **more: Any) -> None:
        """Record an event of the current run."""
        with self.events() as events:
            events.add(kind, agent, self.current_run(), **more)

    def current_run(self) -> str | None:
        """Return the id of the current run, None if there is none."""
        path = self.state / "current-run.txt"
        return (path.read_text().strip() or None) if path.exists() else None

    def set_current_run(self, run_id: str | None) -> None:
        """Set the current run."""
        path = self.state / "current-run.txt"
        if run_id is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(run_id)

    def manifest(self) -> dict[str, Any]:
        """Return the agents of agent-manifest.json by capability.

        Every definition must exist, as in the real engine."""
        path = self.state / "agent-manifest.json"
        if not path.exists():
            raise InvalidRequest(f"Agent manifest not found: {path}")
        try:
            agents = json.loads(path.read_text(encoding="utf-8"))["agents"]
            files = {name: agent["file"] for name, agent in agents.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise InvalidRequest(f"Failed to parse agent manifest: {problem!r}") from problem
        for name, file in files.items():
            if not (self.state / "agent-defs" / str(file)).exists():
                raise InvalidRequest(f'Manifest validation failed: agent "{name}": file "{file}" does not exist')
        return dict(agents)

    def tmux_name(self, agent: str) -> str:
        """Return the name of the tmux session that the real engine would use."""
        return f"overstory-{self.name}-{agent}"

    def environment(self) -> dict[str, str]:
        """Return the environment of a child process."""
        return {"REHEARSAL_DIALECT": self.dialect.version}

    def turn_pid(self, agent: str) -> Path:
        """Return the file with the process id of a headless worker's turn."""
        return self.state / "agents" / agent / "turn.pid"

    def turn_process(self, agent: str) -> int | None:
        """Return the process id of a headless worker's turn, None outside a turn."""
        try:
            return int(self.turn_pid(agent).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def nudge_pipe(self, agent: str) -> Path:
        """Return the named pipe on which a detached coordinator reads nudges."""
        return self.state / "agents" / agent / "nudge.fifo"

    def log(self, agent: str) -> Path:
        """Return the log file of an agent's process."""
        return self.state / "logs" / agent / "rehearsal.log"


def find(start: Path, dialect: Dialect) -> Project:
    """Return the project of a folder.

    In a worktree this is the main checkout's root, else the nearest folder with `.overstory/`."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if folder.name == "worktrees" and folder.parent.name == ".overstory":
            return Project(folder.parent.parent, dialect)
    for folder in (start, *start.parents):
        if (folder / ".overstory").is_dir():
            return Project(folder, dialect)
        if (folder / ".git").exists():
            break
    return Project(start, dialect)


def refuse_root(dialect: Dialect) -> None:
    """Refuse to start agents as uid 0, like the real engine, if REHEARSAL_REFUSE_ROOT=1."""
    if os.environ.get("REHEARSAL_REFUSE_ROOT") == "1" and os.getuid() == 0:
        from bot.rehearsal.errors import EngineError

        flag = "--permission-mode bypassPermissions" if dialect.headless else "--dangerously-skip-permissions"
        raise EngineError(
            f"Cannot spawn agents as root (UID 0). The claude CLI rejects {flag} when run as root, causing the tmux "
            "session to die immediately. Run overstory as a non-root user."
        )
