"""The invite link, the doctor's checks and the terminal's commands."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest

from bot.chat.discord import check as checks
from bot.chat.discord import invite
from bot.domain.checks import Check
from bot.domain.errors import SettingsError
from bot.registry import load
from bot.settings import Settings
from tests.chat.discord.discordbed import REGISTRY, DiscordBed
from tests.process import ROOT
from tests.standins.discord import TOKEN


@pytest.fixture
async def away(tmp_path: Path) -> AsyncIterator[DiscordBed]:
    """Yield a fleet that is not connected."""
    bed = DiscordBed(tmp_path)
    bed.connect = False
    async with bed:
        yield bed


async def examined(bed: DiscordBed) -> dict[str, Check]:
    """Return the doctor's checks of Discord by name, with the channels as `a` and `b`."""
    environ = {"DISCORD_TOKEN": TOKEN, "DISCORD_API_URL": bed.discord.api, "DISCORD_GATEWAY_URL": bed.discord.gateway_url}
    found = await checks.check(Settings.load(environ, bed.folder / "nowhere"), load(bed.file))
    channels = [each for each in found if each.name == "discord channels"]
    return {each.name: each for each in found if each not in channels} | dict(zip("ab", channels, strict=False))


async def test_doctor_accepts_invited_bot(bed: DiscordBed) -> None:
    await bed.commands()
    found = await examined(bed)
    assert {each.status for each in found.values()} == {"ok"}, found
    assert found["a"].message == "#product-a of Works"


async def test_doctor_reports_wrong_token(away: DiscordBed) -> None:
    away.discord.token = "another"
    (check,) = (await examined(away)).values()
    assert (check.status, check.message) == ("fail", "Discord rejects DISCORD_TOKEN.")


async def test_doctor_reports_missing_permissions_per_channel(away: DiscordBed) -> None:
    away.world.deny(away.channel, "attach_files", "pin_messages")
    away.world.deny(away.other, "view_channel")
    found = await examined(away)
    lacks = found["a"]
    assert lacks.status == "fail" and "Attach Files, Pin Messages" in lacks.message and "#product-a" in lacks.message
    assert "cannot see" in found["b"].message
    assert found["discord commands"].status == "warn"


async def test_doctor_reports_missing_intents_people_and_channels(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path, registry=REGISTRY.split("people:")[0])
    bed.connect = False
    bed.discord.rest.flags = 0
    bed.file.write_text(bed.file.read_text().replace(str(bed.other.id), "4242"))
    async with bed:
        found = await examined(bed)
        assert "Message Content intent is off" in found["discord intents"].message
        assert "answers nobody on Discord" in found["discord people"].message
        assert found["b"].message == "Channel 4242 does not exist."


async def test_doctor_reports_unreachable_discord(away: DiscordBed) -> None:
    await away.discord.__aexit__()
    (check,) = (await examined(away)).values()
    assert check.status == "fail" and "cannot be reached" in check.message
    await away.discord.__aenter__()


def test_invite_link_requests_only_explained_permissions() -> None:
    asked = invite.permissions()
    assert f"permissions={asked.value}" in invite.link(42) and "client_id=42" in invite.link(42)
    assert all(invite.REASONS.values())
    for power in ("administrator", "manage_guild", "manage_channels", "manage_messages", "mention_everyone", "manage_roles"):
        assert not getattr(asked, power)
    assert set(invite.REASONS) <= set(discord.Permissions.VALID_FLAGS)


def test_guide_lists_same_permission_reasons() -> None:
    guide = (ROOT / "docs" / "discord.md").read_text()
    for name, reason in invite.REASONS.items():
        assert f"| {invite.described(name)} | {reason} |" in guide


def test_application_id_is_read_from_token() -> None:
    token = base64.b64encode(b"123456789012345678").decode().rstrip("=") + ".x.y"
    assert invite.application_of(token) == 123456789012345678
    with pytest.raises(SettingsError, match="not a bot token"):
        invite.application_of("secret")
