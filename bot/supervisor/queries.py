"""What only looks into a product."""

from pathlib import Path
from typing import Any

from bot.supervisor.product import Product
from bot.supervisor.protocol import MAX_TEXT, ChannelError
from bot.supervisor.records import history, transcripts
from bot.supervisor.records.mailbox import Letter
from bot.supervisor.records.sessions import Row


async def mail(product: Product, limit: int, agent: str | None) -> list[dict[str, Any]]:
    """The newest mail, newest first; as much of it as one answer can carry."""
    await product.driver()
    found: list[dict[str, Any]] = []
    size = 0
    for letter in await product.context.read(product.context.mailbox.newest, limit, agent):
        size += min(len(letter.body), MAX_TEXT)
        if found and size > 2 * MAX_TEXT:
            break
        found.append(letter.as_json())
    return found


async def inspect(product: Product, agent: str) -> dict[str, Any]:
    """What an agent does now, headless or not."""
    await product.driver()
    row = await product.context.row(agent)
    if row is None:
        raise ChannelError("unknown_agent", f"There is no agent {agent}.", "Look at the product's agents first.")
    alive = agent in await product.alive((row,))
    events = await product.context.read(history.events, product.context.folder / "events.db", agent)
    output = await product.context.read(history.output, product.context.folder, row)
    return {"session": row.as_json(alive), "events": events, "output": output}


async def receipt(product: Product, mail: str) -> dict[str, Any]:
    """How far a mail got with its recipient, as far as the engine lets one see."""
    await product.driver()
    letter = await product.context.read(product.context.mailbox.by_id, mail)
    if letter is None:
        raise ChannelError("not_found", f"The engine has no mail {mail} (any more).", "It may have been cleaned away.")
    row = await product.context.row(letter.recipient)
    return {"uptake": await product.context.read(_uptake, product, letter, row)}


def _uptake(product: Product, letter: Letter, row: Row | None) -> str:
    if not letter.read:
        return "waiting"
    written = transcripts.all_of(row) if row is not None else ()
    shown = _shown(written, letter) if written else True
    if not shown:
        # An agent in the middle of a turn acts all the time, and is handed what has come for it only later.
        return "read" if shown is None else "lost"
    if product.context.mailbox.sent_by(letter.recipient, letter) is not None:
        return "taken"
    acted = history.active_since(product.context.folder / "events.db", letter.recipient, letter.created_at)
    return "taken" if acted else "read"


def _shown(written: tuple[Path, ...], letter: Letter) -> bool | None:
    """Whether the model was shown the mail, looked for by its last line (its marker) and by its id."""
    last = (letter.body.strip().splitlines() or [""])[-1].strip()
    needles = [needle for needle in (last, letter.id) if len(needle) > 3]
    found = [transcripts.shown(path, needle) for path in written for needle in needles]
    return True if True in found else False if False in found else None
