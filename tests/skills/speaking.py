"""Saying a command and reading its answer."""

from typing import Any

from bot.commands import catalogue
from bot.commands.skill import SkillResult
from bot.domain import Post
from tests.bed import Bed


async def answer(bed: Bed, text: str) -> Post:
    """Return the single reply to a command."""
    (post,) = [post for post in await bed.say(text) if post.kind == "reply"]
    return post


async def refusal(bed: Bed, text: str) -> str:
    """Return the refusal of a command."""
    (post,) = [post for post in await bed.say(text) if post.kind == "error"]
    return post.text


async def run(bed: Bed, line: str, *, by_model: bool = False, request: str = "r1") -> SkillResult:
    """Run a command as a program does and return the whole result."""
    skill, values = catalogue.parse(line, bed.router.skills, products=tuple(bed.fleet.products))
    return await bed.router.invoke(skill, values, bed.person, "web:main", request, by_model=by_model)


def commands(post: Post | SkillResult) -> list[str]:
    """Return the commands of the buttons."""
    return [each.command for each in post.suggestions]


def data(result: SkillResult) -> dict[str, Any]:
    """Return the JSON data."""
    assert isinstance(result.data, dict)
    return result.data
