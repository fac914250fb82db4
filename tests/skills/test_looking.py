"""The skills status, products, gates, inspect, help and audit."""

import json
from pathlib import Path

import pytest

from bot.domain import MailKind, Person, Role, Session, Trouble
from bot.domain.errors import NotAllowed, NotFound
from tests.bed import Bed
from tests.skills.speaking import answer, commands, data, refusal, run

LIMITED = Person("ben", Role.VIEWER, products=("product-b",))


async def test_status_is_one_answer_most_urgent_first(bed: Bed) -> None:
    bed.coordinator("product-a")
    bed.engine.push_mail("product-b", kind=MailKind.PLAN, subject="Plan: a table", body="1. Do it")
    bed.engine.set_trouble("product-c", Trouble("not_initialised", "product-c is not initialised.", "Run fleet adopt."))
    await bed.say("/fleet spawn product-a fix the test")
    post = await answer(bed, "/fleet status")
    lines = [line for line in post.text.splitlines() if line.startswith("- ")]
    assert ["product-c" in lines[0], "product-b" in lines[1], "product-a" in lines[2]] == [True] * 3
    assert "Waiting for a decision" in lines[1]
    assert "fix the test" in lines[2]
    assert commands(post) == ["/fleet gates g1"]


async def test_status_of_one_product_shows_details(bed: Bed) -> None:
    bed.coordinator("product-a")
    await bed.say("/fleet spawn product-a fix the test")
    post = await answer(bed, "!status Product A")
    assert "product-b" not in post.text
    assert "coordinator (coordinator) working" in post.text
    assert "`w1` Running “fix the test”" in post.text


async def test_status_table_names_the_fix_of_a_failed_product(bed: Bed) -> None:
    bed.engine.set_trouble("product-c", Trouble("not_initialised", "product-c is not initialised.", "Run fleet adopt."))
    table = (await run(bed, "status")).table
    assert table is not None
    assert table.rows[0][2] == "product-c is not initialised. Run fleet adopt."


async def test_status_as_data_and_as_a_table(bed: Bed) -> None:
    result = await run(bed, "status")
    assert [each["name"] for each in data(result)["products"]] == ["product-a", "product-b", "product-c"]
    assert data(result)["capacity"]["sessions"] == {"used": 0, "max": 2}
    assert result.table is not None
    assert [row[0] for row in result.table.rows] == ["○ product-a", "○ product-b", "○ product-c"]
    json.dumps(result.data)


async def test_status_shows_only_products_a_person_may_see(bed: Bed) -> None:
    bed.engine.push_mail("product-a", kind=MailKind.PLAN, body="secret plan")
    bed.person = LIMITED
    assert [each["name"] for each in data(await run(bed, "status"))["products"]] == ["product-b"]
    assert [each["name"] for each in data(await run(bed, "products"))["products"]] == ["product-b"]
    assert data(await run(bed, "gates"))["gates"] == []
    for line in ("status product-a", "products product-a", "gates g1", "gates --product product-a", "inspect product-a"):
        with pytest.raises(NotAllowed, match="product-a"):
            await run(bed, line)


async def test_products_shows_the_registry(bed: Bed) -> None:
    post = await answer(bed, "/fleet products")
    assert "**product-a** code, high priority · weight 3" in post.text
    one = await answer(bed, "/fleet products product-a")
    assert "line 3" in one.text
    assert "anyone with the admin token" in one.text


async def test_empty_fleet_explains_how_to_start(tmp_path: Path) -> None:
    async with Bed(tmp_path, registry="products: []\n") as empty:
        assert "fleet init" in (await answer(empty, "/fleet products")).text
        assert "fleet init" in (await answer(empty, "/fleet status")).text


async def test_gates_show_deciders_and_age(bed: Bed) -> None:
    assert (await answer(bed, "/fleet gates")).text == "Nothing needs your decision."
    bed.engine.push_mail("product-b", kind=MailKind.PLAN, subject="Plan: a table", body="1. Do it")
    bed.clock.forward(minutes=12)
    post = await answer(bed, "/fleet gates")
    assert "`g1` **product-b** plan “a table” · revision 1 · 12 min · needs anyone with the admin token" in post.text
    assert commands(post) == ["/fleet gates g1"]


