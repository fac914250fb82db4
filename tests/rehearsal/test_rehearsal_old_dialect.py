"""Dialect 0.5.8, with a detached coordinator woken by nudges and plans as a lead's `plan_ready`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.driving import Product, new_product, running, until


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Product]:
    product = new_product(tmp_path / "old", REHEARSAL_DIALECT="0.5.8")
    product.ov("init")
    yield product
    product.ov("coordinator", "stop")


def wait(old: Product, thread: str, kind: str, sender: str = "") -> dict[str, Any]:
    def look() -> list[dict[str, Any]]:
        found = old.quickly("mail", "list", "--json").json
        return [one for one in found if one["threadId"] == thread and one["type"] == kind and one["from"].startswith(sender)]

    return until(look, f"{kind} in {thread}")[0]


def tell(old: Product, subject: str, body: str, kind: str = "status") -> str:
    who = ("--to", "coordinator", "--from", "operator", "--type", kind)
    return str(old.ov("mail", "send", *who, "--subject", subject, "--body", body, "--json").json["id"])


def nudge(old: Product, text: str) -> bool:
    return bool(old.ov("nudge", "coordinator", text, "--from", "operator", "--json").json["delivered"])


def test_plan_is_revised_approved_and_carried_out(old: Product) -> None:
    started = old.ov("coordinator", "start", "--no-attach", "--json").json
    assert started["tmuxSession"] == "overstory-old-coordinator" and running(started["pid"])
    assert "Coordinator is already running (tmux: overstory-old-coordinator" in old.ov("coordinator", "start").err
    thread = tell(old, "[complex] Add a discount", "For loyal customers.", "dispatch")
    assert not [one for one in old.quickly("mail", "list", "--json").json if one["from"] == "coordinator"], (
        "the coordinator was not woken yet"
    )
    assert nudge(old, "New objective in mail")
    ready = wait(old, thread, "plan_ready", "lead-")
    plan = json.loads(ready["payload"])
    assert ready["to"] == "coordinator" and set(plan) == {"beadId", "planPath", "revision", "summary"}
    tree = old.root / ".overstory/worktrees" / ready["from"]
    assert "Add a discount" in (tree / plan["planPath"]).read_text()
    ended = f"SELECT state FROM sessions WHERE agent_name = '{ready['from']}'"
    assert nudge(old, "hello") and old.rows("sessions.db", ended) == [{"state": "completed"}]

    tell(old, f"revise: {plan['beadId']}", "keep whole cents")
    nudge(old, "feedback")
    again = wait(old, thread, "plan_ready", f"{ready['from'][:-1]}2")
    revised = json.loads(again["payload"])
    assert revised["revision"] == 2
    assert "keep whole cents" in (old.root / ".overstory/worktrees" / again["from"] / revised["planPath"]).read_text()

    tell(old, f"approve: {plan['beadId']}", "approve")
    nudge(old, "approve")
    result = wait(old, thread, "result", "coordinator")
    assert result["to"] == "operator" and "merged" in result["body"]
    stopped = old.ov("coordinator", "stop", "--json").json
    assert stopped["stopped"] and not running(started["pid"]) and not nudge(old, "still there?")


def test_old_command_line_is_lenient_with_text_errors(old: Product) -> None:
    assert old.ov("status", "--bogus", "--json").code == 0
    wrong = old.ov("sling", "--capability", "lead", "--name", "l1", "t-1", "--json")
    assert (wrong.code, wrong.out, wrong.err) == (1, "", 'Error [AGENT_ERROR]: Bead task "lead" not found or inaccessible\n')
    for arguments, said in {
        "sling t-1 --capability lead": "Error [VALIDATION_ERROR]: --name is required for sling",
        "sling t-1 --name n --mode think": "Error [VALIDATION_ERROR]: --mode must be 'plan' or 'execute'",
        "sling t-1 --name n --capability scout": 'Error [HIERARCHY_VIOLATION]: Coordinator cannot spawn "scout" directly.',
        "coordinator send --body b": "Error [VALIDATION_ERROR]: Unknown coordinator subcommand: send.",
        "coordinator stop": "Error [AGENT_ERROR]: No active coordinator session found",
        "mail send --to operator": "Error [VALIDATION_ERROR]: --subject is required for mail send",
        "mail reply nope --body b": "Error [MAIL_ERROR]: Message not found: nope",
        "serve": "Unknown command: serve",
        "stop bob": "Unknown command: stop",
        "--project . status": "Unknown command: --project",
    }.items():
        ran = old.quickly(*arguments.split(), "--json")
        assert ran.code == 1 and ran.out == "" and ran.err.startswith(said), (arguments, ran)
    refused = old.ov("mail", "send", "--to", "x", "--subject", "s", "--body", "b", "--type", "decision_gate").err
    assert 'Invalid --type "decision_gate"' in refused and refused.endswith("plan_ready\n")


def test_product_can_change_its_dialect(old: Product) -> None:
    old.ov("mail", "send", "--to", "operator", "--subject", "Plan", "--body", "b", "--type", "plan_ready")
    old.ov("status")
    new = Product(old.root)
    assert new.ov("mail", "list", "--json").json["messages"][0]["type"] == "status"
    assert new.ov("mail", "send", "--to", "operator", "--subject", "s", "--body", "b", "--type", "decision_gate").code == 0
    assert new.ov("status", "--json").json["agents"] == []
