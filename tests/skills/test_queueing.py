"""The skills queue, cancel, prioritize, why, resources, costs and digest."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.domain import MailKind, Person, Role, WorkState
from bot.domain.errors import NotAllowed, NotFound
from tests.bed import Bed
from tests.skills.speaking import answer, commands, data, refusal, run

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, priority: high}
  - {name: product-b, path: /projects/product-b}
  - {name: product-c, path: /projects/product-c, priority: low}
scheduling: {max_concurrent_sessions: 1, resource_budget: {max_weight: 5}}
budget: {per_day_usd: 50}
"""


@pytest.fixture
async def bed(tmp_path: Path) -> Any:
    async with Bed(tmp_path, REGISTRY) as bed:
        yield bed


async def full(bed: Bed, *products: str) -> None:
    """Start one piece of work on product-b and queue one for each product."""
    await bed.say("/fleet spawn product-b run first")
    for product in products:
        bed.clock.forward(seconds=1)
        await bed.say(f"/fleet spawn {product} fix {product}")


async def ends(bed: Bed, work: str, minutes: float = 0, kind: MailKind = MailKind.FINISHED) -> None:
    bed.clock.forward(minutes=minutes)
    bed.engine.push_mail(bed.work(work).product, kind=kind, subject="Done", body="all is well", thread=bed.work(work).mail)
    await bed.settled()


def line(result: Any) -> list[str]:
    return [each["id"] for each in data(result)["queue"]]


# -- queue


async def test_queue_shows_reasons_and_expected_waits(bed: Bed) -> None:
    assert "No queued work." in (await answer(bed, "/fleet queue")).text
    for _ in range(3):
        await bed.say("/fleet spawn product-b do it")
        await ends(bed, bed.store.work.newest()[0].id, minutes=14)
    await full(bed, "product-c", "product-a")
    bed.clock.forward(minutes=4)
    post = await answer(bed, "/fleet queue")
    assert "**Queue:** 2 queued · 1 of 1 slot · 1 session" in post.text
    first, second = (part for part in post.text.splitlines() if part.startswith("- "))
    assert first.startswith("- 1st `w6` **product-a** “fix product-a”: waits for a slot (1 of 1 in use); about 9 min")
    assert "(median of the last 3 runs)" in first
    assert second.startswith("- 2nd `w5` **product-c**")
    assert commands(post) == ["/fleet cancel w6", "/fleet cancel w5"]
    picture = data(await run(bed, "queue"))
    assert [each["id"] for each in picture["running"]] == ["w4"]
    assert picture["queue"][0] | {"place": 1, "code": "sessions", "wait_seconds": 9 * 60 + 58} == picture["queue"][0]
    assert line(await run(bed, "queue product-c")) == ["w5"]


async def test_queue_shows_only_products_a_person_may_see(bed: Bed) -> None:
    await full(bed, "product-c", "product-a")
    bed.person = Person("ben", Role.VIEWER, products=("product-c",))
    result = await run(bed, "queue")
    assert line(result) == ["w2"]
    assert data(result)["hidden"] == 2
    assert "product-a" not in result.text
    assert "product-a" not in (await run(bed, "why")).text
    for command in ("queue product-a", "why product-a", "why w3", "costs product-a"):
        with pytest.raises(NotAllowed, match="product-a"):
            await run(bed, command)


# -- cancel


async def test_cancel_removes_work_and_names_dependents(bed: Bed) -> None:
    await full(bed, "product-a")
    await bed.say("/fleet spawn product-c --after w2 then this")
    post = await answer(bed, "/fleet cancel W2")
    assert "`w2` for **product-a** is cancelled" in post.text
    assert "`w3` depended on it; `/fleet prioritize w3 --after none` removes the dependency." in post.text
    assert bed.work("w2").state is WorkState.CANCELLED
    assert "Run `/fleet stop product-b`" in await refusal(bed, "/fleet cancel w1")
    assert "There is no work" in await refusal(bed, "/fleet cancel w99")
    bed.person = Person("ben", Role.OPERATOR, products=("product-c",))
    await bed.say("/fleet spawn product-c again")
    with pytest.raises(NotAllowed):
        await run(bed, "cancel w1")


# -- prioritize


async def test_prioritize_overrides_the_registry(bed: Bed) -> None:
    await full(bed, "product-a", "product-c")
    post = await answer(bed, "/fleet prioritize product-c critical")
    assert "critical priority. products.yaml says low and was not changed" in post.text
    assert line(await run(bed, "queue")) == ["w3", "w2"]
    await bed.crash()
    assert line(await run(bed, "queue")) == ["w3", "w2"]
    assert "low priority, as in products.yaml" in (await answer(bed, "/fleet prioritize product-c default")).text
    assert line(await run(bed, "queue")) == ["w2", "w3"]
    assert "priority: low" in bed.file.read_text()


