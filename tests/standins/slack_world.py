"""The workspace behind the stand-in for Slack, with people, channels, messages and views."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

Json = dict[str, Any]
TEAM, APP, BOT_USER, BOT = "T0FLEET", "A0FLEET", "U0FLEETBOT", "B0FLEET"


class Refusal(Exception):
    """The error that a method returns."""

    def __init__(self, error: str, *messages: str, **more: Any) -> None:
        super().__init__(error)
        self.error, self.messages, self.more = error, messages, more


@dataclass
class User:
    """A user of the workspace, or a guest in a shared channel."""

    id: str
    name: str
    team: str = TEAM
    deleted: bool = False
    is_bot: bool = False


@dataclass
class Channel:
    """A channel, or the direct messages between a user and the bot."""

    id: str
    name: str = ""
    members: set[str] = field(default_factory=set)
    private: bool = False
    archived: bool = False
    im_of: str = ""
    shared: bool = False
    messages: list[Json] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The channel's type in events."""
        return "im" if self.im_of else "group" if self.private else "channel"

    def as_json(self) -> Json:
        """Return the channel as the Web API shows it."""
        if self.im_of:
            return {"id": self.id, "is_im": True, "user": self.im_of, "is_archived": False, "is_member": True}
        return {
            "id": self.id,
            "name": self.name,
            "is_channel": not self.private,
            "is_private": self.private,
            "is_archived": self.archived,
            "is_member": BOT_USER in self.members,
            "is_ext_shared": self.shared,
        }

    def find(self, ts: str) -> Json | None:
        """Return the message with this timestamp."""
        return next((each for each in self.messages if each["ts"] == ts), None)

    def thread(self, ts: str) -> list[Json]:
        """Return a message and its replies."""
        return [each for each in self.messages if ts in {each["ts"], each.get("thread_ts")}]

    def top(self) -> list[Json]:
        """Return the messages outside threads."""
        return [each for each in self.messages if each.get("thread_ts") in {None, each["ts"]}]


class World:
    """A workspace with the bot."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.users: dict[str, User] = {BOT_USER: User(BOT_USER, "fleet", is_bot=True)}
        self.channels: dict[str, Channel] = {}
        self.homes: dict[str, Json] = {}
        self.views: dict[str, Json] = {}
        self.ephemeral: list[Json] = []
        self.statuses: list[Json] = []
        self.sessions: dict[tuple[str, str], str] = {}
        self.prompts: list[Json] = []
        self.files: dict[str, Json] = {}
        self.hear: Callable[[Json], None] = lambda _: None
        """Callback for every event."""
        self._numbers = count(1)
        self._last = 0

    def number(self) -> int:
        """Return the next number for ids."""
        return next(self._numbers)

    def ts(self) -> str:
        """Return the timestamp of a new message, which is unique as Slack promises."""
        self._last = max(self._last + 1, int(self.now() * 1_000_000) + 1)
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"

    # -- people and channels ---------------------------------------------------------------------------------------------

    def user(self, id: str) -> User:
        """Return a user by id."""
        if id not in self.users:
            raise Refusal("user_not_found")
        return self.users[id]

    def channel(self, id: str) -> Channel:
        """Return a channel by id, not by name."""
        if id not in self.channels:
            raise Refusal("channel_not_found")
        return self.channels[id]

    def readable(self, id: str) -> Channel:
        """Return a channel that the bot may read."""
        channel = self.channel(id)
        if BOT_USER not in channel.members:
            raise Refusal("channel_not_found" if channel.private else "not_in_channel")
        return channel

    def writable(self, id: str) -> Channel:
        """Return a channel that the bot may write to."""
        channel = self.readable(id)
        if channel.archived:
            raise Refusal("is_archived")
        if channel.im_of and self.users[channel.im_of].deleted:
            raise Refusal("cannot_dm_bot" if self.users[channel.im_of].is_bot else "user_disabled")
        return channel

    def im(self, user: str) -> Channel:
        """Return the direct messages between a user and the bot."""
        known = next((each for each in self.channels.values() if each.im_of == user), None)
        if known is None:
            known = Channel(f"D0{user[1:]}", members={user, BOT_USER}, im_of=user)
            self.channels[known.id] = known
        return known

    def named(self, name: str) -> Channel:
        """Return a channel by name."""
        return next(each for each in self.channels.values() if each.name == name.lstrip("#"))

    # -- messages -----------------------------------------------------------------------------------------------------

    def add(self, channel: Channel, message: Json, *, thread: str | None = None) -> Json:
        """Add a message and send its events."""
        if thread is not None:
            root = channel.find(thread)
            if root is None:
                raise Refusal("thread_not_found")
            message["thread_ts"] = root.get("thread_ts", thread)
            root.setdefault("thread_ts", thread)
            if root.get("user"):
                message["parent_user_id"] = root["user"]
        message = {"type": "message", "ts": self.ts(), **message}
        channel.messages.append(message)
        self.hear(self.event(channel, message))
        return message

    def event(self, channel: Channel, message: Json) -> Json:
        """Return a message as an event."""
        told = {key: value for key, value in message.items() if key not in {"metadata", "streaming"}}
        return {**told, "channel": channel.id, "channel_type": channel.kind, "event_ts": message["ts"]}

    def mine(self, channel: Channel, ts: str) -> Json:
        """Return a message of the bot."""
        message = channel.find(ts)
        if message is None:
            raise Refusal("message_not_found")
        if message.get("bot_id") != BOT:
            raise Refusal("cant_update_message")
        return message

    def permalink(self, channel: Channel, message: Json) -> str:
        """Return the link to a message."""
        link = f"https://fleet.slack.com/archives/{channel.id}/p{message['ts'].replace('.', '')}"
        root = message.get("thread_ts")
        return link if root in {None, message["ts"]} else f"{link}?thread_ts={root}&cid={channel.id}"

    def of_bot(self) -> Iterator[tuple[Channel, Json]]:
        """Return every message of the bot."""
        for channel in self.channels.values():
            yield from ((channel, each) for each in channel.messages if each.get("bot_id") == BOT)
