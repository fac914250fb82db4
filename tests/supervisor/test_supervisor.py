"""The supervisor under kills, slow products, damaged files and several clients."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.domain import Product
from bot.domain.errors import EngineError, RuntimeUnreachable
from bot.engine.base import Answer, MailArrived, RuntimeDown, RuntimeUp
from bot.engine.transport import Line, StreamLine, Transport
from bot.supervisor.protocol import PROTOCOL, ChannelError, Decoder, Message, Request, Response, encode
from tests.yard import REHEARSAL, Supervisor, Yard, command, environment, mailed, until


def pid_of(product: Product) -> int:
    """Return the coordinator's process id as the engine recorded it."""
    printed = json.loads(command(product, "coordinator", "status", "--json"))
    return int(printed["pid"])


def serve_of(supervisor: Supervisor) -> int:
    (fact,) = supervisor.state.glob("serve-*.json")
    return int(json.loads(fact.read_text())["pid"])


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def test_sessions_outlive_a_killed_supervisor_and_are_adopted(yard: Yard) -> None:
    supervisor, product = yard.supervisor(own=True), yard.product("one")
    engine, ear = await yard.engine(supervisor, product)
    await engine.send("one", "Dark mode", "[complex] please", marker="[w1]")
    gate = await ear.letter("one", label="decision_gate")
    serve, coordinator = serve_of(supervisor), pid_of(product)
    supervisor.end(signal.SIGKILL)
    await until(lambda: ear.of(RuntimeDown))
    mailed(product, subject="meanwhile")
    supervisor.start()
    await ear.letter("one", subject="meanwhile")
    await engine.reply("one", gate.id, Answer("approve"), marker="[g1 r1]")
    await ear.letter("one", label="result", recipient="operator")
    assert (serve_of(supervisor), pid_of(product)) == (serve, coordinator)
    assert [up.restarted for up in ear.of(RuntimeUp)] == [False, False]
    assert not [mail for mail in await engine.mail("one") if mail.subject.startswith("Carry on")]


async def test_adopted_serve_that_dies_is_restarted(yard: Yard) -> None:
    supervisor, product = yard.supervisor(own=True), yard.product("one")
    engine, ear = await yard.engine(supervisor, product)
    await engine.start("one")
    supervisor.end(signal.SIGKILL)
    supervisor.start()
    await ear.up(2)
    await engine.start("one")
    first, coordinator = serve_of(supervisor), pid_of(product)
    os.kill(first, signal.SIGKILL)
    await until(lambda: list(supervisor.state.glob("serve-*.json")) and serve_of(supervisor) != first)
    await ear.state("one", lambda s: any(x.agent == "coordinator" and x.alive and x.pid != coordinator for x in s.sessions))


async def test_coordinator_that_keeps_dying_stays_dead_and_is_reported(yard: Yard) -> None:
    engine, ear = await yard.engine(yard.supervisor(), product := yard.product("one"))
    await engine.start("one")
    killed: set[int] = set()

    async def kill_the_next() -> bool:
        sessions = (await engine.snapshot())[0].sessions
        pid = next((session.pid for session in sessions if session.agent == "coordinator"), None)
        if pid is None or pid in killed or not lives(pid):
            return False
        killed.add(pid)
        os.kill(pid, signal.SIGKILL)
        return True

    async with asyncio.timeout(30):
        while len(killed) < 4:  # the first one and its three restarts
            await kill_the_next()
            await asyncio.sleep(0.02)
    await ear.state("one", lambda snapshot: not snapshot.coordinator)
    for _ in range(50):
        assert not await kill_the_next(), "the coordinator was started a fifth time"
        await asyncio.sleep(0.02)
    assert not (await engine.snapshot())[0].coordinator
    await engine.start("one")
    assert lives(pid_of(product))


async def test_stopped_coordinator_stays_stopped(yard: Yard) -> None:
    engine, ear = await yard.engine(yard.supervisor(), yard.product("one"))
    await engine.start("one")
    await engine.stop("one")
    await ear.state("one", lambda snapshot: not snapshot.coordinator)
    assert not (await engine.snapshot())[0].coordinator


