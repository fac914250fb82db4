"""Time from an agent's mail to its report on the page."""

import asyncio
import json
from datetime import datetime
from typing import Any

from aiohttp import WSMsgType

from tests.bench.bench import Bench
from tests.bench.figures import Figure, Goal, Section, middle, percentile

MAILS = 60
WORD = "bench-mail"
SENDER = """
import random, subprocess, sys, time
for number in range({mails}):
    folder = f"/projects/product-{{1 + number % {products}:03}}"
    argv = ["ov", "mail", "send", "--from", "builder-9", "--to", "operator", "--type", "status", "--json"]
    argv += ["--subject", f"{word}-{{number}}", "--body", "Half of it is done.\\n\\n- [x] the first\\n- [ ] the second"]
    began = time.time()
    subprocess.run(argv, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    print(number, began, flush=True)
    time.sleep(random.uniform(0.05, 0.35))
"""


async def measure(bench: Bench) -> Section:
    """Measure sixty mails from fifty working products."""
    runtime, fleet = await bench.working()
    shown: dict[int, float] = {}
    async with fleet.listen() as page:
        watching = asyncio.create_task(_watch(page, shown))
        try:
            began = await _send(runtime.container, len(runtime.products))
            async with asyncio.timeout(10):
                while len(shown) < MAILS:
                    await asyncio.sleep(0.05)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    kept = [mail for name in runtime.products for mail in (await fleet.get(f"/api/products/{name}"))["mail"]]
    stamped = {_number(mail["subject"]): datetime.fromisoformat(mail["at"]).timestamp() for mail in kept}
    return _section([shown[n] - stamped[n] for n in range(MAILS)], [shown[n] - began[n] for n in range(MAILS)])


async def _watch(page: Any, shown: dict[int, float]) -> None:
    """Record when each mail's report arrives over the WebSocket."""
    async for message in page:
        if message.type is WSMsgType.TEXT and WORD in message.data:
            now = datetime.now().timestamp()
            frame = json.loads(message.data)
            if frame["type"] == "reply":
                shown.setdefault(_number(frame["text"]), now)


async def _send(container: str, products: int) -> dict[int, float]:
    """Send the mails inside the container at irregular intervals, and return when each command started."""
    script = SENDER.format(mails=MAILS, products=products, word=WORD)
    argv = ("docker", "exec", container, "python3", "-c", script)
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError("the mails could not be sent")
    lines = [line.split() for line in out.decode().splitlines()]
    return {int(number): float(began) for number, began in lines}


def _number(text: str) -> int:
    """Return the number in a mail's subject, or -1 for other mail."""
    _, mark, rest = text.partition(f"{WORD}-")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return int(digits) if mark else -1


def _section(shown: list[float], whole: list[float]) -> Section:
    method = (
        f"{MAILS} times `ov mail send` to the operator, at random moments, in a container with 50 working products. The time "
        "is from the mail's `created_at`, which the engine writes when it stores the mail, to the frame with the report on "
        "the page's WebSocket, both by this machine's clock. The path is supervisor, stream, store, report."
    )
    return Section(
        "Mail to page",
        method,
        (
            middle("mail to page, median", shown, goal=400),
            Figure("mail to page, 99th percentile", percentile(shown, 99) * 1000, "ms", Goal(1000)),
            middle("start of `ov mail send` to page, median", whole),
        ),
    )
