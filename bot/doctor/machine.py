"""What `fleet doctor` looks at on this machine: the state folder, the store, a coordinator that runs, ports, the clock."""

import errno
import json
import os
import shutil
import socket
import sqlite3
import stat
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bot import running as remote
from bot.domain.errors import FleetError
from bot.engine.local import LocalTransport

if TYPE_CHECKING:
    from bot.settings import Settings

Status = Literal["ok", "warn", "fail"]
ROOM = (200 * 2**20, 2**30)
"""Bytes of free disk below which starting is useless, and below which it is worth a word."""
REFUSED = {
    errno.ENOTDIR: "a file stands where its folder should be",
    errno.EEXIST: "a file stands where the folder should be",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "the folder is protected against changes (immutable)",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
}
"""Why a file could not be written, by error number."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `warn` is worth a word, `fail` a cure; `fatal`: nothing can start before it is cured."""

    name: str
    status: Status
    message: str
    cure: str = ""
    fatal: bool = False


def state(folder: Path) -> list[Check]:
    """The state folder: there, writable (found out by writing), private, with room."""
    if not folder.exists() and not folder.is_symlink():
        problem = _unwritable(_nearest(folder))
        if problem:
            said = f"{folder} cannot be made: {problem}."
            return [Check("state", "fail", said, "Set FLEET_STATE to a folder that you may write.", fatal=True)]
        return [Check("state", "ok", f"{folder} is made at the first start")]
    if problem := _unwritable(folder):
        cure = "Make it writable for this user, or set FLEET_STATE to another folder."
        return [Check("state", "fail", f"{folder} cannot be written: {problem}.", cure, fatal=True)]
    free = shutil.disk_usage(folder).free
    if free < ROOM[1]:
        status: Status = "fail" if free < ROOM[0] else "warn"
        said = f"{folder} has {free // 2**20} MiB of disk left."
        return [Check("state", status, said, "Make room on that disk.", fatal=status == "fail")]
    if loose := [path for path in private_files(folder) if stat.S_IMODE(path.stat().st_mode) & 0o077]:
        names = ", ".join(path.name for path in loose)
        return [
            Check("state", "warn", f"Others on this machine can read {names} in {folder}.", "`fleet doctor --fix` closes it.")
        ]
    return [Check("state", "ok", f"{folder}, {free / 2**30:.0f} GiB free")]


def private_files(folder: Path) -> list[Path]:
    """What is nobody else's business: the state folder, and the token in it."""
    files = [folder / name for name in ("web-token", "bot.json")]
    return [path for path in (folder, *files) if path.exists()]


def _nearest(folder: Path) -> Path:
    return next(parent for parent in folder.absolute().parents if parent.exists())


