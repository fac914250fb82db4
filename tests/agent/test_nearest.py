"""The nearest command for plain text."""

import pytest

from bot.agent.nearest import ADD_A_KEY, nearest
from bot.commands import catalogue
from bot.commands.grammar import parse
from bot.domain import Suggestion

PRODUCTS = ("product-a", "product-b", "product-c", "shop_front", "a")


SKILLS = catalogue.load()


@pytest.mark.parametrize(
    ("said", "command"),
    [
        ("what's the status across all products?", "/fleet status"),
        ("check status of all products", "/fleet status"),
        ("What is going on?", "/fleet status"),
        ("how is product a doing", "/fleet status product-a"),
        ("run a scout on product-a", "/fleet spawn product-a look around and report what you find --capability scout"),
        ("Run a scout on Product A.", "/fleet spawn product-a look around and report what you find --capability scout"),
        ("run a scout on product-a to find dead code", "/fleet spawn product-a to find dead code --capability scout"),
        ("Ship auth feature for Product A", "/fleet spawn product-a Ship auth feature"),
        ("fix the failing test in product-b", "/fleet spawn product-b fix the failing test"),
        ("Pause Product B", "/fleet pause product-b"),
        ("please pause product_b", "/fleet pause product-b"),
        ("Pause Product B, focus on Product A", "/fleet pause product-b --focus product-a"),
        ("why is product-b waiting?", "/fleet why product-b"),
        ("why did w12 wait so long", "/fleet why w12"),
        ("what is in the queue", "/fleet queue"),
        ("cancel w12", "/fleet cancel w12"),
        ("what does it cost today", "/fleet costs"),
        ("what changed since yesterday", "/fleet digest"),
        ("let product-b continue", "/fleet resume product-b"),
        ("kill everything in shop front", "/fleet stop shop_front"),
        ("any plans waiting for approval?", "/fleet gates"),
        ("approve g12", "/fleet gates g12"),
        ("reject g12, it is too risky", "/fleet gates g12"),
        ("approve it", "/fleet gates"),
        ("what did product-c's agents write in the mail", "/fleet mail product-c"),
        ("ask product-a: how far are you?", "/fleet ask product-a how far are you?"),
        ("what did the agents of product-c write?", "/fleet mail product-c"),
        ("which products are registered", "/fleet products"),
        ("start a builder on product-a", "/fleet help"),
        ("how do I start work on product-a", "/fleet help"),
        ("show me the logs of product-a", "/fleet inspect product-a"),
        ("write a blog post for product-c", "/fleet spawn product-c write a blog post"),
        ("what can you do? commands", "/fleet help"),
        ("pause", "/fleet help"),
        ("good morning", "/fleet help"),
        ("", "/fleet help"),
        ("🙂", "/fleet help"),
    ],
)
def test_nearest_command(said: str, command: str) -> None:
    text, suggestions = nearest(said, SKILLS, PRODUCTS)
    assert [suggestion.command for suggestion in suggestions] == [command]
    assert text.startswith(ADD_A_KEY)
    assert "ANTHROPIC_API_KEY" in text
    assert command in text


@pytest.mark.parametrize(
    "said", ["fix `it` -- in product-a --now", "build <b>x</b> for product-b " + "very " * 200, "spawn product-a “odd"]
)
def test_offered_command_parses(said: str) -> None:
    _, [suggestion] = nearest(said, SKILLS, PRODUCTS)
    parse(suggestion.command, SKILLS, products=PRODUCTS)
    assert len(suggestion.label) <= 40


def test_help_is_offered_without_skills() -> None:
    assert nearest("status", (), ())[1] == (Suggestion("Help", "/fleet help"),)
