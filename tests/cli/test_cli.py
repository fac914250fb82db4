"""The command line with and without a running fleet, in pipes and terminals."""

import asyncio
import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot import registry
from bot.agent.model import Model
from bot.cli.init import registry_text
from bot.cli.main import main
from bot.cli.render import Screen, plain, screen, spoken
from bot.domain import WorkState
from tests.chat.web.webbed import TOKEN, WebBed
from tests.fakes.model import ScriptedModel, call, say
from tests.process import PATIENCE, Process

FLEET = [sys.executable, "-m", "bot.cli"]
BARE = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


@dataclass(frozen=True, slots=True)
class Done:
    """Exit code and output of a command."""

    returncode: int
    stdout: str
    stderr: str


def fleet(*words: str, cwd: Path, env: dict[str, str] | None = None, stdin: str = "") -> Done:
    """Run one command to its end with its own environment and folder."""
    before, ours = dict(os.environ), sys.stdin
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err, chdir(cwd):
        os.environ.clear()
        os.environ.update({**BARE, **(env or {})})
        sys.stdin = io.StringIO(stdin)
        try:
            code = main(words)
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.stdin = ours
            os.environ.clear()
            os.environ.update(before)
    return Done(code, out.getvalue(), err.getvalue())


def alone(*words: str, cwd: Path, env: dict[str, str] | None = None) -> Done:
    """Run one command in its own process."""
    done = subprocess.run(
        [*FLEET, *words], cwd=cwd, env={**BARE, **(env or {})}, capture_output=True, text=True, timeout=PATIENCE
    )
    return Done(done.returncode, done.stdout, done.stderr)


# -- without any fleet


def test_overview_lists_every_command_on_a_line(tmp_path: Path) -> None:
    done = alone(cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == fleet("--help", cwd=tmp_path).stdout
    for line in ("fleet up ", "fleet doctor ", "fleet status ", "fleet approve-plan "):
        assert f"  {line}" in done.stdout
    assert list(tmp_path.iterdir()) == [], "help creates no file"
    assert fleet("--version", cwd=tmp_path).stdout.startswith("meta-coordinator 0.")


def test_help_of_a_skill_needs_no_fleet(tmp_path: Path) -> None:
    done = fleet("spawn", "--help", cwd=tmp_path)
    assert done.stdout.startswith("fleet spawn <product> <objective…> [--capability NAME] [--priority")
    assert "fleet spawn product-a ship the auth feature" in done.stdout
    assert json.loads(fleet("help", "gates", "--json", cwd=tmp_path).stdout)["name"] == "gates"
    assert "--demo" in fleet("init", "--help", cwd=tmp_path).stdout
    assert "--demo" in fleet("help", "init", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["statsu"], "There is no command “statsu”.\nDid you mean fleet status?\n"),
        (
            ["gates", "--al"],
            "gates has no option --al.\nPut -- before words that begin with dashes. Did you mean fleet gates --all?",
        ),
        (["pause"], "pause needs <product>: name of the product.\nUsage: fleet pause <product> [--park] [--focus NAME]\n"),
        (["doctor", "--bogus"], "unrecognized arguments: --bogus"),
        (["ask"], 'fleet ask PRODUCT "WORDS"'),
    ],
)
def test_usage_error_suggests_a_correction(words: list[str], said: str, tmp_path: Path) -> None:
    done = fleet(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("files", "env", "said"),
    [
        ({}, {}, "fleet init"),
        ({"products.yaml": "products:\n  - {name: a, paht: x}\n"}, {}, "products.yaml:2:"),
        ({"products.yaml": "products: []\n"}, {"FLEET_WEB_PORT": "many"}, "FLEET_WEB_PORT"),
        ({"products.yaml": "products: []\n", ".fleet": "a file"}, {}, ".fleet"),
    ],
)
def test_failed_start_gives_the_reason_without_a_traceback(
    files: dict[str, str], env: dict[str, str], said: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = fleet("up", cwd=tmp_path, env={"FLEET_ENGINE": "rehearsal", "FLEET_WEB_PORT": "0", "FLEET_GATEWAY_PORT": "0", **env})
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# -- with a running fleet


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("fleet")) as process:
        process.start()
        yield process


def ask(running: Process, *words: str, stdin: str = "") -> Done:
    return fleet(*words, cwd=running.state, env=running.environment, stdin=stdin)


