"""Posts sent to Slack, updated, and found again after a lost response.

Messages carry their key as metadata.
"""

import asyncio
import logging
from typing import Any

from bot.chat.slack.api import Api, reason
from bot.chat.slack.channels import PLATFORM, PREFIX, Channels, Location, split_conversation
from bot.chat.slack.stream import Streams
from bot.chat.slack.text import tame
from bot.chat.slack.to_message import Attachment, Message, to_message, to_plain
from bot.domain import Inbound, Post
from bot.domain.errors import DeliveryError
from bot.fleet import Fleet
from bot.work import views

log = logging.getLogger(__name__)

EVENT_TYPE = "fleet_post"
"""Type of the metadata that identifies a message."""
CARD_TIMEOUT = 5.0
"""Seconds that a note waits for the card it links to."""
SEARCHED = 100
"""Messages of a channel or thread that are searched for an earlier attempt."""


class Sender:
    """Sends posts. In tests, `pace` scales every pause."""

    def __init__(self, fleet: Fleet, api: Api, channels: Channels, streams: Streams, *, pace: float = 1.0) -> None:
        self._fleet, self._api, self._channels, self._streams, self._pace = fleet, api, channels, streams, pace

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        """Show a post in its conversation. Raises DeliveryError."""
        inbound = self._fleet.store.inbound.get(post.answers) if post.answers else None
        try:
            location = await self._channels.find(post.conversation)
            if post.private and not location.user and inbound is not None:
                return await self._whisper(post, location, inbound, plain)
            return await self._show(post, key, location, again=again, plain=plain)
        except DeliveryError as error:
            url = str(inbound.extra.get("response_url", "")) if inbound else ""
            if error.code != "gone" or not url or inbound is None:
                raise
            return await self._respond(post, url, plain)

    async def update(self, message: str, post: Post) -> None:
        """Show the current state of a post in its message. Raises DeliveryError."""
        channel, _, ts = message.partition(":")
        if not ts:
            return  # an ephemeral message cannot be updated
        made = await self._made(post)
        try:
            await self._api.call("chat.update", channel=channel, ts=ts, text=made.text, blocks=made.blocks)
        except DeliveryError as error:
            if error.code != "malformed":
                raise
            await self._api.call("chat.update", channel=channel, ts=ts, text=to_plain(post), blocks=[])
        _, thread = split_conversation(post.conversation)
        await self._below(Location(channel, thread), ts, made, "", again=True)
        await self._settle(post, Location(channel, thread))

    async def _made(self, post: Post) -> Message:
        gates = {each.gate: self._fleet.store.gates.get(each.gate) for each in post.cards if each.gate}
        shown = {id: views.gate_json(gate, self._fleet) for id, gate in gates.items() if gate is not None}
        link = await self._link(next(iter(shown))) if post.kind == "note" and shown else ""
        return to_message(post, shown, link)

    async def _link(self, gate: str) -> str:
        """Return the link to a gate's card, waiting for one on its way. Empty if no channel shows it."""
        end = asyncio.get_running_loop().time() + CARD_TIMEOUT
        while True:
            cards = self._fleet.store.outbox.cards(gate, PLATFORM)
            if found := [message for conversation, message in cards if message and _is_channel(conversation)]:
                return await self._permalink(found[-1])
            shown = [post.conversation for post in self._fleet.store.posts.with_gate(gate)]
            if asyncio.get_running_loop().time() > end or not any(_is_channel(each) for each in shown):
                return ""
            await asyncio.sleep(0.1 * self._pace)

    async def _permalink(self, message: str) -> str:
        channel, _, ts = message.partition(":")
        try:
            return str((await self._api.read("chat.getPermalink", channel=channel, message_ts=ts))["permalink"])
        except DeliveryError as error:
            log.info("slack: cannot link to a card: %s", error.message)
            return ""

    async def _show(self, post: Post, key: str, location: Location, *, again: bool, plain: bool) -> str:
        made = Message(to_plain(post), []) if plain else await self._made(post)
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": key}}
        ts = await self._find(location, key) if again else None
        if ts is None and post.answers:
            ts = await self._streams.finish(post.conversation, post.answers, made, metadata)
        if ts is None:
            said = await self._api.call(
                "chat.postMessage",
                channel=location.channel,
                thread_ts=location.thread or None,
                text=made.text,
                blocks=made.blocks or None,
                metadata=metadata,
                unfurl_links=False,
                unfurl_media=False,
            )
            ts = str(said["ts"])
        await self._below(location, ts, made, key, again=again)
        await self._settle(post, location)
        return f"{location.channel}:{ts}"

    async def _settle(self, post: Post, location: Location) -> None:
        gate = post.kind == "gate"
        if gate or post.answers:
            await self._streams.settle(post.conversation, location, gate=gate)

    async def _below(self, location: Location, ts: str, made: Message, key: str, *, again: bool) -> None:
        """Post a message's attachments in its thread, each once.

        A refused attachment is logged, because raising would send the message again.
        """
        if not made.below:
            return
        thread = location.thread or ts
        there = await self._thread(Location(location.channel, thread)) if again else []
        for each in made.below:
            if not any(_is(message, f"{ts}:{each.key}", each) for message in there):
                try:
                    await self._attach(location.channel, thread, f"{ts}:{each.key}", each)
                except DeliveryError as error:
                    if error.code in {"unknown", "limited", "auth"}:
                        raise
                    log.warning("slack: an attachment of message %s was refused: %s", ts, error.message)

    async def _attach(self, channel: str, thread: str, key: str, attachment: Attachment) -> None:
        if attachment.name:
            await self._api.upload(channel, thread, attachment.name, attachment.text)
            return
        text = tame(attachment.text)
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": key}}
        await self._api.call(
            "chat.postMessage", channel=channel, thread_ts=thread, text="Changes", metadata=metadata,
            blocks=[{"type": "markdown", "text": text}], unfurl_links=False, unfurl_media=False,
        )  # fmt: skip

    async def _find(self, location: Location, key: str) -> str | None:
        """Return the message with a key, if there is one."""
        if location.thread:
            found = await self._thread(location)
        else:
            page = await self._api.read(
                "conversations.history", channel=location.channel, limit=SEARCHED, include_all_metadata="true"
            )
            found = page["messages"]
        return next((str(each["ts"]) for each in found if _key(each) == key), None)

    async def _thread(self, location: Location) -> list[dict[str, Any]]:
        return await self._api.pages(
            "conversations.replies", "messages", channel=location.channel, ts=location.thread, limit=SEARCHED,
            include_all_metadata="true",
        )  # fmt: skip

    async def _whisper(self, post: Post, location: Location, inbound: Inbound, plain: bool) -> str:
        """Show a post to the person who asked, and to no one else."""
        made = Message(to_plain(post), []) if plain else await self._made(post)
        said = {"text": made.text, "blocks": made.blocks or None, "thread_ts": location.thread or None}
        user = str(inbound.extra.get("user", ""))
        try:
            await self._api.call("chat.postEphemeral", channel=location.channel, user=user, **said)
        except DeliveryError as error:
            if reason(error) not in {"user_not_in_channel"}:
                raise
            await self._api.call(
                "chat.postMessage", channel=await self._channels.direct(user), text=made.text, blocks=made.blocks
            )
        return ""

    async def _respond(self, post: Post, url: str, plain: bool) -> str:
        made = Message(to_plain(post), []) if plain else await self._made(post)
        await self._api.respond(
            url, text=made.text, blocks=made.blocks or None, response_type="ephemeral", replace_original=False
        )
        return ""


def _is_channel(conversation: str) -> bool:
    return conversation.startswith(PREFIX) and not conversation.startswith(f"{PREFIX}@")


def _key(message: dict[str, Any]) -> str:
    return str((message.get("metadata") or {}).get("event_payload", {}).get("key", ""))


def _is(message: dict[str, Any], key: str, attachment: Attachment) -> bool:
    names = {each.get("name") for each in message.get("files", ())}
    return attachment.name in names if attachment.name else _key(message) == key
