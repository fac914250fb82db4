from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chat.web.webbed import WebBed


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[WebBed]:
    async with WebBed(tmp_path) as bed:
        yield bed
