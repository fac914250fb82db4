"""Runs engine commands with a deadline and an output limit, and ends their whole process group."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from bot.supervisor import errors
from bot.supervisor.protocol import ChannelError

OUTPUT_CAP = 4 * 1024 * 1024
"""Most bytes of each output stream of a command."""

ARGUMENT_CAP = 120_000
"""Longest single argument in bytes. Linux refuses more than 131072 (MAX_ARG_STRLEN)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Exit code and output of a command."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """JSON that the command printed, None if there is none."""
        return parse(self.stdout)

    @property
    def error_text(self) -> str:
        """Error message of the command, from the JSON envelope, else from stderr, else from the end of stdout."""
        found = self.json
        if isinstance(found, dict) and isinstance(found.get("error"), str):
            return str(found["error"])
        return self.stderr.strip() or self.stdout.strip()[-errors.MAX_WORDS :]


def parse(stdout: str) -> Any:
    """Return the JSON in a command's output, None if there is none.

    This is the last line that is JSON by itself, else everything from the first line that starts like JSON."""
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
    """Return a text that is safe as an argument, without NUL and never mistaken for an option.

    Raises `too_large`."""
    clean = text.replace("\0", "").encode("utf-8", "replace").decode()
    if clean.startswith("-"):
        clean = f" {clean}"
    if len(clean.encode()) > ARGUMENT_CAP:
        raise ChannelError("too_large", f"The text of {len(clean)} characters is too long for a command.", "Shorten it.")
    return clean


async def run(
    argv: Sequence[str], cwd: Path, *, env: Mapping[str, str] | None = None, deadline: float = 30.0, text: str | None = None
) -> Outcome:
    """Run a command to its end with `text` on its stdin.

    Raises `timed_out`, `output_too_large` or `engine_missing`."""
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write((text or "").encode("utf-8", "replace"))
        stdin.seek(0)
        process = _spawn(argv, cwd, env, stdin, stdout, stderr)
        try:
            async with asyncio.timeout(deadline):
                code = await _wait(process, (stdout, stderr))
        except TimeoutError as error:
            summary = f"`{' '.join(argv[:4])}` took longer than {deadline:g} s and was stopped."
            raise ChannelError("timed_out", summary, "Try again, and check the load of the runtime.") from error
        finally:
            _end_group(process)
        return Outcome(tuple(argv), code, _output(stdout), _output(stderr))


def _spawn(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]
) -> "subprocess.Popen[bytes]":
    """Start a command, not in a thread, because a cancelled caller would leave it running."""
    try:
        return subprocess.Popen(argv, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True)
    except FileNotFoundError as error:
        raise (errors.path_missing(cwd) if not cwd.exists() else errors.engine_missing(argv[0])) from error
    except PermissionError as error:
        raise ChannelError("engine_missing", f"{argv[0]} cannot be run: {error.strerror}.", "Fix its permissions.") from error


async def _wait(process: "subprocess.Popen[bytes]", outputs: Sequence[IO[bytes]]) -> int:
    """Wait for a command's exit code.

    Its output goes to files, so processes that it leaves behind cannot block this."""
    pause = 0.005
    while (code := process.poll()) is None:
        await asyncio.sleep(pause)
        pause = min(pause * 1.3, 0.05)
        if any(os.fstat(output.fileno()).st_size > OUTPUT_CAP for output in outputs):
            raise ChannelError("output_too_large", f"A command printed more than {OUTPUT_CAP} bytes.", "Request less data.")
    return code


def _output(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read(OUTPUT_CAP).decode("utf-8", "replace")


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a command that still runs, with every process in its group."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
