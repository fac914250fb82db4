"""Product folders and supervisors over the rehearsal, for tests of the engine client."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.domain import Mail, Product, Snapshot
from bot.engine.base import EngineEvent, MailArrived, RuntimeUp, SnapshotChanged
from bot.engine.supervised import SupervisedEngine
from bot.engine.transport import Transport
from bot.engine.unix import UnixTransport
from tests.ending import end_everything_in

ROOT = Path(__file__).resolve().parents[1]
REHEARSAL = (sys.executable, "-P", "-m", "bot.rehearsal")
PATIENCE = 20.0
"""Most seconds that a test waits for something."""


def environment(**more: str) -> dict[str, str]:
    """Return the environment of supervisors and rehearsals.

    It hides this machine's engines and makes agents quick."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("REHEARSAL_", "SUPERVISOR_", "ANTHROPIC_"))
    }
    return {**kept, "REHEARSAL_SECONDS": "0.05", **more}


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> Any:
    """Wait until a condition holds and return its value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the awaited condition did not become true"
        await asyncio.sleep(0.01)
    return found


async def eventually(condition: Callable[[], Awaitable[object]], seconds: float = PATIENCE) -> None:
    """Wait until an asynchronous condition holds."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "the awaited condition did not become true"
        await asyncio.sleep(0.02)


