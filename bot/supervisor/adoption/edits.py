"""What an adoption changes in a product's files, from what is known of the product. Pure: texts in, changes out."""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

from bot.supervisor.adoption import config, manifest
from bot.supervisor.adoption import section as words
from bot.supervisor.adoption.config import Gate
from bot.supervisor.adoption.records import COORDINATOR
from bot.supervisor.drivers.rules import AdoptionRules
from bot.supervisor.protocol import ChannelError

CONFIG, MANIFEST = "config.yaml", "agent-manifest.json"
VERBATIM = (COORDINATOR, "agent-defs/monitor.md", "agent-defs/orchestrator.md")
"""Definitions that agents get as they are; in those of workers the engine fills in the names itself."""

STOCK_GATES = ("bun test", "bun run lint", "bun run typecheck")
"""What the engine writes for every product, whatever it is made of, and assumes where nothing is written."""

T = TypeVar("T")
Files = Mapping[str, str]
"""Texts by their names below `.overstory/`; a file that is not there is not among them."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a product beside its files."""

    name: str
    """Name in the registry."""
    rules: AdoptionRules
    type: str = "code"
    taken: frozenset[str] = frozenset()
    """Project names of the other products of this runtime."""
    tracker: str = "seeds"
    """`seeds` or `beads`: what the engine takes when its configuration says `auto`."""
    programs: frozenset[str] = frozenset()
    """Which of `sd` and `bd` can be run."""
    gates: tuple[Gate, ...] = ()
    """Quality gates that suit what the product is made of."""
    bun: bool = False
    """Whether the engine's stock gates suit it."""
    definitions: Files = field(default_factory=dict)
    """Our definitions, by the name of their agent."""
    ours: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of what the last adoption wrote, by file: what is still that, may be replaced."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One file before and after, and why."""

    path: str
    before: str | None
    """None: it is new."""
    after: str
    why: tuple[str, ...]

    def diff(self) -> str:
        """As `diff -u` shows it."""
        return diff(self.path, self.before, self.after)


@dataclass(frozen=True, slots=True)
class Draft:
    """All edits, and what has to be said beside them."""

    edits: tuple[Edit, ...]
    notes: tuple[str, ...] = ()
    marks: tuple[tuple[str, str], ...] = ()
    """Files and words in them by which one sees later that nobody has overwritten them."""

    @property
    def digest(self) -> str:
        """What names exactly these edits, 12 characters."""
        shown = json.dumps([[edit.path, edit.before, edit.after] for edit in self.edits])
        return sha256(shown.encode()).hexdigest()[:12]


class _Desk:
    """The files while they are being changed."""

    def __init__(self, files: Files) -> None:
        self.before, self.now = dict(files), dict(files)
        self.why: dict[str, list[str]] = {}

    def read(self, path: str, look: Callable[[str], T]) -> T:
        """Look at a file as it is now. Raises config_broken when it cannot be made out."""
        try:
            return look(self.now[path])
        except words.Unclear as error:
            raise broken(path, str(error)) from error

    def change(self, path: str, why: str, edit: Callable[[str], str]) -> None:
        """Change a file. Raises config_broken when that cannot be done safely."""
        after = self.read(path, edit)
        if after != self.now[path]:
            self.now[path] = after
            self.why.setdefault(path, []).append(why)

    def edits(self) -> tuple[Edit, ...]:
        changed = [path for path in self.now if self.now[path] != self.before.get(path)]
        return tuple(Edit(path, self.before.get(path), self.now[path], tuple(self.why[path])) for path in changed)


def draft(files: Files, facts: Facts) -> Draft:
    """Everything that has to be changed. Raises config_broken, in words."""
    desk, notes = _Desk(files), list[str]()
    for path in (CONFIG, MANIFEST, COORDINATOR):
        if path not in files:
            raise broken(path, "it is missing")
    _own_agent(desk, facts, notes)
    _configure(desk, facts, notes)
    _instruct(desk, facts)
    marks = ((MANIFEST, f'"{facts.type}"'), (_definition(facts.type), "")) if facts.type in manifest.AGENTS else ()
    return Draft(desk.edits(), tuple(notes), marks)


