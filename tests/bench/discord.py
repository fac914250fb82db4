"""Discord: what is ours of the time between an event and its acknowledgement, its answer, and the model; and a busy minute."""

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

from bot.cli import demo
from tests.bench import machine
from tests.bench.bench import Bench
from tests.bench.coordinator import Coordinator, end_supervisors, until
from tests.bench.figures import Figure, Goal, Section, amount, middle, percentile
from tests.bench.turns import TimedApi
from tests.standins.discord import Discord
from tests.standins.discord_people import Human, Pressed

SINGLE = 40
"""Events that come one by one."""
CHANNELS, RATE, SECONDS = 20, 100, 60
"""The busy minute: in so many channels, events in a second, for so many seconds."""
WARM = 10
"""Seconds of it before memory is looked at."""


class Town:
    """A server with channels, and a person who is admin."""

    def __init__(self, discord: Discord, registry: Path) -> None:
        self.discord, world = discord, discord.world
        guild = world.guild()
        self.channels = [world.channel(guild, f"channel-{number}") for number in range(CHANNELS)]
        self.ana = Human(discord, world.member(guild, "ana"))
        listed = ", ".join(f"discord:{channel.id}" for channel in self.channels)
        text = registry.read_text().replace("slack:#product-a-dev", listed.replace(", ", "\n      - "))
        registry.write_text(f'{text}\npeople: [{{name: ana, role: admin, web: token, discord: "{self.ana.id}"}}]\n')

    async def ready(self) -> None:
        """Until the coordinator listens and has registered its commands."""

        async def look() -> bool:
            return self.discord.gateway.connected and bool(self.discord.world.commands.get(None))

        await until(look, "the coordinator listens to Discord")

    def forget(self) -> None:
        """Let go of what the stand-in has noted, which is no part of what is measured."""
        self.discord.rest.asked.clear()
        self.discord.world.transcript.clear()
        self.discord.world.http_requests.clear()
        for session in self.discord.gateway.sessions.values():
            session.sent[:-1] = [{}] * (len(session.sent) - 1)


async def measure(bench: Bench) -> Section:
    """Events one by one, turns, and a hundred events a second."""
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
        fleet = Coordinator(place, registry, keys)
        try:
            async with fleet:
                await town.ready()
                figures = [*await _single(town), *await _turns(town, api), *await _busy(town, fleet)]
        finally:
            end_supervisors(fleet.state)
    method = (
        "The real client against a stand-in of Discord over HTTP and a WebSocket on this machine. Times are from the moment at "
        "which the stand-in sends an event to the arrival of the request that acknowledges or answers it; each event is in the "
        "store (fsync) before it is acknowledged. The busy minute is the command `/fleet help gates`, "
        f"{RATE} times a second in {CHANNELS} channels."
    )
    return Section("Discord", method, tuple(figures))


async def _single(town: Town) -> list[Figure]:
    """Commands one by one: acknowledged, and answered."""
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
        middle("one event alone: to its acknowledgement, kept first", acknowledged[2:], goal=4, openclaw="3.9 ms"),
        middle("one event alone: to its answer on the way", answered[2:], goal=15),
    ]


async def _turns(town: Town, api: TimedApi) -> list[Figure]:
    """Plain words in direct messages: to the model, and from its last byte to Discord."""
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


async def _busy(town: Town, fleet: Coordinator) -> list[Figure]:
    """A hundred events a second for a minute."""
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
        middle("the same: own time to the outbox", own, goal=15),
        Figure("the same: answers that Discord had not 30 s after the last event", left, "", Goal(1)),
        Figure(f"the same: memory grown in the last {SECONDS - WARM:.0f} s", grown, "MiB", Goal(16)),
        Figure("the same: CPU of the coordinator", (machine.cpu_seconds(fleet.pid) - cpu) / took * 100, "% of a core"),
    ]


def _collect(town: Town, acknowledged: dict[int, float]) -> None:
    """Take down what has been acknowledged since."""
    for each in town.discord.rest.asked:
        words = each.path.split("/")
        if words[1] == "interactions":
            acknowledged[int(words[2])] = each.at
    town.forget()


def _last(fleet: Coordinator) -> int:
    return int(_query(fleet, "SELECT coalesce(max(n), 0) FROM outbox")[0][0])


async def _own_times(fleet: Coordinator, known: int, expected: int) -> tuple[list[float], int]:
    """Seconds from each event's own time to its answer's row in the outbox; and how many of those were not delivered."""
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


def _query(fleet: Coordinator, sql: str, *values: int) -> list[Any]:
    with closing(sqlite3.connect(f"file:{fleet.state / 'fleet.db'}?mode=ro", uri=True)) as database:
        return database.execute(sql, values).fetchall()


async def _command(town: Town, channel: Channel, *, wait: bool = True) -> Pressed:
    return await town.ana.slash(channel, "fleet help", {"command": "gates"}, wait=wait)


async def _arrived(town: Town, method: str, path: str) -> float:
    """When a request came in."""

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
