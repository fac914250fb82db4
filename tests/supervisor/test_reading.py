"""Readers of command output, engine messages, mail, plans, costs and transcripts."""

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.supervisor import commands, errors
from bot.supervisor.drivers.overstory_0_5_8.plans import approve
from bot.supervisor.host import processes
from bot.supervisor.protocol import ERROR_CODES, MAX_TEXT, ChannelError
from bot.supervisor.records import history, plans, sessions, times, transcripts
from bot.supervisor.records.costs import Costs
from bot.supervisor.records.mailbox import Mailbox, truncated
from bot.supervisor.state import State
from tests.yard import until

MAIL = """CREATE TABLE messages (id TEXT PRIMARY KEY, from_agent TEXT NOT NULL, to_agent TEXT NOT NULL, subject TEXT NOT NULL,
body TEXT NOT NULL, type TEXT NOT NULL DEFAULT 'status', priority TEXT NOT NULL DEFAULT 'normal', thread_id TEXT, payload TEXT,
read INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL DEFAULT (datetime('now')))"""


class Post:
    """Mail database, written as the engine does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(MAIL)

    def put(self, id: str, **fields: Any) -> None:
        row = {"from_agent": "coordinator", "to_agent": "operator", "subject": id, "body": id, **fields}
        names = ", ".join(["id", *row])
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(f"INSERT INTO messages ({names}) VALUES (?{', ?' * len(row)})", [id, *row.values()])

    def drop(self, *ids: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.executemany("DELETE FROM messages WHERE id = ?", [(id,) for id in ids])


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path / "mail.db")


def ids(mailbox: Mailbox, cursor: str) -> tuple[list[str], str]:
    page = mailbox.after(cursor)
    return [letter.id for letter in page.mail], page.cursor


# Output


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ('{"success":true,"command":"x"}\n', {"success": True, "command": "x"}),
        ('Initialised.\nCommitted.\n{"success":true}\n', {"success": True}),
        ('{"a":1}\n{"b":2}\n\n', {"b": 2}),
        ("[]\n", []),
        ('{\n  "agents": [\n    {}\n  ]\n}\n', {"agents": [{}]}),
        ('Warning: something\n[\n  {"id": "m"}\n]\n', [{"id": "m"}]),
        ("/projects/old/.overstory/specs/t-1.md\n", None),
        ("", None),
        ("{broken\n", None),
    ],
    ids=["envelope", "after text", "last of two", "bare array", "pretty", "pretty after text", "a path", "nothing", "broken"],
)
def test_json_is_found_anywhere_in_the_output(printed: str, found: object) -> None:
    assert commands.parse(printed) == found


@given(st.text())
def test_parser_accepts_any_output(printed: str) -> None:
    commands.parse(printed)


@given(st.text())
def test_any_text_is_an_argument_or_too_large(text: str) -> None:
    found = commands.argument(text)
    assert "\0" not in found
    assert not found.startswith("-")
    found.encode()


async def test_command_past_its_deadline_is_killed_with_its_children(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/pid; sleep 1000"
    with pytest.raises(ChannelError) as caught:
        await commands.run(["sh", "-c", script], tmp_path, deadline=2.0)
    assert caught.value.code == "timed_out"
    pid = int((tmp_path / "pid").read_text())
    # The process that inherits a zombie may collect it late.
    await until(lambda: processes.one(pid) is None)


async def test_command_with_endless_output_is_killed(tmp_path: Path) -> None:
    with pytest.raises(ChannelError) as caught:
        await commands.run(["yes"], tmp_path, deadline=20)
    assert caught.value.code == "output_too_large"


async def test_processes_left_behind_do_not_delay_the_command(tmp_path: Path) -> None:
    outcome = await commands.run(["sh", "-c", "setsid sleep 3 & echo done"], tmp_path, deadline=2.5)
    assert (outcome.code, outcome.stdout) == (0, "done\n")


async def test_missing_command_and_missing_folder_have_different_errors(tmp_path: Path) -> None:
    for argv, cwd, code in ((["no-such-command"], tmp_path, "engine_missing"), (["true"], tmp_path / "none", "path_missing")):
        with pytest.raises(ChannelError) as caught:
            await commands.run(argv, cwd)
        assert caught.value.code == code


# The engine's words

CATALOGUE = [
    ("unable to open database file", "not_initialised"),
    ("Error: unable to open database file", "not_initialised"),
    ("'/nope' is not an overstory project (missing .overstory/config.yaml). Run 'ov init' first.", "not_initialised"),
    ("Error [VALIDATION_ERROR]: overstory requires a git repository. Run 'git init' first.", "not_a_repository"),
    ("git worktree list --porcelain failed (exit 128): fatal: detected dubious ownership in repository", "not_a_repository"),
    ("Cannot spawn agents as root (UID 0). The claude CLI rejects --permission-mode bypassPermissions", "wrong_user"),
    ("--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons", "wrong_user"),
    ('Executable not found in $PATH: "claude"', "claude_missing"),
    ('Coordinator tmux session "x" died during startup. The tmux server is no longer running.', "claude_missing"),
    ('Agent tmux session "x" did not become ready during startup.', "claude_missing"),
    ('Executable not found in $PATH: "tmux"', "tmux_missing"),
    ("Failed to create tmux session: command too long", "tmux_missing"),
    (
        'Error [AGENT_ERROR]: Tmux server is not running (cannot reach session "overstory-a-coordinator"). This often '
        "happens when running as root (UID 0) or when tmux crashed. Original error: no server running on /tmp/x/default",
        "claude_missing",
    ),
    ("Agent not found: nobody", "unknown_agent"),
    ('Agent "nobody" not found', "unknown_agent"),
    ('Unknown recipient: "nobody"', "unknown_agent"),
    ('Recipient "lead-1" is in terminal state (completed); message not sent.', "recipient_terminal"),
    ('Unknown capability "wizard". Available: scout, builder', "unknown_capability"),
    ('Coordinator cannot spawn "marketing" directly. Only lead, scout, and builder are allowed', "unknown_capability"),
    ('Task "nope-1" not found or inaccessible', "task_refused"),
    ('Error [AGENT_ERROR]: Bead task "nope-1" not found or inaccessible', "task_refused"),
    ("Depth limit exceeded: depth 3 > maxDepth 2", "limit_reached"),
    ("Max concurrent agent limit reached: 25/25 active agents", "limit_reached"),
    ('Per-lead agent limit reached: "operator" has 5/5 active children.', "limit_reached"),
    ('Run session limit reached: 3/3 agents spawned in run "r".', "limit_reached"),
    ('Agent name "a" is already in use (state: working)', "name_taken"),
    ("branch overstory/a/t is already checked out at /p", "name_taken"),
    ("No active coordinator session found", "not_running"),
    ('Agent "a" is already completed. Use --clean-worktree to remove its worktree.', "not_running"),
    ("Message not found: msg-1", "not_found"),
    ("Failed to insert message: msg-1", "locked"),
    ("database is locked", "locked"),
    ("file is not a database", "corrupt"),
    ("Attempted to assign to readonly property.", "config_broken"),
    ("agents.staggerDelayMs must be non-negative", "config_broken"),
    ("error: unknown option '--bogus'", "unsupported"),
    ("Unknown command: statsu\nDid you mean 'status'?", "unsupported"),
    ('Invalid --type "plan_ready". Must be one of: status', "unsupported"),
    ("Something new", "engine_failed"),
]


@pytest.mark.parametrize(("words", "code"), CATALOGUE, ids=[words[:40] for words, _ in CATALOGUE])
def test_engine_messages_have_a_code_and_a_fix(words: str, code: str) -> None:
    error = errors.from_engine(words, "product-a")
    assert error.code == code
    assert error.code in ERROR_CODES
    assert "Error [" not in error.message
    assert error.hint or code == "not_running"


# Mail


def test_cursor_returns_newer_mail(post: Post) -> None:
    mailbox = Mailbox(post.path)
    assert ids(mailbox, "") == ([], "")
    post.put("m1")
    post.put("m2")
    found, cursor = ids(mailbox, "")
    assert found == ["m1", "m2"]
    assert ids(mailbox, cursor) == ([], cursor)
    post.put("m3")
    assert ids(mailbox, cursor)[0] == ["m3"]


def test_deleted_mail_and_reused_rowids_cause_a_replay_without_loss(post: Post) -> None:
    """Finding 14, cleaning a worktree deletes its agent's mail."""
    mailbox = Mailbox(post.path)
    for id in ("m1", "m2", "m3"):
        post.put(id)
    cursor = mailbox.after("").cursor
    post.drop("m2", "m3")
    post.put("m4")
    assert ids(mailbox, cursor)[0] == ["m1", "m4"]
    cursor = mailbox.after("").cursor
    post.drop("m1", "m4")
    assert ids(mailbox, cursor) == ([], "")
    post.put("m5")
    assert ids(mailbox, cursor)[0] == ["m5"]


