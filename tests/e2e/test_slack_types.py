"""The stand-in's block checker compared with Slack's own types.

The schema is generated from the npm package `@slack/types`; nothing of it is stored.
"""

import copy
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.chat.slack import to_card, to_form, to_home
from bot.domain import Product
from bot.work.admission import Capacity
from bot.work.status import FleetStatus, product_status
from tests.standins.slack_blocks import message_problems, view_problems

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PACKAGES = ("@slack/types@3", "ts-json-schema-generator@2", "ajv@8")
SCRIPT = """
const fs = require("fs"), path = require("path");
const {createGenerator} = require("ts-json-schema-generator"), Ajv = require("ajv");
const types = path.join(path.dirname(require.resolve("@slack/types/package.json")), "dist/index.d.ts");
const make = type => createGenerator({path: types, type, tsconfig: "tsconfig.json", skipTypeCheck: true}).createSchema(type);
const ajv = new Ajv({strict: false, allErrors: false});
const checks = {block: ajv.compile(make("KnownBlock")), view: ajv.compile(make("View"))};
const samples = JSON.parse(fs.readFileSync("samples.json"));
fs.writeFileSync("verdicts.json", JSON.stringify(samples.map(({kind, value}) => checks[kind](value))));
"""
GATE = {
    "id": "g1", "product": "product-a", "kind": "plan", "state": "open", "revision": 2, "title": "Plan", "digest": "d" * 64,
    "body": "Do it:\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\nThen more.", "options": ["approve", "changes", "reject", "sqlite"],
    "decision": None, "answers": [], "outcome": "Open.", "may_decide": ["ana"], "needs": "ana", "asked_by": "ben", "diff": "+x",
    "age_seconds": 60, "cost_usd_today": 0.5, "reminds_at": NOW.isoformat(), "updated_at": NOW.isoformat(),
}  # fmt: skip


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder with Slack's types and the schema generator."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("slack-types")
    (folder / "package.json").write_text("{}")
    options = {"strict": True, "module": "commonjs", "moduleResolution": "node", "skipLibCheck": True}
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": []}))
    (folder / "verdicts.js").write_text(SCRIPT)
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"the packages cannot be had here: {done.stderr[-300:]}")
    return folder


def ours() -> Iterator[tuple[str, Any]]:
    """Return every kind of message the fleet sends."""
    decided = {"choice": "approve", "note": "", "by": "ana", "at": NOW.isoformat(), "platform": "slack"}
    for gate in (
        GATE,
        {**GATE, "kind": "action"},
        {**GATE, "state": "decided", "decision": decided, "outcome": "Approved by ana"},
    ):
        yield from (("block", each) for each in to_card.card(gate).blocks)
    products = tuple(
        product_status(Product(f"p{at}", "/p"), None, [], [], None, paused=at < 3, trouble=None) for at in range(9)
    )
    yield "view", to_home.home(FleetStatus(NOW, products, Capacity(1, 2, 3.0, 12.0, 50, 80, 3.12, 20)), [GATE], [GATE])
    yield from (("view", to_form.decision(GATE, choice, {})) for choice in ("changes", "reject"))
    yield "view", to_form.task(("p1", "p2"), "p1", "Do it", {})


def mutants(value: Any) -> Iterator[Any]:
    """Yield variants of a value with one error at any depth (an extra key, a missing key or another type)."""
    if isinstance(value, dict):
        yield {**value, "of_no_use": 1}
        for key, inner in value.items():
            yield {name: each for name, each in value.items() if name != key}
            yield {**value, key: 12 if isinstance(inner, str | dict | list) else "twelve"}
            for mutant in mutants(inner):
                yield {**value, key: mutant}
    elif isinstance(value, list):
        for at, inner in enumerate(value[:2]):
            for mutant in mutants(inner):
                yield [*value[:at], mutant, *value[at + 1 :]]


def verdicts(node: Path, samples: list[tuple[str, Any]]) -> list[bool]:
    """Return True for each sample that Slack's own types accept."""
    (node / "samples.json").write_text(json.dumps([{"kind": kind, "value": value} for kind, value in samples]))
    subprocess.run(["node", "verdicts.js"], cwd=node, check=True, timeout=300)
    found: list[bool] = json.loads((node / "verdicts.json").read_text())
    return found


def problems(kind: str, value: Any) -> list[str]:
    """Return the problems our checker reports."""
    value = copy.deepcopy(value)
    if kind == "view":
        return view_problems(value)
    return [each for each in message_problems([value]) if "may not stand in" not in each]


def test_slack_types_accept_everything_sent(node: Path) -> None:
    samples = [*ours()]
    assert all(not problems(kind, value) for kind, value in samples)
    refused = [value for (kind, value), taken in zip(samples, verdicts(node, samples), strict=True) if not taken]
    assert not refused


def test_checker_refuses_what_slack_types_refuse(node: Path) -> None:
    samples = [(kind, mutant) for kind, value in ours() for mutant in mutants(value)]
    refused = [sample for sample, taken in zip(samples, verdicts(node, samples), strict=True) if not taken]
    passed = [value for kind, value in refused if not problems(kind, value)]
    assert len(refused) > 300 and not passed, json.dumps(passed[:3])
