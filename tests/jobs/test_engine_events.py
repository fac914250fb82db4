"""Events of the engine."""

import logging
from pathlib import Path

import pytest

from tests.bed import Bed

REGISTRY = "products: [{name: product-a, path: /projects/product-a}]"


async def test_outage_and_recovery_of_a_runtime_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="bot")
    async with Bed(tmp_path, REGISTRY) as bed:
        await bed.settled()
        bed.engine.go_down("the connection broke")
        await bed.settled()
        bed.engine.come_up()
        await bed.settled()
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["Runtime fake is unreachable: the connection broke", "Runtime fake is reachable again."]
