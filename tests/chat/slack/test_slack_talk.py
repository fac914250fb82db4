"""A person talks to the fleet on Slack."""

from tests.chat.slack.slackbed import SlackBed


async def test_a_mention_in_a_products_channel_is_answered_in_a_thread_below_it(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.answer("#product-a", "Fleet", thread=ts)
