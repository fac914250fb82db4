"""A store written by version 0.1.0 opens, is migrated, and the fleet continues where it was.

`fixtures/0.1.0.sql` is a dump of a store that version 0.1.0 wrote while its fleet ran over the fake engine.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bot.domain import GateState, Post, Session, WorkState
from bot.store import Store
from bot.store.audit_marks import Mark
from bot.store.boards import Board
from bot.store.chat_positions import ChatPosition
from bot.store.live_messages import LiveMessage
from bot.store.migrations import MIGRATIONS
from bot.store.resumptions import Resumption
from bot.work.pause import paused
from tests.bed import Bed
from tests.fakes.chat import FakeChat, Message

DUMP = Path(__file__).parent / "fixtures" / "0.1.0.sql"
NOW = datetime(2026, 3, 1, 12, 43, 50, tzinfo=UTC)
REGISTRY = """
people:
  - {name: ana, role: admin, web: token, slack: U0ANA, discord: "1001"}
products:
  - {name: product-a, path: /projects/product-a, priority: high, channels: ["slack:#product-a", "discord:2001"]}
  - {name: product-b, path: /projects/product-b, channels: ["slack:#product-b"]}
  - {name: product-c, path: /projects/product-c, type: marketing}
  - {name: product-d, path: /projects/product-d}
  - {name: product-e, path: /projects/product-e, budget: {per_day_usd: 10}}
  - {name: product-f, path: /projects/product-f}
  - {name: product-g, path: /projects/product-g, budget: {per_day_usd: 20, per_work_usd: 5}}
  - {name: product-h, path: /projects/product-h, priority: low}
scheduling: {max_concurrent_sessions: 6}
schedules:
  - {name: weekly-report, product: product-c, cron: "0 9 * * mon", objective: write the weekly report}
digest: {time: "09:00"}
"""
RUNNING = ("product-a", "product-b", "product-d", "product-e", "product-f", "product-g")
"""Products in which a coordinator ran when the store was dumped."""


def restore(path: Path) -> None:
    """Write the dump into a new file."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(DUMP.read_text())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    restore(tmp_path / "fleet.db")
    with closing(Store(tmp_path / "fleet.db")) as store:
        yield store


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    restore(tmp_path / "fleet.db")
    chats = {"slack": FakeChat("slack"), "discord": FakeChat("discord")}
    with closing(Store(tmp_path / "fleet.db")) as store:
        for row in store.database.rows("SELECT n, post, platform, message FROM outbox WHERE message IS NOT NULL"):
            post = store.posts.get(row["post"])
            assert post is not None
            key = f"outbox:{store.origin}:{row['n']}"
            chats[row["platform"]].messages[row["message"]] = Message(key, post)
        mail = {name: store.mail.newest(name, 100) for name in RUNNING}
    bed = Bed(tmp_path, REGISTRY, chats=chats)
    bed.clock.at = NOW
    for name in RUNNING:
        box, halted = bed.engine.box(name), name in {"product-e", "product-f"}
        box.mail += reversed(mail[name])
        agent = Session("coordinator", "coordinator", "working", started_at=NOW, last_activity=NOW)
        box.snapshot = replace(box.snapshot, product=name, at=NOW, sessions=(agent,), paused=halted)
    async with bed:
        yield bed