def as_json(running: Process, *words: str) -> Any:
    return json.loads(ask(running, *words, "--json").stdout)


def test_start_up_report_lists_parts_and_page_address(running: Process) -> None:
    report = running.until(lambda: running.log.read_text() if "\nready in " in running.log.read_text() else "", "it is ready")
    assert report.startswith("meta-coordinator 0.1.0\n  products   4 in ")
    assert "  engine     0.11.0 (rehearsal) · FLEET_ENGINE=rehearsal\n" in report
    assert "  claude     off: set ANTHROPIC_API_KEY" in report
    assert report.count("?token=") == 1


def test_second_fleet_on_a_state_folder_is_refused(running: Process) -> None:
    done = ask(running, "up")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Another fleet is already running on" in done.stderr


def test_status_is_printed_as_text_table_and_json(running: Process) -> None:
    done = ask(running, "status")
    assert done.returncode == 0
    assert done.stdout.startswith("Fleet: 4 idle")
    assert "\nPRODUCT      STATE" in done.stdout
    assert "\n○ product-c  Idle" in done.stdout
    assert "\x1b" not in done.stdout
    found = as_json(running, "status", "product-b", "Product_A")
    assert [each["name"] for each in found["products"]] == ["product-a", "product-b"]
    assert set(found["capacity"]) == {
        "slots",
        "sessions_running",
        "sessions",
        "cpu_percent",
        "memory_gb",
        "cost_usd_today",
    }


