"""Processes of this runtime, with their trees, CPU and memory, and signals to whole trees."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

REUSE_TOLERANCE = 120.0
"""Seconds by which a process may be younger than its record before its id counts as reused.

Clocks drift."""

SPAN = 1.0
"""Shortest time in seconds between two samples. Over less, clock ticks of 10 ms distort the result."""

HALT_ROUNDS = 50
"""Most rounds of stopping a tree that keeps spawning processes."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment.

    `started` is a Unix time, `cpu` is in seconds, `memory` in resident bytes."""

    pid: int
    parent: int
    state: str
    started: float
    cpu: float
    memory: int

    @property
    def dead(self) -> bool:
        """True for a zombie."""
        return self.state in {"Z", "X"}

    @property
    def halted(self) -> bool:
        """True if a signal stopped the process."""
        return self.state == "T"


class Table(dict[int, Process]):
    """Processes by id at one moment."""

    @cached_property
    def children(self) -> Mapping[int, Sequence[int]]:
        """Children of each process that has any."""
        found: dict[int, list[int]] = {}
        for process in self.values():
            found.setdefault(process.parent, []).append(process.pid)
        return found


def table() -> Table:
    """Return all processes except zombies."""
    found = _from_proc() if PROC.joinpath("stat").exists() else _from_ps()
    return Table({process.pid: process for process in found if not process.dead})


def zombies() -> frozenset[int]:
    """Return the ids of our children that ended and are not collected yet."""
    return frozenset(process.pid for process in _from_proc() if process.dead and process.parent == os.getpid())


def one(pid: int) -> Process | None:
    """Return one process without reading all the others."""
    if not PROC.joinpath("stat").exists():
        return table().get(pid)
    with contextlib.suppress(OSError, IndexError, ValueError):
        found = _parsed(pid, _stat(str(pid)), _boot_time())
        return None if found.dead else found
    return None


def life() -> str:
    """Return an id that changes when this machine or container restarts.

    It is made from the boot id and the start of the first process."""
    with contextlib.suppress(OSError, IndexError):
        boot = PROC.joinpath("sys", "kernel", "random", "boot_id").read_text().strip()
        return f"{boot}/{_stat('1').rpartition(b')')[2].split()[19].decode()}"
    argv = ["ps", "-o", "lstart=", "-p", "1"]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10).stdout.strip()


def life_began() -> float:
    """Return the Unix time at which this machine or container started."""
    first = one(1)
    return first.started if first is not None else 0.0


def _from_proc() -> Iterable[Process]:
    # pathlib and text streams would double the cost of the most frequent work of a busy supervisor.
    boot = _boot_time()
    for name in os.listdir(PROC):  # noqa: PTH208
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                yield _parsed(int(name), _stat(name), boot)


def _stat(pid: str) -> bytes:
    file = os.open(f"{PROC}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, 4096)
    finally:
        os.close(file)


def _parsed(pid: int, stat: bytes, boot: float) -> Process:
    # The name in parentheses may contain anything, so the fields are read after its last parenthesis (proc_pid_stat(5)).
    fields = stat.rpartition(b")")[2].split()
    cpu = (int(fields[11]) + int(fields[12])) / TICKS
    return Process(pid, int(fields[1]), fields[0].decode(), boot + int(fields[19]) / TICKS, cpu, int(fields[21]) * PAGE)


def _boot_time() -> float:
    for line in PROC.joinpath("stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def _from_ps() -> Iterable[Process]:
    """Read processes with `ps`, on systems without /proc."""
    argv = ["ps", "-axo", "pid=,ppid=,state=,etime=,time=,rss="]
    printed = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10).stdout
    now = time.time()
    for line in printed.splitlines():
        with contextlib.suppress(IndexError, ValueError):
            pid, parent, state, age, cpu, rss = line.split()
            yield Process(int(pid), int(parent), state[0], now - _clock(age), _clock(cpu), int(rss) * 1024)


def _clock(text: str) -> float:
    """Return the seconds of ps's `[[days-]hours:]minutes:seconds[.hundredths]`."""
    days, _, rest = text.rpartition("-")
    seconds = 0.0
    for part in rest.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + (int(days) * 86400 if days else 0)


