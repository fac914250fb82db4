"""Changes that an adoption makes to a product's files, computed from texts alone."""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

from bot.supervisor.adoption import config, manifest, section
from bot.supervisor.adoption.config import Gate
from bot.supervisor.adoption.records import COORDINATOR
from bot.supervisor.drivers.rules import AdoptionRules
from bot.supervisor.protocol import ChannelError

CONFIG, MANIFEST = "config.yaml", "agent-manifest.json"
VERBATIM = (COORDINATOR, "agent-defs/monitor.md", "agent-defs/orchestrator.md")
"""Definitions that agents get as they are.

The engine fills in names only in the definitions of workers."""

STOCK_GATES = ("bun test", "bun run lint", "bun run typecheck")
"""Quality gates that the engine writes for every product, and assumes if there are none."""

T = TypeVar("T")
Files = Mapping[str, str]
"""Texts by name below `.overstory/`, without missing files."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a product beside its files."""

    name: str
    """Name in the registry."""
    rules: AdoptionRules
    type: str = "code"
    taken: frozenset[str] = frozenset()
    """Project names of the other products of this runtime."""
    tracker: str = "seeds"
    """Tracker that the engine uses if its configuration says `auto`, `seeds` or `beads`."""
    programs: frozenset[str] = frozenset()
    """Installed ones of `sd` and `bd`."""
    gates: tuple[Gate, ...] = ()
    """Quality gates that suit the product."""
    bun: bool = False
    """True if the engine's stock gates suit the product."""
    definitions: Files = field(default_factory=dict)
    """Our definitions by agent name."""
    ours: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file that the last adoption wrote. An unchanged one may be replaced."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Change of one file, with reasons."""

    path: str
    before: str | None
    """Old text, None for a new file."""
    after: str
    why: tuple[str, ...]

    def diff(self) -> str:
        """Return the change as `diff -u` shows it."""
        return diff(self.path, self.before, self.after)


@dataclass(frozen=True, slots=True)
class Draft:
    """All edits of an adoption, with notes for people."""

    edits: tuple[Edit, ...]
    notes: tuple[str, ...] = ()
    marks: tuple[tuple[str, str], ...] = ()
    """Pairs of a file and a text in it, which reveal later that the file was overwritten."""

    @property
    def digest(self) -> str:
        """Twelve characters that identify exactly these edits."""
        shown = json.dumps([[edit.path, edit.before, edit.after] for edit in self.edits])
        return sha256(shown.encode()).hexdigest()[:12]


class _Workbench:
    """Files while they are being edited."""

    def __init__(self, files: Files) -> None:
        self.before, self.now = dict(files), dict(files)
        self.why: dict[str, list[str]] = {}

    def read(self, path: str, parse: Callable[[str], T]) -> T:
        """Parse a file in its current state. Raises `config_broken` if that fails."""
        try:
            return parse(self.now[path])
        except section.Unclear as error:
            raise broken(path, str(error)) from error

    def change(self, path: str, why: str, edit: Callable[[str], str]) -> None:
        """Edit a file. Raises `config_broken` if that is not safe."""
        after = self.read(path, edit)
        if after != self.now[path]:
            self.now[path] = after
            self.why.setdefault(path, []).append(why)

    def edits(self) -> tuple[Edit, ...]:
        changed = [path for path in self.now if self.now[path] != self.before.get(path)]
        return tuple(Edit(path, self.before.get(path), self.now[path], tuple(self.why[path])) for path in changed)


def draft(files: Files, facts: Facts) -> Draft:
    """Return every change that the product needs. Raises `config_broken`."""
    bench, notes = _Workbench(files), list[str]()
    for path in (CONFIG, MANIFEST, COORDINATOR):
        if path not in files:
            raise broken(path, "it is missing")
    _add_agent(bench, facts, notes)
    _configure(bench, facts, notes)
    _instruct(bench, facts)
    marks = ((MANIFEST, f'"{facts.type}"'), (_definition(facts.type), "")) if facts.type in manifest.AGENTS else ()
    return Draft(bench.edits(), tuple(notes), marks)


def _add_agent(bench: _Workbench, facts: Facts, notes: list[str]) -> None:
    """Add the definition and manifest entry of an agent that the engine does not bring."""
    if facts.type not in manifest.AGENTS:
        return
    path, ours = _definition(facts.type), facts.definitions[facts.type]
    there = bench.before.get(path)
    if there is None or (there != ours and sha256(there.encode()).hexdigest() == facts.ours.get(path)):
        bench.now[path] = ours
        bench.why[path] = [f"instructions of {facts.type} agents"]
    elif there != ours:
        notes.append(f"`.overstory/{path}` is the product's own file and stays unchanged.")
    bench.change(MANIFEST, f"entry for {facts.type} agents", lambda text: manifest.with_agent(text, facts.type))


