"""What the model is given: who it is, its tools, and how the fleet stands.

The prompt and the tools are the same for everyone and in every turn, so that they are cached; what changes goes into
the newest message of a person, and stays there.
"""

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from bot.agent.base import Message
from bot.domain import Person
from bot.skill import Skill
from bot.status import FleetStatus, product_line, totals

MOST_PRODUCTS = 20
"""Products with a line of their own in the digest; the rest, the least urgent, are counted."""


@cache
def system_prompt() -> str:
    """The text of `prompt.md`."""
    return Path(__file__).with_name("prompt.md").read_text(encoding="utf-8")


@lru_cache(maxsize=8)
def tools(skills: tuple[Skill, ...]) -> tuple[dict[str, Any], ...]:
    """The skills that the model may call, as Claude tools, in the order of their names."""
    offered = sorted((skill for skill in skills if skill.model), key=lambda skill: skill.tool)
    return tuple({"name": skill.tool, "description": _description(skill), "input_schema": _schema(skill)} for skill in offered)


def digest(status: FleetStatus, most: int = MOST_PRODUCTS) -> str:
    """How the fleet stands, in a few lines, most urgent first."""
    lines = [totals(status).replace("**", "")]
    lines += [product_line(each, status.at).replace("**", "") for each in status.products[:most]]
    if len(status.products) > most:
        lines.append(f"and {len(status.products) - most} more products; ask status for them")
    return "\n".join(lines)


def opening(text: str, person: Person, status: FleetStatus, *, product: str | None = None) -> Message:
    """The message that begins a turn: first the fleet, who speaks and where, then the words as they were said."""
    where = f", in the channel of {product}" if product else ""
    fleet = (
        f'<fleet at="{status.at:%Y-%m-%d %H:%M} UTC">\n{_plain(digest(status))}\n</fleet>\n'
        f"{person.name} ({person.role}) speaks{where}:"
    )
    return {"role": "user", "content": [{"type": "text", "text": fleet}, {"type": "text", "text": text.strip() or "…"}]}


def _plain(text: str) -> str:
    return text.replace("</fleet", "<\\/fleet")


def _description(skill: Skill) -> str:
    same = skill.description.split("\n")[0].strip(" .") == skill.summary.strip(" .")
    return skill.description if same else f"{skill.summary}\n{skill.description}".strip()


def _schema(skill: Skill) -> dict[str, Any]:
    schema: dict[str, Any] = _slim(skill.args.model_json_schema())
    return {"type": "object", "properties": {}, **schema}


def _slim(value: Any, *, names: bool = False) -> Any:
    """A schema without what only a program needs: titles, our own marks, and null where leaving out will do."""
    if isinstance(value, list):
        return [_slim(each) for each in value]
    if not isinstance(value, dict):
        return value
    if names:  # of fields, so that a field may be called title
        return {key: _slim(each) for key, each in value.items()}
    slim = {
        key: _slim(each, names=key in {"properties", "$defs"})
        for key, each in value.items()
        if key not in {"title", "words"} and not (key == "default" and each is None)
    }
    real = [each for each in slim.get("anyOf", []) if each != {"type": "null"}]
    if len(real) == 1:
        del slim["anyOf"]
        slim = {**real[0], **slim}
    return slim
