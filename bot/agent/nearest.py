"""The nearest command for plain text, offered as a button without Claude. Pure.

A skill scores for every word of the text that is its name, a synonym or hint that it declares, or in its summary and examples.
The best skill whose arguments the text can fill is offered. Only skills that the model may call are considered, so text about a
gate leads to its card, where it is decided as shown.
"""

import re
from collections.abc import Collection, Sequence

from bot.commands.arguments import Field, fields
from bot.commands.grammar import parse
from bot.commands.skill import Skill
from bot.domain import Suggestion
from bot.domain.errors import UsageError

ADD_A_KEY = (
    "I need a Claude API key to understand plain text. Set ANTHROPIC_API_KEY in .env or the environment, then restart the "
    "fleet. Commands work without it."
)
_EMPTY = """
a an and are at be by can could do does fleet for from has have i if in is it me my of on or our please product products show
tell that the their them then there this to up us was we will with would you your
"""
EMPTY = frozenset(_EMPTY.split())
"""Words that carry no meaning for the choice."""
QUESTIONS = frozenset({"what", "which", "who", "how", "when", "why", "where", "did", "any"})
"""First words of questions, which are never tasks for an agent."""
TASKS = {"scout": "look around and report what you find"}
"""Default task of each kind of agent."""
NAME, MEANING, MENTION, KIND, FIRST = 6, 3, 1, 5, 2
"""Scores of a name, a synonym, a word of the summary, a kind of agent, and the first word."""
PLACE = r"(?:\b(?:for|on|in|of|at|to|from)\s+|^)?(?:the\s+)?"
BEFORE_KIND = r"^(?:please\s+)?(?:(?:can|could)\s+you\s+)?(?:\w+\s+)?(?:an?|the|another|one)?\s*"


def nearest(text: str, skills: Sequence[Skill], products: Collection[str]) -> tuple[str, tuple[Suggestion, ...]]:
    """Return a reply with the nearest command as a button, or with `help` if none is near."""
    found = next((command for skill in _ranked(text, skills) if (command := _command(skill, text, skills, products))), None)
    if found is None:
        return f"{ADD_A_KEY} `/fleet help` lists them.", (Suggestion("Help", "/fleet help"),)
    return f"{ADD_A_KEY} Nearest command: `/fleet {found}`", (_button(found),)


def _button(command: str) -> Suggestion:
    label = command if len(command) <= 40 else f"{command[:39].rstrip()}…"
    return Suggestion(label[:1].upper() + label[1:], f"/fleet {command}")


def _ranked(text: str, skills: Sequence[Skill]) -> list[Skill]:
    words = re.findall(r"[a-z0-9]+", text.lower())
    asked = bool(words) and words[0] in QUESTIONS
    scores = {skill: _score(skill, words) for skill in skills if skill.model and not (asked and _takes_words(skill))}
    likely = [skill for skill, score in scores.items() if score >= MEANING]
    return sorted(likely, key=lambda skill: (-scores[skill], not _takes_words(skill)))


def _takes_words(skill: Skill) -> bool:
    return any(field.kind == "rest" and field.required for field in fields(skill))


def _score(skill: Skill, words: Sequence[str]) -> int:
    name = set(skill.name.split("-"))
    meant = (skill.synonyms | skill.hints) - name
    mentioned = set(re.findall(r"[a-z0-9]+", " ".join([skill.summary, *skill.examples]).lower())) - name - meant
    telling = [word for word in words if word not in EMPTY or word in name]
    score = sum(NAME for word in name if word in telling) + sum(MEANING for word in set(telling) & meant)
    score += min(sum(MENTION for word in set(telling) & mentioned), MEANING - 1)
    if telling and telling[0] in name | meant:
        score += FIRST
    return score + (KIND if _kind(skill, words) else 0)


def _kind(skill: Skill, words: Sequence[str]) -> str:
    """Return the kind of agent that a text asks for, where the skill takes one."""
    known = _kinds(skill) if _takes_words(skill) else ()
    return next((kind for kind in known if kind in words or f"{kind}s" in words), "")


def _kinds(skill: Skill) -> tuple[str, ...]:
    return next((field.known for field in fields(skill) if field.key == "capability"), ())


def _command(skill: Skill, text: str, skills: Sequence[Skill], products: Collection[str]) -> str:
    """Return the skill's command with arguments from the text, empty if a required one is missing."""
    kind = _kind(skill, re.findall(r"[a-z0-9]+", text.lower()))
    named, rest = _named(text, products)
    parts = [skill.name]
    for field in fields(skill):
        value = _value(field, skill, named, rest, kind)
        if field.required and not value:
            return ""
        if value:
            parts.append(f"--{field.name} {value}" if field.kind == "option" else value)
    command = " ".join(parts)
    try:
        parse(f"/fleet {command}", skills, products=products)
    except UsageError:
        return ""
    return command


def _value(field: Field, skill: Skill, named: Sequence[str], rest: str, kind: str) -> str:
    if field.key == "capability":
        return kind
    if field.key == "focus":
        return "".join(named[1:2]) if re.search(r"\b(?:focus|first|instead)\b", rest, re.IGNORECASE) else ""
    if field.key == "about" and (found := re.search(r"\b[wg]\d+\b", rest)):
        return found[0]
    if field.key in {"product", "products", "about", "what"}:
        return " ".join(named) if field.many else "".join(named[:1])
    if field.key in {"gate", "work"}:
        number = re.search(rf"\b{field.key[0]}\d+\b", rest)
        return number[0] if number else ""
    return _words(skill, rest, kind) or TASKS.get(kind, "") if field.kind == "rest" and field.required else ""


def _words(skill: Skill, rest: str, kind: str) -> str:
    """Return the task in the text, as `to find dead code` in `run a scout to find dead code`."""
    if kind:
        rest = re.sub(rf"{BEFORE_KIND}{kind}s?\b", "", rest, count=1, flags=re.IGNORECASE)
    # A verb that hands on a task belongs to the task: of "ship the docs" all three words are left.
    heads = [skill.name] if _kinds(skill) else [skill.name, *sorted(skill.synonyms)]
    rest = re.sub(rf"^(?:{'|'.join(heads)})\b", "", rest.strip(), count=1, flags=re.IGNORECASE)
    return rest.lstrip(" ,:;.!?-–—").rstrip(" ,:;-–—")


def _named(text: str, products: Collection[str]) -> tuple[list[str], str]:
    """Return the products in the text (“Product A” is product-a) and the text without them."""
    found: list[tuple[int, str]] = []
    for name in sorted(set(products) - EMPTY, key=len, reverse=True):
        spoken = r"[\s_-]*".join(map(re.escape, re.split(r"[-_\s]+", name)))
        pattern = re.compile(rf"{PLACE}(?<![\w-]){spoken}(?:'s)?(?![\w-])", re.IGNORECASE)
        while match := pattern.search(text):
            found.append((match.start(), name))
            text = f"{text[: match.start()]} {text[match.end() :]}"
    return list(dict.fromkeys(name for _, name in sorted(found))), " ".join(text.split())
