"""From the outbox to a chat platform: each post is shown once, in order, and shown anew when a gate on it has changed."""

import logging
from datetime import timedelta

from bot.conversation.platform import Chat
from bot.domain.errors import DeliveryError
from bot.fleet import BOARD, Fleet
from bot.store.outbox import Outgoing
from bot.text.backoff import Backoff

log = logging.getLogger(__name__)

RETRIES = Backoff(1.0, longest=300.0, jitter=0.25)
GIVEN_UP = timedelta(hours=24)
"""A post that a platform has not taken for so long is given up: nobody waits for it there any more."""
WAITS = frozenset({"auth", "limited"})
"""Refusals that say nothing about the post: it waits until they have passed, however long that takes."""


async def send(fleet: Fleet, chat: Chat, row: Outgoing) -> None:
    """Show a post on its platform. A row that was left in the middle of an attempt is looked for first."""
    outbox, post = fleet.store.outbox, fleet.store.posts.get(row.post)
    if post is None:
        outbox.failed(row.number, "its post is gone", fleet.now())
        return
    outbox.attempting(row.number, fleet.now())
    await fleet.store.durable()
    key = f"outbox:{fleet.store.origin}:{row.number}"
    try:
        message = await chat.post(post, key, again=row.state == "attempting", plain=row.plain)
    except DeliveryError as error:
        _not_taken(fleet, row, error)
        return
    outbox.delivered(row.number, message, fleet.now())


async def show_anew(fleet: Fleet, chat: Chat, row: Outgoing) -> None:
    """Show a message as it is now. Raises DeliveryError to be called again."""
    post = fleet.store.posts.get(row.post)
    try:
        if post is not None and row.message is not None:
            await chat.update(row.message, post)
    except DeliveryError as error:
        if not _final(error) or error.code in WAITS:
            raise
        log.warning("message %s on %s stays as it was: %s", row.message, row.platform, error.message)
    fleet.store.outbox.fresh(row)


def _not_taken(fleet: Fleet, row: Outgoing, error: DeliveryError) -> None:
    outbox, now = fleet.store.outbox, fleet.now()
    log.warning("%s did not take message %s (%s): %s", row.platform, row.number, error.code, error.message)
    if error.code == "gone":
        fleet.mark_unreachable(row.conversation, error.message)
    elif error.code == "malformed" and not row.plain:
        outbox.retry(row.number, error.message, now, now, plain=True)
    elif error.code not in WAITS and (_final(error) or now - row.created_at > GIVEN_UP):
        _give_up(fleet, row, error)
    else:
        pause = max(error.retry_after or 0.0, RETRIES.pause(row.attempts + 1))
        at = now + timedelta(seconds=pause)
        outbox.retry(row.number, error.message, now, at, unknown=error.code == "unknown")


def _final(error: DeliveryError) -> bool:
    """Whether trying again is useless."""
    return error.retry_after is None and error.code != "unknown"


def _give_up(fleet: Fleet, row: Outgoing, error: DeliveryError) -> None:
    with fleet.transaction():
        fleet.store.outbox.failed(row.number, error.message, fleet.now())
        said = f"A message could not be shown in `{row.conversation}`: {error.message} {error.hint}".rstrip()
        fleet.say(BOARD, f"{said} It stands in the page.", key=f"unshown:{row.number}", kind="error")
