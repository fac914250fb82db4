"""A fleet on Discord for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chat.discord.discordbed import DiscordBed


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[DiscordBed]:
    """Yield a connected fleet."""
    async with DiscordBed(tmp_path) as bed:
        yield bed
