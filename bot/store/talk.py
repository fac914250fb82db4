"""What people say and what is said to them: inbound events, conversations, posts, and the agent's transcript."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from bot.domain import Card, Inbound, Post, Press, Suggestion, to_person
from bot.store.database import Database, dump, to_text


class Talk:
    """Inbound events, each handled once; conversations and their posts, in order."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def receive(self, inbound: Inbound) -> bool:
        """Persist an event; False when it was received before."""
        return (
            self._db.insert(
                "inbound",
                event=inbound.event,
                platform=inbound.platform,
                conversation=inbound.conversation,
                person=dump(asdict(inbound.person)),
                at=to_text(inbound.at),
                text=inbound.text,
                press=dump(asdict(inbound.press)) if inbound.press else None,
                product=inbound.product,
                extra=dump(inbound.extra),
                state="new",
            )
            is not None
        )

    def handled(self, event: str, error: str = "", answered_by: str = "") -> None:
        """The event is done with; `error` says what went wrong, if anything did, `answered_by` whose turn took it up."""
        self._db.run(
            "UPDATE inbound SET state = 'done', error = ?, answered_by = coalesce(nullif(?, ''), answered_by) WHERE event = ?",
            *(error, answered_by, event),
        )

    def answered_by(self, event: str) -> str:
        """The event whose posts answer this one: itself, unless another's turn took it up."""
        found: str | None = self._db.value("SELECT answered_by FROM inbound WHERE event = ?", event)
        return found or event

    def inbound(self, event: str) -> Inbound | None:
        """An event as it was received."""
        row = self._db.row("SELECT * FROM inbound WHERE event = ?", event)
        return _to_inbound(row) if row else None

    def unhandled(self) -> list[Inbound]:
        """Events received but not done with, oldest first: what a restart has to take up."""
        return [_to_inbound(row) for row in self._db.rows("SELECT * FROM inbound WHERE state != 'done' ORDER BY at, rowid")]

    def unanswered(self, conversation: str) -> list[Inbound]:
        """What was said in a conversation and is not done with, oldest first."""
        sql = "SELECT * FROM inbound WHERE state != 'done' AND conversation = ? AND press IS NULL ORDER BY at, rowid"
        return [_to_inbound(row) for row in self._db.rows(sql, conversation)]

    def done(self, event: str) -> bool:
        """Whether an event is done with, or was never received."""
        return not self._db.value("SELECT 1 FROM inbound WHERE event = ? AND state != 'done'", event)

    def say(self, post: Post, key: str) -> Post | None:
        """Add a post to its conversation; None when the key was used before."""
        with self._db.transaction():
            platform = post.conversation.partition(":")[0]
            at = to_text(post.at)
            number = self._db.insert(
                "posts",
                conversation=post.conversation,
                author=post.author,
                text=post.text,
                at=at,
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
            title = post.text.strip().split("\n")[0][:80]
            self._db.run(
                "INSERT INTO conversations VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at",
                *(post.conversation, platform, title, at, at),
            )
        return replace(post, id=number)

    def extend(self, number: int, text: str, cards: Sequence[Card]) -> Post | None:
        """Add text and cards to the end of a post."""
        with self._db.transaction():
            post = self.post(number)
            if post is None:
                return None
            whole = tuple(dict.fromkeys((*post.cards, *cards)))
            self._db.run(
                "UPDATE posts SET text = ?, cards = ? WHERE id = ?",
                *(f"{post.text}\n\n{text}", dump([asdict(card) for card in whole]), number),
            )
            self._show(number, cards)
        return self.post(number)

    def _show(self, post: int, cards: Sequence[Card]) -> None:
        for gate in dict.fromkeys(card.gate for card in cards if card.gate):
            self._db.insert("shown", gate=gate, post=post)

    def post(self, number: int) -> Post | None:
        """One post by its number."""
        row = self._db.row("SELECT * FROM posts WHERE id = ?", number)
        return _to_post(row) if row else None

    def keyed(self, prefix: str) -> list[Post]:
        """The posts whose key begins so, oldest first: what an event was answered with."""
        rows = self._db.rows("SELECT * FROM posts WHERE key >= ? AND key < ? ORDER BY id", prefix, prefix + "\U0010ffff")
        return [_to_post(row) for row in rows]

    def posts(self, conversation: str, *, after: int = 0, before: int | None = None, limit: int = 100) -> list[Post]:
        """The newest posts of a conversation in a range of numbers, oldest first."""
        rows = self._db.rows(
            "SELECT * FROM posts WHERE conversation = ? AND id > ? AND id < ? ORDER BY id DESC LIMIT ?",
            *(conversation, after, before or 2**62, limit),
        )
        return [_to_post(row) for row in reversed(rows)]

    def posts_with_gate(self, gate: str) -> list[Post]:
        """Every post that was made to show a gate's card."""
        rows = self._db.rows(
            "SELECT * FROM posts WHERE kind = 'gate' AND id IN (SELECT post FROM shown WHERE gate = ?) ORDER BY id", gate
        )
        return [_to_post(row) for row in rows]

    def conversations(self, platform: str, limit: int = 50) -> list[dict[str, Any]]:
        """`{"id", "title", "updated_at"}` of a platform's conversations, newest first."""
        rows = self._db.rows(
            "SELECT id, title, updated_at FROM conversations WHERE platform = ? ORDER BY updated_at DESC LIMIT ?",
            platform,
            limit,
        )
        return [dict(row) for row in rows]

    def append(self, conversation: str, turn: str, message: dict[str, Any]) -> None:
        """Add a message of the Messages API to the agent's transcript of a conversation."""
        self._db.insert("transcript", conversation=conversation, turn=turn, message=dump(message))

    def transcript(self, conversation: str, limit: int = 400) -> list[tuple[str, dict[str, Any]]]:
        """The newest messages of a conversation's transcript as (turn, message), oldest first."""
        rows = self._db.rows(
            "SELECT turn, message FROM transcript WHERE conversation = ? ORDER BY id DESC LIMIT ?", conversation, limit
        )
        return [(row["turn"], json.loads(row["message"])) for row in reversed(rows)]

    def record_turn(self, turn: str, conversation: str, ended_at: datetime, cost_usd: float, record: dict[str, Any]) -> None:
        """Keep what a turn of the agent took: tokens, cost, latency, tools."""
        self._db.insert(
            "turns", id=turn, conversation=conversation, ended_at=to_text(ended_at), cost_usd=cost_usd, record=dump(record)
        )

    def turn(self, turn: str) -> dict[str, Any] | None:
        """The record of a turn that has ended."""
        text = self._db.value("SELECT record FROM turns WHERE id = ?", turn)
        return None if text is None else json.loads(text)

    def spent_since(self, since: datetime) -> float:
        """US dollars that the agent's own turns cost since then."""
        return float(self._db.value("SELECT coalesce(sum(cost_usd), 0) FROM turns WHERE ended_at >= ?", to_text(since)))


def _to_inbound(row: sqlite3.Row) -> Inbound:
    return Inbound(
        event=row["event"],
        platform=row["platform"],
        conversation=row["conversation"],
        person=to_person(json.loads(row["person"])),
        at=datetime.fromisoformat(row["at"]),
        text=row["text"],
        press=Press(**json.loads(row["press"])) if row["press"] else None,
        product=row["product"],
        extra=json.loads(row["extra"]),
    )


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
