"""What happens in the workspace beside what is said: channels that come, go and change their names, people who leave, tokens
that are taken back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.chat.slack.channels import Channels, Me
from bot.fleet import BOARD, Fleet

ENDED = {
    "channel_archive": "The channel was archived.",
    "group_archive": "The channel was archived.",
    "channel_deleted": "The channel was deleted.",
    "group_deleted": "The channel was deleted.",
    "channel_left": "I was removed from the channel.",
    "group_left": "I was removed from the channel.",
}
BEGUN = frozenset({"channel_unarchive", "group_unarchive", "channel_joined", "group_joined"})
RENAMED = frozenset({"channel_rename", "group_rename"})


@dataclass(frozen=True, slots=True)
class WorkspaceEvents:
    """What to do about each."""

    fleet: Fleet
    channels: Channels
    me: Me
    revoked: Callable[[str], None]
    """Told when Slack has taken our token back, and why."""
    refresh: Callable[[], None]
    """Asks for the channels anew."""

    def handle(self, event: dict[str, Any]) -> None:
        """One event; those that mean nothing to us pass."""
        kind = str(event.get("type"))
        if kind in ENDED:
            self._ended(str(event["channel"]), ENDED[kind])
        elif kind in BEGUN:
            self._begun(_id(event["channel"]))
        elif kind in RENAMED:
            self._renamed(str(event["channel"]["id"]), str(event["channel"]["name"]))
        elif kind in {"member_joined_channel", "member_left_channel"} and event.get("user") == self.me.user:
            joined = kind == "member_joined_channel"
            self._begun(str(event["channel"])) if joined else self._ended(
                str(event["channel"]), "I was removed from the channel."
            )
        elif kind == "user_change" and event["user"].get("deleted"):
            self._bury(f"slack:@{event['user']['id']}", "That person's account is deactivated.")
        elif kind == "tokens_revoked" and event.get("tokens", {}).get("bot"):
            self.revoked("Slack has revoked the bot token.")
        elif kind == "app_uninstalled":
            self.revoked("The app was removed from the workspace.")

    def _ended(self, channel: str, why: str) -> None:
        self._bury(self.channels.conversation(channel), why)
        self.refresh()

    def _bury(self, conversation: str, why: str) -> None:
        """Only what we speak in: a channel of a product, or a talk that there was."""
        listed = {str(each) for product in self.fleet.registry.products for each in product.channels}
        if conversation in listed or self.fleet.store.posts.of(conversation, limit=1):
            self.fleet.mark_unreachable(conversation, why)

    def _begun(self, channel: str) -> None:
        self.channels.mark_reachable(channel)
        self.refresh()

    def _renamed(self, channel: str, name: str) -> None:
        before = self.channels.spelled(channel)
        self.channels.renamed(channel, name)
        if before.startswith("#") and before != f"#{name}":
            said = f"`slack:{before}` is called #{name} now. I still find it; write `slack:#{name}` into products.yaml."
            self.fleet.say(BOARD, said, key=f"renamed:{channel}:{name}", kind="report")


def _id(channel: Any) -> str:
    return str(channel["id"] if isinstance(channel, dict) else channel)
