"""The documentation is complete where it claims to be, and names nothing that does not exist."""

import ast
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
import yaml

from bot import registry
from bot.agent import claude
from bot.chat.web import errors as web_errors
from bot.cli import main
from bot.commands import catalogue
from bot.domain import GateKind, GateState, MailKind, Role, Work, WorkState, errors
from bot.registry.yamlmodel import Section
from bot.settings import VARIABLES
from bot.work import status, views
from bot.work.states import PAUSED
from tests.bed import Bed
from tests.docs_tables import BLOCK, REFERENCE, ROOT, SECTIONS, filled, made, messages_in, routes, rows, targets

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = [page for page in PAGES if page.name not in {"prototype-notes.md", "performance.md"}]
"""Pages about this program alone. The others also mention the engine's variables and commands."""
PAGE = REFERENCE.read_text()
SKILLS = catalogue.load()
PRODUCTS = ("product-a", "product-b", "product-c", "product-d", "my-product")
COMPOSE = (ROOT / "compose.yaml").read_text()
KEYS = {key for section in SECTIONS.values() for key in dict(section.keys())}
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def names(heading: str) -> set[str]:
    """Return the entries of the first table below a heading of the reference."""
    return set(rows(PAGE, heading))


@cache
def sources(*folders: str) -> tuple[ast.AST, ...]:
    """Yield every syntax node of every module below these folders."""
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return tuple(node for path in paths for node in ast.walk(ast.parse(path.read_text())))


def code(page: Path) -> Iterator[tuple[str, str]]:
    """Return (language, text) of every block and of every text in backticks. The latter has no language."""
    text = page.read_text()
    for indent, language, block in FENCE.findall(text):
        yield language or "text", re.sub(f"^{indent}", "", block, flags=re.MULTILINE)
    for span in re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", FENCE.sub("", text)):
        yield "", span.replace("\\|", "|").replace("\n", " ")


# -- the reference is complete ---------------------------------------------------------------------------------------------


def test_generated_tables_are_current() -> None:
    assert filled(PAGE) == PAGE, "run python -m tests.docs_tables"


def test_every_generated_table_appears_once() -> None:
    assert sorted(name for _, name, _ in BLOCK.findall(PAGE)) == sorted(made())


def test_every_registry_section_is_described() -> None:
    def below(section: type[Section]) -> set[type[Section]]:
        inner = {each for info in section.keys().values() for each in _sections_in(info.annotation)}
        return {section}.union(*map(below, inner))

    assert below(SECTIONS["registry"]) == set(SECTIONS.values())


def test_every_registry_key_has_an_example() -> None:
    written = {key for block in _registries(REFERENCE) for key in _keys(yaml.safe_load(block))}
    assert written >= KEYS