def _unwritable(folder: Path) -> str:
    """Why nothing can be written into a folder; empty if it can."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            return ""
    except OSError as error:
        return REFUSED.get(error.errno or 0, error.strerror or str(error))


def store(folder: Path) -> list[Check]:
    """The store: whether it opens, is whole, takes writes, and is of a version that this program knows."""
    from bot.store.migrations import MIGRATIONS, NewerStore, applied

    path = folder / "fleet.db"
    if not path.exists():
        return [Check("store", "ok", f"{path} is made at the first start")]
    cure = "Restore a copy of it, or move it away to begin anew."
    try:
        with closing(sqlite3.connect(path, timeout=3, isolation_level=None)) as database:
            migrations = applied(database)
            whole = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    except NewerStore as newer:
        said = f"{path} belongs to a newer version: it has the migration “{newer.unknown}”, which this version does not know."
        return [Check("store", "fail", said, "Upgrade meta-coordinator, or set FLEET_STATE to another folder.", fatal=True)]
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return [Check("store", "warn", f"{path} is locked by another process.", "Wait a moment, and look again.")]
        said = f"{path} cannot be written: {error}."
        return [Check("store", "fail", said, "Make the file and its folder writable for this user.", fatal=True)]
    except sqlite3.DatabaseError as error:
        return [Check("store", "fail", f"{path} is no store, or damaged: {error}.", cure, fatal=True)]
    if whole != "ok":
        return [Check("store", "fail", f"{path} is damaged: {whole}.", cure, fatal=True)]
    size = path.stat().st_size / 2**20
    return [Check("store", "ok", f"{len(migrations)} of {len(MIGRATIONS)} migrations applied, {size:.1f} MiB")]


def records(folder: Path) -> list[Check]:
    """What the store says of itself: whether the journal is whole, and places on chat platforms that are dead."""
    from bot.store import Store
    from bot.store.migrations import MIGRATIONS, NewerStore, applied

    path = folder / "fleet.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=3)) as database:
        try:
            if set(applied(database)) != set(MIGRATIONS):
                return []
        except NewerStore:
            return []
    found = []
    with closing(Store(path)) as kept:
        verdict = kept.audit.verify()
        if verdict.broken is not None:
            said = f"The journal was changed at row {verdict.broken}: {verdict.why}."
            found.append(Check("journal", "fail", said, "Compare it with a copy of the state folder made earlier."))
        for place, why in kept.unreachable.all().items():
            cure = "Invite the fleet there again, or take the channel out of products.yaml; until then the page shows it."
            found.append(Check("chat", "warn", f"Nothing can be said in {place}: {why}", cure))
    return found or [Check("journal", "ok", f"whole, {verdict.rows} rows")]


def bot(folder: Path) -> tuple["remote.Remote | None", list[Check]]:
    """The coordinator that runs on the state folder, if any; and traces of one that does not any more."""
    path = folder / "bot.json"
    if not path.exists():
        return None, [Check("bot", "ok", "not running")]
    try:
        pid = int(json.loads(path.read_text())["pid"])
        found = remote.find(folder)
    except FleetError as error:
        return None, [Check("bot", "fail", error.message, error.hint)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, [Check("bot", "warn", f"{path} cannot be read: {error}.", "`fleet doctor --fix` removes it.")]
    if found is None:
        said = f"{path} is left over from process {pid}, which has ended."
        return None, [Check("bot", "warn", said, "`fleet doctor --fix` removes it; starting does too.")]
    return found, [Check("bot", "ok", f"running at {found.url} (process {found.pid})")]


def ports(settings: "Settings", running: "remote.Remote | None") -> list[Check]:
    """Whether the page and the gateway can listen."""
    wanted = {"page": ("FLEET_WEB_PORT", settings.web_port), "gateway": ("FLEET_GATEWAY_PORT", settings.gateway_port)}
    if running is not None:
        return [Check("ports", "ok", "held by the coordinator that runs")]
    checks = []
    for name, (variable, port) in wanted.items():
        if why := _taken(settings.web_host, port):
            cure = f"Stop what listens there, or set {variable} to another port (0: any free one)."
            checks.append(Check("ports", "fail", f"The {name}'s port {port} on {settings.web_host}: {why}.", cure, fatal=True))
    free = ", ".join(str(port) for _, port in wanted.values())
    return checks or [Check("ports", "ok", f"{free} on {settings.web_host} are free")]


def _taken(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return "taken" + _by(port) if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
    return ""


def _by(port: int) -> str:
    """Who listens on a port, as far as this user may know."""
    import psutil

    try:
        holders = [each for each in psutil.net_connections("tcp") if each.laddr and each.laddr[1] == port and each.pid]
        return f" by {psutil.Process(holders[0].pid).name()} (process {holders[0].pid})" if holders else ""
    except psutil.Error:
        return ""


def clock(folder: Path) -> list[Check]:
    """Whether the clock goes backwards, which would upset schedules, reminders and the journal."""
    import time

    path = folder / "fleet.db"
    ahead = (path.stat().st_mtime - time.time()) / 60 if path.exists() else 0
    if ahead > 5:
        said = f"The clock says {time.strftime('%Y-%m-%d %H:%M')}; the store was written {ahead:.0f} minutes after that."
        return [Check("clock", "warn", said, "Set the clock, or have it set by NTP.")]
    return [Check("clock", "ok", time.strftime("%Y-%m-%d %H:%M %Z"))]


def mend(folder: Path) -> list[str]:
    """Do what is safe: make the state folder, close it to others, remove what a bot that has ended left behind."""
    done = []
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        done.append(f"made {folder}")
    for path in private_files(folder):
        mode = 0o700 if path.is_dir() else 0o600
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(mode)
            done.append(f"closed {path} to others (mode {mode:o})")
    left = folder / "bot.json"
    if left.exists() and bot(folder)[1][0].status == "warn":
        left.unlink()
        done.append(f"removed {left}")
    end = LocalTransport(folder).socket
    if end.is_socket() and not _answers(end):
        end.unlink()
        done.append(f"removed {end}, on which nobody answered")
    return done


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
