"""A chat platform in memory, which a test can inspect and control.

slack = FakeChat("slack")
slack.fail(DeliveryError("No.", code="malformed"), times=1)      # the next post is refused
slack.lose_answer()                                              # shown, but the response is lost
slack.down = "the socket is cut"                                 # nothing is sent meanwhile
assert slack.shown_in("slack:#a")[-1].text == "…"
"""

from collections import Counter
from dataclasses import dataclass, replace

from bot.agent.live import Live
from bot.conversation.platform import Chat, Part
from bot.domain import Post
from bot.domain.errors import DeliveryError


@dataclass(slots=True)
class Message:
    """A post as the platform shows it. `edits` counts its updates."""

    key: str
    post: Post
    plain: bool = False
    edits: int = 0


class FakeChat(Chat):
    """A platform that outlives the fleet.

    It shows each key once if it is asked to search for an earlier attempt, and twice otherwise.
    """

    def __init__(self, platform: str = "slack") -> None:
        self.platform = platform
        self.messages: dict[str, Message] = {}
        """Messages by the platform's id."""
        self.looks: list[str] = []
        """Keys whose earlier attempt was searched."""
        self.seen: list[tuple[str, Live]] = []
        self.down = ""
        self._failures: list[DeliveryError] = []
        self._lost = 0

    def fail(self, error: DeliveryError, times: int = 1) -> None:
        """Fail the next posts or updates with this error, before anything is shown."""
        self._failures += [error] * times

    def lose_answer(self, times: int = 1) -> None:
        """Show the next posts and lose the responses."""
        self._lost += times

    def shown_in(self, conversation: str) -> list[Post]:
        """Return the posts shown in a conversation, oldest first."""
        return [each.post for each in self.messages.values() if each.post.conversation == conversation]

    def doubles(self) -> list[str]:
        """Return the keys that are shown more than once."""
        return [key for key, number in Counter(each.key for each in self.messages.values()).items() if number > 1]

    async def start(self) -> None:
        self.down = ""

    async def stop(self) -> None:
        self.down = "stopped"

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        self._refuse()
        if again:
            self.looks.append(key)
            if (known := next((id for id, each in self.messages.items() if each.key == key), None)) is not None:
                return known
        id = f"m{len(self.messages) + 1}"
        self.messages[id] = Message(key, post, plain)
        if self._lost:
            self._lost -= 1
            raise DeliveryError("The answer was lost.", code="unknown")
        return id

    async def update(self, message: str, post: Post) -> None:
        self._refuse()
        known = self.messages[message]
        self.messages[message] = replace(known, post=post, edits=known.edits + 1)

    def live(self, conversation: str, event: Live) -> None:
        self.seen.append((conversation, event))

    def part(self) -> Part:
        return Part("down", self.down) if self.down else Part("ok")

    def _refuse(self) -> None:
        if self._failures:
            raise self._failures.pop(0)
