"""Sends each post of the outbox to a chat platform once, and updates it when a gate changes."""

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
"""Age at which a post that the platform keeps refusing is given up."""
WAITS = frozenset({"auth", "limited"})
"""Error codes that say nothing about the post itself, so that it is never given up for them."""


async def send(fleet: Fleet, chat: Chat, row: Outgoing) -> None:
    """Send a post to its platform. A row that was left in the middle of an attempt is looked for first."""
    outbox, post = fleet.store.outbox, fleet.store.posts.get(row.post)
    if post is None:
        outbox.failed(row.number, "its post no longer exists", fleet.now())
        return
    outbox.attempting(row.number, fleet.now())
    await fleet.store.durable()
    key = f"outbox:{fleet.store.origin}:{row.number}"
    try:
        message = await chat.post(post, key, again=row.state == "attempting", plain=row.plain)
    except DeliveryError as error:
        _rejected(fleet, row, error)
        return
    outbox.delivered(row.number, message, fleet.now())


async def refresh(fleet: Fleet, chat: Chat, row: Outgoing) -> None:
    """Update a message to show its post as it is now. Raises DeliveryError to be called again."""
    post = fleet.store.posts.get(row.post)
    try:
        if post is not None and row.message is not None:
            await fleet.store.durable()
            await chat.update(row.message, post)
    except DeliveryError as error:
        if not _final(error) or error.code in WAITS:
            raise
        log.warning("Message %s on %s cannot be updated: %s", row.message, row.platform, error.message)
    fleet.store.outbox.fresh(row)


def _rejected(fleet: Fleet, row: Outgoing, error: DeliveryError) -> None:
    outbox, now = fleet.store.outbox, fleet.now()
    log.warning("%s rejected message %s (%s): %s", row.platform, row.number, error.code, error.message)
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
    """Return True if a retry is useless."""
    return error.retry_after is None and error.code != "unknown"


def _give_up(fleet: Fleet, row: Outgoing, error: DeliveryError) -> None:
    with fleet.transaction():
        fleet.store.outbox.failed(row.number, error.message, fleet.now())
        summary = f"I couldn't post a message in `{row.conversation}`: {error.message} {error.hint}".rstrip()
        fleet.say(BOARD, f"{summary} You can read it on the page.", key=f"unshown:{row.number}", kind="error")
