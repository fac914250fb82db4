"""Plain words to the nearest command."""

import pytest

from bot.agent.nearest import ADD_A_KEY, nearest
from bot.domain import Role, Suggestion
from bot.grammar import parse
from bot.skill import Skill, SkillArgs, option, words
from tests.agent.desk import OneProduct, _not_run

PRODUCTS = ("product-a", "product-b", "product-c", "shop_front", "a")


class Anything(SkillArgs):
    pass


class MaybeProduct(SkillArgs):
    product: str | None = words(None, description="Name of a product.")


class Told(SkillArgs):
    product: str = words(description="Name of a product.")
    text: str = words(description="What to say.", rest=True)


class Objective(SkillArgs):
    product: str = words(description="Name of a product.")
    objective: str | None = words(None, description="What to do.", rest=True)
    capability: str | None = option(None, description="One agent of this kind.")


class OneGate(SkillArgs):
    gate: str = words(description="Id of a gate.")
    choice: str = words("approve", description="The answer.")


def skill(name: str, args: type[SkillArgs], summary: str, *examples: str) -> Skill:
    return Skill(name, summary, summary, args, _not_run, Role.VIEWER, True, True, examples)


SKILLS = (
    skill("approve-plan", OneGate, "Decide on a plan or another gate.", "approve-plan g7"),
    skill("ask", Told, "Ask a product's coordinator.", "ask product-a how far are you?"),
    skill("gates", MaybeProduct, "What waits for a person.", "gates"),
    skill("help", Anything, "All commands.", "help"),
    skill("inspect", MaybeProduct, "What one product's agents are doing, closely.", "inspect product-a"),
    skill("mail", MaybeProduct, "What the agents wrote.", "mail product-a"),
    skill("nudge", Told, "Poke an agent that is silent.", "nudge product-a hello"),
    skill("pause", OneProduct, "Pause a product.", "pause product-a"),
    skill("products", Anything, "The registered products.", "products"),
    skill("resume", OneProduct, "Let a paused product go on.", "resume product-a"),
    skill("spawn", Objective, "Start work in a product.", "spawn product-a add a test"),
    skill("status", MaybeProduct, "What every product is doing.", "status", "status product-a"),
    skill("stop", OneProduct, "Stop a product's agents.", "stop product-a"),
)


@pytest.mark.parametrize(
    ("said", "command"),
    [
        ("what's the status across all products?", "/fleet status"),
        ("check status of all products", "/fleet status"),
        ("What is going on?", "/fleet status"),
        ("how is product a doing", "/fleet status product-a"),
        ("run a scout on product-a", "/fleet spawn product-a --capability scout"),
        ("Run a scout on Product A.", "/fleet spawn product-a --capability scout"),
        ("run a scout on product-a to find dead code", "/fleet spawn product-a to find dead code --capability scout"),
        ("Ship auth feature for Product A", "/fleet spawn product-a Ship auth feature"),
        ("fix the failing test in product-b", "/fleet spawn product-b fix the failing test"),
        ("Pause Product B", "/fleet pause product-b"),
        ("please pause product_b", "/fleet pause product-b"),
        ("Pause Product B, focus on Product A", "/fleet pause product-b"),
        ("let product-b continue", "/fleet resume product-b"),
        ("kill everything in shop front", "/fleet stop shop_front"),
        ("any plans waiting for approval?", "/fleet gates"),
        ("approve g12", "/fleet approve-plan g12"),
        ("what did product-c's agents write in the mail", "/fleet mail product-c"),
        ("ask product-a: how far are you?", "/fleet ask product-a how far are you?"),
        ("which products are registered", "/fleet products"),
        ("what can you do? commands", "/fleet help"),
        ("pause", "/fleet help"),
        ("approve it", "/fleet help"),
        ("good morning", "/fleet help"),
        ("", "/fleet help"),
        ("🙂", "/fleet help"),
    ],
)
def test_nearest(said: str, command: str) -> None:
    text, suggestions = nearest(said, SKILLS, PRODUCTS)
    assert [suggestion.command for suggestion in suggestions] == [command]
    assert text.startswith(ADD_A_KEY)
    assert "ANTHROPIC_API_KEY" in text
    assert command in text


@pytest.mark.parametrize(
    "said", ["fix `it` -- in product-a --now", "build <b>x</b> for product-b " + "very " * 200, "spawn product-a “odd"]
)
def test_what_is_offered_is_understood(said: str) -> None:
    _, [suggestion] = nearest(said, SKILLS, PRODUCTS)
    parse(suggestion.command, SKILLS, products=PRODUCTS)
    assert len(suggestion.label) <= 40


def test_without_skills_there_is_still_an_answer() -> None:
    assert nearest("status", (), ())[1] == (Suggestion("Help", "/fleet help"),)
