"""The catalogue of skills, their tools, and the grammar of commands."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.commands.arguments import arguments, fields, usage
from bot.commands.catalogue import load, tool
from bot.commands.grammar import is_command, parse, suggestions
from bot.domain import Role
from bot.domain.errors import FleetError, UsageError

SKILLS = load()
PRODUCTS = ("product-a", "product-b", "shop_front")
NAMES = {skill.name for skill in SKILLS}


def meant(line: str, *, product: str | None = None) -> tuple[str, dict[str, object]]:
    skill, values = parse(line, SKILLS, product=product, products=PRODUCTS)
    return skill.name, values


def refused(line: str, *, product: str | None = None) -> str:
    with pytest.raises(UsageError) as refusal:
        parse(line, SKILLS, product=product, products=PRODUCTS)
    return str(refusal.value)


# -- finding


def test_catalogue_has_every_skill() -> None:
    looking, acting = {"status", "products", "gates", "inspect", "help", "mail"}, {"spawn", "ask", "nudge", "approve-plan"}
    assert looking | acting | {"pause", "resume", "stop"} <= NAMES
    assert [skill.name for skill in SKILLS] == sorted(NAMES)


def package(folder: Path, name: str, **modules: str) -> str:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("")
    for module, text in modules.items():
        (folder / name / f"{module}.py").write_text(text)
    return name


SKILL = """
from bot.commands.skill import SkillArgs, SkillContext, SkillResult, skill
class Args(SkillArgs): pass
@skill(summary="One.")
async def {name}(args: Args, context: SkillContext) -> SkillResult: return SkillResult("one")
"""


def test_duplicate_names_and_missing_skills_are_errors(tmp_path: Path) -> None:
    sys.path.insert(0, str(tmp_path))
    try:
        assert [skill.name for skill in load(package(tmp_path, "fine_skills", one=SKILL.format(name="one")))] == ["one"]
        twice = package(tmp_path, "twice_skills", one=SKILL.format(name="one"), two=SKILL.format(name="one"))
        with pytest.raises(FleetError, match="Two skills are named one"):
            load(twice)
        with pytest.raises(FleetError, match=r"empty_skills/one.py declares 0 skills"):
            load(package(tmp_path, "empty_skills", one="x = 1"))
    finally:
        sys.path.remove(str(tmp_path))


# -- tools


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_every_skill_is_completely_declared(skill: object) -> None:
    found = next(each for each in SKILLS if each is skill)
    assert len(found.description.split()) > 8, "the docstring must tell the model when to use the skill"
    assert found.summary.endswith(".")
    assert len(found.summary) <= 80
    assert found.examples
    assert isinstance(found.role, Role)
    assert usage(found).startswith(f"/fleet {found.name}")
    assert all(field.description for field in fields(found))
    described = tool(found)
    assert described["name"] == found.name.replace("-", "_")
    assert described["input_schema"]["type"] == "object"
    assert described["input_schema"]["additionalProperties"] is False
    assert "title" not in described["input_schema"]
    assert all("title" not in each for each in described["input_schema"]["properties"].values())
    assert "anyOf" not in json.dumps(described)
    for line in found.examples:
        named, values = parse(f"/fleet {line}", SKILLS, products=PRODUCTS)
        assert named is found
        arguments(found, values)


def test_tool_is_stable_and_names_no_product() -> None:
    described = json.dumps([tool(skill) for skill in SKILLS])
    assert described == json.dumps([tool(skill) for skill in load()])
    schema = tool(next(skill for skill in SKILLS if skill.name == "spawn"))["input_schema"]
    assert schema["required"] == ["product", "objective"]
    assert schema["properties"]["product"] == {"description": "Name of the product.", "type": "string"}


def test_field_named_title_stays_in_the_schema(tmp_path: Path) -> None:
    sys.path.insert(0, str(tmp_path))
    try:
        text = SKILL.format(name="one").replace("pass", "title: str | None = None")
        (skill,) = load(package(tmp_path, "title_skills", one=text))
        assert tool(skill)["input_schema"]["properties"] == {"title": {"type": "string"}}
    finally:
        sys.path.remove(str(tmp_path))


# -- words


@pytest.mark.parametrize("prefix", ["/fleet ", "!", "! ", "fleet ", "Fleet ", "  /FLEET\n", ""])
def test_prefixes_are_equivalent(prefix: str) -> None:
    assert meant(f"{prefix}status product-a") == ("status", {"products": ["product-a"]})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("status", ("status", {})),
        ("Status Product_A, product b", ("status", {"products": ["product-a", "product-b"]})),
        ("approve_plan g7", ("approve-plan", {"gate": "g7"})),
        ("approve-plan g7 changes it's too slow", ("approve-plan", {"gate": "g7", "answer": "changes it's too slow"})),
        (
            'approve-plan g7 reject --note "too risky"',
            ("approve-plan", {"gate": "g7", "answer": "reject", "note": "too risky"}),
        ),
        ("pause product-b --park", ("pause", {"product": "product-b", "park": True})),
        ("pause Product B —park", ("pause", {"product": "product-b", "park": True})),
        ("mail product-a --limit=3", ("mail", {"product": "product-a", "limit": 3})),
        ("mail --limit 3 product-a", ("mail", {"product": "product-a", "limit": 3})),
        ("gates --product shop_front --all --json", ("gates", {"product": "shop_front", "all": True})),
        ("spawn product-a what's up?", ("spawn", {"product": "product-a", "objective": "what's up?"})),
        ('spawn product-a "fix it"', ("spawn", {"product": "product-a", "objective": "fix it"})),
        ('spawn product-a say "hi" to 5" disks', ("spawn", {"product": "product-a", "objective": 'say "hi" to 5" disks'})),
        ("spawn product-a “add a --json flag”", ("spawn", {"product": "product-a", "objective": "add a --json flag"})),
        ("spawn product-a -- add a --json flag", ("spawn", {"product": "product-a", "objective": "add a --json flag"})),
        ("spawn product-a do a -- then b", ("spawn", {"product": "product-a", "objective": "do a -- then b"})),
        ("spawn product-a do this —quickly—", ("spawn", {"product": "product-a", "objective": "do this —quickly—"})),
        (
            "spawn product-a first line\n\n  - second --capability scout",
            ("spawn", {"product": "product-a", "objective": "first line\n\n  - second", "capability": "scout"}),
        ),
        (
            "spawn --capability scout product-a look round",
            ("spawn", {"product": "product-a", "objective": "look round", "capability": "scout"}),
        ),
        ("", ("help", {})),
        ("spawn --help", ("help", {"command": "spawn"})),
    ],
)
def test_line_is_parsed_into_skill_and_arguments(line: str, expected: tuple[str, dict[str, object]]) -> None:
    assert meant(f"/fleet {line}") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("spawn fix the tests", {"product": "product-b", "objective": "fix the tests"}),
        ("spawn product-a fix the tests", {"product": "product-a", "objective": "fix the tests"}),
        ("spawn products page is broken", {"product": "product-b", "objective": "products page is broken"}),
        ("spawn prodct-a fix the tests", {"product": "prodct-a", "objective": "fix the tests"}),
        ("pause", {"product": "product-b"}),
        ("nudge coordinator wake up", {"product": "product-b", "agent": "coordinator", "text": "wake up"}),
        ("status", {}),
    ],
)
def test_product_defaults_to_that_of_the_channel(line: str, expected: dict[str, object]) -> None:
    assert meant(f"/fleet {line}", product="product-b")[1] == expected


def test_shell_words_are_not_split_again() -> None:
    argv = ["spawn", "product-a", "fix", "what's broken", "--capability=scout"]
    assert parse(argv, SKILLS, products=PRODUCTS)[1] == {
        "product": "product-a",
        "objective": "fix what's broken",
        "capability": "scout",
    }
    one = ["spawn", "product-a", "--json output is broken"]
    assert parse(one, SKILLS, products=PRODUCTS)[1]["objective"] == "--json output is broken"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("statsu", "There is no command “statsu”. Did you mean `/fleet status`?"),
        ("statsu product-a", "Did you mean `/fleet status product-a`?"),
        ("approve g7", "Did you mean `/fleet approve-plan g7`?"),
        ("reject g7 too risky", "Did you mean `/fleet approve-plan g7"),
        ("qwertz", "There is no command “qwertz”. Run `/fleet help` to list all commands."),
        ("pause", "`pause` needs `<product>`: name of the product. Usage: `/fleet pause <product> [--park] [--focus NAME]`"),
        ("spawn product-a", "`spawn` needs `<objective…>`"),
        ('spawn product-a ""', "`spawn` needs `<objective…>`"),
        ("mail product-a --limit many", "`--limit` must be a whole number, not “many”."),
        ("mail product-a --limit 900", "`--limit` must be at most 200, not “900”."),
        ("mail product-a --limit", "`--limit` needs a value."),
        ("mail product-a --limit --agent x", "`--limit` needs a value."),
        ("gates seven", "`gate` cannot be “seven”. Id of one gate (g7), to read it in full."),
        ("gates --state opne", "`--state` must be one of open, decided, delivered, superseded, withdrawn, not “opne”."),
        ("spawn product-a fix it --capabilty scout", "Did you mean `/fleet spawn product-a fix it --capability scout`?"),
        ("status --verbose", "`status` has no option `--verbose`."),
        ("resume product-a now", "“now” is one word too many for `resume`."),
        ("pause product-a --park=perhaps", "`--park` must be yes or no, not “perhaps”."),
    ],
)
def test_parse_error_suggests_a_correction(line: str, said: str) -> None:
    assert said in refused(f"/fleet {line}")


def test_commands_are_distinguished_from_messages() -> None:
    assert is_command("/fleet anything", SKILLS)
    assert is_command("!status", SKILLS)
    assert is_command("fleet status", SKILLS)
    assert is_command("fleet", SKILLS)
    assert not is_command("fleet of ships", SKILLS)
    assert not is_command("!!! help", SKILLS)
    assert not is_command("what's the status?", SKILLS)
    assert not is_command("/fleeting", SKILLS)


def test_complete_commands_become_buttons() -> None:
    text = "Say `/fleet status` or `/fleet spawn <product>`; not `ls`, not `/fleet approve-plan g7`. Or `/fleet gates g7`."
    assert [each.command for each in suggestions(text)] == ["/fleet status", "/fleet gates g7"]


anything = st.text() | st.lists(
    st.sampled_from(
        [*NAMES, *PRODUCTS, "--", "--json", "--park", "—note", "--limit=", "'", '"', "“", "g7", "it's", "\n", "=", "!"]
    )
    | st.text(max_size=5),
    max_size=8,
).map(" ".join)


@given(anything, st.sampled_from([None, "product-a"]), st.booleans())
@example("/fleet spawn product-a `--x`", None, True)
def test_any_text_parses_or_raises_a_usage_error(text: str, product: str | None, known: bool) -> None:
    try:
        skill, values = parse(text, SKILLS, product=product, products=PRODUCTS if known else ())
    except UsageError as refusal:
        assert refusal.message
        assert refusal.hint
    else:
        assert json.loads(json.dumps(values)) == values
        arguments(skill, values)


@given(st.lists(anything, max_size=6))
def test_any_shell_words_parse_or_raise_a_usage_error(argv: list[str]) -> None:
    try:
        parse(argv, SKILLS, products=PRODUCTS)
    except UsageError as refusal:
        assert refusal.message


plain_words = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1).filter(
    lambda word: word[0] not in "-—–'\"“‘«" and "--" not in word
)


@given(st.lists(plain_words, min_size=1), st.sampled_from([" ", "\n", "  "]))
def test_objective_is_passed_as_typed(typed: list[str], joint: str) -> None:
    objective = joint.join(typed)
    assert meant(f"/fleet spawn product-a {objective}")[1]["objective"] == objective
