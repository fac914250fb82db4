"""Live text and activity of a turn."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.agent.live import Delta, Doing
from bot.chat.web.clients import Client, Clients
from bot.chat.web.stream import Streams
from tests.chat.web.webbed import WebBed
from tests.fakes.model import ScriptedModel
from tests.standins.script import call, say


class Turn:
    """A conversation with a model that pauses in its answer until `hold` is set."""

    def __init__(self) -> None:
        self.hold = asyncio.Event()
        self.replies = [call("status"), say("All **three** are idle.", hold=self.hold)]

    def model(self) -> ScriptedModel:
        return ScriptedModel(self.replies)


@pytest.fixture
async def talking(tmp_path: Path) -> AsyncIterator[tuple[WebBed, Turn]]:
    turn = Turn()
    async with WebBed(tmp_path, model=turn.model) as bed:
        yield bed, turn


async def test_answer_streams_with_its_activity(talking: tuple[WebBed, Turn]) -> None:
    bed, turn = talking
    async with bed.listen() as client:
        await client.say("How is everyone?")
        doing = await client.receive("doing", lambda each: each["skill"] == "status")
        assert doing["conversation"] == "main"
        delta = await client.receive("delta")
        assert (delta["text"], delta["html"]) == ("All", "<p>All</p>\n")
        _, page = await bed.get("/api/conversations/main/posts")
        assert page["streaming"]["html"] == "<p>All</p>\n"
        _, listed = await bed.get("/api/conversations")
        assert listed["conversations"][0]["running"] is True
        turn.hold.set()
        reply = await client.reply("three")
        assert reply["html"] == "<p>All <strong>three</strong> are idle.</p>\n"
        assert "".join(each["text"] for each in client.received if each["type"] == "delta") == "All **three** are idle."
        await client.receive("doing", lambda each: not each["text"] and not each["turn"])
    _, page = await bed.get("/api/conversations/main/posts")
    assert page["streaming"] is None


async def test_turn_is_stopped(talking: tuple[WebBed, Turn]) -> None:
    bed, _ = talking
    async with bed.listen() as client:
        await client.say("How is everyone?")
        await client.receive("delta")
        await client.send(type="stop")
        assert (await client.receive("stopped"))["stopped"] is True
        await client.reply("All")
        await client.send(type="stop", conversation="elsewhere")
        assert (await client.receive("stopped"))["stopped"] is False


async def test_stream_is_sent_at_once_and_then_throttled() -> None:
    clients, client = Clients(), Client()
    clients.add(client)
    running = {"web:main"}
    streams = Streams(clients, lambda: running)
    for piece in ("One", " two", " three"):
        streams.live("web:main", Delta(piece))
    assert client.queue.qsize() == 1
    streams.live("web:main", Doing("reading"))
    assert [('"text":" two three"' in each, '"doing"' in each) for each in _drain(client)][1:] == [(True, False), (False, True)]
    now = streams.now("web:main")
    assert now is not None
    assert (now["text"], now["doing"]) == ("One two three", "reading")
    streams.live("web:main", Doing(""))
    streams.settle("web:main")
    assert streams.now("web:main") is not None
    running.clear()
    streams.live("web:main", Doing(""))
    assert streams.now("web:main") is None


def _drain(client: Client) -> list[str]:
    return [client.queue.get_nowait() for _ in range(client.queue.qsize())]


async def test_stream_ignores_other_platforms(bed: WebBed) -> None:
    bed.chat.live("slack:C1", Delta("secret"))
    assert bed.chat.context.streams.now("slack:C1") is None
