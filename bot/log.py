"""The log on standard error, as text or JSON and without secrets."""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime

QUIET = ("apscheduler", "aiohttp.access", "asyncio", "urllib3", "docker", "httpx", "httpx2", "anthropic", "markdown_it")
"""Libraries that say at `info` what is of no use to an operator."""


class _Text(logging.Formatter):
    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%H:%M:%S")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


class _Json(logging.Formatter):
    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return self._redact(json.dumps(line, ensure_ascii=False))


def configure(level: str, shape: str, redact: Callable[[str], str]) -> None:
    """Send the log to standard error, with every line passed through `redact`.

    `shape` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(redact) if shape == "json" else _Text(redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
