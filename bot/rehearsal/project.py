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
    """A product's folder, seen in one dialect."""

    root: Path
    dialect: Dialect

    @property
    def state(self) -> Path:
        """Where the engine keeps everything."""
        return self.root / ".overstory"

    @cached_property
    def config(self) -> dict[str, Any]:
        """The settings, read once."""
        return settings.read(self.state / "config.yaml")

    def setting(self, dotted: str, default: Any) -> Any:
        """One setting by its dotted name."""
        return settings.setting(self.config, dotted, default)

    @property
    def name(self) -> str:
        """The project's name."""
        return str(self.setting("project.name", self.root.name))

    @property
    def branch(self) -> str:
        """The branch that work is merged into."""
        return str(self.setting("project.canonicalBranch", "main"))

    def mail(self) -> MailStore:
        """The mail, opened."""
        return MailStore(self._database("mail.db"), self.dialect)

    def sessions(self) -> SessionStore:
        """The sessions and runs, opened."""
        return SessionStore(self._database("sessions.db"), self.dialect)

    def metrics(self) -> MetricsStore:
        """The costs, opened."""
        return MetricsStore(self._database("metrics.db"), self.dialect)

    def events(self) -> EventStore:
        """The events, opened."""
        return EventStore(self._database("events.db"))

    def _database(self, name: str) -> Path:
        if not self.state.is_dir():
            raise NotInitialised
        return self.state / name

    def post(self, message: Message) -> Message:
        """Send mail and record that it was sent."""
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
        """The id of the run that is on, if one is."""
        path = self.state / "current-run.txt"
        return (path.read_text().strip() or None) if path.exists() else None

    def set_current_run(self, run_id: str | None) -> None:
        """Note which run is on."""
        path = self.state / "current-run.txt"
        if run_id is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(run_id)

    def manifest(self) -> dict[str, Any]:
        """The agents of agent-manifest.json, by capability; every definition must be there, as in the real one."""
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
        """The tmux session that the real engine would use."""
        return f"overstory-{self.name}-{agent}"

    def environment(self) -> dict[str, str]:
        """What a child process must know."""
        return {"REHEARSAL_DIALECT": self.dialect.version}

    def turn_pid(self, agent: str) -> Path:
        """The file that names a headless worker's process while its turn lasts."""
        return self.state / "agents" / agent / "turn.pid"

    def turn_process(self, agent: str) -> int | None:
        """The process of a headless worker's turn; None when no turn is on."""
        try:
            return int(self.turn_pid(agent).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def nudge_pipe(self, agent: str) -> Path:
        """The named pipe on which a detached coordinator hears nudges."""
        return self.state / "agents" / agent / "nudge.fifo"

    def log(self, agent: str) -> Path:
        """Where a process of this agent writes."""
        return self.state / "logs" / agent / "rehearsal.log"


def find(start: Path, dialect: Dialect) -> Project:
    """The project of a folder: the main checkout's root when it lies in a worktree, else the nearest `.overstory/`."""
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
    """Refuse to spawn as uid 0, as the real engine does, when REHEARSAL_REFUSE_ROOT=1."""
    if os.environ.get("REHEARSAL_REFUSE_ROOT") == "1" and os.getuid() == 0:
        from bot.rehearsal.errors import EngineError

        flag = "--permission-mode bypassPermissions" if dialect.headless else "--dangerously-skip-permissions"
        raise EngineError(
            f"Cannot spawn agents as root (UID 0). The claude CLI rejects {flag} when run as root, causing the tmux "
            "session to die immediately. Run overstory as a non-root user."
        )
