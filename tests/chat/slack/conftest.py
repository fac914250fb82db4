"""A fleet on Slack for each test.

At the end, Slack must not have refused anything unexpected.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chat.slack.slackbed import SlackBed


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[SlackBed]:
    """Yield a fleet on Slack."""
    async with SlackBed(tmp_path) as bed:
        yield bed
        assert not bed.slack.refused
        assert not [message for _, message in bed.slack.world.of_bot() if message.get("unfurl")]
