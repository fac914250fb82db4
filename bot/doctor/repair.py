"""Repairs of `fleet doctor --fix` that are safe to make without asking."""

import os
import socket
import stat
from pathlib import Path

from bot.doctor import fleet
from bot.doctor.state import private_files


def repair(folder: Path) -> list[str]:
    """Create the state folder, restrict access to it, and remove what a fleet that has ended left behind."""
    from bot.engine.local import LocalTransport

    done = []
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        done.append(f"created {folder}")
    for path in private_files(folder):
        mode = 0o700 if path.is_dir() else 0o600
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(mode)
            done.append(f"restricted access to {path} (mode {mode:o})")
    announcement = folder / "bot.json"
    if announcement.exists() and fleet.check(folder)[1][0].status == "warn":
        announcement.unlink()
        done.append(f"removed {announcement}")
    end = LocalTransport(folder).socket
    if end.is_socket() and not _answers(end):
        end.unlink()
        done.append(f"removed {end}, which no process answered on")
    return done


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
