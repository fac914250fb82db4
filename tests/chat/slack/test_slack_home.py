"""App Home, its order, updates and buttons."""

from bot.work.pause import paused
from tests.chat.slack.slackbed import SlackBed
from tests.standins.slack_blocks import texts
from tests.standins.slack_people import Somebody
from tests.standins.slack_world import Json


def home(bed: SlackBed, who: Somebody) -> str:
    view: Json = bed.slack.world.homes.get(who.id, {"blocks": []})
    return "\n".join(texts(view["blocks"]))


async def test_home_shows_own_gates_then_products_and_capacity(bed: SlackBed) -> None:
    bed.plan()
    await bed.card()
    await bed.ben.opens_home()
    await bed.slack.until(lambda: "Needs your decision (1)" in home(bed, bed.ben), "the home")
    shown = home(bed, bed.ben)
    assert shown.index("Plan ready") < shown.index("Products") < shown.index("Capacity")
    assert "product-a" in shown and "product-b" not in shown  # ben's role covers product-a alone
    await bed.vic.opens_home()
    await bed.slack.until(lambda: "Nothing needs your decision" in home(bed, bed.vic), "the home")
    assert "1 gate waiting for others: Plan ready (product-a)" in home(bed, bed.vic)


async def test_decision_at_home_closes_card_and_updates_home(bed: SlackBed) -> None:
    bed.plan()
    card = await bed.card()
    await bed.ben.opens_home()
    await bed.slack.until(lambda: "Needs your decision (1)" in home(bed, bed.ben), "the home")
    await bed.ben.presses_at_home("Approve")
    await bed.slack.until(lambda: "Nothing needs your decision" in home(bed, bed.ben), "the home, live")
    await bed.slack.until(lambda: "Approved by ben" in str(card), "the card")
    await bed.answer("@fleet", "Approved by ben", who=bed.ben)


async def test_home_lists_queue_with_reasons_and_command_buttons(bed: SlackBed) -> None:
    await bed.ana.opens_home()
    bed.fleet.store.product_states.set_pause("product-a", "kept")
    ts = await bed.ana.says("#product-a", "<@fleet> spawn product-a fix the parser")
    await bed.answer("#product-a", "w1", thread=ts)
    await bed.slack.until(lambda: "product-a is paused" in home(bed, bed.ana), "the queue")
    await bed.ana.presses_at_home("Resume")
    await bed.answer("@fleet", "product-a")
    await bed.slack.until(lambda: not paused(bed.fleet, "product-a"), "the product resumes")


async def test_home_of_stranger_shows_id_for_admin(bed: SlackBed) -> None:
    await bed.eve.opens_home()
    await bed.slack.until(lambda: "U04EVE" in home(bed, bed.eve), "the home")
    assert "product-a" not in home(bed, bed.eve)


async def test_unchanged_home_is_not_published_again(bed: SlackBed) -> None:
    await bed.ana.opens_home()
    await bed.slack.until(lambda: "Products" in home(bed, bed.ana), "the home")
    sent = [name for name, _ in bed.slack.calls].count("views.publish")
    for _ in range(5):
        await bed.jobs.tick()
    ts = await bed.ana.says("#product-a", "<@fleet> products")
    await bed.answer("#product-a", "marketing", thread=ts)
    assert [name for name, _ in bed.slack.calls].count("views.publish") == sent