def command(pid: int) -> str:
    """Return the command line of a process, empty if it is gone."""
    with contextlib.suppress(OSError):
        if PROC.joinpath("stat").exists():
            return PROC.joinpath(str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        argv = ["ps", "-o", "command=", "-p", str(pid)]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
    return ""


def works_in(pid: int, folder: str) -> bool:
    """Return True if a process works in a folder, also where that cannot be determined."""
    if not PROC.joinpath("stat").exists():
        return True
    with contextlib.suppress(OSError):
        found = str(PROC.joinpath(str(pid), "cwd").readlink())
        return found == folder or found.startswith((f"{folder}/", f"{folder} (deleted)"))
    return False


def spawn(
    argv: Sequence[str], cwd: Path, stdout: Path, stderr: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process that outlives us, in its own session, with its output in truncated files."""
    with stdout.open("wb") as out, (stdout if stderr == stdout else stderr).open("ab") as err:
        err.truncate(0)
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out if stderr == stdout else err,
            start_new_session=True,
        )


def alive(pid: int | None, processes: Table, since: float | None = None) -> bool:
    """Return True if a recorded process still runs.

    `since` is the time of the record and reveals a reused id."""
    process = processes.get(pid) if pid else None
    return process is not None and (since is None or process.started <= since + REUSE_TOLERANCE)


def tree(roots: Iterable[int], processes: Table) -> tuple[int, ...]:
    """Return the living processes among `roots` and their descendants, parents before children."""
    found: dict[int, None] = {}
    waiting = [pid for pid in roots if pid in processes]
    while waiting:
        pid = waiting.pop(0)
        if pid not in found:
            found[pid] = None
            waiting += processes.children.get(pid, ())
    return tuple(found)


def send(pid: int, sign: signal.Signals) -> bool:
    """Signal a process. Return False if it is gone or not ours."""
    try:
        os.kill(pid, sign)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def halt(roots: Iterable[int]) -> tuple[int, ...]:
    """Stop the trees of these processes, parents first, and return the stopped ids.

    Repeats until none of them runs. A process stops with a delay and may still spawn another one meanwhile."""
    roots, stopped = tuple(roots), set[int]()
    for _ in range(HALT_ROUNDS):
        processes = table()
        running = [pid for pid in tree(roots, processes) if not processes[pid].halted and pid != os.getpid()]
        if not running:
            break
        stopped |= {pid for pid in running if send(pid, signal.SIGSTOP)}
        time.sleep(0.01)
    return tuple(stopped)


def resume(roots: Iterable[int]) -> tuple[int, ...]:
    """Resume the trees of these processes, children first, and return the resumed ids."""
    processes = table()
    halted = [pid for pid in reversed(tree(roots, processes)) if processes[pid].halted]
    return tuple(pid for pid in halted if send(pid, signal.SIGCONT))


def terminate(roots: Iterable[int], patience: float = 3.0) -> tuple[int, ...]:
    """End the trees of these processes and return their ids.

    Sends SIGTERM, then SIGKILL after `patience` seconds. It blocks."""
    processes = table()
    ending = {pid: processes[pid].started for pid in tree(roots, processes) if pid != os.getpid()}
    for sign in (signal.SIGTERM, signal.SIGCONT):
        for pid in ending:
            send(pid, sign)
    deadline = time.monotonic() + patience
    while (left := _left(ending)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        send(pid, signal.SIGKILL)
    return tuple(ending)


def _left(ending: Mapping[int, float]) -> list[int]:
    processes = table()
    return [pid for pid, started in ending.items() if pid in processes and abs(processes[pid].started - started) < 1]


@dataclass(frozen=True, slots=True)
class Load:
    """Load of a set of processes.

    `cpu_percent` (100 is one core) counts since the previous sample, `memory_mib` is resident."""

    cpu_percent: float = 0.0
    memory_mib: float = 0.0


class Meter:
    """Load of a changing set of processes, from sample to sample."""

    def __init__(self) -> None:
        self._before: dict[int, float] = {}
        self._at = 0.0
        self._percent = 0.0

    def sample(self, pids: Iterable[int], processes: Table) -> Load:
        """Return the load since the previous sample. A new process counts from now on."""
        used = {pid: processes[pid].cpu for pid in pids if pid in processes}
        memory = sum(processes[pid].memory for pid in used)
        elapsed = time.monotonic() - self._at
        if elapsed >= SPAN:
            spent = sum(cpu - self._before.get(pid, cpu) for pid, cpu in used.items())
            self._percent = max(100 * spent / elapsed, 0.0) if self._at else 0.0
            self._before, self._at = used, time.monotonic()
        return Load(round(self._percent, 1), round(memory / 2**20, 1))
