"""Changes of channels, accounts and tokens in the workspace."""

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
    """Handlers of workspace events."""

    fleet: Fleet
    channels: Channels
    me: Me
    revoked: Callable[[str], None]
    """Callback for a revoked token, with the reason."""
    refresh: Callable[[], None]
    """Callback that reloads the list of channels."""

    def handle(self, event: dict[str, Any]) -> None:
        """Handle one event. Ignore those of no interest."""
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
            self._mark_unreachable(f"slack:@{event['user']['id']}", "The person's account is deactivated.")
        elif kind == "tokens_revoked" and event.get("tokens", {}).get("bot"):
            self.revoked("Slack revoked the bot token.")
        elif kind == "app_uninstalled":
            self.revoked("The app was removed from the workspace.")

    def _ended(self, channel: str, why: str) -> None:
        self._mark_unreachable(self.channels.conversation(channel), why)
        self.refresh()

    def _mark_unreachable(self, conversation: str, why: str) -> None:
        """Mark a conversation as unreachable, if it is a product's channel or has posts."""
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
            said = f"`slack:{before}` was renamed to #{name}. It still works. Update it to `slack:#{name}` in products.yaml."
            self.fleet.say(BOARD, said, key=f"renamed:{channel}:{name}", kind="report")


def _id(channel: Any) -> str:
    return str(channel["id"] if isinstance(channel, dict) else channel)