async def test_interrupted_request_can_be_repeated(yard: Yard) -> None:
    supervisor, product = yard.supervisor(own=True), yard.product("one")
    engine, ear = await yard.engine(supervisor, product)
    await engine.snapshot()
    sending = asyncio.create_task(engine.send("one", "Dark mode", "Please.", marker="[w1]"))
    await until(lambda: list(supervisor.state.glob("serve-*.json")))
    supervisor.end(signal.SIGKILL)
    with pytest.raises(RuntimeUnreachable):
        await sending
    supervisor.start()
    await ear.up(2)
    ids = {await engine.send("one", "Dark mode", "Please.", marker="[w1]") for _ in range(3)}
    assert len(ids) == 1
    assert len([mail for mail in await engine.mail("one") if mail.subject == "Dark mode [w1]"]) == 1


async def test_worker_outlives_a_killed_supervisor(yard: Yard) -> None:
    supervisor, product = yard.supervisor(REHEARSAL_SECONDS="1.5"), yard.product("one")
    engine, ear = await yard.engine(supervisor, product)
    started = await engine.start_worker("one", agent="scout-1", capability="scout", task="w1", brief="Look.", marker="[w1]")
    supervisor.end(signal.SIGKILL)
    supervisor.start()
    await ear.up(2)
    again = await engine.start_worker("one", agent="scout-1", capability="scout", task="w1", brief="Look.", marker="[w1]")
    assert (again.branch, again.already) == (started.branch, True)
    assert (await ear.letter("one", sender="scout-1", label="worker_done")).recipient == "operator"
    assert len(ear.letters("one", sender="scout-1", label="worker_done")) == 1


async def test_paused_product_stays_paused_after_a_kill(yard: Yard) -> None:
    supervisor, product = yard.supervisor(own=True), yard.product("one")
    engine, ear = await yard.engine(supervisor, product)
    await engine.send("one", "Dark mode", "[complex] please", marker="[w1]")
    gate = await ear.letter("one", label="decision_gate")
    await engine.pause("one")
    halted = (serve_of(supervisor), pid_of(product))
    supervisor.end(signal.SIGKILL)
    supervisor.start()
    await ear.up(2)
    assert (await engine.snapshot())[0].paused
    assert {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in halted} == {"T"}
    with pytest.raises(EngineError) as caught:
        await engine.start("one")
    assert caught.value.code == "paused"
    answer = await engine.reply("one", gate.id, Answer("approve"), marker="[g1 r1]")
    assert not next(mail for mail in await engine.mail("one") if mail.id == answer).read
    await engine.resume("one")
    await ear.letter("one", label="result", recipient="operator")
    assert (serve_of(supervisor), pid_of(product)) == halted


