"""Findings of `fleet doctor` on broken machines, each with its fix, and what `--fix` repairs."""

import gc
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot import doctor
from bot.cli.render import Screen
from bot.doctor import Findings
from bot.domain.checks import Check
from bot.engine.local import LocalTransport
from bot.store import Store
from tests.standins import serving

PRODUCTS = "products:\n  - {name: product-a, path: ./product-a}\n"
KEY = "sk-ant-api03-abcdefghijklmnop"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A healthy fleet with one initialized product."""
    (tmp_path / "products.yaml").write_text(PRODUCTS)
    (tmp_path / "product-a" / ".git").mkdir(parents=True)
    (tmp_path / "product-a" / ".overstory").mkdir()
    (tmp_path / "product-a" / ".overstory" / "config.yaml").write_text("project: {name: product-a}\n")
    return tmp_path


async def examine(folder: Path, *, fix: bool = False, online: bool = False, **environ: str) -> Findings:
    env = {"FLEET_ENGINE": "rehearsal", "FLEET_WEB_PORT": "0", "FLEET_GATEWAY_PORT": "0", **environ}
    return await doctor.examine(env, folder, fix=fix, online=online)


def of(found: Findings, name: str, status: str = "fail") -> Check:
    """Return the one check of a name with this status."""
    (check,) = [check for check in found.checks if check.name == name and check.status == status]
    assert check.fix, "every problem has its fix"
    return check


async def test_healthy_fleet_passes_and_checks_create_nothing(folder: Path) -> None:
    found = await examine(folder)
    assert [check for check in found.checks if check.status != "ok"] == []
    assert (found.exit_code, found.summary) == (0, "No problems found.")
    names = {check.name for check in found.checks}
    assert names >= {"python", "settings", "registry", "state", "store", "fleet", "ports", "token", "engine", "claude", "clock"}
    assert {check.message for check in found.checks if check.name in {"engine", "product"}} == {
        "rehearsal (FLEET_ENGINE=rehearsal)",
        "product-a: initialized",
    }
    assert not (folder / ".fleet").exists()


@pytest.mark.parametrize(
    ("engine", "warned"), [({"FLEET_ENGINE": "rehearsal"}, True), ({"FLEET_RUNTIME_SOCKET": "/nowhere/s.sock"}, False)]
)
def test_missing_git_is_a_warning_for_an_engine_on_this_machine(engine: dict[str, str], warned: bool, folder: Path) -> None:
    command, home = [sys.executable, "-m", "bot.cli", "doctor"], {"HOME": str(folder), "PATH": "/nowhere"}
    done = subprocess.run(command, cwd=folder, env={**home, **engine}, capture_output=True, text=True, timeout=60)
    assert ("git is not installed" in done.stdout) == warned, done.stdout + done.stderr


async def test_registry_errors_are_listed_with_their_lines(folder: Path) -> None:
    (folder / "products.yaml").write_text("products:\n  - {name: a, paht: x}\n  - {name: a, path: y}\n")
    found = await examine(folder)
    check = of(found, "registry")
    assert "products.yaml:2:" in check.message
    assert "paht" in check.message
    assert len(check.message.splitlines()) > 1
    assert check.fix.startswith("Fix these")
    assert found.exit_code == 2
    (folder / "products.yaml").write_text("products: [\n")
    assert "products.yaml:2:" in of(await examine(folder), "registry").message
    (folder / "products.yaml").unlink()
    assert "fleet init" in of(await examine(folder), "registry").fix


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # docker-py forgets a socket that fails
async def test_unreachable_docker_is_reported(folder: Path) -> None:
    found = await examine(folder, FLEET_ENGINE="docker", DOCKER_HOST=f"unix://{folder}/docker.sock")
    check = of(found, "runtime")
    assert "Docker does not answer" in check.message
    assert "Start Docker" in check.fix
    assert found.exit_code == 1, "the fleet itself can start"
    gc.collect()


@asynccontextmanager
async def docker(folder: Path, container: dict[str, Any] | None) -> AsyncIterator[str]:
    """Serve a Docker engine with one container or none on a socket, and yield its address."""

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/version"):
            return web.json_response({"ApiVersion": "1.43", "Version": "24.0"})
        if container is None:
            return web.json_response({"message": "No such container: overstory-runtime"}, status=404)
        return web.json_response({"Id": "c1", "State": container})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "d.sock")).start()
    try:
        yield f"unix://{folder}/d.sock"
    finally:
        await serving.end(runner)


async def test_missing_container_is_reported(folder: Path) -> None:
    async with docker(folder, None) as host:
        check = of(await examine(folder, FLEET_ENGINE="docker", DOCKER_HOST=host), "runtime")
    assert "There is no container overstory-runtime" in check.message
    assert check.fix == "Run `docker compose up -d`."


async def test_stopped_container_is_reported(folder: Path) -> None:
    async with docker(folder, {"Running": False, "Status": "exited", "ExitCode": 137}) as host:
        check = of(await examine(folder, FLEET_ENGINE="docker", DOCKER_HOST=host), "runtime")
    assert "is not running (exited, exit code 137)" in check.message
    assert check.fix == "Run `docker start overstory-runtime`."


async def test_invalid_variables_are_reported(folder: Path) -> None:
    found = await examine(folder, FLEET_WEB_TOKEN="two words", FLEET_WEB_PRT="1", FLEET_STATE=str(folder / "elsewhere"))
    check = of(found, "settings")
    assert "FLEET_WEB_TOKEN: invalid value" in check.message
    assert found.exit_code == 2
    assert any("elsewhere" in each.message for each in found.checks), "the other variables are used"
    assert "easy to guess" in of(await examine(folder, FLEET_WEB_TOKEN="secret"), "token", "warn").message
    assert "Did you mean FLEET_WEB_PORT?" in of(await examine(folder, FLEET_WEB_PRT="1"), "settings", "warn").message
    check = of(await examine(folder, ANTHROPIC_API_KEY="hunter2"), "claude")
    assert "is not an Anthropic key" in check.message
    assert "hunter2" not in str(found.as_json())
    assert "SLACK_APP_TOKEN is missing" in of(await examine(folder, SLACK_BOT_TOKEN="xoxb-123456789"), "slack", "warn").message


@asynccontextmanager
async def messages_api(status: int) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve a Messages API that answers with a status, and yield its address and the keys it received."""
    keys: list[str] = []

    async def count(request: web.Request) -> web.Response:
        keys.append(request.headers.get("x-api-key", ""))
        assert await request.json()
        return web.json_response({"input_tokens": 1}, status=status)

    app = web.Application()
    app.router.add_post("/v1/messages/count_tokens", count)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site.port}", keys
    finally:
        await serving.end(runner)


