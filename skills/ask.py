"""Ask a product's coordinator a question without starting any work.

Use it for what only a product's agents know: why they chose something, how far they are, what they need. For facts about
code, read the product; for running work, use status. The answer is posted here as a report when the coordinator replies.
With `wait` (seconds), the skill waits that long and returns the answer. The question has to be understandable on its own.
"""

import asyncio
from typing import TYPE_CHECKING

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import TERMINAL, Mail
from bot.gates.lifecycle import decides_nothing
from bot.text.quoting import quoted
from bot.text.wording import shortened
from bot.work.sessions import mark, take_slot_to_wake

if TYPE_CHECKING:
    from bot.fleet import Change, Fleet

RULES = (
    "\n\n---\n{name} asks this through the fleet. "
    "Answer by replying to this mail, in a few sentences. Do not start any work for it."
)
LOOK = 0.25
"""Seconds between two checks of the mailbox while waiting. A mail event ends the pause early."""


class Args(SkillArgs):
    """Arguments of `ask`."""

    product: str = words(description="Name of the product.")
    question: str = words(rest=True, min_length=1, max_length=8000, description="The question, in full sentences.")
    wait: float = option(
        0, ge=0, le=120, description="Seconds to wait for the answer. With 0, it is posted here when it arrives."
    )


@skill(
    role=Role.OPERATOR,
    summary="Ask a product's coordinator a question.",
    examples=["ask product-a how far is the auth feature?", "ask product-a what blocks you? --wait 30"],
    synonyms="question",
)
async def ask(args: Args, context: SkillContext) -> SkillResult:
    """Mail the question, link its thread to this conversation, and wait if requested."""
    fleet, product = context.fleet, context.fleet.product(args.product).name
    decides_nothing(args.question)
    take_slot_to_wake(fleet, product)
    context.progress(f"asking {product}")
    mail = await fleet.engine.send(
        product,
        shortened(args.question, 90),
        args.question + RULES.format(name=context.person.name),
        marker=mark("q", context.request, fleet.store.origin),
        question=True,
    )
    fleet.store.threads.bind(product, mail, context.conversation, None)
    answer, shown = await _answer(context, product, mail, args.wait)
    data = {
        "product": product,
        "mail": mail,
        "answer": answer.body if answer else None,
        "from": answer.sender if answer else None,
    }
    if answer is None:
        late = f" No answer within {args.wait:g} s." if args.wait else ""
        return SkillResult(f"Asked **{product}**.{late} I'll post the answer here.", data=data)
    said = "has answered, see above." if shown else f"answers:\n\n{quoted(answer.body)}"
    return SkillResult(f"**{product}** {said}", data=data)


async def _answer(context: SkillContext, product: str, mail: str, seconds: float) -> tuple[Mail | None, bool]:
    """Return the first reply in the question's thread, and True if this conversation has shown it."""
    heard, fleet, shown = asyncio.Event(), context.fleet, False
    here = ("report", product, context.conversation)
    elsewhere = context.conversation == TERMINAL

    def listen(change: "Change") -> None:
        nonlocal shown
        post = change.post
        shown = shown or (post is not None and (post.kind, post.product, post.conversation) == here)
        heard.set()

    unsubscribe = fleet.subscribe(listen)
    try:
        until = asyncio.get_running_loop().time() + seconds
        while (answer := _reply(fleet, product, mail)) is None:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                break
            heard.clear()
            try:
                await asyncio.wait_for(heard.wait(), min(LOOK, left))
            except TimeoutError:
                continue
    finally:
        unsubscribe()
    return answer, shown and not elsewhere


def _reply(fleet: "Fleet", product: str, mail: str) -> Mail | None:
    return next((each for each in fleet.store.mail.newest(product, 50) if each.thread == mail and not each.ours), None)
