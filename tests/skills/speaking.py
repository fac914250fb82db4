"""Saying a command and reading its answer."""

from typing import Any

from bot.commands import catalogue
from bot.commands.skill import SkillResult
from bot.domain import Post
from tests.bed import Bed


async def answer(bed: Bed, text: str) -> Post:
    """The one reply to a command."""
    (post,) = [post for post in await bed.say(text) if post.kind == "reply"]
    return post


async def refusal(bed: Bed, text: str) -> str:
    """What a command is refused with."""
    (post,) = [post for post in await bed.say(text) if post.kind == "error"]
    return post.text


async def run(bed: Bed, line: str, *, by_model: bool = False, request: str = "r1") -> SkillResult:
    """A command as a program runs it: the whole result."""
    skill, values = catalogue.parse(line, bed.router.skills, products=tuple(bed.fleet.products))
    return await bed.router.invoke(skill, values, bed.person, "web:main", request, by_model=by_model)


def commands(post: Post | SkillResult) -> list[str]:
    """What its buttons say."""
    return [each.command for each in post.suggestions]


def data(result: SkillResult) -> dict[str, Any]:
    """Its JSON."""
    assert isinstance(result.data, dict)
    return result.data
