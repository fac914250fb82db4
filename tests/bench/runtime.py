"""A rehearsal runtime in Docker with working products, removed afterwards."""

import asyncio
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench import machine
from tests.bench.figures import Unavailable
from tests.bench.running_fleet import RunningFleet, until, write_registry
from tests.e2e.bed import ROOT, take_certificates

IMAGE = "meta-coordinator-runtime:rehearsal"
"""Name of the image in compose.yaml."""

HARDENED = ("--read-only", "--tmpfs", "/tmp:exec,mode=1777", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")
"""Options as in compose.yaml."""

VOLUMES = ("-v", "/projects", "-v", "/run/fleet", "-v", "/home/agent")

OBJECTIVE = "hold the line until the benchmark is over"

TOGETHER = 5
"""Number of products whose work is started at the same time. Each starts three processes."""

MAKE_PRODUCTS = """
set -eu
cd /projects
for name in "$@"; do
  cp -R product-a "$name"
  sed -i "s/name: product-a/name: $name/" "$name/.overstory/config.yaml"
  git -C "$name" commit --quiet --all --message "$name"
done
"""


async def docker(*words: str, check: bool = True) -> str:
    """Return what a docker command prints, or raise its error text."""
    process = await asyncio.create_subprocess_exec(
        "docker", *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    if check and process.returncode != 0:
        raise RuntimeError(f"docker {' '.join(words)[:200]}: {err.decode()[-2000:]}")
    return out.decode()


async def build() -> None:
    """Build the image from this checkout. Raises Unavailable without Docker."""
    if shutil.which("docker") is None:
        raise Unavailable("docker is not installed")
    try:
        await docker("info")
    except RuntimeError as error:
        raise Unavailable("no Docker engine answers") from error
    base = await asyncio.create_subprocess_exec(ROOT / "containers/base/make", stdout=asyncio.subprocess.DEVNULL)
    if await base.wait() != 0:
        raise Unavailable("the image debian:trixie-slim can be neither pulled nor made here")
    take_certificates()
    recipe = str(ROOT / "containers/overstory/Dockerfile")
    await docker("build", "--quiet", "--file", recipe, "--target", "rehearsal", "--tag", IMAGE, str(ROOT))


class Runtime:
    """A container with `count` products, idle at first. Started work lasts as long as the container."""

    def __init__(self, count: int) -> None:
        self.container = f"fleet-bench-{secrets.token_hex(4)}"
        self.products = {f"product-{number:03}": f"/projects/product-{number:03}" for number in range(1, count + 1)}

    async def __aenter__(self) -> Self:
        await build()
        name = ("--name", self.container, "--env", "REHEARSAL_SECONDS=86400")
        await docker("run", "--detach", "--rm", "--init", "--network", "none", *name, *HARDENED, *VOLUMES, IMAGE)
        try:
            await until(self._answers, "the supervisor answers")
            await docker("exec", self.container, "sh", "-c", MAKE_PRODUCTS, "make-products", *self.products)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await docker("rm", "--force", "--volumes", self.container, check=False)

    async def _answers(self) -> bool:
        asked = ("python3", "-m", "bot.supervisor", "--check", "/run/fleet/supervisor.sock")
        try:
            await docker("exec", self.container, *asked)
        except RuntimeError:
            return False
        return True

    def registry(self, path: Path, names: Sequence[str] | None = None) -> Path:
        """Write a registry file of these products, or of all."""
        chosen = {name: self.products[name] for name in names or self.products}
        return write_registry(path, chosen, runtimes=[{"name": "bench", "kind": "docker", "container": self.container}])

    async def set_to_work(self, fleet: RunningFleet) -> None:
        """Start an objective in every product, and wait for its coordinator and builder."""
        names = list(self.products)
        for first in range(0, len(names), TOGETHER):
            batch = names[first : first + TOGETHER]
            for name in batch:
                await fleet.say(f"/fleet spawn {name} {OBJECTIVE}")
            await until(lambda batch=batch: _work(fleet, batch), f"agents work in {', '.join(batch)}", pause=0.1)  # type: ignore[misc]

    async def processes(self, *words: str) -> list[int]:
        """Return the container's Python processes that start with these words. The pids are this machine's."""
        wanted = " ".join(("python3", *words))
        lines = (await docker("top", self.container, "-eo", "pid,args")).splitlines()[1:]
        found = [int(pid) for pid, argv in (line.split(None, 1) for line in lines) if argv.startswith(wanted)]
        if not found:
            raise RuntimeError(f"no `{wanted}` runs in the container")
        return found

    async def keeper(self) -> int:
        """Return Docker's process that holds the container and is the parent of everything run by exec."""
        return machine.parent(int(await docker("inspect", "--format", "{{.State.Pid}}", self.container)))


async def _work(fleet: RunningFleet, names: Sequence[str]) -> bool:
    """Return True if a coordinator and a builder work in each of these products."""
    products = (await fleet.get("/api/status"))["products"]
    return all(len(each["sessions"]) == 2 for each in products if each["name"] in names)
