"""Fixes of the hooks that the engine writes for its agents.

The engine writes them into `.claude/settings.local.json` at every start.

- Mail that arrives during a turn is marked as read by a PostToolUse hook, but Claude Code does not show its plain output to the
model. As `additionalContext` it does (finding 4).

- Claude Code since 2.1.2xx applies the main checkout's settings in every worktree, so workers run the coordinator's hooks. Its
guard forbids them to write, and its mail check consumes their reports. Patched hooks run only for the agent of their file.

A running Claude Code picks up the change. What people wrote into the file stays as it is.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

SETTINGS = Path(".claude") / "settings.local.json"

ANY_AGENT = '[ -z "$OVERSTORY_AGENT_NAME" ] && exit 0;'
"""Prefix of the engine's hooks, which lets them run for any agent."""

OWNER = re.compile(r"--agent ([A-Za-z0-9][A-Za-z0-9._-]*)")

JQ = """if test("\\\\S") then {hookSpecificOutput:{hookEventName:"PostToolUse",additionalContext:.}} else empty end"""

PYTHON = (
    'import json,sys;t=sys.stdin.read();o={"hookEventName":"PostToolUse","additionalContext":t};'
    'print(json.dumps({"hookSpecificOutput":o})) if t.strip() else None'
)


class Hooks:
    """Hooks of one product's folders. Unchanged files are not read again.

    `jq` says if hooks may use jq, which starts faster than Python. By default they do if it is installed."""

    def __init__(self, jq: bool | None = None) -> None:
        self._seen: dict[Path, int] = {}
        self._filter = _filter(shutil.which("jq") is not None if jq is None else jq)

    def patch(self, folders: tuple[Path, ...]) -> int:
        """Fix the hooks in each of these folders and return the number of changed files."""
        return sum(self._patch_file(folder / SETTINGS) for folder in folders)

    def _patch_file(self, path: Path) -> bool:
        try:
            stamp = path.stat().st_mtime_ns
            if self._seen.get(path) == stamp:
                return False
            patched = _patched(path.read_text("utf-8"), self._filter)
            if patched is not None:
                draft = path.with_name(f"{path.name}.{os.getpid()}.new")
                draft.write_text(patched, "utf-8")
                draft.replace(path)
                stamp = path.stat().st_mtime_ns
        except OSError:
            return False
        self._seen[path] = stamp
        return patched is not None


def _patched(text: str, shown: str) -> str | None:
    """Return the settings with fixed hooks, None if nothing needs fixing."""
    with contextlib.suppress(ValueError, RecursionError):
        settings = json.loads(text)
        before = json.dumps(settings)
        owner = OWNER.search(text)
        if owner is not None and isinstance(settings, dict):
            _patch_events(settings.get("hooks"), owner[1], shown)
        if json.dumps(settings) != before:
            return json.dumps(settings, indent="\t") + "\n"
    return None


def _patch_events(events: Any, owner: str, shown: str) -> None:
    for event, entries in events.items() if isinstance(events, dict) else ():
        for entry in entries if isinstance(entries, list) else ():
            for hook in entry.get("hooks", ()) if isinstance(entry, dict) else ():
                if isinstance(hook, dict) and isinstance(hook.get("command"), str):
                    hook["command"] = _command(str(event), hook["command"], owner, shown)


def _command(event: str, command: str, owner: str, shown: str) -> str:
    command = command.replace(ANY_AGENT, f'[ "$OVERSTORY_AGENT_NAME" = {owner} ] || exit 0;')
    if event == "PostToolUse" and "mail check --inject" in command and "additionalContext" not in command:
        command += f" | {shown}"
    return command


def _filter(jq: bool) -> str:
    """Return the shell filter that turns plain text into output that the model sees."""
    return f"jq -Rsc {shlex.quote(JQ)}" if jq else f"{shlex.quote(sys.executable)} -c {shlex.quote(PYTHON)}"