def test_terminal_commands_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    described = {name.split()[1] for name in names("Terminal commands") if name.startswith("fleet ")}
    assert described == set(main.commands())
    options = set()
    for name in main.commands():
        with suppress(SystemExit):
            main.main([name, "--help"])
        options |= set(re.findall(r"^ +(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    listed = set(re.findall(r"^\| `(--[a-z-]+)", PAGE.partition("### Terminal commands")[2].partition("###")[0], re.MULTILINE))
    assert listed == (options | {"--json"}) - {"--help"}


def test_compose_variables_are_described() -> None:
    used = dict(re.findall(r"\$\{(?:ENGINE_ANTHROPIC_API_KEY:-\$\{)?([A-Z_]+)(?::-([^$}]*))?\}", COMPOSE))
    own = set(used) - {each.name for each in VARIABLES} - {"REHEARSAL_SECONDS", "COMPOSE_PROJECT_NAME"}
    table = rows(PAGE, "compose.yaml")
    assert set(table) == own
    assert {name: cells[2].strip("`") for name, cells in table.items()} == {name: used[name] for name in own}


def test_states_are_described() -> None:
    text = PAGE.partition("\n## States\n")[2].partition("\n## ")[0]
    tables = [re.findall(r"^\| `(\w+)`", part, re.MULTILINE) for part in text.split("| --- | ")[1:]]
    expected = (status.MARKS, (*WorkState, PAUSED), GateState, GateKind)
    assert [set(table) for table in tables] == [{str(each) for each in kinds} for kinds in expected]
    assert names("people") >= set(SECTIONS["people"].keys())
    assert set(re.findall(r"^\| `(\w+)` \| (?:read|also)", PAGE, re.MULTILINE)) == {str(role) for role in Role}


def test_websocket_messages_are_described() -> None:
    said = set()
    for node in sources("bot/chat/web"):
        if isinstance(node, ast.Dict):
            values = zip(node.keys, node.values, strict=True)
            said |= {ast.literal_eval(value) for key, value in values if _is(key, "type") and isinstance(value, ast.Constant)}
    described = set(
        re.findall(r"^\| `(\w+)` \|", PAGE.partition("Messages that the fleet sends,")[2].partition("\n## ")[0], re.MULTILINE)
    )
    assert described - {"type"} == said
    assert set(messages_in()) == {"message", "decision", "stop", "subscribe", "ping"}


def test_every_error_is_described_with_its_status() -> None:
    described = {name: cells[1] for name, cells in rows(PAGE, "Errors").items()}
    expected = _codes()
    assert set(described) == set(expected)
    wrong = {name: (given, expected[name]) for name, given in described.items() if given not in {"", expected[name]}}
    assert not wrong, "status on the page and in the code"
    models = PAGE.partition("The codes are ")[2].partition(".")[0]
    assert set(re.findall(r"`(\w+)`", models)) == set(claude.MESSAGES)


async def test_shapes_are_described(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        work = bed.store.work.add(Work("", "product-a", "x", WorkState.QUEUED, bed.clock(), bed.clock()), "r")[0]
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan", body="do it")
        await bed.settled()
        gate = bed.open_gate()
        post = bed.heard[-1]
        shapes = {
            "product": status.product_json(status.status(bed.fleet).products[0]),
            "work": views.work_json(work, bed.fleet),
            "gate": views.gate_json(gate, bed.fleet),
            "post": views.post_json(post, bed.fleet),
            "status": status.as_json(status.status(bed.fleet)),
        }
    table = {name: set(re.findall(r"`(\w+)`", cells[1])) for name, cells in rows(PAGE, "Shapes").items()}
    shapes["status"] |= {"inbox": [], "runtimes": [], "unreachable": []}
    assert table == {name: set(shape) for name, shape in shapes.items()}


def test_every_doctor_check_is_described() -> None:
    found = set()
    for path in [*(ROOT / "bot/doctor").glob("*.py"), *(ROOT / "bot/chat").glob("*/check.py"), ROOT / "bot/platforms.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Check", "_broke"}:
                found |= {ast.literal_eval(each) for each in node.args[:1] if isinstance(each, ast.Constant)}
    assert names("Doctor") == found


def test_rehearsal_words_and_variables_are_described() -> None:
    theirs = (ROOT / "containers/rehearsal/README.md").read_text()
    words = re.search(r"\(complex\|[a-z|]+\)", (ROOT / "bot/rehearsal/objective.py").read_text())
    assert words
    expected = set(words[0].strip("()").split("|"))
    for page in (PAGE.partition("\n## Rehearsal")[2], theirs):
        assert set(re.findall(r"^\| `\[(\w+)(?: N)?\]`", page, re.MULTILINE)) == expected
    read = {name for node in sources("bot/rehearsal") for name in _strings(node) if re.fullmatch(r"REHEARSAL_[A-Z_]+", name)}
    for page in (PAGE, theirs):
        assert set(re.findall(r"^\| `(REHEARSAL_\w+)`", page, re.MULTILINE)) == read


def test_state_folder_files_match_the_code() -> None:
    written = {name for node in sources("bot") for name in _strings(node)}
    assert {name.rstrip("/") for name in names("Files")} <= written


def test_keys_without_effect_are_unused() -> None:
    """Remove a key from this list when it takes effect."""
    used = {
        node.attr
        for path in (ROOT / "bot").rglob("*.py")
        if not path.name.startswith("registry")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert not names("Without effect yet") & used
    assert names("Without effect yet") <= KEYS


# -- nothing is named that does not exist ----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        to = (page.parent / file) if file else page
        if not to.exists() or (anchor and anchor not in _anchors(to)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", OURS, ids=lambda page: page.name)
def test_commands_in_docs_are_valid(page: Path) -> None:
    for words in _commands(page):
        if words == ["--version"]:
            continue
        if words[0] in main.commands() and (words[0] != "ask" or len(words) < 3 or words[1] not in PRODUCTS):
            known = set(re.findall(r"--[a-z]+", PAGE.partition("### Terminal commands")[2].partition("###")[0]))
            assert {word for word in words if word.startswith("--")} <= known | {"--help"}, words
        else:
            catalogue.parse(words, SKILLS, products=PRODUCTS)


def test_docs_contain_commands() -> None:
    assert sum(len(list(_commands(page))) for page in OURS) > 40


@pytest.mark.parametrize("page", [page for page in OURS if "```yaml" in page.read_text()], ids=lambda page: page.name)
def test_registries_in_docs_load(page: Path) -> None:
    for block in _registries(page):
        given = yaml.safe_load(block)
        if "products" not in given:
            block += "\nproducts: [" + ", ".join(f"{{name: {name}, path: {name}}}" for name in PRODUCTS) + "]\n"
        elif "people" in given and any(person.get("products") for person in given["people"]):
            continue
        registry.parse(block, ROOT / "products.yaml")


@pytest.mark.parametrize("page", OURS, ids=lambda page: page.name)
def test_files_exist(page: Path) -> None:
    top = {path.name for path in ROOT.iterdir()}
    missing = []
    for _, text in code(page):
        for path in re.findall(
            r"(?<![\w./~-])\.?/?((?:bot|skills|containers|docs|tests|test-products|\.ci)/[\w./-]*)(?![\w<{*])", text
        ):
            if not (ROOT / path).exists() and not path.endswith("performance.md"):
                missing.append(path)
        if re.fullmatch(r"[\w.-]+\.(?:yaml|toml|txt)", text) and text not in top | {"config.yaml"}:
            missing.append(text)
    assert not missing


@pytest.mark.parametrize("page", OURS, ids=lambda page: page.name)
def test_variables_exist(page: Path) -> None:
    known = {each.name for each in VARIABLES} | set(re.findall(r"[A-Z]+_[A-Z_]+", COMPOSE)) | names("Rehearsal")
    known |= set(re.findall(r"^\| `(REHEARSAL_\w+)`", PAGE, re.MULTILINE))
    families = "FLEET|REHEARSAL|SLACK|DISCORD|ANTHROPIC|ENGINE|DOCKER|RUNTIME|OVERSTORY|PROJECTS|REGISTRY|AGENT|BOT"
    named = set(re.findall(rf"\b(?:{families})_[A-Z_]+[A-Z]\b", page.read_text()))
    assert not named - known - {"ERROR_CODES"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_and_routes_exist(page: Path) -> None:
    known = {name for name, _ in targets()}
    for language, text in code(page):
        if language in {"", "bash", "sh", "console"}:
            for words in re.findall(r"(?:^|&& |\$ )make((?: [a-z0-9]+)+)", text, re.MULTILINE):
                assert set(words.split()) <= known
    if page in OURS:
        served = {(method, path) for method, path, _ in routes()} | {("WS", "/ws")}
        asked = set(re.findall(r"\b(GET|POST|WS) (/[\w/{}]*(?:\.\w+)?)", page.read_text()))
        assert not asked - served


# -- the other pages -------------------------------------------------------------------------------------------------------


def test_changelog_starts_with_the_current_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "docs/changelog.md").read_text(), re.MULTILINE)
    assert versions[:1] == [project["version"]]


def test_every_dependency_has_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=\[]", each)[0] for each in project["dependencies"]}
    concepts = (ROOT / "docs/concepts.md").read_text().partition("## Why each dependency")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| ([\w.-]+) \| (?!for)", concepts, re.MULTILINE)) - {"---"} == wanted


def test_layer_picture_matches_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    picture = (ROOT / "docs/concepts.md").read_text().partition("## The layers")[2].split("```")[1]
    drawn = [set(re.split(r"\s{2,}", line.strip())[0].split(" · ")) for line in picture.strip().splitlines()]
    assert drawn == [{name.strip().removeprefix("bot.") for name in re.split("[:|]", layer)} for layer in layers]


def test_concepts_name_every_state() -> None:
    concepts = (ROOT / "docs/concepts.md").read_text()
    for states in (WorkState, GateState, GateKind):
        assert ", ".join(f"`{each}`" for each in states) in concepts or ", ".join(states) in concepts


async def test_example_skill_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = next(text for language, text in code(ROOT / "docs/write-a-skill.md") if language == "python")
    package = tmp_path / "example_skills"
    package.mkdir()
    (package / "waiting.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        (skill,) = catalogue.load("example_skills")
        async with Bed(tmp_path) as bed:
            result = await bed.router.invoke(skill, {"product": "product-a"}, bed.person, "web:main", "r1")
    finally:
        for name in [name for name in sys.modules if name.startswith("example_skills")]:
            del sys.modules[name]
    assert result.data == {"product": "product-a", "open": 0}


# -- how the pages are read ------------------------------------------------------------------------------------------------


def _sections_in(annotation: object) -> set[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return {annotation}
    return {found for inner in getattr(annotation, "__args__", ()) for found in _sections_in(inner)}


def _registries(page: Path) -> list[str]:
    blocks = [text for language, text in code(page) if language == "yaml"]
    return [block for block in blocks if set(yaml.safe_load(block)) <= set(SECTIONS["registry"].keys())]


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def _commands(page: Path) -> Iterator[list[str]]:
    """Return the words of every `fleet` command that a page quotes, except placeholders."""
    for language, text in code(page):
        lines = text.splitlines() if language in {"bash", "sh", "console"} else [text] if not language else []
        for line in lines:
            start = "^/?" if not language else r"(?:^|[\s(])(?:[\w.-]*/)*"
            found = re.search(f"{start}fleet (.+)", re.split(r"(?:^|\s)#\s", line)[0])
            if found and not re.search(r"[<…\[]|^[A-Z]+\b", found[1]):
                rest = re.split(r"\s+(?:#|&&|\||>)(?:\s|$)|\)", found[1])[0]
                yield shlex.split(rest) if "'" not in rest else rest.split()


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to headings."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _codes() -> dict[str, str]:
    """Return every error code that people or programs can meet, with its HTTP status."""
    kinds = {
        name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.FleetError)
    }
    found = {
        kind.code: str(web_errors.status_of(_made(kind))) for kind in kinds.values() if not issubclass(kind, errors.EngineError)
    }
    for node in sources("bot", "skills"):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name == "Refused":
            found[ast.literal_eval(node.args[1])] = str(ast.literal_eval(node.args[0]))
        given = [each.value for each in node.keywords if each.arg == "code" and isinstance(each.value, ast.Constant)]
        if name in kinds and given:
            code = ast.literal_eval(given[0])
            error = _made(kinds[name])
            error.code = code
            found[code] = str(web_errors.status_of(error))
    return found | {code: str(number) for number, (code, *_) in web_errors.HTTP.items()} | {"refused": ""}


def _made(kind: type[errors.FleetError]) -> errors.FleetError:
    return errors.RegistryError([]) if kind is errors.RegistryError else kind("")


def _is(node: ast.expr | None, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def _strings(node: ast.AST) -> set[str]:
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()
