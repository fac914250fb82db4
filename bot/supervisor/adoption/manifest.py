"""Edits of `.overstory/agent-manifest.json` that add our agents and their capabilities."""

import json
import re
from collections.abc import Mapping
from typing import Any

from bot.supervisor.adoption.section import Unclear

WRITING = ("Read", "Write", "Edit", "Glob", "Grep", "Bash")
AGENTS: Mapping[str, Mapping[str, Any]] = {
    name: {
        "file": f"{name}.md",
        "model": "sonnet",
        "tools": list(WRITING),
        "capabilities": [name, does],
        "canSpawn": False,
        "constraints": [],
    }
    for name, does in (("marketing", "content"), ("support", "triage"))
}
"""Agents that the engine does not bring. It requires all six keys."""


def read(text: str) -> dict[str, Any]:
    """Parse the manifest. Raises Unclear."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Unclear(f"it is not JSON ({error})") from error
    if not isinstance(found, dict) or not isinstance(found.get("agents"), dict):
        raise Unclear("it has no `agents`")
    return found


def models(text: str) -> dict[str, str]:
    """Return the model that the manifest names for each agent."""
    agents = read(text)["agents"]
    return {
        name: agent["model"]
        for name, agent in agents.items()
        if isinstance(agent, dict) and isinstance(agent.get("model"), str) and agent["model"]
    }


def with_agent(text: str, name: str) -> str:
    """Return the manifest with one of our agents added. An existing entry of that name stays."""
    manifest = read(text)
    if name in manifest["agents"]:
        return text
    manifest["agents"][name] = AGENTS[name]
    index = manifest.setdefault("capabilityIndex", {})
    for capability in AGENTS[name]["capabilities"]:
        if name not in index.setdefault(capability, []):
            index[capability].append(name)
    indent = re.search(r"\n([ \t]+)", text)
    written = json.dumps(manifest, indent=indent[1] if indent else 2, ensure_ascii=False)
    newline = "\r\n" if "\r\n" in text else "\n"
    return written.replace("\n", newline) + (newline if text.endswith("\n") else "")
