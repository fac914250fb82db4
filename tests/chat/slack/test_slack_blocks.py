"""Messages built from arbitrary text are valid for Slack and mention no one."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from bot.chat.slack import to_card, to_form, to_home, to_message
from bot.chat.slack.text import UNJOINED, escape, local_times, read, tame
from bot.chat.slack.to_markdown import shortened, to_blocks
from bot.domain import Card, Post, Product, Suggestion, Work, WorkState
from bot.work.admission import Capacity
from bot.work.status import FleetStatus, product_status
from tests.standins.slack_blocks import BLOCKS, MOST_TEXT, message_problems, texts, view_problems

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MARKS = st.sampled_from(
    ["<!channel>", "<!here|x>", "@everyone", "@here", "<@U01ANA>", "<#C01>", "| a | b |\n|---|--:|\n| 1 | 2 |\n", "```\n", "**",
     "`", "&amp;", "<", ">", "\n\n", "# ", "[x](https://e.org)", "🚀", "\u202e", "x" * 400]
)  # fmt: skip
PROSE = st.lists(st.one_of(MARKS, st.text(max_size=30)), max_size=60).map("".join)
CALM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def gate(**more: Any) -> dict[str, Any]:
    base = {
        "id": "g1", "product": "product-a", "kind": "plan", "state": "open", "revision": 1, "title": "Plan", "body": "Do it.",
        "options": ["approve", "changes", "reject"], "digest": "d" * 64, "decision": None, "answers": [], "required": 1,
        "outcome": "Open.", "may_decide": ["ana"], "needs": "ana", "asked_by": "ben", "diff": "", "age_seconds": 60,
        "cost_usd_today": 0.5, "reminds_at": NOW.isoformat(), "updated_at": NOW.isoformat(),
    }  # fmt: skip
    return {**base, **more}


def taken(blocks: list[dict[str, Any]]) -> None:
    """Assert that the stand-in's checker and the library's own accept blocks."""
    assert not message_problems(blocks)
    for each in blocks:
        parsed = Block.parse(each)
        assert parsed is not None
        parsed.validate_json()
    said = "\n".join(texts(blocks))
    assert not re.search(r"<!(?!date)|<@|@(channel|here|everyone)\b", said, re.IGNORECASE)


@CALM
@given(title=PROSE, body=PROSE, diff=PROSE, note=PROSE, option=st.text(min_size=1, max_size=80))
def test_card_accepts_any_gate(title: str, body: str, diff: str, note: str, option: str) -> None:
    decision = {"choice": "reject", "note": note, "by": "ana", "at": NOW.isoformat(), "platform": "slack"}
    open_gate = gate(title=title, body=body, diff=diff, options=["approve", f"x{option}", "reject"], kind="decision")
    closed = {**open_gate, "state": "decided", "decision": decision, "outcome": f"Rejected by ana, 12:00 UTC: {note}"}
    taken(to_card.card(open_gate).blocks)
    taken(to_card.card(closed).blocks)
    taken(to_card.card({**open_gate, "kind": "action"}).blocks)
    assert not view_problems(
        to_form.decision(open_gate, "changes", {"channel": "C1", "thread": "1.2", "response_url": "https://x"})
    )
    for each in to_message.to_message(_post("gate"), {"g1": open_gate}).below:
        if not each.name:
            taken([{"type": "markdown", "text": tame(each.text)}])


@CALM
@given(text=PROSE, label=PROSE, command=PROSE)
def test_message_accepts_any_post(text: str, label: str, command: str) -> None:
    post = _post("reply", text=text * 3, suggestions=(Suggestion(label, f"/fleet {command}"),) * 7)
    made = to_message.to_message(post, {"g1": gate()})
    taken(made.blocks)
    assert made.text and len(to_message.to_plain(post)) <= MOST_TEXT


@CALM
@given(title=PROSE, body=PROSE, objective=PROSE)
def test_home_accepts_any_fleet(title: str, body: str, objective: str) -> None:
    queued = Work("w1", "p", objective, WorkState.QUEUED, NOW, NOW, reason=objective)
    products = tuple(
        product_status(
            Product(f"product-{number}", "/p"), None, [queued] * (number % 3), [], None, paused=number % 2 == 0, trouble=None
        )
        for number in range(80)
    )
    status = FleetStatus(NOW, products, Capacity(1, 2, 3.0, 12.0, 50, 80, 3.12, 20), (body[:300],))
    gates = [gate(id=f"g{number}", title=title, body=body) for number in range(30)]
    assert not view_problems(to_home.home(status, gates, gates))
    assert not view_problems(to_home.home(FleetStatus(NOW, (), Capacity(0, 2)), [], []))
    assert not view_problems(to_form.task(tuple(f"p{number}" for number in range(150)), "p3", objective, {}))


def test_table_becomes_block_unless_too_large() -> None:
    blocks = to_blocks("Look:\n\n| a | b |\n|:-:|--:|\n| `x` | |\n\nThen\n\n| c |\n|---|\n| 1 |")
    assert [each["type"] for each in blocks] == ["markdown", "table", "markdown"]
    assert blocks[1]["rows"][1] == [{"type": "raw_text", "text": "x"}, {"type": "raw_text", "text": " "}]
    assert [each["align"] for each in blocks[1]["column_settings"]] == ["center", "right"]
    large = "| a |\n|---|\n" + "| 1 |\n" * 150
    assert [each["type"] for each in to_blocks(large)] == ["markdown"]
    assert to_blocks("  \n") == []


def test_shortened_text_ends_at_line_with_code_closed() -> None:
    assert shortened("a\nb\nc", 4) == "a\nb"
    assert shortened("x\n```\ncode\nmore", 9) == "x\n```\n```"
    assert shortened("x\n| a | b |\n| 1 | 2 |\n| 3 | 4 |", 25) == "x"
    assert shortened("a" * 50, 10) == "a" * 9 + "…"
    assert shortened("fits") == "fits"


def test_mentions_are_disabled_and_look_unchanged() -> None:
    text = "<!channel> <@U1> <#C1> @here @channels mail@everyone.org <https://e.org>"
    assert tame(text).replace(UNJOINED, "") == text
    assert "<!" not in tame(text) and "@here" not in tame(text) and "@channels" in tame(text)
    assert escape("a < b & <!here>") == f"a &lt; b &amp; &lt;{UNJOINED}!here&gt;"
    assert local_times("by ben, 14:02 UTC: at 15:00 UTC", 100.5) == "by ben, <!date^100^{time}|14:02 UTC>: at 15:00 UTC"


def test_message_text_is_converted_to_plain_text() -> None:
    def name(user: str) -> str:
        return {"U1": "ana"}.get(user, user)

    assert read("<@UB> : ship <https://e.org|e.org> &amp; <mailto:a@e.org|a@e.org>", "UB", name) == (
        "ship https://e.org & mailto:a@e.org"
    )
    assert read("tell <@U1> and <@UB>, <!subteam^S1|@devs> <!here> in <#C1|general>", "UB", name) == (
        "tell @ana and @fleet, @devs @here in #general"
    )


@pytest.mark.parametrize("kind", sorted(BLOCKS))
def test_checker_refuses_unknown_keys_and_types(kind: str) -> None:
    assert any("no such key" in each for each in message_problems([{"type": kind, "colour": "red"}]))
    assert message_problems([{"type": f"{kind}s"}])


def test_checker_refuses_what_slack_refuses() -> None:
    cell, label = {"type": "raw_text", "text": "x"}, {"type": "plain_text", "text": "x"}
    button = {"type": "button", "text": {"type": "plain_text", "text": "x"}, "action_id": "a"}
    wrong: list[tuple[str, list[Any]]] = [
        ("has 51", [{"type": "divider"}] * 51),
        ("used 2 times", [{"type": "actions", "elements": [button, button]}]),
        ("has 26", [{"type": "actions", "elements": [{**button, "action_id": str(number)} for number in range(26)]}]),
        ("1 to 75", [{"type": "actions", "elements": [{**button, "text": {"type": "plain_text", "text": "x" * 76}}]}]),
        ("no text object", [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]),
        ("needs one of", [{"type": "section"}]),
        ("one table", [{"type": "table", "rows": [[cell]]}] * 2),
        ("same number of cells", [{"type": "table", "rows": [[cell], [cell, cell]]}]),
        ("12000", [{"type": "markdown", "text": "x" * 7000}] * 2),
        ("may not stand in a message", [{"type": "input", "label": label, "element": {"type": "plain_text_input"}}]),
    ]  # fmt: skip
    for words, blocks in wrong:
        assert words in "\n".join(message_problems(json.loads(json.dumps(blocks)))), words
    view = {"type": "modal", "title": {"type": "plain_text", "text": "x" * 25}, "blocks": []}
    assert view_problems(view) and view_problems({"type": "home", "blocks": [{"type": "markdown", "text": "x"}]})


def _post(kind: str, **more: Any) -> Post:
    given = {"text": "Plan", "cards": (Card("gate", gate="g1"),), **more}
    return Post("slack:#a", "fleet", at=NOW, kind=kind, id=1, **given)
