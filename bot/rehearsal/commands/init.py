"""Command `init`, which creates and commits `.overstory/`.

With --yes it overwrites everything (finding 10).
"""

import json
from pathlib import Path
from typing import Any

from bot.rehearsal import worktrees
from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import InvalidRequest

READING = ["Read", "Glob", "Grep", "Bash"]
WRITING = ["Read", "Write", "Edit", "Glob", "Grep", "Bash"]
AGENTS: dict[str, tuple[str, list[str], list[str], bool]] = {
    "scout": ("haiku", READING, ["explore", "research"], False),
    "builder": ("sonnet", WRITING, ["implement", "refactor", "fix"], False),
    "reviewer": ("sonnet", READING, ["review", "validate"], False),
    "lead": ("opus", [*WRITING, "Task"], ["coordinate", "implement", "review"], True),
    "merger": ("sonnet", WRITING, ["merge", "resolve-conflicts"], False),
    "coordinator": ("opus", READING, ["coordinate", "dispatch", "escalate"], True),
    "orchestrator": ("opus", READING, ["coordinate", "dispatch"], True),
    "monitor": ("sonnet", READING, ["monitor", "patrol"], False),
}
FOLDERS = ("", "agents", "agent-defs", "worktrees", "specs", "logs")
IGNORED = """*
!.gitignore
!config.yaml
!agent-manifest.json
!hooks.json
!groups.json
!agent-defs/
!agent-defs/**
!README.md
"""
CONFIG = """# Overstory configuration (rehearsal)

project:
  name: {name}
  root: {root}
  canonicalBranch: {branch}
agents:
  manifestPath: .overstory/agent-manifest.json
  baseDir: .overstory/agent-defs
  maxConcurrent: 25
  staggerDelayMs: 2000
  maxDepth: 2
  maxSessionsPerRun: 0
  maxAgentsPerLead: 5
worktrees:
  baseDir: .overstory/worktrees
{tracker}
  enabled: true
mulch:
  enabled: true
  domains: []
coordinator:
  exitTriggers:
    allAgentsDone: false
    taskTrackerEmpty: false
    onShutdownSignal: false
models:
runtime:
  default: claude
  claudeHeadlessByDefault: true
"""
GUARD = '[ -z "$OVERSTORY_AGENT_NAME" ] && exit 0;'
INJECT = f"{GUARD} ov mail check --inject --agent {{{{AGENT_NAME}}}}"


def init(call: Call) -> Answer:
    """Create `.overstory/`."""
    root = call.project.root
    top = worktrees.git(root, "rev-parse", "--show-toplevel").stdout.strip()
    if not top:
        raise InvalidRequest("overstory requires a git repository. Run 'git init' first.")
    root = Path(top)
    state = root / ".overstory"
    again = call.has("--force") or (call.dialect.strict_flags and (call.has("--yes") or call.has("-y")))
    if (state / "config.yaml").exists() and not again:
        flags = "--force or --yes" if call.dialect.strict_flags else "--force"
        told = f"Warning: .overstory/ already initialized in this project.\nUse {flags} to reinitialize."
        return Answer("init", text=told, plain=True)
    name = call.get("--name") or root.name
    if (state / "config.yaml").exists():
        print("Reinitializing .overstory/ (--yes)\n")
    print(f'Initializing overstory for "{name}"... (rehearsal)\n')
    written = [f".overstory/{folder}{'/' if folder else ''}" for folder in FOLDERS] + _write(call, root, name)
    for one in written:
        print(f"{'' if call.dialect.headless else '  '}✓ Created {one}")
    committed = _commit(root)
    if not call.dialect.headless:
        follow = "  Next: run `overstory hooks install`.\n  Then: run `overstory status` to see the current state."
        return Answer("init", text=f"\nDone.\n{follow}", plain=True)
    print("✓ Committed scaffold files" if committed else "✓ Nothing to commit")
    skipped = {tool: {"status": "skipped", "path": str(root / f".{tool}")} for tool in ("mulch", "seeds", "canopy")}
    made = {"status": "initialized", "path": str(state)}
    return Answer(
        "init",
        {
            "project": name,
            "tools": {"overstory": made, **skipped},
            "onboard": {},
            "gitattributes": False,
            "scaffoldCommitted": committed,
        },
        text="This rehearsal uses no model.",
    )


def _write(call: Call, root: Path, name: str) -> list[str]:
    """Write all files and return their names."""
    state = root / ".overstory"
    folders = FOLDERS if call.dialect.headless else (*FOLDERS, "plans")
    for folder in folders:
        (state / folder).mkdir(parents=True, exist_ok=True)
    branch = worktrees.current_branch(root) or "main"
    tracker = "taskTracker:\n  backend: auto" if call.dialect.headless else "beads:"
    config = CONFIG.format(name=name, root=root, branch=branch, tracker=tracker)
    files = {
        **{f"agent-defs/{agent}.md": definition(agent) for agent in AGENTS},
        "config.yaml": config,
        "agent-manifest.json": json.dumps(manifest(), indent="\t") + "\n",
        "hooks.json": json.dumps(hooks(), indent="\t") + "\n",
        ".gitignore": IGNORED + ("" if call.dialect.headless else "!plans/\n!plans/.gitkeep\n"),
        "README.md": "# .overstory (rehearsal)\n\nCreated by the rehearsal engine, which simulates overstory without tokens.\n",
    }
    if not call.dialect.headless:
        files["plans/.gitkeep"] = ""
    for file, text in files.items():
        (state / file).write_text(text, encoding="utf-8")
    return [f".overstory/{file}" for file in files]


def definition(agent: str) -> str:
    """Return an agent's definition, which a rehearsal never reads but people can edit and restore."""
    return f"## role\n\nThe {agent} of a rehearsal. Its actions are scripted. See the README of the rehearsal engine.\n"


def manifest() -> dict[str, Any]:
    """Return the manifest of the agents that can be started."""
    agents: dict[str, dict[str, Any]] = {}
    index: dict[str, list[str]] = {}
    for name, (model, tools, capabilities, spawns) in AGENTS.items():
        agents[name] = {
            "file": f"{name}.md",
            "model": model,
            "tools": tools,
            "capabilities": capabilities,
            "canSpawn": spawns,
            "constraints": ["read-only"] if tools is READING else [],
        }
        for capability in capabilities:
            index.setdefault(capability, []).append(name)
    return {"version": "1.0", "agents": agents, "capabilityIndex": index}


def hooks() -> dict[str, Any]:
    """Return hooks in the real engine's form. No model runs, so nothing calls them."""

    def entry(*commands: str) -> list[dict[str, Any]]:
        return [{"matcher": "", "hooks": [{"type": "command", "command": one} for one in commands]}]

    return {
        "hooks": {
            "SessionStart": entry(INJECT),
            "UserPromptSubmit": entry(INJECT),
            "PostToolUse": entry(f"{INJECT} --debounce 500"),
            "Stop": entry(f"{GUARD} ov log session-end --agent {{{{AGENT_NAME}}}} --stdin"),
        }
    }


def _commit(root: Path) -> bool:
    """Commit only the created files. Return True if there were any."""
    worktrees.git(root, "add", "--", ".overstory")
    message = "chore: initialize overstory (rehearsal)"
    return worktrees.git(root, "commit", "--quiet", "-m", message, "--", ".overstory", author="overstory").returncode == 0
