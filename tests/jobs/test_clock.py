"""The clock's check of the registry file. A valid change is loaded. An invalid one is reported and changes nothing."""

import logging
from pathlib import Path

import pytest

from bot.fleet import Change
from bot.jobs import clock
from bot.work.status import status
from tests.bed import Bed


async def test_changed_registry_is_loaded_or_its_errors_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="bot")
    heard: list[Change] = []
    async with Bed(tmp_path) as bed:
        look = clock.make(bed.jobs, bed.registry).get_job("registry").func
        bed.fleet.subscribe(heard.append)
        await look()
        assert caplog.text == ""
        assert heard == []
        bed.file.write_text("products:\n  - {name: product-a, path: /a, prioritty: high}\n")
        await look()
        assert "stays in use" in caplog.text
        assert "products.yaml:2:33" in caplog.text
        assert [change.kind for change in heard] == ["registry"], "the page is notified at once"
        assert len(status(bed.fleet).products) == 3
        bed.file.write_text("products:\n  - {name: product-z, path: /z}\n")
        await look()
        assert "with 1 product" in caplog.text
        assert [each.name for each in status(bed.fleet).products] == ["product-z"]
