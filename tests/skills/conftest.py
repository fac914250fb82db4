"""A fleet to speak to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bed import Bed


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    async with Bed(tmp_path) as bed:
        yield bed