class Supervisor:
    """Supervisor process on its own socket."""

    def __init__(self, folder: Path, *, idle: float = 300.0, engine: Sequence[str] = (), **env: str) -> None:
        self.folder = folder
        self.socket = folder / "s.sock"
        self.state = folder / "state"
        self._engine = tuple(engine) or REHEARSAL
        self._idle, self._env = idle, environment(TMPDIR=str(folder), **env)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "bot.supervisor", "--socket", str(self.socket), "--state", str(self.state)]
        argv += ["--idle", str(self._idle), "--log", "debug", *(f"--engine={word}" for word in self._engine)]
        with (self.folder / "log").open("ab") as out:
            self.process = subprocess.Popen(argv, env=self._env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        deadline = time.monotonic() + PATIENCE
        while not self.listens():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)

    def listens(self) -> bool:
        """Return True if a process listens on its socket."""
        with socket.socket(socket.AF_UNIX) as end:
            return end.connect_ex(str(self.socket)) == 0

    def check(self) -> "subprocess.CompletedProcess[str]":
        """Run `--check`."""
        argv = [sys.executable, "-m", "bot.supervisor", "--check", str(self.socket)]
        return subprocess.run(argv, env=self._env, capture_output=True, text=True, check=False, timeout=PATIENCE)

    def end(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait for that. Processes that it started keep running."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(sign)
            self.process.wait(PATIENCE)
            self.process = None

    def forget(self, folder: Path) -> None:
        """Remove its records of products in a folder, so that it does not restart what a test ends."""
        for fact in self.state.glob("*-*.json"):
            if str(folder) in fact.read_text():
                fact.unlink()

    @property
    def log(self) -> str:
        """Return its log."""
        return (self.folder / "log").read_text() if (self.folder / "log").exists() else ""


class Ear:
    """Listener that records an engine's events in order."""

    def __init__(self) -> None:
        self.events: list[EngineEvent] = []

    def __call__(self, event: EngineEvent) -> None:
        self.events.append(event)

    def of(self, kind: type) -> list[Any]:
        """Return the events of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    def mail(self, product: str) -> list[Mail]:
        """Return all mail of a product, including repetitions."""
        return [mail for event in self.of(MailArrived) if event.product == product for mail in event.mail]

    def letters(self, product: str, **fields: str) -> list[Mail]:
        """Return the mail of a product with these fields."""
        return [mail for mail in self.mail(product) if all(getattr(mail, key) == value for key, value in fields.items())]

    def latest(self, product: str) -> Snapshot | None:
        """Return the newest snapshot of a product."""
        found = [event.snapshot for event in self.of(SnapshotChanged) if event.snapshot.product == product]
        return found[-1] if found else None

    async def up(self, times: int) -> None:
        """Wait until the runtime came up this many times."""
        await until(lambda: len(self.of(RuntimeUp)) >= times)

    async def letter(self, product: str, **fields: str) -> Mail:
        """Wait for the first mail with these fields."""
        await until(lambda: self.letters(product, **fields))
        return self.letters(product, **fields)[0]

    async def state(self, product: str, condition: Callable[[Snapshot], object]) -> Snapshot:
        """Wait for a snapshot that meets a condition."""
        await until(lambda: (found := self.latest(product)) is not None and condition(found))
        found = self.latest(product)
        assert found is not None
        return found


class Yard:
    """Products and supervisors below one folder. `close` ends every process started from it.

    `shared` is a supervisor for all tests that do nothing to it."""

    def __init__(self, folder: Path, template: Path, shared: Supervisor | None = None) -> None:
        self.folder, self._template, self._shared = folder, template, shared
        self._engines: list[SupervisedEngine] = []
        self._supervisors: list[Supervisor] = []

    def product(self, name: str) -> Product:
        """Create a product with an initialised engine."""
        path = self.folder / name
        shutil.copytree(self._template, path)
        return Product(name, str(path))

    def supervisor(self, *, own: bool = False, **options: Any) -> Supervisor:
        """Return a running supervisor.

        It is the shared one, or a new one with these options or for a test that harms it."""
        if self._shared is not None and not own and not options:
            if self._shared.process is None:
                self._shared.start()
            return self._shared
        found = Supervisor(self.folder / "r", **options)
        self._supervisors.append(found)
        found.start()
        return found

    async def engine(
        self, transport: Transport | Supervisor, *products: Product, cursors: Mapping[str, str] | None = None
    ) -> tuple[SupervisedEngine, Ear]:
        """Return a client that watches these products, with its listener."""
        chosen = UnixTransport(transport.socket) if isinstance(transport, Supervisor) else transport
        engine, ear = SupervisedEngine(chosen), Ear()
        self._engines.append(engine)
        await engine.open(ear)
        await engine.watch(products, cursors or {})
        return engine, ear

    async def close(self) -> None:
        """End everything."""
        if self._shared is not None:
            self._shared.forget(self.folder)
        for engine in self._engines:
            await engine.close()
        for supervisor in self._supervisors:
            supervisor.end(signal.SIGKILL)
        end_everything_in(self.folder)


def command(product: Product, *words: str, dialect: str = "0.11.0") -> str:
    """Run an engine command in a product and return its output, as an agent or a person would."""
    argv = [*REHEARSAL, *words]
    env = environment(REHEARSAL_DIALECT=dialect)
    done = subprocess.run(argv, cwd=product.path, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def mailed(product: Product, *, subject: str = "News", body: str = "", dialect: str = "0.11.0", **flags: str) -> None:
    """Send a mail as an agent."""
    wanted = {"from": "coordinator", "to": "operator", "type": "status", **{k.rstrip("_"): v for k, v in flags.items()}}
    named = [word for key, value in wanted.items() for word in (f"--{key}", value)]
    command(product, "mail", "send", "--subject", subject, "--body", body or subject, *named, "--json", dialect=dialect)


def template(folder: Path, dialect: str) -> Path:
    """Create an initialised product to be copied, whose tracker accepts any task."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    (folder / "README.md").write_text("# A product\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), "add", "-A"], check=True)
    subprocess.run(["git", "-C", str(folder), *identity, "commit", "-q", "-m", "first"], check=True)
    words = ("init", "--yes", "--name", folder.name, "--json") if dialect.startswith("0.11") else ("init",)
    command(Product(folder.name, str(folder)), *words, dialect=dialect)
    config = folder / ".overstory" / "config.yaml"
    text = config.read_text()
    if "beads:" in text:
        head, _, tail = text.partition("beads:\n")
        config.write_text(f"{head}beads:\n{tail.replace('enabled: true', 'enabled: false', 1)}")
        subprocess.run(["git", "-C", str(folder), *identity, "commit", "-q", "-a", "-m", "no tracker"], check=True)
    return folder