async def test_rejected_claude_key_is_reported(folder: Path) -> None:
    async with messages_api(401) as (url, keys):
        check = of(await examine(folder, online=True, ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=url), "claude")
        assert f"{url} rejects ANTHROPIC_API_KEY (401)." in check.message
        assert keys == [KEY]
        offline = await examine(folder, ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=url)
        assert offline.exit_code == 0, "offline the check only needs an answer"
        assert keys[1:] == [""], "and the key is not sent"
    async with messages_api(200) as (url, _):
        found = await examine(folder, online=True, ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=url)
        assert f"{url} answers and accepts the key" in [check.message for check in found.checks]
    check = of(await examine(folder, ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=url), "claude")
    assert "cannot be reached" in check.message
    assert "ANTHROPIC_BASE_URL" in check.fix


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("a-file", "there is a file where"),
        ("a-file/below", "there is a file where"),
        ("/proc/self/fleet", "cannot be"),
        ("link", "is not writable"),
    ],
)
async def test_unwritable_state_folder_is_reported(state: str, said: str, folder: Path) -> None:
    (folder / "a-file").write_text("")
    (folder / "link").symlink_to("/proc/self")
    found = await examine(folder, FLEET_STATE=state)
    check = of(found, "state")
    assert said in check.message
    assert "FLEET_STATE" in check.fix
    assert found.exit_code == 2


async def test_damaged_or_newer_store_is_reported(folder: Path) -> None:
    state = folder / ".fleet"
    state.mkdir(mode=0o700)
    Store(state / "fleet.db").close()
    assert (await examine(folder)).exit_code == 0
    with sqlite3.connect(state / "fleet.db") as database:
        database.execute("INSERT INTO migrations VALUES ('of_tomorrow', '')")
    database.close()
    assert "newer version: it has the migration “of_tomorrow”" in of(await examine(folder), "store").message
    for path in state.glob("fleet.db*"):
        path.unlink()
    (state / "fleet.db").write_bytes(b"this is no database at all, and long enough to be seen as one" * 20)
    assert "is damaged or not a store" in of(await examine(folder), "store").message
    (state / "fleet.db").unlink()
    (state / "fleet.db").mkdir()
    assert "is not writable" in of(await examine(folder), "store").message


@contextmanager
def listening() -> Iterator[int]:
    """Listen on a port."""
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        yield somebody.getsockname()[1]


async def test_changed_journal_and_unreachable_conversations_are_reported(folder: Path) -> None:
    store = Store(folder / ".fleet" / "fleet.db")
    store.audit.add("skill", at=datetime.now(UTC), person="ana", product=None, subject="w1", detail={})
    store.unreachable.add("slack:#a", "The channel is archived.")
    store.close()
    found = await examine(folder)
    assert "slack:#a cannot be posted to: The channel is archived." in of(found, "chat", "warn").message
    store = Store(folder / ".fleet" / "fleet.db")
    store.database.run("UPDATE audit SET person = 'eve'")
    store.close()
    found = await examine(folder)
    assert "changed at row 1" in of(found, "audit").message


