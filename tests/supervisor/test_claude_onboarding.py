"""Answers to Claude Code's first-run questions."""

import json
from pathlib import Path

from bot.supervisor.claude_onboarding import answer_questions, with_answers

KEY = "sk-ant-api03-" + "k" * 60 + "the-last-twenty-char"


def test_new_home_gets_all_answers() -> None:
    config = with_answers({}, KEY, [Path("/projects/product-a")])
    assert config["hasCompletedOnboarding"] is True
    assert config["customApiKeyResponses"] == {"approved": ["the-last-twenty-char"], "rejected": []}
    assert config["projects"] == {"/projects/product-a": {"hasTrustDialogAccepted": True}}


def test_existing_configuration_is_kept() -> None:
    before = {
        "theme": "light",
        "userID": "u1",
        "projects": {"/projects/product-a": {"lastCost": 2}, "/other": {"hasTrustDialogAccepted": False}},
    }
    config = with_answers(before, "", [Path("/projects/product-a")])
    assert config["theme"] == "light"
    assert config["userID"] == "u1"
    assert config["projects"] == {
        "/projects/product-a": {"hasTrustDialogAccepted": True, "lastCost": 2},
        "/other": {"hasTrustDialogAccepted": False},
    }


def test_no_key_is_approved_without_one() -> None:
    assert "customApiKeyResponses" not in with_answers({}, "", [])


def test_answering_twice_changes_nothing() -> None:
    once = with_answers({}, KEY, [Path("/projects/product-a")])
    assert with_answers(once, KEY, [Path("/projects/product-a")]) == once


def test_permission_prompt_is_skipped_and_settings_are_kept(tmp_path: Path) -> None:
    answer_questions(tmp_path, KEY, [Path("/projects/product-a")])
    settings, config = tmp_path / ".claude" / "settings.json", tmp_path / ".claude.json"
    assert json.loads(settings.read_text()) == {"skipDangerousModePermissionPrompt": True}
    assert json.loads(config.read_text())["hasCompletedOnboarding"] is True
    settings.write_text('{"model": "opus", "skipDangerousModePermissionPrompt": false}')
    answer_questions(tmp_path, KEY, [])
    assert json.loads(settings.read_text()) == {"model": "opus", "skipDangerousModePermissionPrompt": False}
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {".claude.json", "settings.json"}
