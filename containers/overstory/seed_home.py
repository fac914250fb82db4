#!/usr/bin/env python3
"""Answers Claude Code's first-run questions in the agent's home, where in a terminal nobody could.

Without this a session in tmux dies or waits at the welcome screen, at "Detected a custom API key" (whose preselected answer
is no) and at the question whether a folder is trusted.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

PROJECTS = Path("/projects")
KEY_TAIL = 20
"""Characters by which Claude Code remembers that an API key was approved: the last 20 of it."""


def seeded(config: Mapping[str, object], api_key: str, products: list[Path]) -> dict[str, object]:
    """The configuration with the answers added; what is there already stays."""
    projects = config.get("projects")
    known = dict(projects) if isinstance(projects, dict) else {}
    for product in products:
        known[str(product)] = {"hasTrustDialogAccepted": True} | dict(known.get(str(product), {}))
    answers: dict[str, object] = {"hasCompletedOnboarding": True, "theme": "dark", **config, "projects": known}
    if api_key:
        answers["customApiKeyResponses"] = {"approved": [api_key[-KEY_TAIL:]], "rejected": []}
    return answers


def main() -> None:
    """Seed `~/.claude.json`, in one step, so that a session never reads half of it."""
    path = Path.home() / ".claude.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    products = sorted(folder for folder in PROJECTS.iterdir() if (folder / ".git").exists())
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(seeded(config, os.environ.get("ANTHROPIC_API_KEY", ""), products), indent=2))
    draft.chmod(0o600)
    draft.replace(path)


if __name__ == "__main__":
    main()
