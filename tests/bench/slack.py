"""Benchmark of Slack with the real client library and a stand-in server.

Measures single events, answers and a storm of events.
"""

import asyncio
import sqlite3
import time
from datetime import datetime
from typing import Any

from aiohttp import web

from bot import demo
from tests.bench import machine
from tests.bench.bench import Bench
from tests.bench.figures import Figure, Goal, Section, amount, middle, percentile
from tests.bench.running_fleet import RunningFleet, end_supervisors
from tests.bench.turns import TimedApi
from tests.standins.slack import Delivery, Slack
from tests.standins.slack_people import Somebody
from tests.standins.slack_world import BOT_USER, Channel, Json

ALONE, TURNS = 50, 20
RATE, SECONDS, CHANNELS = 100, 60, 20
"""Events per second, seconds and channels of the storm."""
WARM = 10.0
"""Seconds of the storm before memory is measured."""
PEOPLE = "\npeople:\n  - {name: ana, role: admin, slack: U01ANA}\n"


class TimedSlack(Slack):
    """A stand-in that records when each call that shows a text arrives."""

    def __init__(self) -> None:
        super().__init__(deadline=60.0)
        self.shown: dict[str, float] = {}
        """Time at which each text first arrived."""

    async def _call(self, request: web.Request) -> web.StreamResponse:
        at = time.perf_counter()
        known = len(self.calls)
        response = await super()._call(request)
        for name, args in self.calls[known:]:
            if name in {"chat.postMessage", "chat.update"}:
                self.shown.setdefault(str(args.get("text", "")), at)
        return response


async def measure(bench: Bench) -> Section:
    """Measure a single event, a turn of the agent, and the storm."""
    place = bench.place("slack")
    slack, api = TimedSlack(), TimedApi()
    async with slack, api:
        ana = slack.person("U01ANA", "ana")
        channels = [slack.channel(f"channel-{number}", ana) for number in range(CHANNELS)]
        registry = demo.prepare(place / "state")
        registry.write_text(registry.read_text().partition("\npeople:")[0] + PEOPLE)
        keys = {
            "FLEET_ENGINE": "rehearsal", "ANTHROPIC_API_KEY": "sk-ant-bench", "ANTHROPIC_BASE_URL": api.url,
            "SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token, "SLACK_API_URL": slack.url,
        }  # fmt: skip
        fleet = RunningFleet(place, registry, keys)
        try:
            async with fleet:
                await slack.until(lambda: slack.sockets, "the socket")
                figures = [
                    *await _alone(slack, ana, channels[0]),
                    *await _turns(slack, api, ana, channels[1]),
                    *await _storm(slack, ana, channels, fleet),
                ]
        finally:
            end_supervisors(fleet.state)
        if slack.refused:
            raise RuntimeError(f"the stand-in refused: {slack.refused[:3]}")
    method = (
        f"The real Socket Mode client against a stand-in for Slack on this machine. An event is durable before it is "
        f"acknowledged. {ALONE} events are sent one by one, then {RATE} per second for {SECONDS} s in {CHANNELS} channels, "
        f"each a command answered in its thread. Own time is from the event to the row in the outbox. The stand-in runs on "
        f"the same machine."
    )
    return Section("Slack", method, tuple(figures))


async def _alone(slack: TimedSlack, ana: Somebody, channel: Channel) -> list[Figure]:
    times = []
    for number in range(5 + ALONE):
        delivery = await _event(slack, ana, channel, f"!help {('pause', 'resume')[number % 2]}")
        times.append(_took(delivery))
        await asyncio.sleep(0.05)
    return [middle("single event to its durable acknowledgement", times[5:], goal=4, openclaw="3.9 ms")]


