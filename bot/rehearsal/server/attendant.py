"""Keeps the served coordinator: starts it, hands it its mail, stops it.

That it is ours is known in memory only. After this process has died, a new one finds a row that says working, has no
connection to it, and takes its word (finding 8).
"""

import asyncio
import sqlite3
import subprocess

from bot.rehearsal import lifecycle, processes
from bot.rehearsal.correspondence import ME
from bot.rehearsal.errors import Conflict, EngineError
from bot.rehearsal.mail import Message
from bot.rehearsal.project import Project
from bot.rehearsal.sessions import Session

DELIVER_SECONDS = 0.1
"""How often mail is handed over; the real one takes up to two seconds."""


class Attendant:
    """The connection to a coordinator that this process started."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._process: subprocess.Popen[bytes] | None = None
        self._mail = project.mail()

    @property
    def connected(self) -> bool:
        """Whether it was started here. As in the real one it stays so when the coordinator dies by itself."""
        return self._process is not None

    def start(self) -> dict[str, object]:
        """Start it unless a row says that one runs; its unread mail is in its first prompt."""
        row = lifecycle.active(self.project)
        if row:
            return {"started": False, "alreadyRunning": True, "pid": row.pid, "runId": row.run_id}
        self._forget()
        row, self._process = lifecycle.start(self.project, served=True)
        self.deliver(self._process)
        return {"started": True, "alreadyRunning": False, "pid": row.pid, "runId": row.run_id}

    def stop(self) -> bool:
        """Stop whatever coordinator the row names; False when none is on."""
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
        """Close the mail. The coordinator is left to die of its own."""
        self._mail.__exit__()

    def _forget(self) -> None:
        if self._process is not None:
            if self._process.stdin:
                self._process.stdin.close()
            processes.end(self._process.pid)
            self._process.wait()
            self._process = None

    def addressable(self) -> Session:
        """The coordinator's row; refuses when none is on or it is one that hears nudges only."""
        row = lifecycle.active(self.project)
        if row is None:
            raise Conflict("Coordinator is not running")
        if not self.connected and row.tmux_session:
            raise Conflict("Coordinator is tmux-only — use 'ov coordinator send' from the shell")
        return row

    def send(self, sender: str, subject: str, body: str, payload: str | None = None) -> Message:
        """Mail the coordinator; delivery is the loop's business."""
        self.addressable()
        return self.project.post(Message("", sender, ME, subject, body, "dispatch", payload=payload))

    async def deliver_for_ever(self) -> None:
        """Hand over new mail as it comes. Mail for a coordinator that is not connected, or has died, stays unread."""
        while True:
            await asyncio.sleep(DELIVER_SECONDS)
            if self._process is not None and self._process.poll() is None:
                try:
                    self.deliver(self._process)
                except sqlite3.OperationalError:
                    continue  # another process holds the database; the mail is still unread on the next look

    def deliver(self, process: subprocess.Popen[bytes]) -> None:
        """Mark unread mail read and tell the coordinator that it has some."""
        if not self._mail.find(to_agent=ME, read=0):
            return
        unread = self._mail.take_unread(ME)
        if not unread or process.stdin is None:
            return
        try:
            process.stdin.write(f"{len(unread)}\n".encode())
            process.stdin.flush()
        except BrokenPipeError:
            return
