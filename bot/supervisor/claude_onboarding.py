"""Answers Claude Code's first-run questions in the agent's home, where in a terminal nobody could.

Without this a session in tmux dies or waits at the welcome screen, at "Detected a custom API key" (whose preselected answer
is no), at the question whether a folder is trusted, or at the one whether permissions may be bypassed (whose is "No, exit").
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


def seed(home: Path, api_key: str, products: list[Path]) -> None:
    """Answer the questions in a home: onboarding, key and trust in `.claude.json`, permissions in `.claude/settings.json`."""
    config, settings = home / ".claude.json", home / ".claude" / "settings.json"
    _put(config, seeded(_read(config), api_key, products))
    settings.parent.mkdir(exist_ok=True)
    _put(settings, {"skipDangerousModePermissionPrompt": True, **_read(settings)})


def _read(path: Path) -> dict[str, object]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _put(path: Path, value: Mapping[str, object]) -> None:
    """Write a file in one step, so that a session never reads half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(value, indent=2))
    draft.chmod(0o600)
    draft.replace(path)


def main() -> None:
    """Seed the agent's own home."""
    products = sorted(folder for folder in PROJECTS.iterdir() if (folder / ".git").exists())
    seed(Path.home(), os.environ.get("ANTHROPIC_API_KEY", ""), products)


if __name__ == "__main__":
    main()
