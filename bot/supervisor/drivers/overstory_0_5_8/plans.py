"""Approved plans, stored where the engine looks for them."""

import os
from pathlib import Path

from bot.supervisor.protocol import ChannelError
from bot.supervisor.records.plans import TASK


def approve(root: Path, task: str, text: str) -> Path:
    """Write an approved plan where `sling --mode execute` reads it, replacing an earlier one."""
    if not TASK.fullmatch(task):
        raise ChannelError("bad_request", f"{task!r} is not a valid task id for a plan.")
    folder = root / ".overstory" / "plans"
    if folder.resolve() != root.resolve() / ".overstory" / "plans":
        raise ChannelError("engine_failed", f"{folder} is a link that leads out of the product.", "Remove the link.")
    folder.mkdir(exist_ok=True)
    draft = folder / f".{task}.{os.getpid()}.new"
    draft.write_text(text if text.endswith("\n") else f"{text}\n", "utf-8")
    return draft.replace(folder / f"{task}.md")