async def test_port_in_use_is_reported_with_its_process(folder: Path) -> None:
    with listening() as port:
        check = of(await examine(folder, FLEET_WEB_PORT=str(port)), "ports")
    assert f"Port {port} of the page on 127.0.0.1 is in use by" in check.message
    assert f"(process {os.getpid()})" in check.message
    assert "FLEET_WEB_PORT" in check.fix


async def test_unadopted_or_overwritten_product_is_a_warning(folder: Path) -> None:
    overstory = folder / "product-a" / ".overstory"
    (overstory / "agent-defs").mkdir()
    (overstory / "agent-defs" / "coordinator.md").write_text("# Coordinator\n")
    found = await examine(folder)
    check = of(found, "product", "warn")
    assert (found.exit_code, check.fix) == (0, "fleet adopt product-a")
    assert "not adopted" in check.message
    record = overstory / "backup-fleet" / "20260301T120000Z" / "record.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"state": "done", "marks": []}))
    assert "was overwritten" in of(await examine(folder), "product", "warn").message


@pytest.mark.parametrize(
    ("breakage", "said", "cure"),
    [
        (".git", "is not a git repository", "git init"),
        (".overstory/config.yaml", "is not initialized", "fleet adopt product-a"),
        (".", "does not exist", "`path`"),
    ],
)
async def test_incomplete_product_is_reported(breakage: str, said: str, cure: str, folder: Path) -> None:
    (folder / "product-a" / breakage).rename(folder / "gone")
    found = await examine(folder)
    check = of(found, "product")
    assert said in check.message
    assert cure in check.fix
    assert found.exit_code == 1


async def test_unreadable_product_configuration_is_reported(folder: Path) -> None:
    (folder / "product-a" / ".overstory" / "config.yaml").write_text("project: {name: [\n")
    assert "config.yaml:2:1 cannot be read" in of(await examine(folder), "product").message


async def test_fix_removes_leftovers_of_a_fleet(folder: Path) -> None:
    state = folder / ".fleet"
    (state / "runtime").mkdir(parents=True)
    state.chmod(0o755)
    (state / "web-token").write_text("token\n")
    (state / "bot.json").write_text(json.dumps({"pid": 2**22 + 1, "url": "http://127.0.0.1:1", "token": "t"}))
    place = LocalTransport(state).socket
    place.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(place))
    found = await examine(folder)
    assert "was left over by process" in of(found, "fleet", "warn").message
    assert ".fleet and .fleet/web-token and .fleet/bot.json" in of(found, "state", "warn").message
    assert "its supervisor does not answer and will be restarted with the fleet" in of(found, "runtime", "warn").message
    assert found.fixed == ()
    fixed = await examine(folder, fix=True)
    assert fixed.exit_code == 0
    assert len(fixed.fixed) == 5
    assert not (state / "bot.json").exists()
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / "web-token").read_text() == "token\n"
    assert (await examine(folder, fix=True)).fixed == (), "nothing is fixed twice"


async def test_fix_creates_the_state_folder(folder: Path) -> None:
    found = await examine(folder, fix=True)
    assert found.fixed == (f"created {folder / '.fleet'}",)
    assert (folder / ".fleet").stat().st_mode & 0o777 == 0o700


async def test_broken_check_does_not_stop_the_others(folder: Path) -> None:
    (folder / ".env").mkdir()
    (folder / "products.yaml").unlink()
    (folder / "products.yaml").mkdir()
    (folder / ".fleet").mkdir()
    (folder / ".fleet" / "bot.json").mkdir()
    found = await examine(folder, FLEET_ENGINE="steam", FLEET_RUNTIME_SOCKET=str(folder / "s"), ANTHROPIC_API_KEY="x y")
    names = {check.name for check in found.checks}
    assert names >= {"settings", "registry", "state", "store", "fleet", "ports", "engine", "claude", "clock"}
    assert found.exit_code == 2
    json.dumps(found.as_json())
    assert "✖ settings" in Screen().findings(found)


def test_exit_code_follows_the_worst_check() -> None:
    fine, warned = Check("a", "ok", "x"), Check("b", "warn", "x", "y")
    failed, fatal = Check("c", "fail", "x", "y"), Check("d", "fail", "x", "y", fatal=True)
    for checks, code, words in (
        ([fine], 0, "No problems found."),
        ([fine, warned], 0, "1 warning. The fleet can run."),
        ([failed, warned], 1, "1 problem, 1 warning. The fleet can start, but some of it will not work."),
        ([failed, fatal], 2, "2 problems. The fleet cannot start."),
    ):
        found = Findings(tuple(checks))
        assert (found.exit_code, found.summary) == (code, words)
