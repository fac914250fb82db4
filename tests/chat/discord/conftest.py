"""A fleet on Discord for each test that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chat.discord.discordbed import DiscordBed


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[DiscordBed]:
    """The fleet, connected."""
    async with DiscordBed(tmp_path) as bed:
        yield bed