def _configure(bench: _Workbench, facts: Facts, notes: list[str]) -> None:
    known = config.value(bench.now[CONFIG], "project", "name")
    if not known or known in facts.taken:
        name = _free(facts.name, facts.taken)
        why = f"another product already has the name {known}" if known else "the project has no name"
        bench.change(CONFIG, why, lambda text: config.with_value(text, ("project", "name"), name))
    rules = facts.rules
    missing = rules.needs_tracker_program and rules.tracker_program not in facts.programs
    if missing and config.value(bench.now[CONFIG], rules.tracker_key, "enabled") != "false":
        why = f"`{rules.tracker_program}` is not installed here, and no worker starts without it"
        bench.change(CONFIG, why, lambda text: config.with_value(text, (rules.tracker_key, "enabled"), False))
    if rules.quality_gates:
        _choose_gates(bench, facts, notes)
    models = bench.read(MANIFEST, manifest.models)
    why = "headless agents read their model only from here"
    bench.change(CONFIG, why, lambda text: config.with_models(text, models))


def _choose_gates(bench: _Workbench, facts: Facts, notes: list[str]) -> None:
    """Replace the engine's stock quality gates, which need bun, by suitable ones."""
    if facts.bun or config.gates(bench.now[CONFIG]) not in (None, STOCK_GATES):
        return
    why = "the engine's stock quality gates need bun, which this product does not use"
    bench.change(CONFIG, why, lambda text: config.with_gates(text, facts.gates))
    notes.append("The quality gates are a guess. Check them, because every worker runs them before it reports that it is done.")


def _instruct(bench: _Workbench, facts: Facts) -> None:
    tracks = config.value(bench.now[CONFIG], facts.rules.tracker_key, "enabled") != "false"
    backend = config.value(bench.now[CONFIG], "taskTracker", "backend") or "auto"
    name = facts.tracker if backend == "auto" else backend
    cli = "bd" if name == "beads" else "sd"
    for path in VERBATIM:
        if path in bench.now:
            why = "tracker names that the engine does not fill in here"
            bench.change(path, why, lambda text: section.rendered(text, cli, name))
    lines = section.section(facts.rules, tracker=tracks)
    bench.change(COORDINATOR, "ask before large work, report to the fleet", lambda text: section.with_section(text, lines))
    bench.change(COORDINATOR, "shortened to fit into a tmux command", lambda text: section.shortened(text, facts.rules))


def _definition(agent: str) -> str:
    return f"agent-defs/{agent}.md"


def _free(name: str, taken: frozenset[str]) -> str:
    """Return a project name that is not taken. It becomes part of tmux session names."""
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name).strip("-") or "product"
    return next(each for each in (plain, *(f"{plain}-{number}" for number in range(2, 10_000))) if each not in taken)


def broken(path: str, why: str) -> ChannelError:
    """Return the error for a file that cannot be edited safely."""
    return ChannelError(
        "config_broken", f".overstory/{path} cannot be changed: {why}.", "Fix the file, then run `fleet adopt` again."
    )


def diff(path: str, before: str | None, after: str | None) -> str:
    """Return a change as `diff -u` shows it. None means no file."""
    name = f".overstory/{path}"
    old, new = ([] if text is None else text.splitlines() for text in (before, after))
    names = (name if before is not None else "/dev/null", name if after is not None else "/dev/null")
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))


def suitable(tops: Sequence[str], texts: Files) -> tuple[Gate, ...]:
    """Return quality gates for a product, from file names and the texts of a few files."""
    makefile = texts.get("Makefile", "")
    for target in ("check", "test"):
        if any(line.startswith(f"{target}:") for line in makefile.splitlines()):
            return (Gate("Make", f"make {target}", f"`make {target}` succeeds"),)
    if scripts := _scripts(texts.get("package.json", "")):
        wanted = [name for name in ("test", "lint", "typecheck") if name in scripts]
        return tuple(Gate(name.capitalize(), f"npm run {name}", f"`npm run {name}` succeeds") for name in wanted)
    if "Cargo.toml" in tops:
        return (Gate("Tests", "cargo test", "every test passes"),)
    if "go.mod" in tops:
        return (Gate("Tests", "go test ./...", "every test passes"),)
    if "pytest.ini" in tops or "conftest.py" in tops or "pytest" in texts.get("pyproject.toml", ""):
        return (Gate("Tests", "python3 -m pytest -q", "every test passes"),)
    if "tests" in tops and any(name.endswith((".py", ".toml", ".cfg")) for name in tops):
        package = " -t ." if "tests/__init__.py" in texts else ""
        return (Gate("Tests", f"python3 -m unittest discover -s tests{package}", "every test passes"),)
    return (Gate("Diff", "git diff --check HEAD", "no conflict markers and no trailing whitespace"),)


def _scripts(text: str) -> frozenset[str]:
    try:
        found = json.loads(text)["scripts"]
    except (ValueError, KeyError, TypeError):
        return frozenset()
    return frozenset(found) & {"test", "lint", "typecheck"} if isinstance(found, dict) else frozenset()
