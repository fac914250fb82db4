"""Operations that only read a product."""

from pathlib import Path
from typing import Any

from bot.supervisor.drivers.messages import translate
from bot.supervisor.product import Product
from bot.supervisor.protocol import MAX_TEXT, ChannelError
from bot.supervisor.records import history, transcripts
from bot.supervisor.records.mailbox import Letter
from bot.supervisor.records.sessions import Row


async def mail(product: Product, limit: int, agent: str | None) -> list[dict[str, Any]]:
    """Return the newest mail first, as much as fits into one response."""
    await product.driver()
    found: list[dict[str, Any]] = []
    size = 0
    for letter in await product.context.read(product.context.mailbox.newest, limit, agent):
        size += min(len(letter.body), MAX_TEXT)
        if found and size > 2 * MAX_TEXT:
            break
        found.append(translate(letter.as_json()))
    return found


async def inspect(product: Product, agent: str) -> dict[str, Any]:
    """Return an agent's session, recent events and last output."""
    await product.driver()
    row = await product.context.row(agent)
    if row is None:
        raise ChannelError("unknown_agent", f"There is no agent {agent}.", "List the product's agents with `fleet status`.")
    alive = agent in await product.alive((row,))
    events = await product.context.read(history.events, product.context.folder / "events.db", agent)
    output = await product.context.read(history.output, product.context.folder, row)
    return {"session": row.as_json(alive), "events": events, "output": output}


async def receipt(product: Product, mail: str) -> dict[str, Any]:
    """Return how far a mail got with its recipient."""
    await product.driver()
    letter = await product.context.read(product.context.mailbox.by_id, mail)
    if letter is None:
        raise ChannelError("not_found", f"The engine has no mail {mail}.", "It may have been deleted by `ov clean`.")
    row = await product.context.row(letter.recipient)
    return {"receipt": await product.context.read(_receipt_state, product, letter, row)}


def _receipt_state(product: Product, letter: Letter, row: Row | None) -> str:
    if not letter.read:
        return "waiting"
    written = transcripts.candidates(row) if row is not None else ()
    shown = _shown(written, letter) if written else True
    if not shown:
        # An agent in a turn keeps acting, and gets new mail only later, so activity alone proves nothing.
        return "read" if shown is None else "lost"
    if product.context.mailbox.first_sent_by(letter.recipient, letter) is not None:
        return "taken"
    acted = history.active_since(product.context.folder / "events.db", letter.recipient, letter.created_at)
    return "taken" if acted else "read"


def _shown(written: tuple[Path, ...], letter: Letter) -> bool | None:
    """Return True if the model saw the mail, found by its last line (the marker) or its id."""
    last = (letter.body.strip().splitlines() or [""])[-1].strip()
    needles = [needle for needle in (last, letter.id) if len(needle) > 3]
    found = [transcripts.was_shown(path, needle) for path in written for needle in needles]
    return True if True in found else False if False in found else None
