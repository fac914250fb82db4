"""Owner of the served coordinator, which starts it, delivers its mail and stops it.

Ownership exists only in memory. After this process has died, a new one finds a row that says working, has no connection to it,
and believes the row (finding 8).
"""

import asyncio
import sqlite3
import subprocess
from contextlib import suppress

from bot.rehearsal import lifecycle, processes
from bot.rehearsal.correspondence import COORDINATOR
from bot.rehearsal.errors import Conflict, EngineError
from bot.rehearsal.mail import Message
from bot.rehearsal.project import Project
from bot.rehearsal.sessions import Session

DELIVER_SECONDS = 0.1
"""Seconds between two deliveries. The real engine delivers within two."""


class Attendant:
    """Connection to a coordinator that this process started."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._process: subprocess.Popen[bytes] | None = None
        self._mail = project.mail()

    @property
    def connected(self) -> bool:
        """True if this process started it. As in the real engine this remains when the coordinator dies."""
        return self._process is not None

    def start(self) -> dict[str, object]:
        """Start the coordinator unless a row says that one runs. Its first prompt has its unread mail."""
        row = lifecycle.active(self.project)
        if row:
            return {"started": False, "alreadyRunning": True, "pid": row.pid, "runId": row.run_id}
        self._forget()
        row, self._process = lifecycle.start(self.project, served=True)
        self.deliver(self._process)
        return {"started": True, "alreadyRunning": False, "pid": row.pid, "runId": row.run_id}

    def stop(self) -> bool:
        """Stop the coordinator of the row. Return False if there is none."""
        if lifecycle.active(self.project) is None:
            return False
        try:
            lifecycle.stop(self.project)
        except EngineError:
            return False
        finally:
            self._forget()
        return True

    def close(self) -> None:
        """Close the mail. The coordinator ends by itself."""
        self._mail.__exit__()

    def _forget(self) -> None:
        if self._process is not None:
            if self._process.stdin:
                with suppress(BrokenPipeError):  # a nudge that a dead coordinator never read is still buffered
                    self._process.stdin.close()
            processes.end(self._process.pid)
            self._process.wait()
            self._process = None

    def addressable(self) -> Session:
        """Return the coordinator's row. Refuses if none runs or it reads only nudges."""
        row = lifecycle.active(self.project)
        if row is None:
            raise Conflict("Coordinator is not running")
        if not self.connected and row.tmux_session:
            raise Conflict("Coordinator is tmux-only — use 'ov coordinator send' from the shell")
        return row

    def send(self, sender: str, subject: str, body: str, payload: str | None = None) -> Message:
        """Mail the coordinator. The delivery loop hands it over."""
        self.addressable()
        return self.project.post(Message("", sender, COORDINATOR, subject, body, "dispatch", payload=payload))

    async def deliver_continuously(self) -> None:
        """Deliver new mail until cancelled. Mail for a disconnected or dead coordinator stays unread."""
        while True:
            await asyncio.sleep(DELIVER_SECONDS)
            if self._process is not None and self._process.poll() is None:
                try:
                    self.deliver(self._process)
                except sqlite3.OperationalError:
                    continue  # another process holds the database, and the mail stays unread until the next attempt

    def deliver(self, process: subprocess.Popen[bytes]) -> None:
        """Mark unread mail as read and notify the coordinator."""
        if not self._mail.find(to_agent=COORDINATOR, read=0):
            return
        unread = self._mail.take_unread(COORDINATOR)
        if not unread or process.stdin is None:
            return
        try:
            process.stdin.write(f"{len(unread)}\n".encode())
            process.stdin.flush()
        except BrokenPipeError:
            return
