"""Replace the table of notes, names with a text each, by typed tables."""

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bot.store.migrations.script import run

SQL = """
CREATE TABLE fleet_state (
    only INTEGER PRIMARY KEY CHECK (only = 1), origin TEXT NOT NULL, budget_day TEXT,
    choice_day TEXT, choice_tokens INTEGER NOT NULL DEFAULT 0, digest_day TEXT, digest_at TEXT
);
CREATE TABLE audit_marks (name TEXT PRIMARY KEY, number INTEGER NOT NULL, hash TEXT NOT NULL);
CREATE TABLE product_states (
    product TEXT PRIMARY KEY, paused TEXT, braked INTEGER NOT NULL DEFAULT 0, overspent_scope TEXT, priority TEXT,
    priority_before_focus TEXT, retried_at TEXT, woken_at TEXT, metered_usd REAL
);
CREATE TABLE resumptions (
    product TEXT PRIMARY KEY, person TEXT NOT NULL, conversation TEXT NOT NULL, request TEXT NOT NULL, asked_at TEXT NOT NULL
);
CREATE TABLE focuses (
    paused TEXT NOT NULL, product TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (paused, product)
);
CREATE TABLE brakes (scope TEXT PRIMARY KEY, pulled TEXT NOT NULL);
CREATE TABLE raised_limits (scope TEXT NOT NULL, day TEXT NOT NULL, usd REAL NOT NULL, PRIMARY KEY (scope, day));
CREATE TABLE budget_warnings (scope TEXT PRIMARY KEY, about TEXT NOT NULL);
CREATE TABLE runtime_lives (runtime TEXT PRIMARY KEY, life TEXT NOT NULL);
CREATE TABLE unreachable (conversation TEXT PRIMARY KEY, reason TEXT NOT NULL);
CREATE TABLE live_messages (
    conversation TEXT PRIMARY KEY, channel TEXT NOT NULL, message TEXT NOT NULL, nonce TEXT NOT NULL, event TEXT NOT NULL,
    native INTEGER NOT NULL
);
CREATE TABLE chat_positions (
    platform TEXT NOT NULL, channel TEXT NOT NULL, position TEXT NOT NULL, at TEXT, PRIMARY KEY (platform, channel)
);
CREATE TABLE known_channels (
    platform TEXT NOT NULL, name TEXT NOT NULL, channel TEXT NOT NULL, PRIMARY KEY (platform, name)
);
CREATE TABLE boards (
    platform TEXT NOT NULL, channel TEXT NOT NULL, message TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (platform, channel)
);
ALTER TABLE work ADD COLUMN stall_reported TEXT
"""


def migrate(db: sqlite3.Connection) -> None:
    """Create the tables, move each note into its table, and drop the notes."""
    run(db, SQL)
    (origin,) = db.execute("SELECT value FROM notes WHERE name = 'origin'").fetchone()
    db.execute("INSERT INTO fleet_state (only, origin) VALUES (1, ?)", (origin,))
    for name, value in db.execute("SELECT name, value FROM notes ORDER BY rowid").fetchall():
        prefix = next((each for each in NOTES if name == each or (each.endswith(":") and name.startswith(each))), None)
        if prefix is not None:
            NOTES[prefix](db, name.removeprefix(prefix), value)
    db.execute("DROP TABLE notes")


def _audit_mark(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute("INSERT INTO audit_marks VALUES (?, ?, ?)", (name, *json.loads(value)))


def _of_product(column: str) -> Callable[[sqlite3.Connection, str, str], None]:
    """Return what moves a note about a product into a column of its row."""

    def move(db: sqlite3.Connection, product: str, value: str) -> None:
        db.execute(
            f"INSERT INTO product_states (product, {column}) VALUES (?, ?)"  # noqa: S608
            f" ON CONFLICT (product) DO UPDATE SET {column} = excluded.{column}",
            (product, 1 if column == "braked" else float(value) if column == "metered_usd" else value or None),
        )

    return move


def _resumption(db: sqlite3.Connection, product: str, value: str) -> None:
    asked = json.loads(value)
    (before,) = db.execute("SELECT count(*) FROM resumptions").fetchone()
    # The time was not recorded. These keep their order, before all that are asked for from now on.
    at = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=before)).isoformat(timespec="microseconds")
    row = (product, asked["person"], asked["conversation"], asked["request"], at)
    db.execute("INSERT INTO resumptions VALUES (?, ?, ?, ?, ?)", row)