async def test_gates_are_listed_by_urgency(bed: Bed) -> None:
    bed.engine.push_mail("product-c", kind=MailKind.PLAN, subject="Copy", body="1. Do it")
    await bed.say("/fleet spawn product-b a table")
    bed.engine.push_mail("product-b", kind=MailKind.PLAN, subject="Table", body="1. Do it", thread=bed.work("w1").mail)
    post = await answer(bed, "/fleet gates")
    lines = [line for line in post.text.splitlines() if line.startswith("- ")]
    assert ["Table" in lines[0], "w1 waits for it" in lines[0], "Copy" in lines[1]] == [True] * 3
    assert commands(post) == ["/fleet gates g2", "/fleet gates g1"]
    result = await run(bed, "gates")
    assert result.table is not None
    assert [row[-1] for row in result.table.rows] == ["w1 waits for it", ""]


async def test_gate_details_show_what_a_revision_changed(bed: Bed) -> None:
    bed.engine.push_mail("product-b", kind=MailKind.PLAN, subject="Plan", body="use a ladder\n```x", task="t1", revision=1)
    bed.engine.push_mail("product-b", kind=MailKind.PLAN, subject="Plan", body="use a table\n```x", task="t1", revision=2)
    post = await answer(bed, "/fleet gates g2")
    assert "use a table" in post.text
    assert "Changes since revision 1:\n\n````diff" in post.text, "the plan cannot close the fence"
    assert "-use a ladder\n+use a table" in post.text
    assert [card.gate for card in post.cards] == ["g2"]
    assert "superseded" in json.dumps(data(await run(bed, "gates --all")))
    assert len(data(await run(bed, "gates"))["gates"]) == 1
    assert [each["id"] for each in data(await run(bed, "gates --state superseded"))["gates"]] == ["g1"]
    assert "There is no gate “g9”" in await refusal(bed, "/fleet gates 9")


async def test_inspect_lists_sessions_and_actions(bed: Bed) -> None:
    assert (await answer(bed, "/fleet inspect product-a")).text == "No agent has run in **product-a** yet."
    gone = Session("scout-1", "scout", "working", started_at=bed.clock(), alive=False)
    bed.engine.set_sessions("product-a", gone, bed.coordinator("product-a"))
    text = (await answer(bed, "/fleet inspect product-a")).text
    assert "1 session running, 1 ended" in text
    assert "gone (recorded as working)" in text
    assert "No actions recorded." in (await answer(bed, "/fleet inspect product-a coordinator")).text
    with pytest.raises(NotFound, match="Did you mean scout-1"):
        await run(bed, "inspect product-a scout1")
    json.dumps((await run(bed, "inspect product-a scout-1")).data)


async def test_invalid_command_suggests_a_valid_one(bed: Bed) -> None:
    (post,) = [post for post in await bed.say("/fleet statsu product-a") if post.kind == "error"]
    assert commands(post) == ["/fleet status product-a"]
    (post,) = [post for post in await bed.say("/fleet approve g7") if post.kind == "error"]
    assert commands(post) == []


async def test_help_is_generated_from_declarations(bed: Bed) -> None:
    post = await answer(bed, "/fleet help")
    for skill in bed.router.skills:
        assert f"`/fleet {skill.name}` {skill.summary}" in post.text
    one = await answer(bed, "/fleet help approve_plan")
    assert "`/fleet approve-plan <gate> [answer…]" in one.text
    assert "people only" in one.text
    assert "Did you mean `/fleet help status`?" in await refusal(bed, "/fleet help statsu")


# -- the journal


async def test_audit_shows_who_did_what(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    post = await answer(bed, "/fleet audit w1")
    assert "ana · **work** · `w1` · asked: fix it" in post.text
    assert "**skill** · `spawn`" in (await answer(bed, "/fleet audit product-a --kind skill")).text
    assert "No matching rows" in (await answer(bed, "/fleet audit g99")).text


async def test_audit_verify_locates_a_change(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    assert "The journal is intact" in (await answer(bed, "/fleet audit --verify")).text
    bed.store.database.run("UPDATE audit SET person = 'eve' WHERE subject = 'w1'")
    row = bed.store.audit.about("w1")[0]["n"]
    assert f"changed at row {row}:** what it says was changed" in (await answer(bed, "/fleet audit --verify")).text


async def test_audit_requires_an_admin(bed: Bed) -> None:
    bed.person = Person("oli", Role.OPERATOR)
    assert "needs the role admin" in await refusal(bed, "/fleet audit")
