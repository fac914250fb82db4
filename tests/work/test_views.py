"""Gates, work and posts as programs see them."""

import json
from pathlib import Path

from bot.domain import MailKind
from bot.gates.decide import decide
from bot.work import views
from tests.bed import Bed


async def test_gate_json_has_everything_a_decision_needs(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        await bed.say("/fleet spawn product-a fix the test")
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, body="1. *Do* it", thread=bed.work("w1").mail)
        bed.engine.set_snapshot("product-a", cost_usd_today=0.625)
        await bed.settled()
        bed.clock.forward(minutes=3)
        gate = views.gate_json(bed.open_gate(), bed.fleet)
        assert gate["html"] == "<ol>\n<li><em>Do</em> it</li>\n</ol>\n"
        assert (gate["age_seconds"], gate["cost_usd_today"]) == (180, 0.625)
        assert gate["digest"] == bed.open_gate().digest
        assert (gate["asked_by"], gate["objective"]) == ("ana", "fix the test")
        assert (gate["outcome"], gate["decision"], gate["answers"]) == ("Open.", None, [])
        json.dumps(gate)


async def test_gate_age_stops_at_the_decision(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, body="plan")
        await bed.settled()
        bed.clock.forward(minutes=1)
        decide(bed.fleet, "g1", "approve", bed.person)
        bed.clock.forward(hours=1)
        gate = views.gate_json(bed.fleet.gate("g1"), bed.fleet)
        assert gate["age_seconds"] == 60
        assert gate["outcome"].startswith("Approved by ana")


async def test_gate_of_a_removed_product_is_still_returned(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        bed.engine.push_mail("product-c", kind=MailKind.PLAN, body="plan")
        await bed.settled()
        bed.file.write_text("\n".join(line for line in bed.file.read_text().splitlines() if "product-c" not in line))
        assert bed.registry.reload()
        gate = views.gate_json(bed.fleet.gate("g1"), bed.fleet)
        assert (gate["product"], gate["may_decide"], gate["required"]) == ("product-c", [], 1)


async def test_post_json_has_current_cards(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, body="plan")
        await bed.settled()
        (post,) = bed.posts("gate")
        assert views.post_json(post, bed.fleet)["cards"][0]["detail"]["state"] == "open"
        decide(bed.fleet, "g1", "approve", bed.person)
        assert views.post_json(post, bed.fleet)["cards"][0]["detail"]["state"] != "open"


async def test_work_json_has_its_times(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        (post,) = await bed.say("/fleet spawn product-a fix the test")
        (card,) = views.post_json(post, bed.fleet)["cards"]
        assert (card["kind"], card["work"], card["gate"]) == ("work", "w1", None)
        work = views.work_json(bed.work("w1"), bed.fleet)
        assert (work["id"], work["product"], work["objective"], work["asked_by"]) == ("w1", "product-a", "fix the test", "ana")
        assert work["started_at"] == bed.clock().isoformat()
        assert work["ended_at"] is None
