"""Benchmark of Discord.

Measures the fleet's share of the time between an event and its acknowledgement, answer and model request.
"""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from simcord.backend.models import Channel

from bot import demo
from tests.bench import machine
from tests.bench.bench import Bench
from tests.bench.figures import Figure, Goal, Section, amount, middle, percentile
from tests.bench.running_fleet import RunningFleet, end_supervisors, until
from tests.bench.turns import TimedApi
from tests.standins.discord import Discord
from tests.standins.discord_people import Human, Pressed

SINGLE = 40
"""Number of events sent one by one."""
CHANNELS, RATE, SECONDS = 20, 100, 60
"""Channels, events per second and seconds of the busy minute."""
WARM = 10
"""Seconds of the busy minute before memory is measured."""


class Town:
    """A Discord server with channels and one admin."""

    def __init__(self, discord: Discord, registry: Path) -> None:
        self.discord, world = discord, discord.world
        guild = world.guild()
        self.channels = [world.channel(guild, f"channel-{number}") for number in range(CHANNELS)]
        self.ana = Human(discord, world.member(guild, "ana"))
        listed = ", ".join(f"discord:{channel.id}" for channel in self.channels)
        text = registry.read_text().replace("slack:#product-a-dev", listed.replace(", ", "\n      - "))
        registry.write_text(f'{text}\npeople: [{{name: ana, role: admin, web: token, discord: "{self.ana.id}"}}]\n')

    async def ready(self) -> None:
        """Wait until the fleet listens and has registered its commands."""

        async def look() -> bool:
            return self.discord.gateway.connected and bool(self.discord.world.commands.get(None))

        await until(look, "the fleet listens to Discord")

    def forget(self) -> None:
        """Discard what the stand-in has recorded, so that it does not distort the measurement."""
        self.discord.rest.asked.clear()
        self.discord.world.transcript.clear()
        self.discord.world.http_requests.clear()
        for session in self.discord.gateway.sessions.values():
            session.sent[:-1] = [{}] * (len(session.sent) - 1)


async def measure(bench: Bench) -> Section:
    """Measure single events, turns of the agent, and a hundred events per second."""
    place = bench.place("discord")
    api = TimedApi()
    async with api, Discord() as discord:
        registry = demo.prepare(place / "state")
        town = Town(discord, registry)
        keys = {
            "FLEET_ENGINE": "rehearsal",
            "ANTHROPIC_API_KEY": "sk-ant-bench",
            "ANTHROPIC_BASE_URL": api.url,
            "DISCORD_TOKEN": discord.token,
            "DISCORD_API_URL": discord.api,
            "DISCORD_GATEWAY_URL": discord.gateway_url,
        }
        fleet = RunningFleet(place, registry, keys)
        try:
            async with fleet:
                await town.ready()
                figures = [*await _single(town), *await _turns(town, api), *await _busy(town, fleet)]
        finally:
            end_supervisors(fleet.state)
    method = (
        "The real client against a stand-in for Discord over HTTP and a WebSocket on this machine. Times are from when the "
        "stand-in sends an event until the request that acknowledges or answers it arrives. Each event is durable before it is "
        "acknowledged. The busy minute sends the command `/fleet help gates` "
        f"{RATE} times a second in {CHANNELS} channels."
    )
    return Section("Discord", method, tuple(figures))


async def _single(town: Town) -> list[Figure]:
    """Measure single commands until acknowledgement and answer."""
    acknowledged, answered = [], []
    for number in range(SINGLE):
        began = time.perf_counter()
        pressed = await _command(town, town.channels[number % CHANNELS])
        token = pressed.record.token
        acknowledged.append(await _arrived(town, "POST", f"/interactions/*/{token}/callback") - began)
        answered.append(await _arrived(town, "PATCH", f"/webhooks/*/{token}/*") - began)
        town.forget()
        await asyncio.sleep(0.05)
    return [
        middle("single event to its durable acknowledgement", acknowledged[2:], goal=4, openclaw="3.9 ms"),
        middle("single event to its answer being sent", answered[2:], goal=15),
    ]