async def test_work_moved_by_hand_stays_in_position(bed: Bed) -> None:
    await full(bed, "product-a", "product-a", "product-c", "product-b")
    assert line(await run(bed, "queue")) == ["w2", "w3", "w4", "w5"], "product-b has a slot already and yields"
    await bed.say("/fleet prioritize w4 --before w3")
    assert line(await run(bed, "queue")) == ["w2", "w4", "w3", "w5"]
    await bed.say("/fleet prioritize w5 --first")
    assert line(await run(bed, "queue")) == ["w5", "w2", "w4", "w3"]
    await bed.say("/fleet prioritize w2 --last")
    await bed.crash()
    bed.clock.forward(hours=5)
    assert line(await run(bed, "queue")) == ["w5", "w4", "w3", "w2"]
    assert "moved in the queue by" in (await run(bed, "why w4")).text


async def test_work_has_its_own_priority_deadline_and_dependencies(bed: Bed) -> None:
    await full(bed, "product-a", "product-c")
    post = await answer(bed, "/fleet prioritize w3 critical --deadline 18:00")
    assert "`w3` for **product-c**: priority critical, by 2026-03-01 18:00 UTC. Queued, 1st in line" in post.text
    assert "after `w3`" in (await answer(bed, "/fleet prioritize w2 --after w3")).text
    assert "w3 → w2 → w3" in await refusal(bed, "/fleet prioritize w3 --after w2")
    assert "None of them could ever start" in await refusal(bed, "/fleet prioritize w2 --after w2")
    assert bed.work("w3").depends_on == ()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("prioritize w2", "new priority or position is missing"),
        ("prioritize product-a", "new priority is missing"),
        ("prioritize product-a --first", "apply to work, not to products"),
        ("prioritize w1 high", "is not in the queue: it is running"),
        ("prioritize w2 --before w1", "w1 is not in the queue"),
        ("prioritize w2 --after w77", "There is no work"),
        ("prioritize w2 --deadline yesterday", "Not a valid time"),
        ("prioritize w2 --deadline 2020-01-01", "has passed"),
        ("spawn product-a --weight -1 do it", "weight"),
        ("spawn product-a --weight 6 do it", "A weight of 6 never fits: all work together may weigh 5"),
        ("spawn product-a --estimate 0 do it", "estimate"),
        ("spawn product-a --after w99 do it", "There is no work"),
        ("spawn product-a --deadline 2020-01-01 do it", "has passed"),
        ("spawn product-a --priority highest do it", "critical, high, medium, low"),
    ],
)
async def test_invalid_commands_are_refused_and_change_nothing(bed: Bed, line: str, why: str) -> None:
    await full(bed, "product-a")
    before = bed.work("w2")
    assert why in await refusal(bed, f"/fleet {line}")
    assert bed.work("w2") == before
    assert len(bed.store.work.newest()) == 2


async def test_work_row_records_requester_and_source(bed: Bed) -> None:
    await run(bed, "spawn product-a --priority critical --estimate 2.5 --weight 3 --deadline tomorrow do it", by_model=True)
    work = bed.work("w1")
    assert (work.source, work.priority, work.estimate_usd, work.weight) == ("agent", "critical", 2.5, 3.0)
    assert work.deadline == datetime(2026, 3, 2, 23, 59, tzinfo=UTC)


# -- why


async def test_why_answers_from_admission_records(bed: Bed) -> None:
    await full(bed, "product-c", "product-a")
    text = (await answer(bed, "/fleet why product-c")).text
    assert "`w2` of **product-c** waits for a slot (1 of 1 in use); 2nd in the queue by priority, age and weight." in text
    await ends(bed, "w1")
    text = (await answer(bed, "/fleet why w3")).text
    assert "`w3` of **product-a** is running, admitted" in text
    assert "admitted: 1 of 1 slots in use; by priority, age and weight (1 of 1 slots" in text
    assert "held back: waits for a slot (1 of 1 in use)" in text
    assert "Requested by ana" in text
    rulings = data(await run(bed, "why w3"))["rulings"]
    assert [(each["verdict"], each["code"]) for each in rulings] == [("start", "admitted"), ("wait", "sessions")]
    assert "`w2` of **product-c** waits" in (await answer(bed, "/fleet why")).text
    with pytest.raises(NotFound):
        await run(bed, "why product-zz")


async def test_why_reports_the_brake_while_nothing_is_queued(bed: Bed) -> None:
    assert (await answer(bed, "/fleet why")).text == "The queue is empty."
    await bed.say("/fleet brake --yes")
    text = (await answer(bed, "/fleet why")).text
    assert "Nothing starts on any product: the brake is on" in text and "The queue is empty." in text


async def test_why_shows_changed_terms_without_empty_values(bed: Bed) -> None:
    await full(bed, "product-c", "product-a")
    await bed.say("/fleet prioritize w3 low")
    assert "work (prioritized priority low)" in (await answer(bed, "/fleet why w3")).text