def test_missing_or_empty_database_has_no_mail(tmp_path: Path) -> None:
    assert ids(Mailbox(tmp_path / "none.db"), "3:m3") == ([], "")
    (tmp_path / "empty.db").touch()
    assert ids(Mailbox(tmp_path / "empty.db"), "") == ([], "")


def test_damaged_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "mail.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(ChannelError) as caught:
        Mailbox(tmp_path / "mail.db").after("")
    assert caught.value.code == "corrupt"


def test_reading_does_not_change_the_database(post: Post) -> None:
    post.put("m1")
    before = post.path.read_bytes()
    mailbox = Mailbox(post.path)
    mailbox.after("")
    mailbox.newest(10)
    assert post.path.read_bytes() == before
    assert not mailbox.newest(10)[0].read


@pytest.mark.parametrize("payload", ['{"a": "\\ud800"}', '{"a": NaN}', "[1]", "no json", "[" * 50_000, None])
def test_payload_that_cannot_be_stored_is_left_out(post: Post, payload: str | None) -> None:
    post.put("m1", payload=payload)
    assert Mailbox(post.path).newest(1)[0].payload == {}


def test_marker_is_found_only_at_the_end_of_operator_mail(post: Post) -> None:
    post.put("m1", subject="Dark mode [w1]", to_agent="coordinator")
    post.put("m2", subject="[w1] quoted", from_agent="operator")
    post.put("m3", subject="Dark mode [w1]", from_agent="operator")
    post.put("m4", body="Yes.\n\n[g1 r1]\n", from_agent="operator")
    mailbox = Mailbox(post.path)
    assert (found := mailbox.find_marked("subject", "[w1]")) is not None
    assert found.id == "m3"
    assert (found := mailbox.find_marked("body", "[g1 r1]")) is not None
    assert found.id == "m4"
    assert mailbox.find_marked("subject", "[w2]") is None


