"""Times as the engine writes them."""

import os
import time
from datetime import UTC, datetime


def now() -> str:
    """Return the current time as ISO text with milliseconds and Z, as in mail and sessions."""
    return iso(time.time())


def iso(seconds: float) -> str:
    """Return Unix seconds as ISO text with milliseconds and Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_since(moment: str) -> float:
    """Return the seconds from an ISO time (UTC, with or without Z) to now."""
    return time.time() - datetime.fromisoformat(moment.removesuffix("Z")).replace(tzinfo=UTC).timestamp()


def duration(seconds: float) -> str:
    """Return a duration as the engine prints it, such as 8s, 2m 40s or 1h 5m."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    return f"{whole // 3600}h {whole % 3600 // 60}m"


def work_seconds() -> float:
    """Return the duration of work in seconds, from REHEARSAL_SECONDS, default 3."""
    try:
        return max(0.0, float(os.environ.get("REHEARSAL_SECONDS", "3")))
    except ValueError:
        return 3.0