async def test_pause_halts_workers_and_stop_ends_them(yard: Yard) -> None:
    supervisor, product = yard.supervisor(REHEARSAL_SECONDS="60"), yard.product("one")
    engine, ear = await yard.engine(supervisor, product)
    await engine.start("one")
    await engine.start_worker("one", agent="scout-1", capability="scout", task="w1", brief="Look.", marker="[w1]")
    await ear.state("one", lambda snapshot: len(snapshot.active) == 2)
    assert set(await engine.pause("one")) == {"coordinator", "scout-1"}
    turn = int(Path(product.path, ".overstory/agents/scout-1/turn.pid").read_text())
    assert Path(f"/proc/{turn}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    assert set(await engine.stop("one")) == {"coordinator", "scout-1"}
    await until(lambda: not lives(turn))
    await ear.state("one", lambda snapshot: not snapshot.active)


async def test_single_worker_can_be_stopped(yard: Yard) -> None:
    engine, ear = await yard.engine(yard.supervisor(REHEARSAL_SECONDS="60"), yard.product("one"))
    for name in ("scout-1", "scout-2"):
        await engine.start_worker("one", agent=name, capability="scout", task=f"t-{name}", brief="Look.", marker=f"[{name}]")
    assert await engine.stop("one", "scout-1") == ("scout-1",)
    await ear.state("one", lambda snapshot: [session.agent for session in snapshot.active] == ["scout-2"])


async def test_failed_worker_start_is_explained_and_can_be_retried(yard: Yard) -> None:
    engine, _ = await yard.engine(yard.supervisor(), yard.product("one"))
    for capability, agent, code in (("wizard", "a-1", "unknown_capability"), ("scout", "../a", "bad_request")):
        with pytest.raises(EngineError) as caught:
            await engine.start_worker("one", agent=agent, capability=capability, task="t-1", brief="Look.", marker="[w1]")
        assert caught.value.code == code
    started = await engine.start_worker("one", agent="a-1", capability="scout", task="t-1", brief="Look.", marker="[w1]")
    assert not started.already


def serves(state: Path) -> dict[str, int]:
    """Return the process id of each product's `ov serve` as the supervisor recorded it."""
    facts = [json.loads(path.read_text()) for path in state.glob("serve-*.json")]
    return {str(fact["product"]): int(fact["pid"]) for fact in facts}


async def test_serve_ends_with_its_stopped_coordinator(yard: Yard) -> None:
    supervisor, product = yard.supervisor(own=True), yard.product("one")
    engine, _ = await yard.engine(supervisor, product)
    await engine.start("one")
    first = serves(supervisor.state)[product.path]
    await engine.stop("one")
    await until(lambda: not lives(first))
    await engine.start("one")
    assert serves(supervisor.state)[product.path] != first


async def test_sessions_outlive_a_stopped_supervisor(yard: Yard) -> None:
    supervisor, busy = yard.supervisor(own=True), yard.product("busy")
    engine, _ = await yard.engine(supervisor, busy)
    await engine.start("busy")
    pid = serves(supervisor.state)[busy.path]
    supervisor.end(signal.SIGTERM)
    assert not supervisor.socket.exists()
    assert lives(pid)


async def test_idle_serve_is_stopped_and_restarted_on_demand(yard: Yard) -> None:
    supervisor, product = yard.supervisor(idle=0.0), yard.product("one")
    engine, ear = await yard.engine(supervisor, product)
    await engine.start("one")
    first = serve_of(supervisor)
    await engine.stop("one")
    await until(lambda: not lives(first))
    await engine.send("one", "Dark mode", "Please.", marker="[w1]")
    await ear.letter("one", label="result")


async def test_slow_product_does_not_delay_others(yard: Yard, tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(
        "import os, sys, time\n"
        "if os.path.basename(os.getcwd()) == 'slow' and sys.argv[1] == 'serve': time.sleep(1000)\n"
        f"os.execv(sys.executable, [*{REHEARSAL!r}, *sys.argv[1:]])\n"
    )
    engine, ear = await yard.engine(
        yard.supervisor(engine=(sys.executable, str(script))), yard.product("slow"), yard.product("quick")
    )
    waiting = asyncio.create_task(engine.start("slow"))
    await engine.send("quick", "Dark mode", "Please.", marker="[w1]")
    await ear.letter("quick", label="result", recipient="operator")
    assert [snapshot.trouble for snapshot in await engine.snapshot()] == [None, None]
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize("name", ["mail.db", "sessions.db", "metrics.db"])
async def test_damaged_database_affects_only_its_product(yard: Yard, name: str) -> None:
    product, other = yard.product("one"), yard.product("two")
    Path(product.path, ".overstory", name).write_bytes(b"no database" * 100)
    _, ear = await yard.engine(yard.supervisor(), product, other)
    snapshot = await ear.state("one", lambda snapshot: snapshot.trouble is not None)
    assert snapshot.trouble is not None
    assert snapshot.trouble.code == "corrupt"
    assert name in snapshot.trouble.message
    Path(product.path, ".overstory", name).unlink()
    await ear.state("one", lambda snapshot: snapshot.trouble is None)
    mailed(product, subject="well again")
    await ear.letter("one", subject="well again")


async def test_mail_arrives_for_idle_and_new_databases(yard: Yard) -> None:
    product = yard.product("one")
    _, ear = await yard.engine(yard.supervisor(), product)
    await ear.state("one", lambda snapshot: snapshot.trouble is None)
    assert not Path(product.path, ".overstory", "mail.db").exists()
    mailed(product, subject="first")
    await ear.letter("one", subject="first")
    for path in Path(product.path, ".overstory").glob("mail.db*"):
        path.unlink()
    mailed(product, subject="after cleaning")
    await ear.letter("one", subject="after cleaning")


async def test_many_mails_arrive_in_order_and_once(yard: Yard) -> None:
    _, ear = await yard.engine(yard.supervisor(), product := yard.product("one"))
    mailed(product, subject="m-first")
    with closing(sqlite3.connect(Path(product.path, ".overstory", "mail.db"))) as connection, connection:
        connection.executemany(
            "INSERT INTO messages (id, from_agent, to_agent, subject, body) VALUES (?1, 'coordinator', 'operator', ?1, ?2)",
            [(f"m{number}", "x" * 5000) for number in range(250)],
        )
    await ear.letter("one", subject="m249")
    assert [mail.subject for mail in ear.mail("one")] == ["m-first", *(f"m{number}" for number in range(250))]
    assert max(len(event.mail) for event in ear.of(MailArrived)) <= 100


async def test_two_clients_have_their_own_cursors(yard: Yard) -> None:
    supervisor, product = yard.supervisor(), yard.product("one")
    mailed(product, subject="first")
    _, one = await yard.engine(supervisor, product)
    first = await one.letter("one", subject="first")
    _, two = await yard.engine(supervisor, Product("other-name", product.path), cursors={"other-name": first.cursor})
    mailed(product, subject="second")
    await one.letter("one", subject="second")
    await two.letter("other-name", subject="second")
    assert not two.letters("other-name", subject="first")


async def test_socket_has_one_supervisor_and_a_stale_socket_is_replaced(yard: Yard) -> None:
    supervisor = yard.supervisor(own=True)
    argv = [sys.executable, "-m", "bot.supervisor", "--socket", str(supervisor.socket), "--state", str(supervisor.state)]
    argv += [f"--engine={word}" for word in REHEARSAL]
    second = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False, timeout=20)
    assert second.returncode == 1
    assert "Another supervisor" in second.stderr
    assert supervisor.check().returncode == 0
    assert "DEBUG bot.supervisor.connection: connected: check" in supervisor.log
    assert (supervisor.socket.stat().st_mode & 0o777) == 0o600
    supervisor.end(signal.SIGKILL)
    assert supervisor.socket.exists()
    assert supervisor.check().returncode == 1
    supervisor.start()
    assert "0.11.0 (rehearsal)" in supervisor.check().stdout


def test_shared_folder_gets_a_group_socket(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o2770)
    supervisor = Supervisor(folder)
    try:
        supervisor.start()
        assert (supervisor.socket.stat().st_mode & 0o777) == 0o660
    finally:
        supervisor.end()


async def test_supervisor_without_an_engine_runs_and_reports_it(yard: Yard, tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "none", engine=("/no/such/engine",))
    argv = [
        sys.executable,
        "-m",
        "bot.supervisor",
        "--socket",
        str(supervisor.socket),
        "--allow-root",
        "--engine",
        "/no/such/engine",
    ]
    process = subprocess.Popen(argv, env=environment(HOME=str(tmp_path)), stderr=subprocess.DEVNULL)
    try:
        await until(supervisor.socket.exists)
        _, ear = await yard.engine(supervisor, yard.product("one"))
        trouble = (await ear.state("one", lambda snapshot: snapshot.trouble)).trouble
        assert trouble is not None
        assert trouble.code == "engine_missing"
        assert "no engine" in supervisor.check().stdout
    finally:
        process.terminate()
        process.wait(20)


class Attached(Transport):
    """Connection through `--attach`, as `docker exec` uses it."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.name, self.kind, self._supervisor = "attached", "docker", supervisor

    async def open(self) -> Line:
        argv = [sys.executable, "-m", "bot.supervisor", "--attach", str(self._supervisor.socket)]
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*argv, env=environment(), stdin=pipe, stdout=pipe)
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        return StreamLine(self.process.stdout, self.process.stdin)


async def test_attach_joins_stdin_and_stdout_to_the_socket(yard: Yard) -> None:
    supervisor, product = yard.supervisor(), yard.product("one")
    way = Attached(supervisor)
    engine, ear = await yard.engine(way, product)
    mailed(product, subject="first", body="x" * 100_000)
    await ear.letter("one", subject="first")
    await engine.start("one")
    await engine.close()
    assert await asyncio.wait_for(way.process.wait(), 20) == 0


def test_attach_without_a_supervisor_reports_it() -> None:
    argv = [sys.executable, "-m", "bot.supervisor", "--attach", "/nowhere/s.sock"]
    done = subprocess.run(argv, env=environment(), input=b"x", capture_output=True, check=False, timeout=20)
    assert done.returncode == 1
    assert b"No supervisor answers on /nowhere/s.sock" in done.stderr


HELLO = encode(Request(0, "hello", {"protocol": PROTOCOL, "client": "test"}))


async def talk(supervisor: Supervisor, *lines: bytes, answers: int = 0) -> list[Message | ChannelError]:
    """Send raw lines and return the supervisor's messages.

    It returns after this many answers, or when the supervisor closes the connection."""
    reader, writer = await asyncio.open_unix_connection(str(supervisor.socket))
    decoder = Decoder()
    found: list[Message | ChannelError] = []
    writer.write(b"".join(lines))
    while data := await asyncio.wait_for(reader.read(65536), 20):
        found += list(decoder.feed(data))
        if answers and sum(isinstance(message, Response) for message in found) >= answers:
            break
    writer.close()
    await writer.wait_closed()
    return found


async def test_invalid_lines_and_operations_get_an_error(yard: Yard) -> None:
    supervisor = yard.supervisor()
    lines = [
        b"\xff\xfe\n",
        b"[]\n",
        encode(Request(1, "fly")),
        encode(Request(2, "start", {"product": "nobody"})),
        encode(Request(3, "watch", {"products": [{"name": "x", "path": "relative"}]})),
        encode(Request(4, "watch", {"products": "x"})),
        encode(Request(5, "snapshot", {"products": ["nobody"]})),
        encode(Request(6, "info")),
    ]
    answers = [m for m in await talk(supervisor, HELLO, *lines, answers=9) if isinstance(m, Response)]
    unread = [answer.error.code for answer in answers if answer.id is None and answer.error is not None]
    assert unread == ["not_json", "bad_request"]
    codes = {answer.id: answer.error.code for answer in answers if answer.id is not None and answer.error is not None}
    assert codes == {1: "unknown_op", 2: "not_found", 3: "bad_request", 4: "bad_request", 5: "not_found"}
    assert [answer.result["engine"] for answer in answers if answer.id in (0, 6)] == ["0.11.0 (rehearsal)"] * 2


async def test_other_version_and_missing_hello_are_refused(yard: Yard) -> None:
    supervisor = yard.supervisor()
    for request in (Request(0, "hello", {"protocol": 999}), Request(0, "hello"), Request(1, "ping")):
        (answer,) = [m for m in await talk(supervisor, encode(request), answers=1) if isinstance(m, Response)]
        assert answer.error is not None
        assert answer.error.code == "version"


async def test_arguments_of_the_wrong_type_are_bad_requests(yard: Yard) -> None:
    supervisor, product = yard.supervisor(), yard.product("one")
    watching = encode(Request(1, "watch", {"products": [{"name": "one", "path": product.path, "cursor": ""}]}))
    wrong: list[tuple[str, Mapping[str, Any]]] = [
        ("send", {}),
        ("send", {"subject": 1}),
        ("mail", {"limit": "x"}),
        ("start_worker", {"agent": None}),
        ("send", {"subject": "s", "body": "b", "marker": "m", "to": "coordinator", "reporting": "ana"}),
    ]
    lines = [encode(Request(10 + n, method, {**params, "product": "one"})) for n, (method, params) in enumerate(wrong)]
    said = await talk(supervisor, HELLO, watching, *lines, answers=2 + len(wrong))
    errors = [message.error for message in said if isinstance(message, Response) and (message.id or 0) >= 10]
    assert [error.code if error else None for error in errors] == ["bad_request"] * len(wrong)
