"""This machine and its processes, as /proc shows them (Linux only)."""

import os
import platform
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


def described() -> str:
    """Describe cores, processor, memory, system and Python in one line."""
    info = (PROC / "cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE / 2**30
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {platform.release()}, Python {python}"


def load() -> float:
    """Return the average number of runnable processes over the last minute."""
    return os.getloadavg()[0]


def cpu_seconds(pid: int, *, children: bool = False) -> float:
    """Return the CPU seconds of a process, optionally including its ended children (proc_pid_stat(5))."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if children else 13])) / TICKS


def parent(pid: int) -> int:
    """Return the parent process."""
    return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])


def named(*names: str) -> list[int]:
    """Return the processes of programs with these names."""
    found = []
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "comm").read_text().strip() in names:
                found.append(int(folder.name))
    return found


def resident_mib(pid: int) -> float:
    """Return a process's resident memory in MiB. Pages shared with other processes count in each."""
    return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE / 2**20


def processes(*words: str) -> Iterable[int]:
    """Return the processes whose command line contains all these words."""
    for folder in PROC.glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if all(any(word.encode() == each for each in argv) for word in words):
            yield int(folder.name)
