"""Answers to Claude Code's first-run questions, written into the agent's home.

Without them a session in tmux exits or hangs at the welcome screen, at "Detected a custom API key" (default answer: no), at the
trust question for a folder, or at the question about bypassing permissions (default answer: "No, exit").
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

PROJECTS = Path("/projects")
KEY_TAIL = 20
"""Number of final characters by which Claude Code remembers an approved API key."""


def with_answers(config: Mapping[str, object], api_key: str, products: list[Path]) -> dict[str, object]:
    """Return the configuration with the answers added. Existing values win."""
    projects = config.get("projects")
    known = dict(projects) if isinstance(projects, dict) else {}
    for product in products:
        known[str(product)] = {"hasTrustDialogAccepted": True} | dict(known.get(str(product), {}))
    answers: dict[str, object] = {"hasCompletedOnboarding": True, "theme": "dark", **config, "projects": known}
    if api_key:
        answers["customApiKeyResponses"] = {"approved": [api_key[-KEY_TAIL:]], "rejected": []}
    return answers


def answer_questions(home: Path, api_key: str, products: list[Path]) -> None:
    """Write the answers.

    Onboarding, key and trust go into `.claude.json`, permissions into `.claude/settings.json`."""
    config, settings = home / ".claude.json", home / ".claude" / "settings.json"
    _write(config, with_answers(_read(config), api_key, products))
    settings.parent.mkdir(exist_ok=True)
    _write(settings, {"skipDangerousModePermissionPrompt": True, **_read(settings)})


def _read(path: Path) -> dict[str, object]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _write(path: Path, value: Mapping[str, object]) -> None:
    """Write a file in one step, so that a session never reads half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(value, indent=2))
    draft.chmod(0o600)
    draft.replace(path)


def main() -> None:
    """Answer the questions in the current user's home."""
    products = sorted(folder for folder in PROJECTS.iterdir() if (folder / ".git").exists())
    answer_questions(Path.home(), os.environ.get("ANTHROPIC_API_KEY", ""), products)


if __name__ == "__main__":
    main()
