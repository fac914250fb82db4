"""The way to a supervisor on this machine, which is started when there is none: a process of its own that outlives the bot.

Its socket, log and memory are in `<state>/runtime/`. A supervisor of another make (other code, other engine) is replaced as
soon as no session runs in it; until then it is used as it is.
"""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from bot import supervisor
from bot.domain.errors import RuntimeUnreachable
from bot.engine import unix
from bot.engine.channel import Channel
from bot.engine.transport import Line, Transport
from bot.supervisor.protocol import ChannelError

log = logging.getLogger(__name__)

START = 20.0
"""Seconds that a supervisor may take until it answers."""

LOOK = 0.02
"""Seconds between two looks whether one has come or gone."""

TALK = 15.0
"""Seconds for asking a supervisor that is there already what it is, and to make room."""

LOG_CAP = 8 * 1024 * 1024
"""Size in bytes from which on the log of the supervisors before is put aside at a start."""

OCCUPIED = 1
"""Exit code of a supervisor that finds another one on its socket."""

SECRETS = ("SLACK_", "DISCORD_", "FLEET_", "WHATSAPP_")
"""Beginnings of the bot's own variables, which are none of the engine's business."""


def rehearsal() -> tuple[str, ...]:
    """The command of the stand-in engine."""
    return (sys.executable, "-P", "-m", "bot.rehearsal")


def engine_on_path(path: str | None = None) -> str | None:
    """The engine that this machine has itself: `ov` or `overstory` on the PATH (or on the one given), None without."""
    return shutil.which("ov", path=path) or shutil.which("overstory", path=path)


class LocalTransport(Transport):
    """A supervisor beside the bot. `kind` is `rehearsal` or `local` (the engine on the PATH of `environment`)."""

    def __init__(
        self,
        state: Path,
        kind: str = "rehearsal",
        *,
        name: str = "local",
        environment: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> None:
        self.name, self.kind = name, kind
        self.folder = (state / "runtime").absolute()
        self.socket = _socket_in(self.folder)
        self._environment = _for_the_engine(os.environ if environment is None else environment, key)
        self._engine = rehearsal() if kind == "rehearsal" else self._found()
        self._make = _make(self._engine, self._environment)
        self._checked = False

    async def open(self) -> Line:
        """See `Transport`."""
        if not self._checked and await self._answers():
            await self._make_room()
        if not await self._answers():
            await self._start()
        self._checked = True
        try:
            return await unix.connected(self.socket)
        except (OSError, TimeoutError) as error:
            raise RuntimeUnreachable(f"The supervisor on {self.socket} does not answer.", self._hint()) from error

    def _found(self) -> tuple[str, ...]:
        found = engine_on_path(self._environment.get("PATH"))
        return (found,) if found else ()

    async def _answers(self) -> bool:
        try:
            line = await unix.connected(self.socket)
        except (OSError, TimeoutError):
            return False
        await line.close()
        return True

    async def _make_room(self) -> None:
        """Let a supervisor of another make end, unless sessions run in it."""
        try:
            async with asyncio.timeout(TALK):
                info = await self._ask("hello")
                if info.get("make") in (None, self._make) or not (await self._ask("shutdown")).get("stopping"):
                    return
                log.info("the supervisor on %s was of another make and ends", self.socket)
                await self._until_silent()
        except (OSError, TimeoutError, ChannelError) as error:
            log.warning("the supervisor on %s could not be asked what it is: %s", self.socket, error)

    async def _until_silent(self) -> None:
        for _ in range(round(TALK / LOOK)):
            if not await self._answers():
                return
            await asyncio.sleep(LOOK)

    async def _ask(self, method: str) -> dict[str, Any]:
        """Return the result of one method, or of the hello, over a connection of its own."""
        channel = Channel(await unix.connected(self.socket))
        try:
            hello = await channel.greet("fleet")
            return dict(hello if method == "hello" else await channel.ask(method, {}))
        finally:
            await channel.close()

    async def _start(self) -> None:
        pid = await asyncio.to_thread(self._spawn)
        deadline = time.monotonic() + START
        while not await self._answers():
            code = _exit_code(pid)
            if code == OCCUPIED:
                # One before it has not let go of the socket yet, or another bot was faster: then that one answers soon.
                pid = await asyncio.to_thread(self._spawn)
            elif code is not None:
                raise RuntimeUnreachable(f"The supervisor ended as soon as it was started: {self._last_words()}", self._hint())
            if time.monotonic() > deadline:
                raise RuntimeUnreachable(f"The supervisor did not answer within {START:g} s.", self._hint())
            await asyncio.sleep(LOOK)

    def _spawn(self) -> int:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "socket").write_text(f"{self.socket}\n")
        argv = [sys.executable, "-P", "-m", "bot.supervisor", "--socket", str(self.socket), "--state", str(self.folder)]
        argv += ["--make", self._make, *(f"--engine={word}" for word in self._engine)]
        path = self.folder / "supervisor.log"
        if path.exists() and path.stat().st_size > LOG_CAP:
            path.replace(path.with_suffix(".log.1"))
        log_file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            outputs = [(os.POSIX_SPAWN_DUP2, log_file, number) for number in (1, 2)]
            actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), *outputs]
            # Not subprocess: that takes it for a mistake when what it started lives on.
            return os.posix_spawn(argv[0], argv, self._environment, file_actions=actions, setsid=True)
        finally:
            os.close(log_file)

    def _last_words(self) -> str:
        lines = (self.folder / "supervisor.log").read_text("utf-8", "replace").strip().splitlines()
        return lines[-1][:500] if lines else "it said nothing."

    def _hint(self) -> str:
        return f"See {self.folder / 'supervisor.log'}."


def _exit_code(pid: int) -> int | None:
    """The exit code of a process that we started, None while it runs."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if ended else None


def _for_the_engine(environment: Mapping[str, str], key: str | None) -> dict[str, str]:
    """What the supervisor and the engine's agents may know of the bot's environment; `key` is the engine's own API key."""
    kept = {name: value for name, value in environment.items() if not name.startswith(SECRETS)}
    own = kept.pop("ENGINE_ANTHROPIC_API_KEY", None)
    if key or own:
        kept["ANTHROPIC_API_KEY"] = key or own or ""
    return kept


def _make(engine: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """What tells one supervisor from another: its code, its engine, how the rehearsal is set."""
    rehearsed = [environment.get(name, "") for name in ("REHEARSAL_DIALECT", "REHEARSAL_SECONDS")]
    digest = sha256("\0".join([*engine, *rehearsed]).encode("utf-8", "surrogateescape"))
    for path in sorted(Path(supervisor.__file__).resolve().parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _socket_in(folder: Path) -> Path:
    """Where the socket is: in the folder, or under a short name elsewhere where the folder's path is too long for one."""
    wished = folder / "supervisor.sock"
    if len(os.fsencode(wished)) <= unix.LONGEST:
        return wished
    base = os.environ.get("XDG_RUNTIME_DIR")
    short = Path(base) / "fleet" if base else Path(tempfile.gettempdir()) / f"fleet-{os.getuid()}"
    short.mkdir(mode=0o700, parents=True, exist_ok=True)
    if short.is_symlink() or short.stat().st_uid != os.getuid() or short.stat().st_mode & 0o077:
        raise RuntimeUnreachable(
            f"{short} belongs to somebody else, so the supervisor's socket cannot be put there.",
            "Choose a shorter FLEET_STATE, or set XDG_RUNTIME_DIR.",
        )
    return short / f"{sha256(os.fsencode(folder)).hexdigest()[:16]}.sock"
