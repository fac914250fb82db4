"""Durability. Nothing leaves the process before its changes are on disk, and commits do not wait for it."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from math import inf
from pathlib import Path
from typing import Any, cast

import pytest

from bot.domain import MailKind
from bot.domain.errors import StoreError
from bot.engine.base import Engine
from bot.engine.durable import DurableEngine
from bot.store import Store
from bot.store.database import Database
from tests.bed import Bed
from tests.chat.discord.discordbed import DiscordBed
from tests.chat.slack.slackbed import SlackBed
from tests.chat.web.webbed import WebBed
from tests.fakes.chat import FakeChat
from tests.standins.slack_world import BOT_USER

PATIENCE = 0.15
"""Seconds within which an operation that does not wait for the disk would have happened."""


class Disk(Database):
    """A disk that takes nothing until `turns` is set."""

    lone = inf
    turns: threading.Event
    waits: int

    def sync(self) -> None:
        type(self).waits += 1
        self.turns.wait(10)
        super().sync()


@pytest.fixture
def disk() -> Iterator[type[Disk]]:
    class Held(Disk):
        turns = threading.Event()
        waits = 0

    Held.turns.set()
    yield Held
    Held.turns.set()


async def only_after_the_disk(disk: type[Disk], happened: Callable[[], Any], then: asyncio.Future[Any] | None = None) -> None:
    """Check that something happens once the disk has taken what was stored, and not before."""
    await asyncio.sleep(PATIENCE)
    assert not happened()
    disk.turns.set()
    if then is not None:
        await asyncio.wait_for(then, 10)
    async with asyncio.timeout(10):
        while not happened():
            await asyncio.sleep(0.01)


def test_commit_does_not_wait_for_the_disk(tmp_path: Path, disk: type[Disk]) -> None:
    disk.turns.clear()
    with closing(Store(tmp_path / "fleet.db", disk)) as store:
        assert store.database.value("PRAGMA synchronous") == 1
        with store.transaction():
            store.runtime_lives.set("a", "1")
        store.runtime_lives.set("b", "1")
        assert store.database.pending
        assert disk.waits == 0


async def test_durable_waits_once_for_many_callers(tmp_path: Path, disk: type[Disk]) -> None:
    with closing(Store(tmp_path / "fleet.db", disk)) as store:

        async def change(number: int) -> None:
            store.runtime_lives.set(f"r{number}", "1")
            await store.durable()
            assert not store.database.pending

        await asyncio.gather(*map(change, range(20)))
        assert disk.waits <= 2  # the first one alone, then all others together
        before = disk.waits
        await store.durable()
        assert disk.waits == before


async def test_durable_waits_again_for_later_commits(tmp_path: Path, disk: type[Disk]) -> None:
    with closing(Store(tmp_path / "fleet.db", disk)) as store:
        disk.turns.clear()
        store.runtime_lives.set("a", "1")
        first = asyncio.create_task(store.durable())
        await asyncio.sleep(0.01)
        store.runtime_lives.set("b", "1")
        second = asyncio.create_task(store.durable())
        disk.turns.set()
        await first
        await second
        assert not store.database.pending
        assert disk.waits == 2


async def test_durable_raises_when_the_disk_fails(tmp_path: Path) -> None:
    class Broken(Database):
        def sync(self) -> None:
            raise StoreError("The disk is gone.")

    with closing(Store(tmp_path / "fleet.db", Broken)) as store:
        store.runtime_lives.set("a", "1")
        for _ in range(2):
            with pytest.raises(StoreError):
                await store.durable()
        assert store.database.pending


CALLS = sorted(
    name for name, method in vars(Engine).items() if inspect.iscoroutinefunction(method) and name not in {"open", "close"}
)


def recording_engine(order: list[str]) -> Engine:
    """Return an engine whose operations do nothing but append to `order`."""

    async def record(*_: Any, **__: Any) -> None:
        order.append("engine")

    return cast(Engine, type("RecordingEngine", (Engine,), dict.fromkeys(Engine.__abstractmethods__, record))())


@pytest.mark.parametrize("name", CALLS)
async def test_engine_is_called_after_the_disk(name: str) -> None:
    order: list[str] = []

    async def durable() -> None:
        order.append("disk")

    engine = recording_engine(order)
    parameters = [each for each in inspect.signature(getattr(Engine, name)).parameters.values() if each.name != "self"]
    required = [each for each in parameters if each.default is each.empty]
    named = {each.name: each.name for each in required if each.kind is each.KEYWORD_ONLY}
    await getattr(DurableEngine(engine, durable), name)(*(each.name for each in required if each.name not in named), **named)
    assert order == ["disk", "engine"]


async def test_fleet_starts_work_after_the_disk(tmp_path: Path, disk: type[Disk]) -> None:
    bed = Bed(tmp_path)
    bed.database = disk
    async with bed:
        disk.turns.clear()
        said = asyncio.ensure_future(bed.say("/fleet spawn product-a fix the test"))
        await only_after_the_disk(disk, lambda: bed.engine.calls_of("send"))
        await said


async def test_chat_shows_posts_after_the_disk(tmp_path: Path, disk: type[Disk]) -> None:
    registry = "products: [{name: product-a, path: /projects/product-a, channels: ['slack:#a']}]"
    chat = FakeChat("slack")
    bed = Bed(tmp_path, registry, chats={"slack": chat})
    bed.database = disk
    async with bed:
        disk.turns.clear()
        bed.engine.push_mail("product-a", kind=MailKind.QUESTION, body="Which one?")
        await only_after_the_disk(disk, lambda: chat.shown_in("slack:#a"))
        await bed.settled()
        disk.turns.clear()
        said = asyncio.ensure_future(bed.say("/fleet approve-plan g1 the blue one"))
        await only_after_the_disk(disk, lambda: any(each.edits for each in chat.messages.values()))
        await said


async def test_web_responds_after_the_disk(tmp_path: Path, disk: type[Disk]) -> None:
    bed = WebBed(tmp_path)
    bed.database = disk
    async with bed:
        for path, body in (
            ("/api/messages", {"conversation": "main", "text": "/fleet status"}),
            ("/api/skills/prioritize", {"product": "product-a", "priority": "low"}),
            ("/api/skills/pause", {"product": "no-such-product"}),
        ):
            disk.turns.clear()
            response = asyncio.ensure_future(bed.post(path, body))
            await only_after_the_disk(disk, response.done, response)


async def test_socket_sends_after_the_disk(tmp_path: Path, disk: type[Disk]) -> None:
    bed = WebBed(tmp_path)
    bed.database = disk
    async with bed, bed.listen() as client:
        disk.turns.clear()
        await client.say("/fleet status")
        reply = asyncio.ensure_future(client.receive("accepted"))
        await only_after_the_disk(disk, reply.done, reply)


async def test_slack_is_acknowledged_after_the_disk(tmp_path: Path, disk: type[Disk]) -> None:
    bed = SlackBed(tmp_path)
    bed.database = disk
    async with bed:
        disk.turns.clear()
        message = {
            "type": "message",
            "channel": bed.a.id,
            "channel_type": "channel",
            "user": "U01ANA",
            "text": f"<@{BOT_USER}> status",
            "ts": bed.slack.world.ts(),
        }
        bed.a.messages.append(message)
        delivery = asyncio.ensure_future(bed.slack.emit(message, event_id="Ev1"))
        await only_after_the_disk(disk, delivery.done, delivery)
        assert delivery.result().acked is not None


async def test_discord_is_acknowledged_after_the_disk(tmp_path: Path, disk: type[Disk]) -> None:
    bed = DiscordBed(tmp_path)
    bed.database = disk
    async with bed:
        await bed.commands()
        disk.turns.clear()
        pressed = asyncio.ensure_future(bed.slash(bed.ana, bed.channel, "status"))
        await only_after_the_disk(disk, pressed.done, pressed)


async def test_lone_caller_waits_for_the_disk_inline(tmp_path: Path) -> None:
    threads: list[str] = []

    class Named(Database):
        def sync(self) -> None:
            threads.append(threading.current_thread().name)
            super().sync()

    with closing(Store(tmp_path / "fleet.db", Named)) as store:
        store.runtime_lives.set("a", "1")
        await store.durable()
        store.runtime_lives.set("a", "2")
        await store.durable()
        assert not store.database.pending
    assert threads[0] == threading.main_thread().name, "alone it takes no thread"
    assert threads[1] != threads[0], "one right behind the other does"