def test_page_fits_into_one_line_of_the_channel(post: Post) -> None:
    for number in range(30):
        post.put(f"m{number}", body="x" * MAX_TEXT)
    page = Mailbox(post.path).after("")
    assert page.more
    assert 1 <= len(page.mail) < 5
    assert len(truncated("x" * (MAX_TEXT + 5))) > MAX_TEXT
    assert "5 more characters" in truncated("x" * (MAX_TEXT + 5))


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-11-23T17:54:51.441Z", "2026-11-23T17:54:51.441000+00:00"),
        ("2026-11-23T17:54:51.441", "2026-11-23T17:54:51.441000+00:00"),
        ("2026-11-23 17:54:51", "2026-11-23T17:54:51+00:00"),
        ("yesterday", None),
        (None, None),
    ],
)
def test_times_of_both_forms_are_utc(text: object, iso: str | None) -> None:
    assert times.iso(text) == iso


# Plans


def letter(post: Post, **fields: Any) -> Any:
    post.put("p1", **{"type": "plan_ready", "subject": "Plan ready: t-1", "body": "See the plan.", **fields})
    return Mailbox(post.path).newest(1)[0]


def written(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"plan of {name}")


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ((".overstory/plans/t-1.md", ".overstory/worktrees/lead-1/.overstory/plans/t-1.md"), ".overstory/plans/t-1.md"),
        (
            (".overstory/worktrees/lead-1/.overstory/plans/t-1.md", ".overstory/specs/t-1.md"),
            ".overstory/worktrees/lead-1/.overstory/plans/t-1.md",
        ),
        ((".overstory/specs/t-1.md",), ".overstory/specs/t-1.md"),
    ],
)
def test_plan_is_found_wherever_a_lead_could_write_it(post: Post, tmp_path: Path, files: tuple[str, ...], found: str) -> None:
    written(tmp_path, *files)
    full = plans.with_plan_text(tmp_path, letter(post, from_agent="lead-1", payload='{"beadId": "t-1"}'))
    assert full.body == f"See the plan.\n\nplan of {found}"


