"""The product's own tmux server for the agents of 0.5.8.

The real engine shares one server, whose first environment wins for all products. A server per product keeps them apart and
makes pausing possible. tmux wakes a stopped pane at once, so the server has to be stopped before its panes.
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
    """Return the TMUX_TMPDIR of a product.

    It is short, because the socket path in it may have at most 107 bytes."""
    base = Path(tempfile.gettempdir()) / FOLDER
    base.mkdir(mode=0o700, exist_ok=True)
    status = base.lstat()
    if base.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"{base} belongs to another user or is readable by others")
    found = base / sha256(os.fsencode(product)).hexdigest()[:16]
    found.mkdir(mode=0o700, exist_ok=True)
    return found


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of engine commands that use this server.

    It works even if the supervisor itself runs inside tmux."""
    kept = {name: value for name, value in os.environ.items() if name not in {"TMUX", "TMUX_PANE"}}
    return {**kept, "TMUX_TMPDIR": str(folder)}


def server_of(pane: int, table: processes.Table) -> int | None:
    """Return the tmux server of a pane's process, None if the process is no pane."""
    process = table.get(pane)
    if process is None or process.parent not in table:
        return None
    return process.parent if processes.command(process.parent).split(" ")[0].rpartition("/")[2].startswith("tmux") else None


def owned(server: int, folder: Path) -> bool:
    """Return True if a tmux server is the product's own."""
    return _variables(server).get("TMUX_TMPDIR") == str(folder)


def _variables(pid: int) -> Mapping[str, str]:
    """Return the environment with which a process started, empty if it cannot be read."""
    with contextlib.suppress(OSError):
        words = (processes.PROC / str(pid) / "environ").read_bytes().decode("utf-8", "surrogateescape").split("\0")
        return dict(word.split("=", 1) for word in words if "=" in word)
    return {}