def test_errors_are_printed_as_json_and_as_text(running: Process) -> None:
    done = ask(running, "gates", "g99", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "not_found"
    done = ask(running, "pause", "product-x")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Did you mean" in done.stderr
    done = ask(running, "statsu", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "usage"


def test_work_runs_from_the_terminal_to_its_end(running: Process) -> None:
    found = as_json(running, "spawn", "product-a", "[complex] fix what's broken")
    id = found["work"]["id"]
    assert found["work"]["objective"] == "[complex] fix what's broken"
    gate = running.until(lambda: running.gates(), "a plan waits")[0]["id"]
    done = ask(running, "gates", gate)
    assert "Plan" in done.stdout
    assert f"fleet approve-plan {gate}" in done.stdout
    assert "Approved by owner in the terminal" in ask(running, "approve-plan", gate).stdout
    again = ask(running, "approve-plan", gate, "reject")
    assert again.returncode == 1
    assert "Already decided: approved by owner" in again.stderr
    running.until(lambda: [each for each in running.work() if each["id"] == id and each["state"] == "done"], "it is done")
    assert "result" in ask(running, "mail", "product-a").stdout


def test_stop_needs_confirmation(running: Process) -> None:
    as_json(running, "spawn", "product-d", "[stall] wait")
    running.until(lambda: as_json(running, "inspect", "product-d")["sessions"], "it runs")
    done = ask(running, "stop", "product-d")
    assert done.returncode == 1
    assert "run fleet stop product-d --yes" in done.stdout
    assert ask(running, "stop", "product-d", "--yes").returncode == 0


def test_ask_with_a_product_returns_its_answer(running: Process) -> None:
    done = ask(running, "ask", "Product-C", "how are you?")
    assert done.returncode == 0
    assert "product-c answers:\n\n> Rehearsal coordinator" in done.stdout
    done = ask(running, "ask", "product-c")
    assert done.returncode == 2
    assert "ask needs <question…>" in done.stderr


def test_plain_language_without_a_key_suggests_a_command(running: Process) -> None:
    done = ask(running, "ask", "-", stdin="what is the status?\n")
    assert done.returncode == 0
    assert "fleet status" in done.stdout
    assert as_json(running, "ask", "what is the status?")["replies"][0]["suggestions"][0]["command"] == "/fleet status"


def test_skill_of_a_running_fleet_imports_nothing_heavy(running: Process) -> None:
    code = (
        "import sys; from bot.cli.main import main; main(['status', '--json']);"
        "print([n for n in ('aiohttp', 'anthropic', 'rich', 'docker', 'yaml', 'markdown_it', 'asyncio') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=running.state,
        env=running.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout[-300:] + done.stderr[-300:]


def test_terminal_output_is_coloured_unless_no_color_is_set(running: Process) -> None:
    def shown(**more: str) -> str:
        ours, theirs = pty.openpty()
        env = {**running.environment, "TERM": "xterm", **more}
        with subprocess.Popen(
            [*FLEET, "status"], cwd=running.state, env=env, stdout=theirs, stdin=subprocess.DEVNULL
        ) as process:
            os.close(theirs)
            text = b""
            while True:
                try:
                    piece = os.read(ours, 65536)
                except OSError:
                    break
                text += piece
                if not piece:
                    break
            process.wait(PATIENCE)
        os.close(ours)
        return text.decode()

    assert "\x1b[1mFleet:" in shown()
    assert "\x1b" not in shown(NO_COLOR="1")


def test_skill_without_a_running_fleet_runs_in_the_command(tmp_path: Path) -> None:
    with Process(tmp_path) as process:
        env = process.environment
        assert alone("status", cwd=tmp_path, env=env).stdout.startswith("Fleet: 4 idle")
        found = alone("spawn", "product-a", "look round", "--capability", "scout", "--json", cwd=tmp_path, env=env)
        assert json.loads(found.stdout)["work"]["id"] == "w1"
        seen = json.loads(alone("inspect", "product-a", "--json", cwd=tmp_path, env=env).stdout)
        assert seen["sessions"][0]["capability"] == "scout", "the work was started before the command ended"
        process.start()
        process.until(lambda: process.work()[0]["state"] == "done", "a fleet that starts later learns of its end")
        assert process.process is not None
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(PATIENCE) == 0
        assert process.log.read_text().endswith("Stopped. Running sessions keep going.\n")
        assert not (process.state / "bot.json").exists()


def test_unresponsive_fleet_is_reported(running: Process, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "bot.json").write_text(json.dumps({"pid": os.getpid(), "url": "http://127.0.0.1:9", "token": "x"}))
    done = fleet("status", cwd=tmp_path, env={**running.environment, "FLEET_STATE": str(state)})
    assert done.returncode == 2
    assert f"A fleet is running (process {os.getpid()}), but it does not answer" in done.stderr


# -- talking with the agent


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator["Desk"]:
    async with Desk(tmp_path) as desk:
        yield desk


class Desk(WebBed):
    """A fleet with a scripted model, which commands in its folder find."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, model=self.scripted)
        self.replies = ScriptedModel()

    def scripted(self) -> Model:
        return self.replies

    async def start(self) -> None:
        await super().start()
        (self.folder / ".fleet").mkdir(exist_ok=True)
        (self.folder / ".fleet" / "bot.json").write_text(json.dumps({"pid": os.getpid(), "url": self.url, "token": TOKEN}))

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        """Start a command in its own process."""
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*FLEET, *words, cwd=self.folder, env=BARE, stdout=pipe, stderr=pipe)


async def test_answer_streams_and_running_skills_go_to_standard_error(desk: Desk) -> None:
    desk.replies.replies = [call("status"), say("All **three** are idle.")]
    process = await desk.begin("ask", "how", "are", "they?")
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert out.decode() == "All **three** are idle.\n"
    assert "· status" in err.decode()
    assert process.returncode == 0
    (post,) = [post for post in desk.store.posts.of("web:terminal") if post.author != "fleet"]
    assert post.text == "how are they?"


async def test_ctrl_c_stops_the_turn(desk: Desk) -> None:
    hold = asyncio.Event()
    desk.replies.replies = [say("This takes very long.", hold=hold)]
    process = await desk.begin("ask", "tell me a story")
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readexactly(4), PATIENCE) == b"This", "output is streamed"
    process.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    hold.set()
    assert b"very long" not in out
    assert process.returncode == 0
    assert desk.router.running() == {}


async def test_model_error_is_printed(desk: Desk) -> None:
    desk.replies.replies = [say("", status=401, error="invalid x-api-key")]
    process = await desk.begin("ask", "hello")
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert b"invalid x-api-key" in out
    assert process.returncode == 1


async def test_running_fleet_runs_the_skill(desk: Desk) -> None:
    process = await desk.begin("spawn", "product-a", "fix it")
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert out.decode().startswith("w1 for product-a: objective “fix it”. It starts now."), err
    await desk.settled()
    assert desk.work("w1").state is WorkState.RUNNING


# -- fleet init


def test_init_adds_existing_repositories_and_changes_no_file(tmp_path: Path) -> None:
    for name in ("shop", "My Site!"):
        (tmp_path / "work" / name / ".git").mkdir(parents=True)
    (tmp_path / "work" / "notes").mkdir()
    done = fleet("init", "work", cwd=tmp_path)
    assert done.returncode == 0
    assert "added    2 git repositories: My Site!, shop" in done.stdout
    assert done.stdout.endswith("next     cd work && fleet up\n")
    found = registry.load(tmp_path / "work" / "products.yaml", check_paths=True)
    assert [(each.name, Path(each.path).name) for each in found.products] == [("My-Site", "My Site!"), ("shop", "shop")]
    env = tmp_path / "work" / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    assert "\n# ANTHROPIC_API_KEY=\n" in env.read_text()
    env.write_text("FLEET_WEB_PORT=1234\n")
    again = fleet("init", "work", cwd=tmp_path)
    assert "skipped  work/.env (it exists)" in again.stdout
    assert env.read_text() == "FLEET_WEB_PORT=1234\n"


def test_fleet_starts_after_init_in_an_empty_folder(tmp_path: Path) -> None:
    assert fleet("init", cwd=tmp_path).stdout.endswith("next     fleet up\n")
    assert registry.load(tmp_path / "products.yaml").products == ()
    done = alone("products", cwd=tmp_path, env={"FLEET_ENGINE": "rehearsal"})
    with Process(tmp_path / "for its supervisor") as process:
        process.state = tmp_path / ".fleet"
    assert "No products yet" in done.stdout


def test_init_demo_adds_four_products(tmp_path: Path) -> None:
    found = json.loads(fleet("init", "--demo", "--json", cwd=tmp_path).stdout)
    assert found["written"] == [".env"]
    (line,) = [line for line in (tmp_path / ".env").read_text().splitlines() if line.startswith("FLEET_PRODUCTS=")]
    assert len(registry.load(tmp_path / line.partition("=")[2], check_paths=True).products) == 4


def test_bundled_registry_is_copied_before_use(tmp_path: Path) -> None:
    from bot import demo
    from bot.demo import registry_of

    (tmp_path / "products.yaml").symlink_to(demo.bundled())
    state = tmp_path / "state"
    assert registry_of(tmp_path / "products.yaml", state, given=False) == state / "demo" / "products.yaml"
    assert state.stat().st_mode & 0o777 == 0o700
    assert registry_of(tmp_path / "products.yaml", state, given=True) == tmp_path / "products.yaml"


def test_template_is_a_valid_registry() -> None:
    assert registry.parse(registry_text(()), Path("products.yaml")).products == ()


# -- the console


def test_plain_removes_markdown_marks() -> None:
    text = "**product-a** is `idle`.\n\n```diff\n-a **b**\n+`c`\n```\n> quoted"
    assert plain(text) == "product-a is idle.\n\n-a **b**\n+`c`\n> quoted"
    assert (
        spoken("Say `/fleet status`, see http://x/fleet and /fleeting")
        == "Say `fleet status`, see http://x/fleet and /fleeting"
    )


def test_table_replaces_the_list_and_warnings_stay() -> None:
    table = {"columns": ["name", "empty", "note"], "rows": [["a", "", "x\ny"], ["bbb", "", "**z**"]]}
    shown = Screen().result({"text": "Head\n\n- a\n- b\n- ⚠ beware", "table": table})
    assert shown == "Head\n\nNAME  NOTE\na     x y\nbbb   z\n\n- ⚠ beware"
    assert Screen().result({"text": "Nothing.", "table": {"columns": ["a"], "rows": []}}) == "Nothing."


def test_colour_depends_on_the_terminal() -> None:
    assert screen(terminal=True, environ={"TERM": "xterm"}).colour
    assert not screen(terminal=False, environ={}).colour
    assert not screen(terminal=True, environ={"NO_COLOR": "1"}).colour
    assert not screen(terminal=True, environ={"TERM": "dumb"}).colour
    text = Screen(colour=True, width=60).result(
        {"text": "**a**\n\n- x", "table": {"columns": ["n"], "rows": [["[red]x[/red]"]]}}
    )
    assert "[red]x[/red]" in text, "text of agents is not markup"


def test_discord_invite_prints_the_link_and_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discord-invite", "42"]) == 0
    said = capsys.readouterr().out
    assert "client_id=42" in said and "pin_messages" in said and "message_content" in said
    assert main(["discord-invite", "42", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["url"].startswith("https://")
