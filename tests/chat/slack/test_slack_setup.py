"""The manifest, the doctor's checks, HTTP mode and the start-up report."""

import asyncio
import json
from pathlib import Path

import pytest

from bot.chat.slack.manifest import APP_SCOPES, EVENTS, HOOK, SCOPES, manifest
from bot.chat.web import WebChat
from bot.cli import main
from bot.commands import catalogue
from bot.doctor import examine
from tests.chat.slack.slackbed import REGISTRY, SlackBed
from tests.standins.slack import Slack
from tests.standins.slack_methods import METHODS


def test_manifest_lists_skills_within_slack_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["slack-manifest"]) == 0
    out, reasons = capsys.readouterr()
    made = json.loads(out)
    assert made["settings"]["socket_mode_enabled"] and not made["settings"]["token_rotation_enabled"]
    (command,) = made["features"]["slash_commands"]
    names = [skill.name for skill in catalogue.load()]
    assert all(name in command["usage_hint"] and name in made["display_information"]["long_description"] for name in names)
    assert 174 <= len(made["display_information"]["long_description"]) <= 4000
    assert len(made["display_information"]["description"]) <= 140 and len(command["usage_hint"]) <= 1000
    assert (
        made["features"]["shortcuts"][0]["callback_id"] == "make_task" and len(made["features"]["shortcuts"][0]["name"]) <= 24
    )
    assert len(made["features"]["agent_view"]["suggested_prompts"]) <= 4
    assert all(f"{scope}: " in reasons for scope in (*SCOPES, *APP_SCOPES))


def test_http_manifest_uses_one_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["slack-manifest", "--http", "https://fleet.example.org/"]) == 0
    made = json.loads(capsys.readouterr().out)
    settings, address = made["settings"], f"https://fleet.example.org{HOOK}"
    assert not settings["socket_mode_enabled"]
    assert settings["event_subscriptions"]["request_url"] == settings["interactivity"]["request_url"] == address
    assert made["features"]["slash_commands"][0]["url"] == address
    assert main.main(["slack-manifest", "--http", "http://fleet.example.org"]) == 2
    assert "https" in capsys.readouterr().err


def test_manifest_requests_exactly_the_scopes_in_use() -> None:
    used = {scope for method in METHODS.values() for scope in method.scopes} - set(APP_SCOPES)
    heard = {"app_mentions:read", "commands"}
    assert set(SCOPES) == used | heard
    assert set(EVENTS) >= {"app_mention", "message.im", "agent_session_stopped", "tokens_revoked"}
    assert manifest(())["oauth_config"]["scopes"]["bot"] == sorted(SCOPES)


async def test_manifest_scopes_suffice_for_a_day(bed: SlackBed) -> None:
    bed.slack.scopes = set(SCOPES)
    await bed.crash()
    bed.plan(body="\n".join(f"{number}. Step" for number in range(99)))
    card = await bed.card()
    await bed.ben.presses("Request changes", "#product-a", card)
    await bed.ben.submits(await bed.ben.form(), {"What should change?": "smaller"})
    await bed.ana.opens_home()
    await bed.ana.says("@fleet", "!status")
    await bed.answer("@fleet", "Fleet")


# -- the doctor ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "products.yaml").write_text(REGISTRY)
    return tmp_path


async def said(folder: Path, slack: Slack, **more: str) -> dict[str, tuple[str, str, str]]:
    tokens = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token, "SLACK_API_URL": slack.url}
    environ = {"FLEET_STATE": str(folder / "state"), "FLEET_ENGINE": "rehearsal", **tokens, **more}
    found = await examine({name: text for name, text in environ.items() if text}, folder)
    return {each.name: (each.status, each.message, each.fix) for each in found.checks if each.name.startswith("slack")}


async def test_doctor_accepts_working_slack(folder: Path) -> None:
    async with Slack() as slack:
        slack.scopes = set(SCOPES)
        slack.channel("product-a")
        slack.channel("product-b")
        found = await said(folder, slack)
        assert {name: status for name, (status, *_) in found.items()} == {
            "slack": "ok", "slack socket": "ok", "slack channels": "ok",
        }  # fmt: skip
        assert "https://fleet.slack.com/" in found["slack"][1] and not slack.sockets


async def test_doctor_reports_missing_scopes_channels_and_people(folder: Path) -> None:
    (folder / "products.yaml").write_text(REGISTRY.partition("people:")[0])
    async with Slack() as slack:
        slack.scopes = set(SCOPES) - {"files:write"}
        slack.channel("product-a")
        slack.channel("product-b", bot=False)
        found = await said(folder, slack)
        assert found["slack scopes"][0] == "fail" and "files:write: to attach a plan" in found["slack scopes"][1]
        assert "#product-b of product-b" in found["slack channels"][1] and "/invite" in found["slack channels"][2]
        assert found["slack people"][0] == "warn"


async def test_doctor_reports_which_token_is_wrong(folder: Path) -> None:
    async with Slack() as slack:
        found = await said(folder, slack, SLACK_APP_TOKEN="xapp-1-of-somebody-else")
        assert found["slack socket"][0] == "fail" and "connections:write" in found["slack socket"][2]
        found = await said(folder, slack, SLACK_BOT_TOKEN="xoxb-of-somebody-else")
        assert found["slack"][0] == "fail" and "token is not valid" in found["slack"][1]
        assert "somebody-else" not in str(found)
        found = await said(folder, slack, SLACK_APP_TOKEN="")
        assert "SLACK_APP_TOKEN is missing" in found["slack"][1]
        http = {"SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": slack.signing_secret}
        found = await said(folder, slack, **http, FLEET_PUBLIC_URL="http://fleet.example.org")
        assert found["slack http"][0] == "fail"
        found = await said(folder, slack, **http, FLEET_PUBLIC_URL="https://fleet.example.org")
        assert found["slack http"][0] == "ok" and HOOK in found["slack http"][1]
    found = await said(folder, slack)
    assert found["slack"][0] == "fail" and "cannot be reached" in found["slack"][1]


# -- over HTTP -------------------------------------------------------------------------------------------------------------


async def test_http_mode_works_like_socket_mode(tmp_path: Path) -> None:
    async with SlackBed(tmp_path, http=True) as bed:
        web = WebChat(bed.fleet, bed.router, token="a-token-for-tests", ready=dict, ports=(0,))
        web.mounted.update(bed.chat.hooks())
        await web.start()
        bed.slack.request_url = f"{web.url}{HOOK}"
        ts = await bed.ana.says("#product-a", "<@fleet> status")
        await bed.answer("#product-a", "Fleet", thread=ts)
        bed.plan()
        card = await bed.card()
        await bed.ben.presses("Request changes", "#product-a", card)
        answer = (await bed.ben.submits(await bed.ben.form(), {"What should change?": "  "})).answer
        assert answer["response_action"] == "errors"
        await bed.ana.commands("#product-a", "approve-plan g1 approve")
        await bed.slack.until(lambda: "Approved by ana" in str(card), "the outcome")
        assert bed.chat.part().why.endswith("(HTTP)") and not bed.slack.refused

        bed.slack.signing_secret = "somebody else's"
        delivery = await bed.slack.emit({"type": "app_home_opened", "user": "U01ANA", "tab": "home", "channel": "D01"})
        assert delivery.acked is None and "401" in bed.slack.refused[0]
        # The refused request's connection closes a moment later, and a server that stops meanwhile would leave it open.
        await asyncio.sleep(0.3)
        await web.stop()


async def test_socket_mode_has_no_http_hook(bed: SlackBed) -> None:
    assert bed.chat.hooks() == {}
