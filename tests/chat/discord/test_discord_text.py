"""Text within Discord's limits, and commands as typed options."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.discord import from_command
from bot.chat.discord.to_commands import MORE, OFFERED, SIZE, commands, left_out, size
from bot.chat.discord.to_text import beginning, code, ending, pieces, tidy
from bot.commands import catalogue
from bot.commands.catalogue import fields
from bot.commands.skill import Skill, SkillArgs
from bot.domain import Role
from tests.standins.discord_world import World

SKILLS = catalogue.load()


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("#### Small\n##### Smaller", "**Small**\n**Smaller**"),
        ("![a chart](https://x.example/c.png)", "[a chart](https://x.example/c.png)"),
        ("- [ ] open\n- [x] done", "- ☐ open\n- ☑ done"),
        ("a\n\n\n\n<!-- b -->", "a\n\n<!-- b -->"),
        ("not ||hidden||", "not \\|\\|hidden\\|\\|"),
        ("| a | b |\n|---|---|\n| 1 | 2 | 3 |", "```\na  b\n─  ─  ─\n1  2  3\n```"),
        ("```md\n#### stays\n| a | b |\n|---|---|\n```", "```md\n#### stays\n| a | b |\n|---|---|\n```"),
        (
            "| name | tests |\n|:--|--:|\n| parser | 12 |\n| `lexer` | 7 |",
            "```\nname    tests\n──────  ─────\nparser  12\nlexer   7\n```",
        ),
        ("***", "──────"),
    ],
)
def test_unsupported_markdown_is_replaced(markdown: str, shown: str) -> None:
    assert tidy(markdown) == shown


def test_wide_table_becomes_list() -> None:
    table = f"| file | why |\n|---|---|\n| a.py | {'long ' * 30}|"
    assert tidy(table).startswith("- **a.py** · why: long long")


@given(st.text(alphabet=st.sampled_from("ab `\n.~|#"), max_size=600), st.integers(60, 200))
def test_pieces_stay_within_limit_and_keep_every_word(text: str, most: int) -> None:
    found = pieces(text, most)
    assert all(len(each) <= most for each in found)
    assert re.sub(r"[^ab]", "", "".join(found)) == re.sub(r"[^ab]", "", text)


def test_text_is_split_between_paragraphs_and_code_is_reopened() -> None:
    text = "First.\n\n" + "x" * 50 + "\n\n```py\n" + "\n".join(f"line {each}" for each in range(20)) + "\n```\nEnd."
    found = pieces(text, 120)
    assert found[0].startswith("First.") and all(each.count("```") % 2 == 0 for each in found)
    assert found[-1].endswith("End.")
    assert all(each.startswith("```py") for each in found[2:-1])


def test_shortened_texts_have_ellipsis() -> None:
    text = "\n".join(f"line {each}" for each in range(100))
    assert beginning(text, 100).endswith("…") and len(beginning(text, 100)) <= 100
    assert ending(text, 100).startswith("…") and ending(text, 100).endswith("line 99") and len(ending(text, 100)) <= 110
    assert ending("```py\nprint(1)", 100).endswith("```")


def test_code_block_cannot_be_closed_by_its_text() -> None:
    shown = code("- a\n```\n@everyone", "diff", 200)
    assert shown.count("```") == 2 and shown.endswith("\n```")
    assert len(code("x\n" * 500, "diff", 200)) <= 200


def test_commands_of_skills_are_within_discord_limits() -> None:
    made = commands(SKILLS)
    World().check_commands(made)
    assert [each["name"] for each in made[0]["options"]] == [skill.name for skill in SKILLS]
    spawn = next(each for each in made[0]["options"] if each["name"] == "spawn")
    assert [(each["name"], each.get("required", False)) for each in spawn["options"]][:3] == [
        ("objective", True),
        ("product", False),
        ("capability", False),
    ]
    assert not any(each.get("required", False) for each in spawn["options"][1:])
    assert spawn["options"][1]["autocomplete"]


def test_every_completed_argument_has_a_source() -> None:
    assert set(from_command._SOURCES) == OFFERED
    assert {field.key for skill in SKILLS for field in fields(skill)} >= OFFERED


async def _nothing(args: Any, context: Any) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize("number", [25, 26, 49, 50, 74])
def test_excess_skills_move_to_groups(number: int) -> None:
    class Args(SkillArgs):
        product: str

    many = [
        Skill(f"skill-{each}", "Does something that takes words to say. " * 2, "", Args, _nothing, Role.ADMIN, False, True)
        for each in range(number - len(SKILLS))
    ]
    made = commands([*SKILLS, *many])
    assert left_out(made, [*SKILLS, *many]) == []
    World().check_commands(made)
    assert size(made[0]) <= SIZE
    names = [each["name"] for option in made[0]["options"] for each in ([option], option["options"])[option["type"] == 2]]
    assert sorted(names) == sorted(skill.name for skill in (*SKILLS, *many))
    assert (MORE in [each["name"] for each in made[0]["options"]]) == (number > 25)


def test_skills_beyond_every_limit_are_left_out_and_listed() -> None:
    class Args(SkillArgs):
        product: str

    many = [Skill(f"skill-{each:03}", "Does it.", "", Args, _nothing, Role.ADMIN, False, True) for each in range(300)]
    made = commands([*SKILLS, *many])
    World().check_commands(made)
    lacking = left_out(made, [*SKILLS, *many])
    assert lacking and lacking == [skill.name for skill in many[-len(lacking) :]]


@pytest.mark.parametrize(
    ("name", "given_", "expected"),
    [
        ("spawn", {"product": "product-a", "objective": "fix it", "capability": "scout"}, {}),
        ("spawn", {"product": "product-a", "objective": 'use --fast and "quotes"\n- a list'}, {}),
        ("spawn", {"product": "product-a", "objective": "“quoted” words"}, {}),
        ("approve-plan", {"gate": "g7", "answer": "changes use a table"}, {}),
        ("approve-plan", {"gate": "g7", "answer": "reject", "note": 'it\'s "too" big'}, {}),
        ("mail", {"product": "product-a", "limit": 5}, {}),
        ("stop", {"product": "product-a", "yes": True}, {}),
        ("stop", {"product": "product-a", "yes": False}, {"product": "product-a"}),
        ("gates", {"gate": "g1", "all": True}, {}),
    ],
)
def test_command_line_contains_options(name: str, given_: dict[str, Any], expected: dict[str, Any]) -> None:
    data = {"name": "fleet", "options": [{"name": name, "type": 1, "options": [_option(*each) for each in given_.items()]}]}
    skill, arguments = catalogue.parse(from_command.line(data, SKILLS), SKILLS, products=("product-a",))
    assert (skill.name, arguments) == (name, expected or given_)


def test_skill_in_group_is_found() -> None:
    inner = {"name": "status", "type": 1, "options": [_option("products", "product-a product-b")]}
    data = {"name": "fleet", "options": [{"name": MORE, "type": 2, "options": [inner]}]}
    assert from_command.line(data, SKILLS) == "/fleet status product-a product-b"


@given(st.text(min_size=1, max_size=60))
def test_option_value_survives_quoting(text: str) -> None:
    data = {
        "name": "fleet",
        "options": [{"name": "approve-plan", "type": 1, "options": [_option("gate", "g1"), _option("note", text)]}],
    }
    line = from_command.line(data, SKILLS)
    _, arguments = catalogue.parse(line, SKILLS)
    said = " ".join(text.split())
    assert set(arguments) <= {"gate", "note"} and arguments["gate"] == "g1"
    assert arguments.get("note", "") in (said, said.replace('"', "'"))


def _option(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "type": 3, "value": value}