def test_author_line_is_removed_from_a_plan(post: Post, tmp_path: Path) -> None:
    spec = tmp_path / ".overstory" / "specs" / "t-1.md"
    spec.parent.mkdir(parents=True)
    spec.write_text("<!-- written-by: coordinator -->\n# Plan\n\n1. <!-- keep this -->\n")
    pointing = letter(post, type="decision_gate", body="See spec.", payload='{"taskId": "t-1"}')
    assert plans.with_plan_text(tmp_path, pointing).body == "See spec.\n\n# Plan\n\n1. <!-- keep this -->\n"
    whole = replace(pointing, body="# Plan\n\n1. <!-- keep this -->")
    assert plans.with_plan_text(tmp_path, whole) == whole


def test_plan_without_a_file_is_its_summary(post: Post, tmp_path: Path) -> None:
    assert (
        plans.with_plan_text(tmp_path, letter(post, body="", payload='{"beadId": "t-1", "summary": "Do it."}')).body == "Do it."
    )


def test_full_gate_body_and_answers_are_unchanged(post: Post, tmp_path: Path) -> None:
    written(tmp_path, ".overstory/specs/t-1.md")
    gate = letter(post, type="decision_gate", body="x" * 500, payload='{"taskId": "t-1"}')
    assert plans.with_plan_text(tmp_path, gate) == gate
    answer = replace(gate, body="yes", sender="operator")
    assert plans.with_plan_text(tmp_path, answer) == answer
    short = plans.with_plan_text(tmp_path, replace(gate, body="See spec."))
    assert "plan of .overstory/specs/t-1.md" in short.body


@pytest.mark.parametrize("task", ["../../secret", "/etc/passwd", "a/b", "", ".."])
def test_plan_path_cannot_leave_the_product(post: Post, tmp_path: Path, task: str) -> None:
    product = tmp_path / "product"
    written(product, ".overstory/specs/x.md")
    (tmp_path / "secret.md").write_text("secret")
    mail = letter(post, subject="Plan ready", payload=json.dumps({"beadId": task}))
    assert plans.with_plan_text(product, mail) == mail
    (product / ".overstory/specs/link.md").symlink_to(tmp_path / "secret.md")
    linked = replace(mail, payload={"beadId": "link"})
    assert plans.with_plan_text(product, linked) == linked
    with pytest.raises(ChannelError):
        approve(product, task, "text")


def test_approved_plan_is_written_where_execute_mode_reads(tmp_path: Path) -> None:
    (tmp_path / ".overstory").mkdir()
    assert approve(tmp_path, "t-1", "The plan") == tmp_path / ".overstory/plans/t-1.md"
    assert approve(tmp_path, "t-1", "The other").read_text() == "The other\n"
    assert [path.name for path in (tmp_path / ".overstory/plans").iterdir()] == ["t-1.md"]


# Costs and transcripts


