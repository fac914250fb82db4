"""Query plans of every screen. None scans a table of history, so its cost does not grow with age."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bot.domain import MailKind
from bot.jobs.retention import remove_old
from bot.store import Store
from bot.store.database import Database
from tests.bed import REGISTRY
from tests.chat.web.webbed import WebBed

HISTORY = frozenset(
    {
        "inbound", "conversations", "posts", "shown", "transcript", "turns", "mail", "threads", "work", "gates", "decisions",
        "outbox", "audit", "admissions",
    }
)  # fmt: skip
"""Tables that grow with every day."""
SCAN = re.compile(r"^SCAN (\w+)")
FROM_THE_END = re.compile(r"ORDER BY (?:n|id) DESC LIMIT (?:\?|1)")
"""Reads the newest rows of a table, as long as it does not sort them."""


class Recorded(Database):
    """Records every statement."""

    statements: ClassVar[set[str]]

    def run(self, sql: str, *values: Any) -> Any:
        self.statements.add(sql)
        return super().run(sql, *values)


@pytest.fixture
def recorded() -> type[Recorded]:
    class Fresh(Recorded):
        statements: ClassVar[set[str]] = set()

    return Fresh


def scans(store: Store, sql: str) -> Iterator[str]:
    """Yield the tables of history that a statement scans."""
    if not sql.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
        return
    plan = list(store.database._db.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?")))
    if FROM_THE_END.search(sql) and not any("TEMP B-TREE" in row["detail"] for row in plan):
        return
    for row in plan:
        found = SCAN.match(row["detail"])
        if found and found[1] in HISTORY and not partial(store, row["detail"]):
            yield found[1]


def partial(store: Store, detail: str) -> bool:
    """Return True if a scan reads an index that holds open rows only."""
    name = re.search(r"INDEX (\w+)", detail)
    sql = name and store.database.value("SELECT sql FROM sqlite_master WHERE name = ?", name[1])
    return bool(sql and " WHERE " in sql)


SCREENS = (
    "status", "status product-a", "queue", "gates", "gates --all", "gates g1", "costs", "resources", "digest", "schedule",
    "why product-a", "why w1", "audit", "audit g1", "mail product-a", "products", "brake", "help",
)  # fmt: skip
PAGES = (
    "/", "/healthz", "/readyz", "/metrics", "/api/status", "/api/products/product-a", "/api/work", "/api/conversations",
    "/api/conversations/main/posts", "/api/gates?state=open", "/api/gates/g1", "/api/gates/g1/history", "/api/audit",
    "/api/queue",
)  # fmt: skip


async def test_no_screen_scans_history(tmp_path: Path, recorded: type[Recorded]) -> None:
    bed = WebBed(tmp_path, REGISTRY)
    bed.database = recorded
    async with bed:
        await bed.say("/fleet spawn product-a fix the test")
        await bed.say("/fleet spawn product-b read the code --capability scout")
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, body="1. Do", subject="Plan", options=("approve", "reject"))
        await bed.settled()
        await bed.say("/fleet approve-plan g1 approve")
        bed.engine.push_mail("product-a", kind=MailKind.PROGRESS, body="Half done", thread=bed.work("w1").mail)
        await bed.settled()
        for screen in SCREENS:
            await bed.say(f"/fleet {screen}")
        for page in PAGES:
            async with bed.http.get(bed.url + page) as response:
                assert response.status in {200, 302, 303, 503}, page
                await response.read()
        async with bed.listen() as ears:
            await ears.say("/fleet status")
            await ears.reply()
        await bed.jobs.tick()
        await remove_old(bed.fleet)
    with closing(Store(tmp_path / "fleet.db")) as store:
        found = {sql: tables for sql in recorded.statements if (tables := list(scans(store, sql)))}
    assert found == {}
    assert len(recorded.statements) > 80
