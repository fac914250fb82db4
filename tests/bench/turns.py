"""Benchmark of the agent's turns with a model that answers at once. Measures the fleet's own time, tokens and memory."""

import asyncio
import json
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from aiohttp import web

from bot import demo
from bot.registry import AgentLimits
from tests.bench import machine
from tests.bench.bench import Bench
from tests.bench.figures import Figure, Goal, Section, amount, middle
from tests.bench.running_fleet import RunningFleet, end_supervisors
from tests.standins.messages_api import MessagesApi
from tests.standins.script import Call, Reply, Rule, Script, calls, say

TURNS = 20
LIMIT = AgentLimits().max_steps
"""Steps after which a turn is stopped, unless the registry sets another limit."""
NAMES = ("product-a", "product-b", "product-c", "product-d")
SCRIPT = [
    Rule(say("Here is the fleet.\n\n{result}"), text="how do they stand", after="*"),
    Rule(calls(*(Call("status", {"products": [name]}) for name in NAMES)), text="how do they stand, each"),
    Rule(calls(Call("status")), text="how do they stand"),
    Rule(calls(Call("status")), text="never stop"),
    Rule(calls(Call("status")), text="never stop", after="*"),
]


class TimedApi(MessagesApi):
    """A stand-in that records when each request arrives and when the last byte of its answer is written."""

    def __init__(self) -> None:
        super().__init__(Script(SCRIPT, default=Reply(text="All is well. " * 20)))
        self.arrived: list[float] = []
        self.answered: list[float] = []

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        self.arrived.append(time.perf_counter())
        return await super()._messages(request)

    async def _stream(self, request: web.Request, message: dict[str, Any], reply: Reply) -> web.StreamResponse:
        response = await super()._stream(request, message, reply)
        self.answered.append(time.perf_counter())
        return response


async def measure(bench: Bench) -> Section:
    """Measure plain turns, the status of four products, and a model that never stops."""
    place = bench.place("turns")
    api = TimedApi()
    async with api:
        keys = {"FLEET_ENGINE": "rehearsal", "ANTHROPIC_API_KEY": "sk-ant-bench", "ANTHROPIC_BASE_URL": api.url}
        fleet = RunningFleet(place, demo.prepare(place / "state"), keys)
        try:
            async with fleet:
                before = machine.resident_mib(fleet.pid)
                figures = [*await _plain(fleet, api, before), *await _status(fleet, api), *await _endless(fleet, api)]
        finally:
            end_supervisors(fleet.state)
        if api.refused:
            raise RuntimeError(f"the stand-in refused: {api.refused[:3]}")
    method = (
        "A scripted Messages API on this machine, which refuses what the real one refuses and answers at once. Times are "
        "from `POST /api/messages` to the arrival of the model request, and from the last byte of the model's answer to the "
        "reply. The first turn, which imports the SDK, is listed separately. Tokens are characters / 4, as for OpenClaw."
    )
    return Section("A turn of the agent", method, tuple(figures))


async def _plain(fleet: RunningFleet, api: TimedApi, before: float) -> list[Figure]:
    to_model, to_reply = [], []
    for number in range(1 + TURNS):
        began = time.perf_counter()
        await fleet.say(f"Good morning, number {number}: is all well?", f"plain-{number % 4}")
        to_reply.append(time.perf_counter() - api.answered[-1])
        to_model.append(api.arrived[-1] - began)
        await asyncio.sleep(0.05)
    first = api.bodies[0]
    sizes = [_tokens(first["system"]), _tokens(first["tools"]), _tokens(first)]
    after = machine.resident_mib(fleet.pid)
    return [
        middle("message to model request", to_model[1:], goal=20, openclaw="370 to 460 ms"),
        middle("last byte of the model to the reply", to_reply[1:], openclaw="30 to 37 ms"),
        Figure("message to model request, first turn", to_model[0] * 1000, "ms"),
        Figure("first request: system prompt", sizes[0], "tokens", None, "10,600 tokens"),
        Figure("first request: tools", sizes[1], "tokens", None, "3,900 tokens"),
        Figure("first request: total", sizes[2], "tokens", None, "14,800 tokens, and 2 side calls"),
        Figure("memory before the first turn", before, "MiB"),
        Figure(f"memory after {1 + TURNS} turns", after, "MiB", None, "1,293 MiB (3 processes, 20 turns)"),
    ]


async def _status(fleet: RunningFleet, api: TimedApi) -> list[Figure]:
    """Measure a status of four products in plain words, with one call for all and one call for each."""
    figures = []
    for text, name, openclaw in (
        ("how do they stand?", "one tool call", "1,143 ms, 5 model calls, 75,600 tokens (one after the other)"),
        ("how do they stand, each?", "four calls at once", "679 ms, 2 model calls, 30,200 tokens"),
    ):
        times, sent, asked = [], 0, 0
        for number in range(10):
            known = len(api.bodies)
            began = time.perf_counter()
            await fleet.say(text, f"status-{name[:3]}-{number}")
            times.append(time.perf_counter() - began)
            sent, asked = sum(_tokens(body) for body in api.bodies[known:]), len(api.bodies) - known
        spread = f"{asked} model calls, {amount(sent, 'tokens')} sent; n = {len(times)}"
        figures.append(
            Figure(f"status of 4 products in plain language, {name}", median(times) * 1000, "ms", None, openclaw, spread)
        )
    return figures


async def _endless(fleet: RunningFleet, api: TimedApi) -> list[Figure]:
    known, began = len(api.bodies), time.perf_counter()
    replies: Sequence[dict[str, Any]] = await fleet.say("never stop", "endless")
    took = time.perf_counter() - began
    said = replies[-1]["text"].strip().splitlines()[-1] if replies else "nothing"
    openclaw = "3,191 calls in 9 minutes, not stopped"
    spread = f"after {amount(took, 's')}, with the message “{said}”"
    return [
        Figure("a model that never stops is stopped after", len(api.bodies) - known, "calls", Goal(LIMIT + 1), openclaw, spread)
    ]


def _tokens(value: Any) -> int:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text) // 4
