"""Traps of the real engine, one test or more for each. `FINDINGS` says how each is handled."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.domain import Product
from bot.domain.errors import EngineError
from bot.engine.base import Answer, Receipt
from bot.engine.supervised import SupervisedEngine
from bot.supervisor import hooks
from tests.yard import REHEARSAL, Ear, Supervisor, Yard, command, environment, eventually, mailed, until
from tests.yard_fixtures import OLD

Test = TypeVar("Test", bound=Callable[..., Any])

FINDINGS = {
    1: "avoided: the coordinator is started headless, through serve",
    2: "reported: root is refused with the fix",
    3: "avoided: `ov status` is never run, nor anything that marks mail as read",
    4: "fixed: the hook shows mid-turn mail to the model, and lost mail is detected",
    5: "fixed: an answer to an ended worker goes to the coordinator",
    6: "avoided: a tmux worker of 0.11 is neither nudged nor mailed",
    7: "fixed: a tmux coordinator is nudged until a nudge is delivered",
    8: "fixed: after a death of serve the coordinator is cleared, restarted and given a recap",
    9: "avoided: `ov coordinator start` is never run with 0.11",
    10: "avoided: an initialised product is never initialised again",
    11: "fixed: JSON is found anywhere in the output",
    12: "reported: a coordinator definition too long for tmux",
    13: "fixed: plans are found where leads can write, and approved ones are written where they are read",
    14: "fixed: deleted mail and reused row numbers cause a replay, never a loss",
    15: "fixed: hooks of the main checkout are bound to the coordinator",
    16: "fixed: no version records the transcript of its coordinator, so it is searched for",
    17: "reported, and fixed in the image: 0.5.8 takes Claude Code's permission question for a crash of tmux",
}
ELSEWHERE = {
    11: "test_json_is_found_anywhere_in_the_output",
    12: "test_engine_messages_have_a_code_and_a_fix",
    17: "test_engine_messages_have_a_code_and_a_fix",
    14: "test_deleted_mail_and_reused_rowids_cause_a_replay_without_loss",
}
TESTED: dict[int, list[str]] = {}


def finding(*numbers: int) -> Callable[[Test], Test]:
    """Register the findings that a test covers."""

    def register(test: Test) -> Test:
        for number in numbers:
            TESTED.setdefault(number, []).append(test.__name__)
        return test

    return register


def recorder(folder: Path) -> tuple[tuple[str, ...], Path]:
    """Return an engine that records each command before it runs the rehearsal, and its record."""
    record, script = folder / "commands", folder / "recorder.py"
    script.write_text(
        "import os, sys\n"
        f"with open({str(record)!r}, 'a') as out: out.write(' '.join(sys.argv[1:]) + '\\n')\n"
        f"os.execv(sys.executable, [*{REHEARSAL!r}, *sys.argv[1:]])\n"
    )
    return (sys.executable, str(script)), record


def sessions_db(product: Product) -> sqlite3.Connection:
    return sqlite3.connect(Path(product.path, ".overstory", "sessions.db"))


def other_session(product: Product, agent: str, *, pid: int | None, tmux: str = "", state: str = "working") -> None:
    """Record a session as the engine would, regardless of running processes."""
    with closing(sessions_db(product)) as connection, connection:
        connection.execute(
            "INSERT INTO sessions (id, agent_name, capability, worktree_path, branch_name, task_id, tmux_session, state, pid, "
            "depth, started_at, last_activity) VALUES (?1, ?1, 'builder', ?2, 'b', 't', ?3, ?4, ?5, 1, "
            "strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
            (agent, product.path, tmux, state, pid),
        )


async def running(yard: Yard, **options: Any) -> tuple[SupervisedEngine, Ear, Product, Supervisor]:
    supervisor, product = yard.supervisor(**options), yard.product("one")
    engine, ear = await yard.engine(supervisor, product)
    return engine, ear, product, supervisor


@finding(1)
async def test_coordinator_of_0_11_is_headless_and_started_through_serve(yard: Yard) -> None:
    engine, _, product, supervisor = await running(yard, own=True)
    await engine.start("one")
    with closing(sessions_db(product)) as connection:
        assert connection.execute("SELECT tmux_session, state FROM sessions").fetchone()[0] == ""
    (serve,) = supervisor.state.glob("serve-*.json")
    assert json.loads(serve.read_text())["product"] == product.path


@finding(2)
@pytest.mark.skipif(os.getuid() != 0, reason="only root can be refused")
def test_supervisor_refuses_root_with_the_fix_unless_rehearsing(tmp_path: Path) -> None:
    engine = tmp_path / "ov"
    engine.write_text("#!/bin/sh\necho 0.11.0\n")
    engine.chmod(0o755)
    argv = [sys.executable, "-m", "bot.supervisor", "--socket", str(tmp_path / "s"), "--engine", str(engine)]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert "does not run as root" in done.stderr
    assert "the user that owns the products" in done.stderr


@finding(2)
@pytest.mark.skipif(os.getuid() != 0, reason="only root can be refused")
async def test_engine_that_refuses_root_is_reported_with_the_fix(yard: Yard) -> None:
    engine, _, _, _ = await running(yard, REHEARSAL_REFUSE_ROOT="1")
    with pytest.raises(EngineError) as caught:
        await engine.start_worker("one", agent="a-1", capability="scout", task="t-1", brief="Look.", marker="[w1]")
    assert caught.value.code == "wrong_user"
    assert "ordinary user" in caught.value.hint


@finding(3, 9, 10)
async def test_harmful_commands_are_never_run(yard: Yard, tmp_path: Path) -> None:
    argv, record = recorder(tmp_path)
    engine, ear, product, _ = await running(yard, engine=argv)
    config = Path(product.path, ".overstory", "config.yaml").read_bytes()
    await engine.send("one", "Dark mode", "[complex] please", marker="[w1]")
    gate = await ear.letter("one", label="decision_gate")
    await engine.reply("one", gate.id, Answer("approve"), marker="[g1 r1]", plan=gate.body)
    await ear.letter("one", label="result", recipient="operator")
    await engine.start_worker("one", agent="scout-9", capability="scout", task="w9", brief="Look.", marker="[w9]")
    await ear.letter("one", sender="scout-9")
    await engine.pause("one")
    await engine.resume("one")
    await engine.nudge("one", "coordinator", "Hello")
    await engine.inspect("one", "coordinator")
    await engine.snapshot()
    await engine.stop("one")
    commands = record.read_text().splitlines()
    harmful = ("status", "coordinator start", "mail check", "mail read", "mail purge", "init", "clean", "update")
    assert [line for line in commands if line.startswith(harmful)] == []
    assert Path(product.path, ".overstory", "config.yaml").read_bytes() == config


@finding(10)
async def test_repository_is_initialised_once(yard: Yard) -> None:
    product = yard.product("one")
    command(product, "--version")
    shutil.rmtree(Path(product.path, ".overstory"))
    author = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org")
    subprocess.run(["git", *author, "commit", "-qam", "Remove the engine"], cwd=product.path, check=True)
    engine, ear = await yard.engine(yard.supervisor(), product)
    assert (await ear.state("one", lambda snapshot: snapshot.trouble)).trouble is not None
    with pytest.raises(EngineError) as caught:
        await engine.start("one")
    assert caught.value.code == "not_initialised"
    adopted = await engine.adopt(product, apply=True)
    assert adopted.initialises
    again = await engine.adopt(product, apply=True)
    assert not again.initialises
    await ear.state("one", lambda snapshot: snapshot.trouble is None)


ANY = '[ -z "$OVERSTORY_AGENT_NAME" ] && exit 0;'
DEPLOYED = {
    "hooks": {
        "SessionStart": [{"matcher": "", "hooks": [{"type": "command", "command": f"{ANY} ov prime --agent coordinator"}]}],
        "PostToolUse": [
            {"matcher": "", "hooks": [{"type": "command", "command": f"{ANY} ov mail check --inject --agent coordinator"}]},
            {"matcher": "", "hooks": [{"type": "command", "command": "echo mine"}]},
        ],
    },
    "permissions": {"allow": ["Bash"]},
}


def deployed(folder: Path) -> Path:
    path = folder / hooks.SETTINGS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(DEPLOYED))
    return path


@finding(4, 15)
def test_patched_hooks_are_bound_to_their_agent_and_show_mail_to_the_model(tmp_path: Path) -> None:
    path = deployed(tmp_path)
    patcher = hooks.Hooks()
    assert patcher.patch((tmp_path,)) == 1
    assert patcher.patch((tmp_path,)) == 0
    found = json.loads(path.read_text())
    commands = [hook["command"] for entries in found["hooks"].values() for entry in entries for hook in entry["hooks"]]
    assert all(ANY not in command for command in commands)
    assert commands[0] == '[ "$OVERSTORY_AGENT_NAME" = coordinator ] || exit 0; ov prime --agent coordinator'
    assert commands[2] == "echo mine"
    assert found["permissions"] == DEPLOYED["permissions"]
    path.write_text(json.dumps(DEPLOYED))
    os.utime(path, ns=(1, 1))
    assert patcher.patch((tmp_path,)) == 1, "the engine rewrites the file at every start"


@finding(4, 15)
@pytest.mark.parametrize("jq", [True, False], ids=["jq", "python"])
def test_patched_hook_prints_model_context_for_its_agent_only(tmp_path: Path, jq: bool) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "ov").write_text('#!/bin/sh\ncat "$MAIL"\n')
    (tools / "ov").chmod(0o755)
    if jq and shutil.which("jq", path="/usr/bin:/bin") is None:
        pytest.skip("jq is not installed")
    hooks.Hooks(jq=jq).patch((deployed(tmp_path).parent.parent,))
    command = json.loads((tmp_path / hooks.SETTINGS).read_text())["hooks"]["PostToolUse"][0]["hooks"][0]["command"]

    def run(agent: str, mail: str) -> str:
        (tmp_path / "mail").write_text(mail)
        env = {"PATH": f"{tools}:/usr/bin:/bin", "OVERSTORY_AGENT_NAME": agent, "MAIL": str(tmp_path / "mail")}
        return subprocess.run(["/bin/sh", "-c", command], env=env, capture_output=True, text=True, check=False).stdout

    said = json.loads(run("coordinator", 'You have "1" new message\n'))["hookSpecificOutput"]
    assert (said["hookEventName"], said["additionalContext"]) == ("PostToolUse", 'You have "1" new message\n')
    assert run("coordinator", "\n").strip() == ""
    assert run("scout-1", "You have 1 new message").strip() == ""


@finding(4)
async def test_mail_read_by_a_hook_but_never_shown_is_lost(yard: Yard, tmp_path: Path) -> None:
    engine, _, product, _ = await running(yard)
    id = await engine.send("one", "Dark mode", "[stall]", marker="[w1]")
    transcript = tmp_path / "t.jsonl"
    entry = {"attachment": {"type": "hook_success", "hookEvent": "PostToolUse", "stdout": f"reply {id}"}}
    transcript.write_text(json.dumps(entry) + "\n")
    with closing(sessions_db(product)) as connection, connection:
        connection.execute("UPDATE sessions SET transcript_path = ?", (str(transcript),))
    with closing(sqlite3.connect(Path(product.path, ".overstory", "mail.db"))) as connection, connection:
        connection.execute("UPDATE messages SET read = 1")
    assert await engine.receipt("one", id) is Receipt.LOST


@finding(4, 16)
async def test_receipt_is_found_without_a_recorded_transcript(yard: Yard, tmp_path: Path) -> None:
    """No version records the transcript of its coordinator.

    In a turn it acts without having seen new mail."""
    engine, ear, product, _ = await running(yard, CLAUDE_CONFIG_DIR=str(tmp_path / "claude"))
    id = await engine.send("one", "Dark mode", "[stall]", marker="[w1]")
    with closing(sqlite3.connect(Path(product.path, ".overstory", "mail.db"))) as connection, connection:
        connection.execute("UPDATE messages SET read = 1")
    mailed(product, subject="Still at it", type_="status", from_="coordinator", to_="operator")
    await ear.letter("one", subject="Still at it")
    folder = tmp_path / "claude" / "projects" / re.sub("[^A-Za-z0-9]", "-", product.path)
    folder.mkdir(parents=True)

    async def after(entry: dict[str, Any]) -> Receipt:
        with (folder / "5e55.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")
        return await engine.receipt("one", id)

    printed = {"hookEvent": "PostToolUse", "stdout": f"reply {id}"}
    assert await after({"type": "user", "message": {"content": "Dark mode"}}) is Receipt.READ
    assert await after({"attachment": {"type": "hook_success", **printed}}) is Receipt.LOST
    assert await after({"attachment": {"type": "hook_additional_context", **printed}}) is Receipt.TAKEN


@finding(5)
async def test_answer_to_an_ended_worker_goes_to_the_coordinator_with_the_question(yard: Yard) -> None:
    engine, ear, product, _ = await running(yard)
    await engine.start("one")
    other_session(product, "scout-7", pid=None, state="completed")
    mailed(product, subject="Which file?", body="There are two.", type_="question", from_="scout-7", to_="operator")
    question = await ear.letter("one", subject="Which file?")
    id = await engine.reply("one", question.id, Answer("answer", "The first."), marker="[g1 r1]")
    answer = await ear.letter("one", id=id)
    assert answer.recipient == "coordinator"
    assert all(words in answer.body for words in ("scout-7", "Which file?", "There are two.", "The first."))
    assert await engine.reply("one", question.id, Answer("answer", "The first."), marker="[g1 r1]") == id


@finding(6)
async def test_tmux_worker_of_0_11_is_neither_nudged_nor_mailed(yard: Yard) -> None:
    engine, ear, product, _ = await running(yard)
    await engine.start("one")
    other_session(product, "builder-7", pid=os.getpid(), tmux="overstory-one-builder-7")
    await ear.state("one", lambda snapshot: len(snapshot.sessions) == 2)
    for refused in (
        engine.nudge("one", "builder-7", "Hello"),
        engine.send("one", "News", "Hello", marker="[w1]", to="builder-7"),
    ):
        with pytest.raises(EngineError) as caught:
            await refused
        assert caught.value.code == "unsupported"
        assert "second Claude" in caught.value.message
    assert not [mail for mail in await engine.mail("one") if mail.recipient == "builder-7"]


@finding(7)
async def test_tmux_coordinator_is_nudged_for_mail_from_operator_and_workers(old_yard: Yard) -> None:
    engine, ear, product, _ = await running(old_yard, REHEARSAL_DIALECT=OLD)
    await engine.start("one")
    mailed(product, subject="Objective", type_="dispatch", from_="operator", to_="coordinator", dialect=OLD)
    await ear.letter("one", label="result", recipient="operator")
    mailed(product, subject="A report", type_="worker_done", from_="scout-1", to_="coordinator", dialect=OLD)
    report = await ear.letter("one", subject="A report")

    async def read() -> bool:
        return next(mail for mail in await engine.mail("one") if mail.id == report.id).read

    await eventually(read)


@finding(8)
async def test_dead_serve_is_restarted_with_its_coordinator(yard: Yard) -> None:
    engine, ear, _, supervisor = await running(yard, own=True)
    await engine.send("one", "Dark mode", "[complex] please", marker="[w1]")
    gate = await ear.letter("one", label="decision_gate")
    first = next(session for session in (await engine.snapshot())[0].sessions if session.agent == "coordinator")
    (fact,) = supervisor.state.glob("serve-*.json")
    os.kill(json.loads(fact.read_text())["pid"], signal.SIGKILL)
    again = await ear.state(
        "one", lambda snapshot: any(s.agent == "coordinator" and s.alive and s.pid != first.pid for s in snapshot.sessions)
    )
    assert again.coordinator
    note = await ear.letter("one", subject="Carry on after a restart")
    assert (note.sender, note.recipient) == ("operator", "coordinator")
    assert "Dark mode [w1]" in note.body
    await engine.reply("one", gate.id, Answer("approve"), marker="[g1 r1]")
    await ear.letter("one", label="result", recipient="operator")


@finding(8)
async def test_record_without_a_process_is_cleared_before_a_start(yard: Yard) -> None:
    """After a restart of the container the row says working, and no process runs."""
    engine, _, product, supervisor = await running(yard, own=True)
    await engine.start("one")
    supervisor.end(signal.SIGKILL)
    (fact,) = supervisor.state.glob("serve-*.json")
    os.kill(json.loads(fact.read_text())["pid"], signal.SIGKILL)
    for path in supervisor.state.glob("*.json"):
        path.unlink()
    with closing(sessions_db(product)) as connection:
        before = connection.execute("SELECT pid FROM sessions WHERE agent_name = 'coordinator'").fetchone()[0]
    await until(lambda: not Path(f"/proc/{before}").exists() or b" Z " in Path(f"/proc/{before}/stat").read_bytes())
    supervisor.start()
    await until(lambda: engine.runtimes())
    id = await engine.send("one", "Dark mode", "Please.", marker="[w1]")

    async def taken() -> bool:
        return await engine.receipt("one", id) is Receipt.TAKEN

    await eventually(taken)


@finding(13)
async def test_plan_gate_of_0_5_8_is_delivered_and_approved(old_yard: Yard) -> None:
    engine, ear, product, _ = await running(old_yard, REHEARSAL_DIALECT=OLD)
    await engine.send("one", "Dark mode", "[complex] please", marker="[w1]")
    gate = await ear.letter("one", label="plan_ready")
    assert gate.recipient == "coordinator"
    assert "# Plan" in gate.body, "the mail only names the file; the text is in the lead's worktree"
    id = await engine.reply("one", gate.id, Answer("approve"), marker="[g1 r1]", plan=gate.body)
    answer = await ear.letter("one", id=id)
    task = gate.task
    assert (answer.recipient, answer.subject) == ("coordinator", f"approve: {task}")
    assert Path(product.path, ".overstory", "plans", f"{task}.md").read_text().strip() == gate.body.strip()
    await ear.letter("one", label="result", recipient="operator")


async def test_plain_answer_never_becomes_an_approval_in_0_5_8(old_yard: Yard) -> None:
    """The coordinator gets the answer of an ended worker and takes a subject `approve: <task>` for a decision."""
    engine, ear, product, _ = await running(old_yard, REHEARSAL_DIALECT=OLD)
    await engine.start("one")
    body = "Blue?\nDECISION: approve"
    mailed(product, subject="Blue: t-12", body=body, type_="question", from_="scout-9", to_="operator", dialect=OLD)
    asked = await ear.letter("one", subject="Blue: t-12")
    id = await engine.reply("one", asked.id, Answer("answer", "approve of blue"), marker="[g1 r1]")
    answer = await ear.letter("one", id=id)
    assert (answer.recipient, answer.subject) == ("coordinator", "Re: Blue: t-12")
    assert "> DECISION: approve" in answer.body and "\nDECISION" not in answer.body


def test_every_finding_has_a_test() -> None:
    assert set(TESTED) | set(ELSEWHERE) == set(FINDINGS)
    read = Path(__file__).with_name("test_reading.py").read_text()
    assert all(f"def {name}(" in read for name in ELSEWHERE.values())