def answered(id: str, model: str, output: int, at: datetime) -> str:
    usage = {"input_tokens": 1000, "output_tokens": output, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    entry = {"type": "assistant", "timestamp": at.isoformat(), "message": {"id": id, "model": model, "usage": usage}}
    return json.dumps(entry) + "\n"


def row(tmp_path: Path, **fields: Any) -> sessions.Row:
    plain = sessions.Row(
        agent="coordinator",
        capability="coordinator",
        state="working",
        task="",
        parent=None,
        branch="main",
        worktree=str(tmp_path),
        tmux="",
        pid=None,
        started_at="2026-11-23T00:00:00+00:00",
        last_activity=None,
        transcript=None,
        claude_session=None,
    )
    return replace(plain, **fields)


def test_transcript_costs_count_each_answer_once_by_day(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    path = tmp_path / "session.jsonl"
    path.write_text(answered("a", "claude-sonnet-5", 1000, now - timedelta(days=2)) + answered("b", "claude-sonnet-5", 10, now))
    costs = Costs(tmp_path, tmp_path / "metrics.db", State(tmp_path / "state"))
    rows = [row(tmp_path, transcript=str(path))]
    assert costs.read(rows).total == pytest.approx(0.018 + 0.00315)
    with path.open("a") as file:
        file.write(answered("b", "claude-sonnet-5", 1000, now))
    spent = costs.read(rows)
    assert spent.today == pytest.approx(0.018)
    assert spent.total == pytest.approx(0.036)


def test_headless_worker_costs_come_from_its_transcript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    worktree = tmp_path / "product" / ".overstory" / "builder-w1"
    folder = tmp_path / "claude" / "projects" / re.sub("[^A-Za-z0-9]", "-", str(worktree))
    folder.mkdir(parents=True)
    (folder / "session-1.jsonl").write_text(answered("a", "claude-sonnet-5", 1000, datetime.now(UTC)))
    worker = row(tmp_path, agent="builder-w1", capability="builder", worktree=str(worktree), claude_session="session-1")
    costs = Costs(tmp_path, tmp_path / "metrics.db", State(tmp_path / "state"))
    assert costs.read([worker]).today == pytest.approx(0.018)
    assert costs.read([]).today == pytest.approx(0.018), "costs remain after their row is deleted"


def test_restarted_coordinator_keeps_earlier_costs(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    state = State(tmp_path / "state")
    for number, started in ((1, "2026-11-23T00:00:00+00:00"), (2, "2026-11-23T01:00:00+00:00")):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(answered("a", "claude-sonnet-5", 1000, now))
        costs = Costs(tmp_path, tmp_path / "metrics.db", state)
        spent = costs.read([row(tmp_path, transcript=str(path), started_at=started)])
    assert spent.today == pytest.approx(0.036)


@pytest.mark.parametrize("column", ["task_id", "bead_id"])
def test_costs_of_both_schemas_are_read_without_a_transcript(tmp_path: Path, column: str) -> None:
    now = datetime.now(UTC).isoformat()
    with closing(sqlite3.connect(tmp_path / "metrics.db")) as connection, connection:
        connection.execute(f"CREATE TABLE sessions (agent_name, {column}, started_at, completed_at, estimated_cost_usd)")
        connection.execute(
            "INSERT INTO sessions VALUES ('a', 't', ?, NULL, 0.5), ('b', 't', '2020-01-01', '2020-01-02', 2)", (now,)
        )
    spent = Costs(tmp_path, tmp_path / "metrics.db", State(tmp_path / "state")).read([])
    assert (spent.today, spent.total) == (0.5, 2.5)


def test_unknown_model_costs_the_highest_rate(tmp_path: Path) -> None:
    assert transcripts.cost("claude-new", {"output_tokens": 1_000_000}) == 75
    assert transcripts.cost("<synthetic>", {"output_tokens": 1_000_000}) == 0


def test_mail_hidden_by_a_hook_differs_from_shown_mail(tmp_path: Path) -> None:
    """Finding 4, output of PostToolUse is recorded and never shown to the model."""
    path = tmp_path / "t.jsonl"
    swallowed = {"attachment": {"type": "hook_success", "hookEvent": "PostToolUse", "stdout": "…[g1 r1]"}}
    path.write_text(json.dumps(swallowed) + "\n")
    assert transcripts.was_shown(path, "[g1 r1]") is False
    assert transcripts.was_shown(path, "[g2 r1]") is None
    with path.open("a") as file:
        file.write(json.dumps({"type": "user", "message": {"content": "DECISION: approve\n\n[g1 r1]"}}) + "\n")
    assert transcripts.was_shown(path, "[g1 r1]") is True


def test_last_output_is_found_in_logs_and_transcripts(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "coordinator" / "2026" / "stdout.log"
    log.parent.mkdir(parents=True)
    log.write_text('{"type":"system"}\n{"type":"result","result":"All done."}\n{"type":"system"}\n')
    assert history.output(tmp_path, row(tmp_path)) == "All done."
    said = {"type": "assistant", "message": {"content": [{"type": "text", "text": "Looking."}]}}
    (tmp_path / "t.jsonl").write_text(json.dumps(said) + "\n")
    assert history.output(tmp_path, row(tmp_path, agent="scout", transcript=str(tmp_path / "t.jsonl"))) == "Looking."
    assert history.output(tmp_path, row(tmp_path, agent="nobody")) == ""
