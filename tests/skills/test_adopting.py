"""The skill `adopt` in chat and on the command line."""

from pathlib import Path

import pytest

from bot.commands import catalogue, grammar
from bot.domain import Person, Role, Trouble
from bot.domain.errors import NotAllowed, NotFound, UsageError
from tests.bed import Bed
from tests.skills.speaking import answer, commands, data, refusal, run


async def test_adopt_previews_and_its_button_applies_the_preview(bed: Bed) -> None:
    shown = await answer(bed, "/fleet adopt product-a")
    assert "+asks first" in shown.text
    assert "Nothing was changed." in shown.text
    (command,) = commands(shown)
    assert command == "/fleet adopt product-a --yes --shown a1"
    assert command in shown.text
    assert not bed.engine.box("product-a").adopted
    done = await answer(bed, command)
    assert "product-a** is adopted: 1 file changed, commit `c0ffee1`" in done.text
    assert "/backup" in done.text
    assert bed.engine.calls_of("adopt")[-1].args["shown"] == "a1"
    assert "Nothing to do" in (await answer(bed, "/fleet adopt product-a")).text


async def test_adopt_refuses_an_outdated_preview(bed: Bed) -> None:
    assert "no longer what was shown" in await refusal(bed, "/fleet adopt product-a --yes --shown zz9")
    assert not bed.engine.box("product-a").adopted


async def test_undo_asks_for_confirmation(bed: Bed) -> None:
    await bed.say("/fleet adopt product-a --yes")
    (command,) = commands(await answer(bed, "/fleet adopt product-a --undo"))
    assert bed.engine.box("product-a").adopted
    assert "undone: 1 file restored" in (await answer(bed, command)).text
    assert not bed.engine.box("product-a").adopted
    assert "no adoption of product-a" in await refusal(bed, "/fleet adopt product-a --undo")


async def test_adopt_names_obstacles_and_offers_no_button(bed: Bed) -> None:
    bed.engine.box("product-a").dirty = ("src/a.py",)
    shown = await answer(bed, "/fleet adopt product-a")
    assert "src/a.py" in shown.text
    assert not [command for command in commands(shown) if "--yes" in command]
    assert "src/a.py" in await refusal(bed, "/fleet adopt product-a --yes")


async def test_model_only_gets_a_preview(bed: Bed) -> None:
    result = await run(bed, "/fleet adopt product-a --yes", by_model=True)
    assert not bed.engine.box("product-a").adopted
    assert "A person has to apply it with" in result.text
    assert data(result)["confirm"].endswith("--yes --shown a1")


async def test_adopt_requires_an_admin(bed: Bed) -> None:
    bed.person = Person("olga", Role.OPERATOR)
    assert "needs the role admin" in await refusal(bed, "/fleet adopt product-a")
    bed.person = Person("ben", Role.ADMIN, products=("product-a",))
    with pytest.raises(NotAllowed):
        await run(bed, "/fleet adopt /projects/product-b")
    assert not bed.engine.calls_of("adopt")


async def test_adopt_is_recorded_in_the_journal(bed: Bed) -> None:
    await bed.say("/fleet adopt product-a --yes")
    rows = [row for row in bed.store.audit.newest(20) if row["kind"] == "adopt"]
    assert [(row["person"], row["product"]) for row in rows] == [("ana", "product-a")]
    assert rows[0]["detail"]["commit"] == "c0ffee1"


async def test_adopt_of_an_unlisted_folder_prints_its_entry(bed: Bed) -> None:
    shown = await run(bed, "/fleet adopt /projects/new-shop --type support")
    assert data(shown)["product"] == "new-shop"
    assert data(shown)["confirm"] == "/fleet adopt /projects/new-shop --type support --yes --shown a1"
    done = await run(bed, data(shown)["confirm"])
    assert "{name: new-shop, path: /projects/new-shop, type: support}" in done.text
    call = bed.engine.calls_of("adopt")[-1]
    assert (call.product, call.args["path"], call.args["type"]) == ("new-shop", "/projects/new-shop", "support")


async def test_adopt_of_a_product_folder_finds_the_product(bed: Bed) -> None:
    await run(bed, "/fleet adopt /projects/product-c --yes")
    assert bed.engine.calls_of("adopt")[-1].args["type"] == "marketing"
    assert bed.engine.box("product-c").adopted


def test_relative_path_starts_at_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known = catalogue.load()
    for typed, meant in (("./shop", tmp_path / "shop"), ("a/b", tmp_path / "a" / "b"), (".", tmp_path), ("~", Path.home())):
        assert grammar.parse(f"adopt {typed}", known)[1]["product"] == str(meant)
    assert grammar.parse("adopt shop", known)[1]["product"] == "shop"


async def test_adopt_refuses_unknown_products_and_those_without_agents(bed: Bed) -> None:
    with pytest.raises(NotFound, match="product-a"):
        await run(bed, "/fleet adopt product-aa")
    bed.file.write_text(
        bed.file.read_text().replace("path: /projects/product-b,", "path: /projects/product-b, overstory: false,")
    )
    assert bed.registry.reload()
    with pytest.raises(UsageError, match="runs no agents"):
        await run(bed, "/fleet adopt product-b")


async def test_adoption_notice_is_shown_and_stops_no_work(bed: Bed) -> None:
    bed.engine.set_snapshot("product-b", notice=Trouble("overwritten", "It was overwritten.", "Say `/fleet adopt product-b`."))
    await bed.settled()
    shown = await run(bed, "/fleet status")
    assert "⚠ product-b: It was overwritten. Say `/fleet adopt product-b`." in shown.text
    (product,) = [each for each in data(shown)["products"] if each["name"] == "product-b"]
    assert (product["state"], product["notice_code"]) == ("idle", "overwritten")
    await bed.say("/fleet spawn product-b fix it")
    await bed.settled()
    assert bed.engine.calls_of("send", "product-b")
