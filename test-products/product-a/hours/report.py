"""Adds up stretches of work and prints the sums."""

from collections import defaultdict
from datetime import timedelta

from hours.sheet import Stretch

KEYS = {"client": lambda stretch: stretch.client, "day": lambda stretch: stretch.day.isoformat()}


def sums(stretches: list[Stretch], by: str = "client", client: str | None = None) -> dict[str, timedelta]:
    """Time by client or by day, in the order of the keys; of one client only, if one is named."""
    found: dict[str, timedelta] = defaultdict(timedelta)
    for stretch in stretches:
        if client is None or stretch.client == client:
            found[KEYS[by](stretch)] += stretch.length
    return dict(sorted(found.items()))


def clock(length: timedelta) -> str:
    """Hours and minutes, as `26:05`."""
    minutes = int(length.total_seconds()) // 60
    return f"{minutes // 60}:{minutes % 60:02}"


def table(found: dict[str, timedelta]) -> str:
    """The sums as lines, and their total."""
    rows = [(name, clock(length)) for name, length in found.items()]
    rows.append(("total", clock(sum(found.values(), timedelta()))))
    left = max(len(name) for name, _ in rows)
    right = max(len(length) for _, length in rows)
    return "\n".join(f"{name:<{left}} {length:>{right}}" for name, length in rows)
