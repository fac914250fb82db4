"""Tables `posts` and `shown` with the posts of each conversation and the gates they show."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from bot.domain import Card, Post, Suggestion
from bot.store.conversations import ConversationTable
from bot.store.database import Database, dump, to_text
from bot.store.sweep import SHOWS_UNFINISHED, by_number, marks


class PostTable:
    """Posts, numbered across all conversations in order."""

    def __init__(self, database: Database, conversations: ConversationTable) -> None:
        self._db, self._conversations = database, conversations

    def say(self, post: Post, key: str) -> Post | None:
        """Add a post to its conversation and return it, or None if the key was used before."""
        with self._db.transaction():
            number = self._db.insert(
                "posts",
                conversation=post.conversation,
                author=post.author,
                text=post.text,
                at=to_text(post.at),
                cards=dump([asdict(card) for card in post.cards]),
                suggestions=dump([asdict(suggestion) for suggestion in post.suggestions]),
                kind=post.kind,
                product=post.product,
                key=key,
                answers=post.answers,
                private=int(post.private),
            )
            if number is None:
                return None
            self._show(number, post.cards)
            self._conversations.touch(post.conversation, post.text, post.at)
        return replace(post, id=number)

    def extend(self, number: int, text: str, cards: Sequence[Card]) -> Post | None:
        """Add text and cards to the end of a post."""
        with self._db.transaction():
            post = self.get(number)
            if post is None:
                return None
            whole = tuple(dict.fromkeys((*post.cards, *cards)))
            self._db.run(
                "UPDATE posts SET text = ?, cards = ? WHERE id = ?",
                *(f"{post.text}\n\n{text}", dump([asdict(card) for card in whole]), number),
            )
            self._show(number, cards)
        return self.get(number)

    def _show(self, post: int, cards: Sequence[Card]) -> None:
        for gate in dict.fromkeys(card.gate for card in cards if card.gate):
            self._db.insert("shown", gate=gate, post=post)

    def get(self, number: int) -> Post | None:
        """Return one post by its number."""
        row = self._db.row("SELECT * FROM posts WHERE id = ?", number)
        return _to_post(row) if row else None

    def keyed(self, prefix: str) -> list[Post]:
        """Return the posts whose key has this prefix, oldest first."""
        rows = self._db.rows("SELECT * FROM posts WHERE key >= ? AND key < ? ORDER BY id", prefix, prefix + "\U0010ffff")
        return [_to_post(row) for row in rows]

    def of(self, conversation: str, *, after: int = 0, before: int | None = None, limit: int = 100) -> list[Post]:
        """Return the newest posts of a conversation in a range of numbers, oldest first."""
        rows = self._db.rows(
            "SELECT * FROM posts WHERE conversation = ? AND id > ? AND id < ? ORDER BY id DESC LIMIT ?",
            *(conversation, after, before or 2**62, limit),
        )
        return [_to_post(row) for row in reversed(rows)]

    def with_gate(self, gate: str) -> list[Post]:
        """Return every post that shows a gate's card."""
        rows = self._db.rows(
            "SELECT * FROM posts WHERE kind = 'gate' AND id IN (SELECT post FROM shown WHERE gate = ?) ORDER BY id", gate
        )
        return [_to_post(row) for row in rows]

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove older posts, except those that show unfinished gates or are being delivered. See `sweep`."""
        return by_number(self._db, "posts", "id", "at", before, self._remove)

    def _remove(self, numbers: Sequence[int]) -> int:
        rows = self._db.rows(
            f"SELECT id FROM posts WHERE id IN ({marks(numbers)})"  # noqa: S608
            f" AND id NOT IN ({SHOWS_UNFINISHED}) AND NOT EXISTS"
            " (SELECT 1 FROM outbox WHERE post = posts.id AND (state IN ('pending', 'attempting') OR stale > 0))",
            *numbers,
        )
        old = [row["id"] for row in rows]
        for table, column in (("outbox", "post"), ("shown", "post"), ("posts", "id")):
            self._db.run(f"DELETE FROM {table} WHERE {column} IN ({marks(old)})", *old)  # noqa: S608
        return len(old)


def _to_post(row: sqlite3.Row) -> Post:
    cards: Sequence[dict[str, Any]] = json.loads(row["cards"])
    suggestions: Sequence[dict[str, Any]] = json.loads(row["suggestions"])
    return Post(
        id=row["id"],
        conversation=row["conversation"],
        author=row["author"],
        text=row["text"],
        at=datetime.fromisoformat(row["at"]),
        cards=tuple(Card(**card) for card in cards),
        suggestions=tuple(Suggestion(**suggestion) for suggestion in suggestions),
        kind=row["kind"],
        product=row["product"],
        answers=row["answers"],
        private=bool(row["private"]),
    )
