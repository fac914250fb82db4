"""Posts sent to Discord once, and updated when they change.

Discord drops a second message with the same nonce for a few minutes. An older attempt is searched among the newest messages.
The answer to an interaction replaces its "thinking…", and the answer to a turn replaces the streamed text. Both can be repeated
without harm.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Collection, Sequence

import discord

from bot.chat.discord.api import EXPIRED, FAILURES, MALFORMED, UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, Api, refused
from bot.chat.discord.channels import PLATFORM, location_of
from bot.chat.discord.links import Links
from bot.chat.discord.page import Page, marks
from bot.chat.discord.stream import Streams
from bot.chat.discord.to_message import to_pages
from bot.domain import Inbound, Post
from bot.domain.errors import DeliveryError
from bot.fleet import Fleet
from bot.text.wording import headline

log = logging.getLogger(__name__)

LOADING = 1 << 7
"""Flag of a response that still shows "thinking…"."""
TOPIC = 90
"""Characters of a thread's name. Discord allows 100."""


class Sender:
    """Sends posts. `opened` are the threads known to exist."""

    def __init__(self, fleet: Fleet, api: Api, running: Callable[[], Collection[str]], pace: float) -> None:
        self.fleet, self.api = fleet, api
        self.streams = Streams(fleet, api, self.target, running, pace)
        self.acks: dict[str, asyncio.Future[bool]] = {}
        """Acknowledgements of interactions by event, True once Discord accepted them. Answers wait for them."""
        self.links = Links(fleet)
        self.opened: set[int] = set()
        self._direct: dict[int, int] = {}

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        """Show a post and return its message id, `<channel>/<message>,<message>…`. Raises DeliveryError."""
        inbound = self.fleet.store.inbound.get(post.answers) if post.answers else None
        try:
            return await self._post(post, inbound, key, again=again, plain=plain)
        except FAILURES as error:
            failure = refused(error, post.conversation)
            if isinstance(error, discord.Forbidden) and error.code == 50013 and inbound is not None and not post.private:
                return await self._send_direct(post, inbound, key, failure)
            raise failure from error

    async def _post(self, post: Post, inbound: Inbound | None, key: str, *, again: bool, plain: bool) -> str:
        if post.kind == "note":
            for gate in [card.gate for card in post.cards if card.gate]:
                await self.links.arrived(gate)
        pages = to_pages(post, self.fleet, self.links, plain=plain)
        if inbound is not None and "token" in inbound.extra:
            found = await self._respond(inbound, pages, post, again=again)
            if found:
                return found
        if post.private:
            return await self._whisper(post, inbound, pages, key, again=again)
        finished = post.answers and post.conversation not in self.streams.running()
        if finished and (streamed := await self.streams.finish(post.conversation, pages[0])):
            channel, first = streamed
            rest = await self._send(channel, pages[1:], key, again=again, start=1)
            return _id(channel, [first, *rest])
        channel, reply = await self.target(post.conversation)
        return _id(channel, await self._send(channel, pages, key, again=again, reply=reply))

    async def update(self, message: str, post: Post, *, away: str = "") -> None:
        """Show the current state of a post in its message.

        A deleted message is not posted again. Raises DeliveryError.
        """
        channel, ids = _read(message)
        pages = to_pages(post, self.fleet, self.links, away=away)
        try:
            for id, page in zip(ids, pages, strict=False):
                await self._edit(channel, id, page, post)
            await self._send(channel, pages[len(ids) :], f"{message}", again=True, start=len(ids))
        except FAILURES as error:
            if isinstance(error, discord.NotFound) and error.code in (UNKNOWN_MESSAGE, UNKNOWN_CHANNEL):
                log.info("discord: message %s was deleted and is not posted again", message)
                return
            raise refused(error, post.conversation) from error

    async def _edit(self, channel: int, id: int, page: Page, post: Post) -> None:
        try:
            await self.api.edit(channel, id, page)
        except discord.HTTPException as error:
            if error.code != MALFORMED or not page.layout:
                raise
            log.warning("discord: the layout of post %s was refused, showing plain text: %s", post.id, error.text)
            await self.api.edit(channel, id, to_pages(post, self.fleet, self.links, plain=True)[0])

    # -- ways --------------------------------------------------------------------------------------------------------

    async def _respond(self, inbound: Inbound, pages: Sequence[Page], post: Post, *, again: bool) -> str:
        """Answer an interaction and return the message id. Empty if Discord no longer accepts an answer."""
        extra = inbound.extra
        application, token = int(extra["application"]), str(extra["token"])
        fresh = inbound.event in self.acks
        if fresh and not await self.acks.pop(inbound.event):
            return ""
        try:
            first = {"flags": LOADING} if fresh else await self.api.original(application, token)
            if not first["flags"] & LOADING:
                ours = again and set(pages[0].marks()) == set(marks(first))
                id = int(first["id"]) if ours else await self.api.follow(application, token, pages[0], private=post.private)
            elif post.private and not extra.get("private"):
                await self.api.withdraw(application, token)
                id = await self.api.follow(application, token, pages[0], private=True)
            else:
                id = await self.api.complete(application, token, pages[0])
            more = [await self.api.follow(application, token, page, private=post.private) for page in pages[1:]]
        except discord.HTTPException as error:
            if error.code in EXPIRED or error.code == UNKNOWN_MESSAGE:
                return ""
            raise
        return _id(int(extra["channel"]), [id, *more])

    async def _whisper(self, post: Post, inbound: Inbound | None, pages: Sequence[Page], key: str, *, again: bool) -> str:
        """Send a post to one person in direct messages."""
        if inbound is None or not str(inbound.extra.get("user", "")).isdigit():
            raise DeliveryError("There is no person to show this private message to.")
        channel = await self._direct_to(int(inbound.extra["user"]))
        try:
            return _id(channel, await self._send(channel, pages, key, again=again))
        except discord.Forbidden as error:
            # A closed inbox must not mark the conversation in which the person wrote as unreachable.
            raise DeliveryError("This person accepts no direct messages, so the private answer was not delivered.") from error

    async def _send_direct(self, post: Post, inbound: Inbound, key: str, failure: DeliveryError) -> str:
        """Send a post in direct messages, with the reason why it cannot be sent in its channel."""
        where = inbound.extra.get("channel", "")
        said = f"I'm not allowed to write in <#{where}>, so I'm answering here. {failure.hint}"
        try:
            channel = await self._direct_to(int(inbound.extra["user"]))
            return _id(
                channel, await self._send(channel, [Page(said), *to_pages(post, self.fleet, self.links)], key, again=True)
            )
        except FAILURES as error:
            raise failure from error

    async def _send(
        self, channel: int, pages: Sequence[Page], key: str, *, again: bool, start: int = 0, reply: int | None = None
    ) -> list[int]:
        """Send pages in order, except those that an earlier attempt already sent."""
        if not pages:
            return []
        shown = await self._shown(channel) if again else []
        sent: list[int] = []
        for number, page in enumerate(pages, start):
            found = next((id for id, texts in shown if page.shown_as(texts) and id not in sent), None)
            sent.append(found or await self.api.send(channel, page, nonce(key, number), answers=reply if not sent else None))
        return sent

    async def _shown(self, channel: int) -> list[tuple[int, tuple[str, ...]]]:
        """Return the bot's newest messages in a channel that no other post in the outbox owns, oldest first."""
        found = [each for each in await self.api.newest(channel) if each["author"]["id"] == str(self.api.me)]
        taken = {id for known in self.fleet.store.outbox.shown_as(PLATFORM, f"{channel}/") for id in _read(known)[1]}
        return [(int(each["id"]), tuple(marks(each))) for each in reversed(found) if int(each["id"]) not in taken]

    # -- locations ---------------------------------------------------------------------------------------------------

    async def target(self, conversation: str) -> tuple[int, int | None]:
        """Return the thread or channel of a conversation, opening its thread if needed.

        The second value is the message to reply to if no thread can be opened.
        """
        location = location_of(conversation)
        if location.person is not None:
            return await self._direct_to(location.person), None
        if location.thread is None:
            return location.channel, None
        if location.thread in self.opened:
            return location.thread, None
        try:
            await self.api.thread(location.channel, location.thread, self._topic(conversation, location.thread))
        except discord.HTTPException as error:
            if error.code == UNKNOWN_MESSAGE or error.code == 50024:  # not started from a message, or that message was deleted
                self.opened.add(location.thread)
                return location.thread, None
            if not isinstance(error, discord.Forbidden):
                raise
            log.info("discord: cannot open a thread in %s, answering in the channel: %s", location.channel, error.text)
            return location.channel, location.thread
        self.opened.add(location.thread)
        return location.thread, None

    def _topic(self, conversation: str, message: int) -> str:
        """Return a thread's name, made from the message that started the conversation."""
        first = self.fleet.store.inbound.get(f"{PLATFORM}:{message}")
        said = [first.text] if first else [each.text for each in self.fleet.store.posts.of(conversation, limit=5)]
        return headline(said[0] if said else "", TOPIC) or "Conversation"

    def met(self, person: int, channel: int) -> None:
        """Record the channel of a person's direct messages, so that missed messages are read there."""
        if self._direct.get(person) != channel:
            self._direct[person] = channel
            self.fleet.store.known_channels.set(PLATFORM, f"@{person}", str(channel))

    async def _direct_to(self, person: int) -> int:
        if person not in self._direct:
            self._direct[person] = await self.api.direct(person)
        return self._direct[person]


def nonce(key: str, number: int = 0) -> str:
    """Return a key as a nonce of up to 25 characters."""
    return f"{hashlib.blake2s(key.encode(), digest_size=10).hexdigest()}.{number}"


def _id(channel: int, messages: Sequence[int]) -> str:
    return f"{channel}/{','.join(map(str, messages))}"


def _read(message: str) -> tuple[int, list[int]]:
    channel, _, ids = message.partition("/")
    return int(channel), [int(id) for id in ids.split(",")]