async def test_why_names_shortage_position_and_expected_wait(tmp_path: Path) -> None:
    registry = REGISTRY.replace("max_concurrent_sessions: 1", "max_concurrent_sessions: 9")
    async with Bed(tmp_path, registry) as bed:
        for product, minutes, gb in 3 * (("product-b", 14, 1.2), ("product-c", 18, 3.0)):
            await bed.say(f"/fleet spawn {product} do it")
            bed.engine.set_snapshot(product, memory_mib=gb * 1024)
            await ends(bed, bed.store.work.newest()[0].id, minutes=minutes)
            bed.engine.set_snapshot(product, memory_mib=0.0)
        await bed.say("/fleet spawn product-c do it")
        bed.engine.set_snapshot("product-c", memory_mib=11.4 * 1024)
        bed.clock.forward(minutes=4)
        for _ in range(2):
            await bed.say("/fleet spawn product-b do it")
        text = (await answer(bed, "/fleet why product-b")).text
        short = "`{}` of **product-b** waits: 0.6 GB short of memory (11.4 of 12 GB in use or reserved, 1.2 needed); "
        end = " in the queue by priority, age and weight; about {} (median of the last 3 runs)."
        assert text.splitlines()[0] == short.format("w8") + "1st" + end.format("14 min")
        assert short.format("w9") + "2nd" + end.format("28 min") in text


async def test_why_explains_pauses_refusals_and_gates(bed: Bed) -> None:
    await bed.say("/fleet pause product-c")
    await bed.say("/fleet spawn product-c do it")
    text = (await answer(bed, "/fleet why product-c")).text
    assert text.startswith("Nothing starts on **product-c**: product-c is paused.")
    assert "ana: pause" in text
    bed.engine.push_mail("product-a", kind=MailKind.QUESTION, subject="Which?", body="Which one?")
    await bed.settled()
    assert "`g1` question “Which?” of **product-a**: Open." in (await answer(bed, "/fleet why g1")).text
    assert "No unfinished work" in (await answer(bed, "/fleet why product-a")).text
    bed.person = Person("vic", Role.VIEWER)
    await refusal(bed, "/fleet stop product-a")
    assert "refused" in (await answer(bed, "/fleet why product-a")).text


# -- resources and costs


async def test_resources_shows_limits_machine_and_products(bed: Bed) -> None:
    await full(bed)
    bed.engine.set_snapshot("product-b", memory_mib=512.0, cpu_percent=20.0)
    result = await run(bed, "resources")
    assert "**Capacity:**" in result.text
    assert "this machine: CPU" in result.text
    assert "**product-b** 1 slot · 1 session · CPU 20 % of a core · 0.5 GB" in result.text
    assert data(result)["capacity"]["sessions"] == {"used": 1, "reserved": 0, "max": 1}
    assert data(result)["machine"]["memory_total_gb"] > 0


async def test_costs_by_product_day_and_work(bed: Bed) -> None:
    await full(bed)
    bed.engine.set_snapshot("product-b", cost_usd_today=3.0, cost_usd_total=3.0)
    await bed.settled()
    assert "**$3.00** of $50.00 today: $3.00 by agents of 3 products, $0.00 by me." in (await answer(bed, "/fleet costs")).text
    assert "`w1` $3.00 “run first”" in (await answer(bed, "/fleet costs product-b")).text
    bed.clock.forward(days=1)
    bed.engine.set_snapshot("product-b", cost_usd_today=1.0, cost_usd_total=4.0)
    await bed.settled()
    assert data(await run(bed, "costs"))["products"][0]["usd"] == 1.0
    assert data(await run(bed, "costs --days 2"))["products"][0]["usd"] == 4.0


# -- digest


async def test_digest_lists_changes_and_omits_unchanged_products(bed: Bed) -> None:
    assert (await answer(bed, "/fleet digest")).text == "Nothing changed in the last 24 hours."
    await full(bed, "product-a")
    await ends(bed, "w1")
    bed.engine.push_mail("product-a", kind=MailKind.QUESTION, subject="Which?", body="Which one?")
    await bed.settled()
    text = (await answer(bed, "/fleet digest")).text
    assert "**What changed** in the last 24 hours: 1 done, 1 gate waiting" in text
    assert "**product-b** done: `w1` all is well" in text
    assert "**product-a** needs a decision: question “Which?” (`g1`)" in text
    assert "product-c" not in text
    bed.clock.forward(hours=30)
    assert (await answer(bed, "/fleet digest")).text == "Nothing changed in the last 24 hours."


async def test_daily_digest_is_posted_once_and_only_after_changes(tmp_path: Path) -> None:
    wanted = 'digest: {time: "8:30", timezone: Europe/Vienna, weekends: true}\n'
    async with Bed(tmp_path, REGISTRY + wanted) as bed:
        await full(bed)

        async def at(hour: int, minute: int = 0, day: int = 2) -> list[str]:
            bed.clock.at = datetime(2026, 3, day, hour, minute, tzinfo=UTC)
            bed.jobs.wake()
            await bed.settled()
            return [post.text for post in bed.posts("report") if "What changed" in post.text]

        assert await at(7, 29) == []
        assert "1 unfinished" in (await at(7, 30))[0]
        await bed.crash()
        assert len(await at(9)) == 1
        await ends(bed, "w1")
        assert "1 done" in (await at(8, day=3))[-1]
        assert len(await at(8, day=4)) == 2, "nothing changed"
