"""CPU, memory and limits of the whole runtime, for the operation `info`."""

import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
STAT = Path("/proc/stat")


@dataclass(slots=True)
class Gauge:
    """Measurement of the runtime from call to call."""

    _cpu: float = 0.0
    _at: float = field(default_factory=time.monotonic)

    def read(self) -> dict[str, Any]:
        """Return CPU, memory, memory limit and cores.

        `cpu_percent` counts since the previous call (100 is one core). `memory_limit_mib` is None without a limit."""
        used, now = _cpu_seconds(), time.monotonic()
        percent = 100 * (used - self._cpu) / (now - self._at) if self._cpu and now > self._at else 0.0
        self._cpu, self._at = used, now
        memory, limit = _memory()
        return {
            "cpu_percent": round(max(percent, 0.0), 1),
            "memory_mib": round(memory / 2**20, 1),
            "memory_limit_mib": None if limit is None else round(limit / 2**20, 1),
            "cpus": _cpus(),
        }


def _in_container() -> bool:
    """Return True if the root cgroup files belong to this container and not to the whole machine."""
    return (CGROUP / "memory.current").exists()


def _cpu_seconds() -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        if _in_container():
            for line in (CGROUP / "cpu.stat").read_text().splitlines():
                if line.startswith("usage_usec "):
                    return int(line.split()[1]) / 1e6
        # user, nice, system, irq, softirq and steal, without idle and iowait (proc_stat(5)).
        fields = [int(word) for word in STAT.read_text().splitlines()[0].split()[1:9]]
        return sum(fields[:3] + fields[5:]) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _memory() -> tuple[float, float | None]:
    """Return the bytes in use and the limit."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        info = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in MEMINFO.read_text().splitlines()}
        if _in_container():
            text = (CGROUP / "memory.max").read_text().strip()
            limit = float(info["MemTotal"] if text == "max" else min(int(text), info["MemTotal"]))
            return float((CGROUP / "memory.current").read_text()), limit
        return float(info["MemTotal"] - info["MemAvailable"]), float(info["MemTotal"])
    return 0.0, None


def _cpus() -> int:
    """Return the number of usable cores, from the container's quota, else from this process."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (CGROUP / "cpu.max").read_text().split()
        if quota != "max":
            return max(1, round(int(quota) / int(period)))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
