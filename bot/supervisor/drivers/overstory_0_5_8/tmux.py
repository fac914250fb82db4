"""The tmux server that holds a product's agents in 0.5.8: one of its own for each product.

A server of its own keeps products apart (the real engine shares one, whose first environment wins for all), and is what makes
pausing possible: tmux wakes a stopped pane at once, so the server has to be stopped before its panes.
"""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from bot.supervisor.host import processes

FOLDER = f"fleet-tmux-{os.getuid()}"


def folder_for(product: Path) -> Path:
    """TMUX_TMPDIR of a product: short, because the socket's path inside it may have 107 bytes at most."""
    base = Path(tempfile.gettempdir()) / FOLDER
    base.mkdir(mode=0o700, exist_ok=True)
    status = base.lstat()
    if base.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"{base} belongs to somebody else")
    found = base / sha256(os.fsencode(product)).hexdigest()[:16]
    found.mkdir(mode=0o700, exist_ok=True)
    return found


def environment(folder: Path) -> dict[str, str]:
    """What an engine command runs with to use that server, also when the supervisor itself was started inside a tmux."""
    kept = {name: value for name, value in os.environ.items() if name not in {"TMUX", "TMUX_PANE"}}
    return {**kept, "TMUX_TMPDIR": str(folder)}


def server_of(pane: int, table: processes.Table) -> int | None:
    """The tmux server whose pane a process is; None if it is none's."""
    process = table.get(pane)
    if process is None or process.parent not in table:
        return None
    return process.parent if processes.command(process.parent).split(" ")[0].rpartition("/")[2].startswith("tmux") else None


def owned(server: int, folder: Path) -> bool:
    """Whether a tmux server is the product's own."""
    return _variables(server).get("TMUX_TMPDIR") == str(folder)


def _variables(pid: int) -> Mapping[str, str]:
    """The environment with which a process was started; empty where that cannot be seen."""
    with contextlib.suppress(OSError):
        words = (processes.PROC / str(pid) / "environ").read_bytes().decode("utf-8", "surrogateescape").split("\0")
        return dict(word.split("=", 1) for word in words if "=" in word)
    return {}
