"""Agents started by command, and their stop and cleanup."""

import json
from collections.abc import Callable

from tests.rehearsal.driving import Product, Served, running, until

SKIP = ("--skip-task-check", "--json")


def test_scout_reports_real_files(product: Product) -> None:
    product.quickly("spec", "write", "look-1", "--body", "# Why do tests fail?")
    ran = product.ov("sling", "look-1", "--capability", "scout", "--name", "sam", "--parent", "operator", *SKIP)
    assert ran.json["initialTurnFinalState"] == "completed" and ran.json["pid"] is None
    mail = product.quickly("mail", "list", "--to", "operator", "--json").json["messages"][0]
    assert (mail["from"], mail["type"]) == ("sam", "worker_done")
    for said in ("Why do tests fail?", "Shop: Sells apples", "shop/basket.py:2 TODO: round to cents", "currently fails"):
        assert said in mail["body"]
    assert ".overstory" not in mail["body"]
    assert product.git("log", "--format=%s", "--all").count("rehearsal:") == 0


def test_findings_without_a_parent_go_to_the_coordinator(product: Product) -> None:
    product.ov("sling", "look-2", "--capability", "scout", "--name", "sue", *SKIP)
    assert product.quickly("mail", "list", "--from", "sue", "--json").json["messages"][0]["to"] == "coordinator"


def test_custom_capability_writes_in_its_own_folder(product: Product) -> None:
    path = product.root / ".overstory" / "agent-manifest.json"
    manifest = json.loads(path.read_text())
    manifest["agents"]["marketing"] = {**manifest["agents"]["builder"], "file": "marketing.md"}
    path.write_text(json.dumps(manifest))
    arguments = ("sling", "tweet", "--capability", "marketing", "--name", "mia", *SKIP)
    assert "does not exist" in product.ov(*arguments, "--parent", "operator").error
    (path.parent / "agent-defs" / "marketing.md").write_text("Be honest.")
    assert "Only lead, scout, and builder are allowed without --parent" in product.ov(*arguments).error
    product.quickly("mail", "send", "--to", "mia", "--from", "operator", "--subject", "Brief", "--body", "Praise the apples")
    branch = product.ov(*arguments, "--parent", "operator").json["branch"]
    assert "Praise the apples" in product.git("show", f"{branch}:content/tweet-mia.md")
    merged = product.ov("merge", "--branch", branch, "--json").json
    assert merged["entry"]["status"] == "merged" and (product.root / "content/tweet-mia.md").exists()
    cleaned = product.ov("worktree", "clean", "--completed", "--json").json
    assert cleaned["cleaned"] == [branch] and cleaned["mailPurged"] == 3
    assert product.quickly("mail", "list", "--from", "mia", "--json").json["messages"] == []


def test_invalid_sling_is_refused_with_the_engines_message(product: Product) -> None:
    def refused(*arguments: str) -> str:
        return product.quickly("sling", *arguments, "--json").error

    assert refused("nope-1", "--capability", "scout") == 'Task "nope-1" not found or inaccessible'
    product.write(".seeds/issues.jsonl", '{"id": "known-1"}\n')
    assert product.ov("sling", "known-1", "--capability", "scout", "--json").json["agentName"] == "scout-known-1"
    assert refused("t", "--capability", "wizard", "--parent", "x").startswith('Unknown capability "wizard". Available: scout, ')
    assert refused("t", "--depth", "5", "--name", "deep") == "Depth limit exceeded: depth 5 > maxDepth 2"
    assert refused("t", "--spec", "nope.md") == "Spec file not found: nope.md"
    dead = product.quickly("mail", "send", "--to", "scout-known-1", "--subject", "s", "--body", "b", "--json").error
    assert dead.startswith('Recipient "scout-known-1" is in terminal state (completed)')
    assert "checked out" in refused("known-1", "--capability", "scout", "--name", "scout-known-1")


def test_worker_can_be_stopped_in_its_turn(product: Product, serve: Callable[[Product], Served]) -> None:
    server = serve(product)
    slow = product.start("sling", "long", "--capability", "builder", "--name", "bob", *SKIP, REHEARSAL_SECONDS="60")
    pid_file = product.root / ".overstory/agents/bob/turn.pid"
    until(lambda: server.call("GET", "/api/agents/bob")[1].get("data", {}).get("state") == "in_turn", "the turn")
    pid = int(pid_file.read_text())
    taken = product.ov("sling", "other", "--capability", "builder", "--name", "bob", *SKIP).error
    assert taken == 'Agent name "bob" is already in use (state: in_turn)'
    stopped = product.ov("stop", "bob", "--clean-worktree", "--force", "--json").json
    assert stopped["pidKilled"] and stopped["worktreeRemoved"] and stopped["branchDeleted"] and not running(pid)
    out, _ = slow.communicate(timeout=20)
    assert json.loads(out)["initialTurnFinalState"] == "completed"
    assert "already completed" in product.ov("stop", "bob", "--json").error


def test_status_writes_the_states_it_finds(product: Product, serve: Callable[[Product], Served]) -> None:
    server = serve(product)
    pid = server.post("/api/coordinator/start")["pid"]
    server.end(hard=True)
    until(lambda: not running(pid), "the coordinator's end")
    assert product.rows("sessions.db", "SELECT state FROM sessions") != [{"state": "zombie"}]
    assert product.ov("status", "--json").json["agents"][0]["state"] == "zombie"
    assert product.rows("sessions.db", "SELECT state FROM sessions") == [{"state": "zombie"}]
