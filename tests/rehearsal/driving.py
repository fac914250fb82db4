"""Driver of the rehearsal engine by command line and HTTP, as its clients use it."""

import contextlib
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from bot.rehearsal.main import main

ENGINE = (sys.executable, "-P", "-m", "bot.rehearsal")
PATIENCE_SECONDS = 20.0
Found = TypeVar("Found")


def until(look: Callable[[], Found], what: str) -> Found:
    """Return the first true result of a function."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS} s for {what}"
        time.sleep(0.03)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Ran:
    """Command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Last line that is JSON, else the whole output."""
        lines = [line for line in self.out.splitlines() if line.startswith(("{", "["))]
        for text in (*lines[::-1], self.out):
            try:
                return json.loads(text)
            except ValueError:
                continue
        raise AssertionError(f"no JSON in {self.out!r}, stderr {self.err!r}")

    @property
    def error(self) -> str:
        assert self.code == 1, self
        return str(self.json["error"])


@dataclass
class Product:
    """Git repository in which the engine's commands run."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    program: str = "ov"

    def ov(self, *arguments: str, **environment: str) -> Ran:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return Ran(process.returncode, out, err)

    def quickly(self, *arguments: str) -> Ran:
        """Run a command like `ov`, but in this process.

        It suits long tables and no commands that leave processes running."""
        out, err = io.StringIO(), io.StringIO()
        dialect = ["--dialect", self.environment.get("REHEARSAL_DIALECT", "0.11.0")]
        with contextlib.chdir(self.root), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([*dialect, *arguments])
        return Ran(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*ENGINE, *arguments],
            cwd=self.root,
            env={**os.environ, "REHEARSAL_SECONDS": "0.1", **self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]
        return subprocess.run(["git", *who, *arguments], cwd=self.root, capture_output=True, text=True, check=True).stdout

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def rows(self, database: str, query: str) -> list[dict[str, Any]]:
        """Return rows of a database, read-only, as clients may."""
        connection = sqlite3.connect(f"file:{self.root}/.overstory/{database}?mode=ro", uri=True)
        try:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]
        finally:
            connection.close()


def new_product(folder: Path, **environment: str) -> Product:
    """Create a small program with a test, a TODO and a README, and commit it."""
    product = Product(folder, environment)
    folder.mkdir(parents=True)
    product.git("init", "-q", "-b", "main")
    product.write("README.md", "# Shop\n\nSells apples by weight.\n")
    product.write("shop/basket.py", "def total(prices):\n    # TODO: round to cents\n    return sum(prices)\n")
    product.write("tests/test_basket.py", "def test_total():\n    assert False, 'currently fails'\n")
    product.git("add", ".")
    product.git("commit", "-q", "-m", "A shop")
    return product


class Served:
    """`ov serve` of a product, with its REST routes."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.port = free_port()
        self.process = subprocess.Popen(
            [*ENGINE, "serve", "--port", str(self.port), "--json"],
            cwd=product.root,
            env={**os.environ, "REHEARSAL_SECONDS": "0.1", **product.environment},
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout
        self.started = json.loads(self.process.stdout.readline())

    def call(self, method: str, path: str, body: object = None, *, raw: bytes | None = None) -> tuple[int, dict[str, Any]]:
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        request = Request(f"http://127.0.0.1:{self.port}{path}", data, method=method)
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def get(self, path: str) -> Any:
        status, answer = self.call("GET", path)
        assert status == 200, answer
        return answer["data"]

    def post(self, path: str, body: object = None) -> Any:
        status, answer = self.call("POST", path, body)
        assert status == 200, answer
        return answer["data"]

    def objective(self, subject: str, body: str = "Please.") -> str:
        return str(self.post("/api/coordinator/send", {"subject": subject, "body": body})["messageId"])

    def mail(self, thread: str, *kinds: str, sender: str = "coordinator") -> list[dict[str, Any]]:
        """Return the operator's mail in a thread, oldest first."""
        found = self.get("/api/mail?to=operator&limit=500")[::-1]
        return [one for one in found if one["threadId"] == thread and one["type"] in kinds and one["from"] == sender]

    def wait(self, thread: str, *kinds: str, count: int = 1) -> dict[str, Any]:
        """Return the last of `count` mails of some types from the coordinator."""
        return until(lambda: self.mail(thread, *kinds)[count - 1 : count], f"{kinds} in {thread}")[0]

    def answer(self, mail: dict[str, Any], body: str) -> None:
        self.post(f"/api/mail/{mail['id']}/reply", {"body": body})

    def end(self, *, hard: bool = False) -> None:
        if self.process.poll() is None:
            self.process.kill() if hard else self.process.terminate()
        self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.close()


def running(pid: int) -> bool:
    """Return True if a process runs and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