async def _turns(slack: TimedSlack, api: TimedApi, ana: Somebody, channel: Channel) -> list[Figure]:
    to_model, to_post = [], []
    for number in range(1 + TURNS):
        slack.shown.clear()
        asked, answered = len(api.arrived), len(api.answered)
        began = time.perf_counter()
        await _event(slack, ana, channel, f"<@{BOT_USER}> good morning, number {number}: is all well?")
        await slack.until(lambda: any(_whole(each) for each in slack.shown), "the answer")
        to_model.append(api.arrived[asked] - began)
        to_post.append(next(at for text, at in slack.shown.items() if _whole(text)) - api.answered[answered])
        await asyncio.sleep(0.3)
    return [
        middle("event to model request", to_model[1:], goal=20, openclaw="274 to 327 ms"),
        middle("last byte of the model to the post", to_post[1:], goal=15, openclaw="63 to 80 ms"),
    ]


def _whole(text: str) -> bool:
    """Return True if the complete answer of `TimedApi` is shown."""
    return text.startswith("All is well.")


async def _storm(slack: TimedSlack, ana: Somebody, channels: list[Channel], fleet: RunningFleet) -> list[Figure]:
    known, last, told, memory = await asyncio.to_thread(_last, fleet), time.monotonic(), [], 0.0
    for number in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, last + number / RATE - time.monotonic()))
        told.append(slack.emit(_message(slack, ana, channels[number % CHANNELS], "!help pause")))
        if number == RATE * WARM:
            memory = machine.resident_mib(fleet.pid)
    deliveries: list[Delivery] = await asyncio.gather(*told)
    acks = [_took(each) for each in deliveries]
    grown = machine.resident_mib(fleet.pid) - memory
    own, left = await _own_times(fleet, known, len(deliveries))
    spread = f"p50 {amount(percentile(acks, 50) * 1000, 'ms')}, max {amount(max(acks) * 1000, 'ms')}, n = {len(acks)}"
    return [
        Figure(f"{RATE} events/s for {SECONDS} s: event to acknowledgement, p99", percentile(acks, 99) * 1000, "ms", Goal(50),
               "", spread),
        middle("same load: own time to the outbox", own, goal=15),
        Figure("same load: answers missing on Slack 30 s after the last event", left, "", Goal(1)),
        Figure(f"same load: memory growth in the last {SECONDS - WARM:.0f} s", grown, "MiB", Goal(16)),
    ]  # fmt: skip


async def _event(slack: Slack, ana: Somebody, channel: Channel, text: str) -> Delivery:
    return await slack.emit(_message(slack, ana, channel, text))


def _message(slack: Slack, ana: Somebody, channel: Channel, text: str) -> Json:
    message = {"type": "message", "ts": slack.world.ts(), "user": ana.id, "text": text}
    channel.messages.append(message)
    return slack.world.event(channel, message)


def _took(delivery: Delivery) -> float:
    return (delivery.acked or float("inf")) - delivery.sent


def _last(fleet: RunningFleet) -> int:
    return int(_query(fleet, "SELECT coalesce(max(n), 0) FROM outbox")[0][0])


async def _own_times(fleet: RunningFleet, known: int, expected: int) -> tuple[list[float], int]:
    """Return the delay of each answer and the number of undelivered answers.

    A delay is the seconds from a message to its answer's row in the outbox.
    """
    sql = (
        "SELECT inbound.at, outbox.created_at, outbox.state FROM outbox JOIN posts ON posts.id = outbox.post"
        " JOIN inbound ON inbound.event = posts.answers WHERE outbox.n > ?"
    )
    rows: list[tuple[Any, ...]] = []
    for _ in range(60):
        rows = await asyncio.to_thread(_query, fleet, sql, known)
        if len([each for each in rows if each[2] == "delivered"]) >= expected:
            break
        await asyncio.sleep(0.5)
    own = [(datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds() for before, after, _ in rows]
    return own, expected - len([each for each in rows if each[2] == "delivered"])


def _query(fleet: RunningFleet, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(f"file:{fleet.state / 'fleet.db'}?mode=ro", uri=True)
    try:
        return database.execute(sql, values).fetchall()
    finally:
        database.close()
