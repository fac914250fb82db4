"""Input of the model, which is its prompt, its tools, and the state of the fleet.

The prompt and the tools are the same for everyone and in every turn, so that they are cached. Everything that changes goes into
the newest message of a person and stays there.
"""

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from bot.agent.model import Message
from bot.commands.catalogue import tool
from bot.commands.skill import Skill
from bot.domain import Person
from bot.work.status import FleetStatus, product_line, totals

MOST_PRODUCTS = 20
"""Most products that the digest lists. The least urgent ones are only counted."""


@cache
def system_prompt() -> str:
    """Return the text of `prompt.md`."""
    return Path(__file__).with_name("prompt.md").read_text(encoding="utf-8")


@lru_cache(maxsize=8)
def tools(skills: tuple[Skill, ...]) -> tuple[dict[str, Any], ...]:
    """Return the skills that the model may call as Claude tools, ordered by name."""
    return tuple(tool(skill) for skill in sorted(skills, key=lambda skill: skill.tool) if skill.model)


def digest(status: FleetStatus, most: int = MOST_PRODUCTS) -> str:
    """Return the state of the fleet in a few lines, most urgent first."""
    lines = [totals(status).replace("**", "")]
    lines += [product_line(each, status.at).replace("**", "") for each in status.products[:most]]
    if len(status.products) > most:
        lines.append(f"and {len(status.products) - most} more products (call status to list them)")
    return "\n".join(lines)


def opening(text: str, person: Person, status: FleetStatus, *, product: str | None = None) -> Message:
    """Return the first message of a turn, with the fleet's state, the person, the channel and their text."""
    where = f", in the channel of {product}" if product else ""
    fleet = (
        f'<fleet at="{status.at:%Y-%m-%d %H:%M} UTC">\n{_plain(digest(status))}\n</fleet>\n'
        f"{person.name} ({person.role}) says{where}:"
    )
    return {"role": "user", "content": [{"type": "text", "text": fleet}, {"type": "text", "text": text.strip() or "…"}]}


def _plain(text: str) -> str:
    return text.replace("</fleet", "<\\/fleet")