def _own_agent(desk: _Desk, facts: Facts, notes: list[str]) -> None:
    """The definition and the entry of a kind of agent that the engine does not bring."""
    if facts.type not in manifest.AGENTS:
        return
    path, ours = _definition(facts.type), facts.definitions[facts.type]
    there = desk.before.get(path)
    if there is None or (there != ours and sha256(there.encode()).hexdigest() == facts.ours.get(path)):
        desk.now[path] = ours
        desk.why[path] = [f"how a {facts.type} agent works"]
    elif there != ours:
        notes.append(f"`.overstory/{path}` is the product's own and stays as it is.")
    desk.change(MANIFEST, f"an entry for {facts.type} agents", lambda text: manifest.with_agent(text, facts.type))


def _configure(desk: _Desk, facts: Facts, notes: list[str]) -> None:
    known = config.value(desk.now[CONFIG], "project", "name")
    if not known or known in facts.taken:
        name = _free(facts.name, facts.taken)
        why = f"another product is called {known} already" if known else "it has no name"
        desk.change(CONFIG, why, lambda text: config.with_value(text, ("project", "name"), name))
    rules = facts.rules
    missing = rules.needs_tracker_program and rules.tracker_program not in facts.programs
    if missing and config.value(desk.now[CONFIG], rules.tracker_key, "enabled") != "false":
        why = f"`{rules.tracker_program}` is not installed here, and no worker starts without it"
        desk.change(CONFIG, why, lambda text: config.with_value(text, (rules.tracker_key, "enabled"), False))
    if rules.quality_gates:
        _gate(desk, facts, notes)
    models = desk.read(MANIFEST, manifest.models)
    why = "agents without a terminal take their model from here alone"
    desk.change(CONFIG, why, lambda text: config.with_models(text, models))


def _gate(desk: _Desk, facts: Facts, notes: list[str]) -> None:
    """Quality gates where nobody has chosen any: the engine's stock of them asks everybody for bun."""
    if facts.bun or config.gates(desk.now[CONFIG]) not in (None, STOCK_GATES):
        return
    why = "the engine's own quality gates ask for bun, which this product is not made of"
    desk.change(CONFIG, why, lambda text: config.with_gates(text, facts.gates))
    notes.append("The quality gates are a guess: every worker runs them before it may say that it is done.")


def _instruct(desk: _Desk, facts: Facts) -> None:
    tracks = config.value(desk.now[CONFIG], facts.rules.tracker_key, "enabled") != "false"
    backend = config.value(desk.now[CONFIG], "taskTracker", "backend") or "auto"
    name = facts.tracker if backend == "auto" else backend
    cli = "bd" if name == "beads" else "sd"
    for path in VERBATIM:
        if path in desk.now:
            why = "the tracker's names, which the engine leaves open here"
            desk.change(path, why, lambda text: words.rendered(text, cli, name))
    lines = words.section(facts.rules, tracker=tracks)
    desk.change(COORDINATOR, "asks before large work, reports to the fleet", lambda text: words.told(text, lines))
    desk.change(COORDINATOR, "shortened to fit into a tmux command", lambda text: words.shortened(text, facts.rules))


def _definition(agent: str) -> str:
    return f"agent-defs/{agent}.md"


def _free(name: str, taken: frozenset[str]) -> str:
    """A project name that is not taken; it becomes part of names of tmux sessions."""
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name).strip("-") or "product"
    return next(each for each in (plain, *(f"{plain}-{number}" for number in range(2, 10_000))) if each not in taken)


def broken(path: str, why: str) -> ChannelError:
    """A file that cannot be changed safely."""
    return ChannelError("config_broken", f".overstory/{path} cannot be changed: {why}.", "Mend it, then adopt again.")


def diff(path: str, before: str | None, after: str | None) -> str:
    """Two texts as `diff -u` shows them; None is no file."""
    name = f".overstory/{path}"
    old, new = ([] if text is None else text.splitlines() for text in (before, after))
    names = (name if before is not None else "/dev/null", name if after is not None else "/dev/null")
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))


def suitable(tops: Sequence[str], texts: Files) -> tuple[Gate, ...]:
    """Quality gates for a product, by the names in its folder and the texts of a few of them."""
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
    return (Gate("Diff", "git diff --check HEAD", "no conflict marks and no blanks at the ends of lines"),)


def _scripts(text: str) -> frozenset[str]:
    try:
        found = json.loads(text)["scripts"]
    except (ValueError, KeyError, TypeError):
        return frozenset()
    return frozenset(found) & {"test", "lint", "typecheck"} if isinstance(found, dict) else frozenset()
