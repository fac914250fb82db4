"""Transport to a supervisor on this machine, which is started if needed and outlives the fleet.

Its socket, log and state are in `<state>/runtime/`. A supervisor of another make (other code, other engine) is replaced as
soon as no session runs in it.
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
"""Seconds that a started supervisor may take until it answers."""

LOOK = 0.02
"""Seconds between two checks for a supervisor."""

TALK = 15.0
"""Seconds for asking a running supervisor for its make, and to stop."""

LOG_CAP = 8 * 1024 * 1024
"""Size in bytes at which the log of earlier supervisors is rotated."""

OCCUPIED = 1
"""Exit code of a supervisor whose socket is in use by another one."""

SECRETS = ("SLACK_", "DISCORD_", "FLEET_", "WHATSAPP_")
"""Prefixes of the fleet's own variables, which the engine must not see."""


def rehearsal() -> tuple[str, ...]:
    """Return the command of the stand-in engine."""
    return (sys.executable, "-P", "-m", "bot.rehearsal")


def engine_on_path(path: str | None = None) -> str | None:
    """Return the path of `ov` or `overstory` on a PATH, by default the environment's, or None."""
    return shutil.which("ov", path=path) or shutil.which("overstory", path=path)


class LocalTransport(Transport):
    """Supervisor on the fleet's machine. `kind` is `rehearsal`, or `local` for the engine on the PATH of `environment`."""

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
            await self._stop_other_make()
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

    async def _stop_other_make(self) -> None:
        """Stop a supervisor of another make unless sessions run in it."""
        try:
            async with asyncio.timeout(TALK):
                info = await self._ask("hello")
                if info.get("make") in (None, self._make) or not (await self._ask("shutdown")).get("stopping"):
                    return
                log.info("the supervisor on %s is of another make and stops", self.socket)
                await self._until_silent()
        except (OSError, TimeoutError, ChannelError) as error:
            log.warning("the supervisor on %s could not be asked for its make: %s", self.socket, error)

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
                # An earlier supervisor still holds the socket, or another fleet was faster. Its supervisor answers soon.
                pid = await asyncio.to_thread(self._spawn)
            elif code is not None:
                raise RuntimeUnreachable(f"The supervisor ended right after its start: {self._last_words()}", self._hint())
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
            # Subprocess warns about children that outlive it, and this one is meant to.
            return os.posix_spawn(argv[0], argv, self._environment, file_actions=actions, setsid=True)
        finally:
            os.close(log_file)

    def _last_words(self) -> str:
        lines = (self.folder / "supervisor.log").read_text("utf-8", "replace").strip().splitlines()
        return lines[-1][:500] if lines else "it logged nothing."

    def _hint(self) -> str:
        return f"See {self.folder / 'supervisor.log'}."


def _exit_code(pid: int) -> int | None:
    """Return the exit code of a child process, None while it runs."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if ended else None


def _for_the_engine(environment: Mapping[str, str], key: str | None) -> dict[str, str]:
    """Return the environment for the supervisor and the engine's agents. `key` is the engine's own API key."""
    kept = {name: value for name, value in environment.items() if not name.startswith(SECRETS)}
    own = kept.pop("ENGINE_ANTHROPIC_API_KEY", None)
    if key or own:
        kept["ANTHROPIC_API_KEY"] = key or own or ""
    return kept


def _make(engine: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """Return a digest of the supervisor's code, its engine and the rehearsal's settings."""
    rehearsed = [environment.get(name, "") for name in ("REHEARSAL_DIALECT", "REHEARSAL_SECONDS")]
    digest = sha256("\0".join([*engine, *rehearsed]).encode("utf-8", "surrogateescape"))
    for path in sorted(Path(supervisor.__file__).resolve().parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _socket_in(folder: Path) -> Path:
    """Return the socket's path, in the folder or, if that path is too long, under a short name elsewhere."""
    wished = folder / "supervisor.sock"
    if len(os.fsencode(wished)) <= unix.LONGEST:
        return wished
    base = os.environ.get("XDG_RUNTIME_DIR")
    short = Path(base) / "fleet" if base else Path(tempfile.gettempdir()) / f"fleet-{os.getuid()}"
    short.mkdir(mode=0o700, parents=True, exist_ok=True)
    if short.is_symlink() or short.stat().st_uid != os.getuid() or short.stat().st_mode & 0o077:
        raise RuntimeUnreachable(
            f"The supervisor's socket cannot be in {short}, which another user owns or may read.",
            "Choose a shorter FLEET_STATE, or set XDG_RUNTIME_DIR.",
        )
    return short / f"{sha256(os.fsencode(folder)).hexdigest()[:16]}.sock"
