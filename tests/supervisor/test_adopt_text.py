"""Adoption's edits of texts, as pure functions tested with examples and hypothesis."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.supervisor.adoption import config, edits, manifest, records
from bot.supervisor.adoption import section as words
from bot.supervisor.adoption.config import Gate
from bot.supervisor.adoption.edits import CONFIG, MANIFEST, Facts
from bot.supervisor.drivers.overstory_0_5_8.instructions import LONGEST
from bot.supervisor.drivers.overstory_0_5_8.instructions import RULES as RULES_058
from bot.supervisor.drivers.overstory_0_11.instructions import RULES as RULES_011
from bot.supervisor.drivers.rules import AdoptionRules
from bot.supervisor.protocol import ChannelError
from tests.yard import ROOT

CONFIG_011 = """# Overstory configuration

project:
  name: shop   # what people call it
  canonicalBranch: main
  qualityGates:
    - name: Tests
      command: bun test
      description: all tests must pass
    - name: Lint
      command: bun run lint
      description: zero errors
    - name: Typecheck
      command: bun run typecheck
      description: no TypeScript errors
agents:
  maxConcurrent: 25
taskTracker:
  backend: auto
  enabled: true
models:
logging:
  verbose: false
"""
CONFIG_058 = "project:\n  name: shop\nbeads:\n  enabled: true\nmodels:\n  lead: haiku\n\nlogging:\n  verbose: false\n"
MANIFEST_TEXT = json.dumps(
    {
        "version": "1.0",
        "agents": {name: {"file": f"{name}.md", "model": "sonnet"} for name in ("lead", "coordinator")},
        "capabilityIndex": {"coordinate": ["coordinator"]},
    },
    indent="\t",
)
DEFINITIONS = {name: f"# {name}\n" for name in manifest.AGENTS}
FILES = {CONFIG: CONFIG_011, MANIFEST: MANIFEST_TEXT, records.COORDINATOR: "# Coordinator\n\n`{{TRACKER_CLI}} ready`\n"}
FACTS = Facts("shop", RULES_011, definitions=DEFINITIONS, gates=(Gate("Tests", "make test", "passes"),))
OLD = Facts("shop", RULES_058, definitions=DEFINITIONS)


def after(facts: Facts = FACTS, files: Mapping[str, str] = FILES) -> dict[str, str]:
    """Return the files after their adoption."""
    before = {**FILES, **files}
    return before | {edit.path: edit.after for edit in edits.draft(before, facts).edits}


# -- the coordinator's instructions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [RULES_011, RULES_058], ids=["0.11", "0.5.8"])
def test_section_contains_what_every_objective_repeats(rules: AdoptionRules) -> None:
    planning = rules is RULES_058
    said = words.section(rules, tracker=True)
    assert records.SECTION.fullmatch(said)
    needed = ("subject", "--type status", "--type result", "--type error", "--to operator", "--from coordinator", "[w12")
    gate = ("approve: <task-id>", "revise: <task-id>", "reject: <task-id>", "plan_ready", "execute-mode", "spec write")
    current = ("decision_gate", "DECISION: approve", "DECISION: revise", "DECISION: reject", '"taskId"', '"revision":1')
    assert [word for word in (*needed, *(gate if planning else current)) if word not in said] == []
    payload = said.partition("--payload '")[2].partition("'")[0].replace("\n", "")
    assert planning or json.loads(payload)["options"] == ["approve", "revise", "reject"]


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab#<!-> \n`'"), max_size=300))
def test_section_is_added_once_and_can_be_removed(text: str) -> None:
    lines = words.section(RULES_011, tracker=True)
    once = words.with_section(text, lines)
    assert once.count(lines) == 1
    assert words.with_section(once, lines) == once
    assert words.without_section(once).strip() == text.strip()


def test_older_section_is_replaced_in_place() -> None:
    old = "before\n\n<!-- fleet adopt 0: begin. Old. -->\nold words\n<!-- fleet adopt: end -->\n\nafter\n"
    lines = words.section(RULES_011, tracker=True)
    assert words.with_section(old, lines) == f"before\n\n{lines}\n\nafter\n"


@pytest.mark.parametrize(
    "damaged",
    [
        "<!-- fleet adopt 1: begin. -->\nno end\n",
        "no begin\n<!-- fleet adopt: end -->\n",
        2 * "<!-- fleet adopt 1: begin. -->\n<!-- fleet adopt: end -->\n",
    ],
)
def test_damaged_section_markers_are_refused(damaged: str) -> None:
    with pytest.raises(ChannelError) as caught:
        after(files={records.COORDINATOR: damaged})
    assert (caught.value.code, "damaged" in caught.value.message) == ("config_broken", True)


def test_section_keeps_the_line_endings_of_the_file() -> None:
    text = words.with_section("# One\r\ntwo\r\n", words.section(RULES_011, tracker=True))
    assert "\n" not in text.replace("\r\n", "")


def definition(*sections: tuple[str, int]) -> str:
    return "# Coordinator\n\n" + "".join(f"## {name}\n\n{'it’s long. ' * size}\n\n" for name, size in sections)


def test_long_definition_loses_only_removable_sections() -> None:
    text = definition(("Workflow", 300), ("Overlay", 100), ("Cost Awareness", 700), ("Failure Modes", 100))
    told = words.with_section(text, words.section(RULES_058, tracker=True))
    short = words.shortened(told, RULES_058)
    assert words.quoted_bytes(short) <= LONGEST < words.quoted_bytes(told)
    assert "## Workflow" in short
    assert "## Failure Modes" in short
    assert "## Cost Awareness" not in short
    assert records.SECTION.search(short)
    assert words.shortened(short, RULES_058) == short


def test_definition_that_cannot_be_shortened_is_refused_with_its_length() -> None:
    with pytest.raises(ChannelError, match="Shorten it by hand"):
        after(OLD, {CONFIG: CONFIG_058, records.COORDINATOR: definition(("My own", 2000))})


# -- config.yaml -------------------------------------------------------------------------------------------------------------


def test_config_sets_models_gates_and_name_only() -> None:
    text = after(Facts("my shop!", RULES_011, taken=frozenset({"shop"}), gates=FACTS.gates))[CONFIG]
    found = yaml.safe_load(text)
    assert found["project"]["name"] == "my-shop"
    assert found["models"] == {"lead": "sonnet", "coordinator": "sonnet"}
    assert found["project"]["qualityGates"] == [{"name": "Tests", "command": "make test", "description": "passes"}]
    before = yaml.safe_load(CONFIG_011)
    assert {key: found[key] for key in ("agents", "taskTracker", "logging")} == {
        key: before[key] for key in ("agents", "taskTracker", "logging")
    }
    assert "  name: my-shop   # what people call it\n" in text
    assert text.startswith("# Overstory configuration\n\nproject:\n")


def test_config_keeps_values_chosen_by_people() -> None:
    chosen = CONFIG_011.replace("bun test", "make check").replace("models:\n", "models:\n  lead: opus\n")
    found = yaml.safe_load(after(files={CONFIG: chosen})[CONFIG])
    assert found["project"]["name"] == "shop"
    assert found["project"]["qualityGates"][0]["command"] == "make check"
    assert found["models"] == {"lead": "opus", "coordinator": "sonnet"}
    bun = yaml.safe_load(after(Facts("shop", RULES_011, bun=True), {CONFIG: CONFIG_011})[CONFIG])
    assert bun["project"]["qualityGates"] == yaml.safe_load(CONFIG_011)["project"]["qualityGates"]


@pytest.mark.parametrize("none", ["", "  qualityGates: []\n", "  qualityGates:\n"])
def test_missing_quality_gates_are_written(none: str) -> None:
    text = f"project:\n  name: shop\n{none}models:\n"
    gates = yaml.safe_load(after(files={CONFIG: text})[CONFIG])["project"]["qualityGates"]
    assert [gate["command"] for gate in gates] == ["make test"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (CONFIG_011.replace("models:\n", "models: {lead: opus}\n"), "`models` is on one line"),
        ("project: {name: shop}\nmodels:\n", "`project` is on one line"),
    ],
)
def test_yaml_that_the_engine_cannot_read_is_refused(text: str, place: str) -> None:
    with pytest.raises(ChannelError) as caught:
        after(files={CONFIG: text})
    assert caught.value.code == "config_broken"
    assert place in caught.value.message


def test_taken_project_name_gets_a_number() -> None:
    text = after(Facts("shop", RULES_011, taken=frozenset({"shop", "shop-2"}), gates=FACTS.gates))[CONFIG]
    assert yaml.safe_load(text)["project"]["name"] == "shop-3"


def test_0_5_8_without_bd_disables_the_tracker() -> None:
    found = yaml.safe_load(after(OLD, {CONFIG: CONFIG_058})[CONFIG])
    assert found["beads"] == {"enabled": False}
    assert found["models"] == {"lead": "haiku", "coordinator": "sonnet"}
    assert "qualityGates" not in found["project"]
    with_bd = Facts("shop", RULES_058, programs=frozenset({"bd"}), definitions=DEFINITIONS)
    assert yaml.safe_load(after(with_bd, {CONFIG: CONFIG_058})[CONFIG])["beads"] == {"enabled": True}
    assert "keeps no task tracker" in after(OLD, {CONFIG: CONFIG_058})[records.COORDINATOR]


KEYS = st.sampled_from(["project", "models", "agents", "beads"])
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.booleans(), st.integers(0, 99), st.text("ab c#:'-", min_size=1, max_size=8), st.builds(dict), st.builds(list)
)
TREES = st.dictionaries(
    KEYS, st.dictionaries(st.sampled_from(["name", "lead", "enabled", "x"]), VALUES, max_size=4), max_size=4
)


@settings(deadline=None)
@given(TREES, st.sampled_from(["", "# a comment\n", "\n"]))
def test_config_edits_change_nothing_else(tree: dict[str, Any], head: str) -> None:
    text = head + (yaml.safe_dump(tree, default_flow_style=False, sort_keys=False) if tree else "")
    models = {"lead": "opus", "scout": "haiku"}
    told = config.with_models(config.with_value(text, ("project", "name"), "shop"), models)
    expected = {key: dict(value) for key, value in tree.items()}
    expected.setdefault("project", {})["name"] = "shop"
    expected["models"] = models | expected.get("models", {})
    assert yaml.safe_load(told) == expected
    assert config.with_models(told, models) == told
    assert config.value(told, "project", "name") == "shop"


@settings(deadline=None)
@given(st.text(max_size=40))
def test_scalar_round_trips_any_text(text: str) -> None:
    if text.isprintable():
        assert yaml.safe_load(f"a: {config.scalar(text)}") == {"a": text}


# -- the manifest and definitions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["marketing", "support"])
def test_missing_agent_is_added_in_the_style_of_the_manifest(kind: str) -> None:
    found = after(Facts("shop", RULES_011, kind, definitions=DEFINITIONS, gates=FACTS.gates))
    entry = json.loads(found[MANIFEST])
    assert set(entry["agents"][kind]) == {"file", "model", "tools", "capabilities", "canSpawn", "constraints"}
    assert all(kind in entry["capabilityIndex"][does] for does in entry["agents"][kind]["capabilities"])
    assert found[f"agent-defs/{kind}.md"] == DEFINITIONS[kind]
    assert found[MANIFEST].startswith('{\n\t"version"')
    assert yaml.safe_load(found[CONFIG])["models"][kind] == "sonnet"
    without = {**entry, "agents": {name: agent for name, agent in entry["agents"].items() if name != kind}}
    assert without["agents"] == json.loads(MANIFEST_TEXT)["agents"]


def test_own_definition_is_kept_and_ours_is_renewed() -> None:
    path = "agent-defs/support.md"
    facts = Facts("shop", RULES_011, "support", definitions=DEFINITIONS, gates=FACTS.gates)
    draft = edits.draft({**FILES, path: "# My own\n"}, facts)
    assert path not in [edit.path for edit in draft.edits]
    assert any(path in note for note in draft.notes)
    ours = {path: sha256(b"# Ours of before\n").hexdigest()}
    renewed = Facts("shop", RULES_011, "support", definitions=DEFINITIONS, gates=FACTS.gates, ours=ours)
    assert after(renewed, {path: "# Ours of before\n"})[path] == DEFINITIONS["support"]


@pytest.mark.parametrize(("path", "text"), [(MANIFEST, "{"), (MANIFEST, "[]")])
def test_unreadable_file_is_refused(path: str, text: str) -> None:
    with pytest.raises(ChannelError, match=path):
        after(files={path: text})


def test_missing_file_is_named() -> None:
    with pytest.raises(ChannelError, match=r"coordinator\.md cannot be changed: it is missing"):
        edits.draft({CONFIG: CONFIG_011, MANIFEST: MANIFEST_TEXT}, FACTS)


# -- all of it ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts", [FACTS, OLD, Facts("shop", RULES_011, "marketing", definitions=DEFINITIONS, gates=FACTS.gates)]
)
def test_adoption_is_idempotent(facts: Facts) -> None:
    config_text = CONFIG_058 if facts.rules is RULES_058 else CONFIG_011
    once = after(facts, {CONFIG: config_text})
    assert edits.draft(once, facts).edits == ()
    assert edits.draft(once, facts).digest == edits.draft(once, facts).digest


def test_placeholders_that_the_engine_leaves_are_filled_in() -> None:
    monitor = {"agent-defs/monitor.md": "{{TRACKER_NAME}}"}
    assert "`sd ready`" in after()[records.COORDINATOR]
    assert after(files=monitor)["agent-defs/monitor.md"] == "seeds"
    beads = Facts("shop", RULES_011, tracker="beads", definitions=DEFINITIONS, gates=FACTS.gates)
    assert "`bd ready`" in after(beads)[records.COORDINATOR]


@pytest.mark.parametrize(
    ("tops", "texts", "command"),
    [
        (["Makefile"], {"Makefile": "all:\n\ntest: all\n\tpytest\n"}, "make test"),
        (["package.json"], {"package.json": '{"scripts": {"test": "vitest", "dev": "vite"}}'}, "npm run test"),
        (["Cargo.toml"], {}, "cargo test"),
        (["go.mod"], {}, "go test ./..."),
        (["pyproject.toml"], {"pyproject.toml": "[tool.pytest.ini_options]\n"}, "python3 -m pytest -q"),
        (["a.py", "tests"], {}, "python3 -m unittest discover -s tests"),
        (["a.py", "tests"], {"tests/__init__.py": ""}, "python3 -m unittest discover -s tests -t ."),
        (["index.html"], {"package.json": "{"}, "git diff --check HEAD"),
    ],
)
def test_quality_gates_suit_the_product(tops: list[str], texts: dict[str, str], command: str) -> None:
    assert [gate.command for gate in edits.suitable(tops, texts)] == [command]


@pytest.mark.parametrize("folder", sorted((ROOT / "test-products").iterdir()), ids=lambda folder: folder.name)
def test_test_products_are_adopted(folder: Path) -> None:
    assert records.notice(folder / ".overstory") is None