def test_store_of_0_1_0_has_every_migration_and_no_notes(store: Store) -> None:
    assert {row["name"] for row in store.database.rows("SELECT name FROM migrations")} == set(MIGRATIONS)
    tables = {row["name"] for row in store.database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "notes" not in tables
    assert store.database.rows("PRAGMA foreign_key_check") == []


def test_store_of_0_1_0_has_the_schema_of_a_new_store(store: Store) -> None:
    def schema(opened: Store) -> set[str]:
        return {" ".join(row["sql"].split()) for row in opened.database.rows("SELECT sql FROM sqlite_master WHERE sql != ''")}

    with closing(Store(":memory:")) as fresh:
        assert schema(store) == schema(fresh)


def test_store_of_0_1_0_opens_again_unchanged(store: Store, tmp_path: Path) -> None:
    before = list(store.database._db.iterdump())
    with closing(Store(tmp_path / "fleet.db")) as again:
        assert list(again.database._db.iterdump()) == before


def test_notes_of_0_1_0_about_products_become_columns(store: Store) -> None:
    states = store.product_states
    assert states.pauses() == {"product-e": "budget:2026-03-01", "product-h": "parked"}
    assert states.braked() == ["product-f"]
    assert states.overspent() == {"product-e": "product-e"}
    assert states.priorities() == {"product-a": "critical", "product-c": "low"}
    assert states.priority_before_focus("product-a") is None
    assert states.retried_at("product-c") == datetime(2026, 3, 1, 12, 43, 40, tzinfo=UTC)
    assert states.woken() == {"product-b": datetime(2026, 3, 1, 12, 43, 40, tzinfo=UTC)}
    assert [states.metered_usd(name) for name in ("product-a", "product-e", "product-g", "none")] == [0.0, 11.0, 6.5, None]
    assert store.focuses.of("product-h") == ["product-a"]
    assert store.resumptions.all() == [Resumption("product-h", "ana", "web:main", "e99:resume")]
    assert store.brakes.all() == {"product-f": "ana, 01 Mar 12:12 UTC"}


def test_notes_of_0_1_0_about_money_and_days_become_rows(store: Store) -> None:
    today = date(2026, 3, 1)
    assert store.raised_limits.get("w10") == 5.5
    assert store.raised_limits.get("*", today) == 2.5
    assert store.budget_warnings.get("product-e") == "2026-03-01 10"
    assert store.fleet_state.budget_day() == today
    assert store.fleet_state.choice_tokens(today) == 1234
    digest = store.fleet_state.last_digest()
    assert digest is not None
    assert (digest.day, digest.sent_at) == (date(2026, 2, 27), datetime(2026, 2, 27, 9, tzinfo=UTC))
    assert store.spending.on(today) == {"product-e": 11.0, "product-g": 6.5}


def test_notes_of_0_1_0_about_chats_and_runtimes_become_rows(store: Store) -> None:
    at = datetime(2026, 3, 1, 12, 43, 40, tzinfo=UTC)
    assert store.runtime_lives.get("fake") == "life-1"
    assert store.unreachable.all() == {"slack:#product-b": "The channel is archived."}
    assert store.chat_positions.of("slack") == {
        "*": ChatPosition("1772366400.000000"),
        "C0PRODA": ChatPosition("1772366300.000100"),
    }
    assert store.chat_positions.of("discord") == {"*": ChatPosition("1478000000000000000", at)}
    assert store.known_channels.of("slack") == {"#product-a": "C0PRODA", "#product-b": "C0PRODB"}
    assert store.known_channels.of("discord") == {"@1001": "3001"}
    assert store.boards.get("discord", "2001") == Board("4001", 2)
    thread, direct = "slack:#product-a:1772366300.000100", "slack:@U0ANA"
    native = LiveMessage("C0PRODA", "1772366301.000200", event="slack:C0PRODA:1772366300.000100", native=True)
    assert store.live_messages.get(thread) == native
    assert store.live_messages.get(direct) == LiveMessage("D0ANA", "1772366311.000200", event="slack:D0ANA:1772366310.000100")
    assert store.live_messages.get("discord:2001") == LiveMessage("2001", "4002")
    assert store.live_messages.get("discord:@1001") == LiveMessage("3001", nonce="0011223344556677")


def test_audit_journal_of_0_1_0_still_verifies(store: Store) -> None:
    verdict = store.audit.verify()
    assert (verdict.broken, verdict.rows) == (None, store.database.value("SELECT count(*) FROM audit"))
    marks = {row["name"]: Mark(row["number"], row["hash"]) for row in store.database.rows("SELECT * FROM audit_marks")}
    assert marks["base"].number == 15
    assert marks["head"].hash == verdict.head
    store.audit.add("skill", at=NOW, person="ana", product=None, subject="w1", detail={})
    assert store.audit.verify().broken is None


def test_work_and_gates_of_0_1_0_are_what_they_were(store: Store) -> None:
    states = {work.id: work.state for work in store.work.open()}
    queued, starting, running, waiting = WorkState.QUEUED, WorkState.STARTING, WorkState.RUNNING, WorkState.WAITING
    assert states == {
        **dict.fromkeys(("w7", "w8"), queued),
        **dict.fromkeys(("w12", "w13", "w14"), starting),
        **dict.fromkeys(("w2", "w3", "w9", "w10", "w11"), running),
        "w6": waiting,
    }
    ended = {work.id: work.result for work in store.work.newest() if not work.state.open}
    assert ended == {
        "w1": "The auth feature is merged.",
        "w4": "Stopped, as the plan was rejected.",
        "w5": "It crashed.",
    }
    six = store.work.get("w6")
    assert six is not None
    assert store.work.stall_reported("w6") == six.tag
    assert [gate.id for gate in store.gates.in_states(GateState.OPEN)] == ["g3", "g6", "g7", "g9", "g10"]
    (decided,) = store.gates.in_states(GateState.DECIDED)
    assert (decided.id, decided.work, decided.decision and decided.decision.choice) == ("g4", "w3", "approve")


def test_conversations_of_0_1_0_are_what_they_were(store: Store) -> None:
    turn = [message["role"] for _, message in store.transcript.of("web:main")]
    assert turn == ["user", "assistant", "user", "assistant"] * 2
    titles = {each["id"]: each["title"] for each in store.conversations.newest("web")}
    assert titles["web:main"] == "how are things?"
    said = store.posts.of("web:main", limit=500)
    assert said[0].text == "how are things?"
    assert [post.kind for post in store.posts.with_gate("g3")] == ["gate"] * 2
    assert {timed.name: timed.from_file for timed in store.schedules.every()} == {"nightly": False, "weekly-report": True}
    assert store.outbox.counts()["attempting"] == 1
    assert [each.event for each in store.inbound.unhandled()] == ["unhandled-1"]


async def test_fleet_continues_with_the_store_of_0_1_0(bed: Bed) -> None:
    await bed.settled()
    gate = bed.store.gates.get("g4")
    assert gate is not None
    assert gate.state is GateState.DELIVERED  # it was decided, and its delivery had failed until now
    assert [call.product for call in bed.engine.calls_of("reply")] == ["product-b"]
    assert bed.store.inbound.unhandled() == []
    answer: Post = bed.store.posts.keyed("unhandled-1:")[0]
    assert "5 open gates" in answer.text
    assert {work.state for work in bed.store.work.open("product-c")} == {WorkState.RUNNING}
    assert not {"pending", "attempting"} & bed.store.outbox.counts().keys()
    assert bed.chats["discord"].looks  # type: ignore[attr-defined]


async def test_brake_and_pauses_of_0_1_0_still_hold(bed: Bed) -> None:
    await bed.settled()
    assert {name for name in bed.fleet.products if paused(bed.fleet, name)} == {"product-e", "product-f"}
    assert bed.store.resumptions.all() == []  # product-h had been resumed, and waited for capacity
    await bed.say("/fleet brake product-f --release", event="release")
    assert bed.store.brakes.all() == {}
    assert [each.product for each in bed.store.resumptions.all()] == ["product-f"]  # 6 of 6 sessions are in use
    assert bed.store.audit.verify().broken is None