def _focus(db: sqlite3.Connection, paused: str, value: str) -> None:
    for position, product in enumerate(dict.fromkeys(value.split())):
        db.execute("INSERT INTO focuses VALUES (?, ?, ?)", (paused, product, position))


def _raised_limit(db: sqlite3.Connection, name: str, value: str) -> None:
    scope, _, day = name.partition(":")
    db.execute("INSERT INTO raised_limits VALUES (?, ?, ?)", (scope, day, float(value)))


def _pair(table: str) -> Callable[[sqlite3.Connection, str, str], None]:
    """Return what moves a note into a table of two columns."""

    def move(db: sqlite3.Connection, name: str, value: str) -> None:
        db.execute(f"INSERT INTO {table} VALUES (?, ?)", (name, value))  # noqa: S608

    return move


def _budget_day(db: sqlite3.Connection, _: str, value: str) -> None:
    db.execute("UPDATE fleet_state SET budget_day = ?", (value,))


def _choice_tokens(db: sqlite3.Connection, day: str, value: str) -> None:
    sql = "UPDATE fleet_state SET choice_day = ?, choice_tokens = ? WHERE choice_day IS NULL OR choice_day < ?"
    db.execute(sql, (day, int(value), day))


def _digest(db: sqlite3.Connection, _: str, value: str) -> None:
    day, _, at = value.partition(" ")
    db.execute("UPDATE fleet_state SET digest_day = ?, digest_at = ?", (day, at or None))


def _stall(db: sqlite3.Connection, work: str, value: str) -> None:
    db.execute("UPDATE work SET stall_reported = ? WHERE n = ?", (value, int(work[1:])))


def _slack_stream(db: sqlite3.Connection, conversation: str, value: str) -> None:
    event, channel, message, way = value.split(" ")
    row = (conversation, channel, message, "", event, int(way == "native"))
    db.execute("INSERT INTO live_messages VALUES (?, ?, ?, ?, ?, ?)", row)


def _discord_stream(db: sqlite3.Connection, conversation: str, value: str) -> None:
    channel, _, message = value.partition("/")
    known, nonce = ("", message[1:]) if message.startswith("?") else (message, "")
    db.execute("INSERT INTO live_messages VALUES (?, ?, ?, ?, '', 0)", (conversation, channel, known, nonce))


def _slack_position(db: sqlite3.Connection, channel: str, value: str) -> None:
    db.execute("INSERT INTO chat_positions VALUES ('slack', ?, ?, NULL)", (channel, value))


def _discord_position(db: sqlite3.Connection, _: str, value: str) -> None:
    db.execute("INSERT INTO chat_positions VALUES ('discord', '*', ?, ?)", tuple(value.split(" ", 1)))


def _slack_channel(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute("INSERT INTO known_channels VALUES ('slack', ?, ?)", (f"#{name}", value))


def _discord_direct(db: sqlite3.Connection, person: str, value: str) -> None:
    db.execute("INSERT INTO known_channels VALUES ('discord', ?, ?)", (f"@{person}", value))


def _discord_board(db: sqlite3.Connection, name: str, value: str) -> None:
    channel, _, life = name.partition(":")
    db.execute("INSERT OR IGNORE INTO boards VALUES ('discord', ?, '', 0)", (channel,))
    db.execute(f"UPDATE boards SET {'version' if life else 'message'} = ? WHERE channel = ?", (value, channel))  # noqa: S608


NOTES: dict[str, Callable[[sqlite3.Connection, str, str], None]] = {
    "audit:": _audit_mark,
    "paused:": _of_product("paused"),
    "braked:": _of_product("braked"),
    "overspent:": _of_product("overspent_scope"),
    "priority:": _of_product("priority"),
    "unfocused:": _of_product("priority_before_focus"),
    "breaker:": _of_product("retried_at"),
    "woken:": _of_product("woken_at"),
    "metered:": _of_product("metered_usd"),
    "resuming:": _resumption,
    "focus:": _focus,
    "brake:": _pair("brakes"),
    "raised:": _raised_limit,
    "warned:": _pair("budget_warnings"),
    "life:": _pair("runtime_lives"),
    "dead:": _pair("unreachable"),
    "day": _budget_day,
    "reasoned:": _choice_tokens,
    "digest": _digest,
    "stalled:": _stall,
    "slack:stream:": _slack_stream,
    "slack:seen:": _slack_position,
    "slack:channel:": _slack_channel,
    "discord:live:": _discord_stream,
    "discord:seen": _discord_position,
    "discord:direct:": _discord_direct,
    "discord:board:": _discord_board,
}
"""Functions that move each kind of note, by the prefix of its name, or by the whole name if the key has no final colon."""