async def _turns(town: Town, api: TimedApi) -> list[Figure]:
    """Measure direct messages until the model request, and from the model's last byte to Discord."""
    to_model, to_post = [], []
    for number in range(SINGLE // 2):
        town.forget()
        began = time.perf_counter()
        known = len(api.answered)
        town.ana.dm(f"Good morning, number {number}: is all well?")
        await until(_longer(api.answered, known), "the model has answered", pause=0.001)
        sent = await _arrived(town, "*", f"/channels/{town.ana.direct.id}/messages*")
        to_model.append(api.arrived[-1] - began)
        to_post.append(sent - api.answered[-1])
        await asyncio.sleep(0.05)
    return [
        middle("message to model request", to_model[2:], goal=20, openclaw="274 to 327 ms (Slack)"),
        middle("last byte of the model to the post", to_post[2:], goal=15, openclaw="63 to 80 ms (Slack)"),
    ]


async def _busy(town: Town, fleet: RunningFleet) -> list[Figure]:
    """Measure a hundred events per second for a minute."""
    town.forget()
    known, start, memory, cpu = await asyncio.to_thread(_last, fleet), time.perf_counter(), 0.0, machine.cpu_seconds(fleet.pid)
    begun: dict[int, float] = {}
    acknowledged: dict[int, float] = {}
    for number in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, start + number / RATE - time.perf_counter()))
        began = time.perf_counter()
        begun[(await _command(town, town.channels[number % CHANNELS], wait=False)).record.id] = began
        if number % 50 == 0:
            _collect(town, acknowledged)
        if number == RATE * WARM:
            memory = machine.resident_mib(fleet.pid)
    own, left = await _own_times(fleet, known, len(begun))
    took, grown = time.perf_counter() - start, machine.resident_mib(fleet.pid) - memory
    _collect(town, acknowledged)
    acks = [acknowledged.get(id, float("inf")) - began for id, began in begun.items()]
    spread = f"p50 {amount(percentile(acks, 50) * 1000, 'ms')}, n = {len(acks)}"
    rate = f"{RATE} events/s for {SECONDS} s"
    return [
        Figure(f"{rate}: event to acknowledgement, p99", percentile(acks, 99) * 1000, "ms", Goal(50), "", spread),
        middle("same load: own time to the outbox", own, goal=15),
        Figure("same load: answers missing on Discord 30 s after the last event", left, "", Goal(1)),
        Figure(f"same load: memory growth in the last {SECONDS - WARM:.0f} s", grown, "MiB", Goal(16)),
        Figure("same load: CPU of the fleet", (machine.cpu_seconds(fleet.pid) - cpu) / took * 100, "% of a core"),
    ]


def _collect(town: Town, acknowledged: dict[int, float]) -> None:
    """Record the acknowledgements since the last call."""
    for each in town.discord.rest.asked:
        words = each.path.split("/")
        if words[1] == "interactions":
            acknowledged[int(words[2])] = each.at
    town.forget()


def _last(fleet: RunningFleet) -> int:
    return int(_query(fleet, "SELECT coalesce(max(n), 0) FROM outbox")[0][0])


async def _own_times(fleet: RunningFleet, known: int, expected: int) -> tuple[list[float], int]:
    """Return the delay of each answer and the number of undelivered answers.

    A delay is the seconds from an event to its answer's row in the outbox.
    """
    sql = (
        "SELECT inbound.at, outbox.created_at, outbox.state FROM outbox JOIN posts ON posts.id = outbox.post"
        " JOIN inbound ON inbound.event = posts.answers WHERE outbox.n > ?"
    )
    rows: list[tuple[str, str, str]] = []
    for _ in range(60):
        rows = await asyncio.to_thread(_query, fleet, sql, known)
        if sum(state == "delivered" for _, _, state in rows) >= expected:
            break
        await asyncio.sleep(0.5)
    own = [(datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds() for before, after, _ in rows]
    return own, expected - sum(state == "delivered" for _, _, state in rows)


def _query(fleet: RunningFleet, sql: str, *values: int) -> list[Any]:
    with closing(sqlite3.connect(f"file:{fleet.state / 'fleet.db'}?mode=ro", uri=True)) as database:
        return database.execute(sql, values).fetchall()


async def _command(town: Town, channel: Channel, *, wait: bool = True) -> Pressed:
    return await town.ana.slash(channel, "fleet help", {"command": "gates"}, wait=wait)


async def _arrived(town: Town, method: str, path: str) -> float:
    """Return the time at which a request arrived."""

    def look() -> float:
        asked = town.discord.rest.asked
        return next((each.at for each in asked if fnmatch(f"{each.method} {each.path}", f"{method} {path}")), 0.0)

    return await town.discord.until(look, f"{method} {path} comes")


def _longer(found: Sequence[float], known: int) -> Callable[[], Awaitable[bool]]:
    return _more(lambda: len(found) > known)


def _more(look: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def looked() -> bool:
        return look()

    return looked
