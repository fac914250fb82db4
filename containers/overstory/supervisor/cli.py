"""Running engine commands: argv lists, a deadline, a cap on output, the whole process group ended when it is over."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.engine.channel import ChannelError

from . import troubles

OUTPUT_CAP = 4 * 1024 * 1024
"""Most bytes kept of each output of a command."""

ARGUMENT_CAP = 120_000
"""Longest single argument in bytes; Linux refuses more than 131072 (MAX_ARG_STRLEN)."""

LINGER = 0.5
"""Seconds that an output is still read after its command has ended, when something it started holds it open."""

READS: tuple[tuple[str, ...], ...] = (
    ("doctor",),
    ("costs",),
    ("metrics",),
    ("feed",),
    ("errors",),
    ("inspect",),
    ("group", "list"),
    ("group", "status"),
    ("worktree", "list"),
    ("run", "list"),
    ("ecosystem",),
)
"""Commands that only read and are asked for by people now and then. `status` is not among them: it writes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The JSON that it printed, None if there is none."""
        return parse(self.stdout)

    @property
    def words(self) -> str:
        """What it says went wrong: the envelope's error, else stderr, else the last of stdout."""
        found = self.json
        if isinstance(found, dict) and isinstance(found.get("error"), str):
            return str(found["error"])
        return self.stderr.strip() or self.stdout.strip()[-troubles.MAX_WORDS :]


def parse(stdout: str) -> Any:
    """The JSON in a command's output, wherever it stands among other text; None if there is none.

    The last line that is JSON by itself, else everything from the first line that begins like JSON."""
    lines = stdout.splitlines()
    for line in reversed(lines):
        if line.startswith(("{", "[")) and (found := _loaded(line)) is not None:
            return found
    for number, line in enumerate(lines):
        if line.startswith(("{", "[")):
            return _loaded("\n".join(lines[number:]))
    return None


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def argument(text: str) -> str:
    """A text as it may stand in an argv: no NUL, never mistaken for an option, short enough for the kernel."""
    clean = text.replace("\0", "").encode("utf-8", "replace").decode()
    if clean.startswith("-"):
        clean = f" {clean}"
    if len(clean.encode()) > ARGUMENT_CAP:
        raise ChannelError("too_large", f"A text of {len(clean)} characters is too long for a command.", "Shorten it.")
    return clean


async def run(
    argv: Sequence[str], cwd: Path, *, env: Mapping[str, str] | None = None, deadline: float = 30.0, text: str | None = None
) -> Outcome:
    """Run a command to its end, `text` on its stdin. Raises timed_out, output_too_large or engine_missing."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=dict(os.environ if env is None else env),
            stdin=asyncio.subprocess.DEVNULL if text is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise (troubles.path_missing(cwd) if not cwd.exists() else troubles.engine_missing(argv[0])) from error
    except PermissionError as error:
        raise ChannelError("engine_missing", f"{argv[0]} may not be run: {error.strerror}.", "Mend its permissions.") from error
    try:
        async with asyncio.timeout(deadline):
            return await _collect(process, tuple(argv), text)
    except TimeoutError as error:
        said = f"`{' '.join(argv[:4])}` took longer than {deadline:g} s and was ended."
        raise ChannelError("timed_out", said, "Try again; look at the runtime's load.") from error
    finally:
        await _end_group(process)


async def _collect(process: asyncio.subprocess.Process, argv: tuple[str, ...], text: str | None) -> Outcome:
    outputs = [bytearray(), bytearray()]
    readers = [
        asyncio.create_task(_read(stream, into)) for stream, into in zip((process.stdout, process.stderr), outputs, strict=True)
    ]
    feeding = asyncio.create_task(_feed(process, text))
    waiting = asyncio.create_task(process.wait())
    try:
        pending: set[asyncio.Task[Any]] = {*readers, waiting}
        while not waiting.done():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        if pending:
            await asyncio.wait(pending, timeout=LINGER)
        for task in readers:
            if task.done():
                task.result()
    finally:
        for task in (*readers, feeding, waiting):
            task.cancel()
        await asyncio.gather(*readers, feeding, waiting, return_exceptions=True)
    stdout, stderr = (bytes(output).decode("utf-8", "replace") for output in outputs)
    return Outcome(argv, process.returncode or 0, stdout, stderr)


async def _read(stream: asyncio.StreamReader | None, into: bytearray) -> None:
    while stream is not None and (chunk := await stream.read(65536)):
        into += chunk
        if len(into) > OUTPUT_CAP:
            raise ChannelError("output_too_large", f"A command printed more than {OUTPUT_CAP} bytes.", "Ask for less.")


async def _feed(process: asyncio.subprocess.Process, text: str | None) -> None:
    if text is None or process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(text.encode("utf-8", "replace"))
        await process.stdin.drain()
    process.stdin.close()


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """End a command that is still running, with everything that it started and did not set free."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    # What the command left running may hold its outputs open; asyncio has no public way to let go of them.
    process._transport.close()  # type: ignore[attr-defined]
