"""A fleet on Slack for each test.

At the end, Slack must not have refused anything unexpected.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.agent.model import ModelEvent, ModelRequest
from tests.chat.slack.slackbed import SlackBed
from tests.fakes.model import ScriptedModel


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[SlackBed]:
    """Yield a fleet on Slack."""
    async with SlackBed(tmp_path) as bed:
        yield bed
        assert not bed.slack.refused
        assert not [message for _, message in bed.slack.world.of_bot() if message.get("unfurl")]


class Thinker(ScriptedModel):
    """A model that thinks until the test lets it speak."""

    def __init__(self) -> None:
        super().__init__()
        self.speak = asyncio.Event()
        self.speak.set()

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        await self.speak.wait()
        async for event in super().stream(request):
            yield event


@pytest.fixture
async def thinking(tmp_path: Path) -> AsyncIterator[SlackBed]:
    """Yield a fleet with a model whose text comes from `bed.model.replies`."""
    model = Thinker()
    bed = SlackBed(tmp_path, model=lambda: model)
    bed.model = model
    async with bed:
        yield bed
        assert not bed.slack.refused
