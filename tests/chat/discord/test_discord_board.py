"""The fleet board, one pinned message in each listed channel."""

from pathlib import Path

from simcord.backend.models import Message

from bot.gates.decide import decide
from tests.chat.discord.discordbed import REGISTRY, DiscordBed
from tests.standins.discord_people import labels, text_of


async def board(bed: DiscordBed, *words: str) -> Message:
    """Return product-a's board once it shows these words."""
    return await bed.ana.sees(bed.channel, "Fleet board", *words)


async def test_each_listed_channel_has_one_pinned_board(bed: DiscordBed) -> None:
    shown = await board(bed, "product-a", "idle")
    await bed.ana.sees(bed.other, "Fleet board", "product-b")
    await bed.discord.until(lambda: shown.pinned, "it is pinned")
    await bed.kill()
    await bed.start()
    await bed.settled_on_discord()
    assert len([each for each in bed.world.shown(bed.channel.id) if "Fleet board" in text_of(each)]) == 1


async def test_board_is_live_and_links_to_cards(bed: DiscordBed) -> None:
    shown = await board(bed, "idle")
    hold = bed.discord.rest.hold("POST", f"/channels/{bed.channel.id}/messages")
    bed.plan()
    await board(bed, "Waiting for a decision", "Plan “Plan ready”")
    hold.set()
    card = await bed.card()
    await board(bed, "Open g1")
    links = [each.get("url") for row in shown.components[0]["components"] for each in row.get("components", [])]
    assert links == [f"https://discord.com/channels/{bed.guild.id}/{bed.channel.id}/{card.id}"]
    decide(bed.fleet, "g1", "approve", bed.person, platform="web")
    await bed.discord.until(lambda: "Waiting for a decision" not in text_of(shown), "it does not wait any more")


async def test_deleted_board_is_posted_again(bed: DiscordBed) -> None:
    first = await board(bed)
    await bed.discord.until(lambda: first.pinned, "it is pinned")
    bed.world.delete_message(bed.channel.id, first.id)
    bed.plan()
    await bed.card()
    again = await board(bed, "Plan ready")
    assert again.id != first.id


async def test_board_is_shown_without_pin_permission(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.world.deny(bed.channel, "pin_messages")
    async with bed:
        shown = await board(bed)
        bed.plan()
        await board(bed, "Plan ready")
        assert not shown.pinned


async def test_deciders_get_note_with_link_and_outcome(tmp_path: Path) -> None:
    approvers = REGISTRY + "approvals: {{approvers: [ben]}}\n"
    async with DiscordBed(tmp_path, registry=approvers) as bed:
        hold = bed.discord.rest.hold("POST", f"/channels/{bed.channel.id}/messages")
        bed.plan()
        await bed.discord.until(
            lambda: bed.store.outbox.counts().get("attempting") == 2, "the card and the note are on their way"
        )
        assert bed.world.shown(bed.ben.direct.id) == []
        hold.set()
        card = await bed.card()
        note = await bed.ben.sees(bed.ben.direct, "waits for you", "Open the card")
        assert str(card.id) in str(note.components) and "Approve" not in labels(note)
        decide(bed.fleet, "g1", "approve", bed.fleet.registry.person("discord", str(bed.ben.id)) or bed.person, platform="web")
        await bed.discord.until(lambda: "Approved by ben" in text_of(note), "the note says so")


async def test_reminder_links_to_card(bed: DiscordBed) -> None:
    bed.plan()
    card = await bed.card()
    await bed.delivered(1)
    await bed.later(minutes=40)
    await bed.jobs.tick()
    reminder = await bed.ana.sees(bed.channel, "still waits", "Open the card")
    assert str(card.id) in str(reminder.components)
