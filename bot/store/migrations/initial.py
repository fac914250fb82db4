"""Create the tables of the first version."""

import secrets
import sqlite3

from bot.store.migrations.script import run

SQL = """
CREATE TABLE inbound (
    event TEXT PRIMARY KEY, platform TEXT NOT NULL, conversation TEXT NOT NULL, person TEXT NOT NULL, at TEXT NOT NULL,
    text TEXT NOT NULL, press TEXT, product TEXT, extra TEXT NOT NULL, state TEXT NOT NULL, error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX inbound_open ON inbound (at) WHERE state != 'done';
CREATE TABLE conversations (
    id TEXT PRIMARY KEY, platform TEXT NOT NULL, title TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE TABLE posts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, conversation TEXT NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL,
    at TEXT NOT NULL, cards TEXT NOT NULL, suggestions TEXT NOT NULL, kind TEXT NOT NULL, product TEXT, key TEXT UNIQUE
);
CREATE INDEX posts_of ON posts (conversation, id);
CREATE TABLE transcript (
    id INTEGER PRIMARY KEY AUTOINCREMENT, conversation TEXT NOT NULL, turn TEXT NOT NULL, message TEXT NOT NULL
);
CREATE INDEX transcript_of ON transcript (conversation, id);
CREATE TABLE turns (
    id TEXT PRIMARY KEY, conversation TEXT NOT NULL, ended_at TEXT NOT NULL, cost_usd REAL NOT NULL, record TEXT NOT NULL
);
CREATE INDEX turns_at ON turns (ended_at);
CREATE TABLE mail (
    n INTEGER PRIMARY KEY AUTOINCREMENT, product TEXT NOT NULL, id TEXT NOT NULL, sender TEXT NOT NULL,
    recipient TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, created_at TEXT NOT NULL,
    thread TEXT, priority TEXT NOT NULL, payload TEXT NOT NULL, UNIQUE (product, id)
);
CREATE INDEX mail_thread ON mail (product, thread);
CREATE TABLE cursors (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE threads (
    product TEXT NOT NULL, mail TEXT NOT NULL, conversation TEXT NOT NULL, work TEXT, PRIMARY KEY (product, mail)
);
CREATE TABLE work (
    n INTEGER PRIMARY KEY AUTOINCREMENT, product TEXT NOT NULL, objective TEXT NOT NULL, capability TEXT, state TEXT NOT NULL,
    asked_by TEXT NOT NULL, conversation TEXT NOT NULL, reason TEXT NOT NULL, mail TEXT, agent TEXT, result TEXT NOT NULL,
    attempt INTEGER NOT NULL, request TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL, started_at TEXT, ended_at TEXT
);
CREATE INDEX work_open ON work (state, product);
CREATE TABLE gates (
    n INTEGER PRIMARY KEY AUTOINCREMENT, product TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
    state TEXT NOT NULL, revision INTEGER NOT NULL, options TEXT NOT NULL, thread TEXT NOT NULL, mail TEXT,
    sender TEXT NOT NULL, task TEXT NOT NULL, work TEXT, conversation TEXT NOT NULL, previous TEXT, reason TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL, UNIQUE (product, mail)
);
CREATE INDEX gates_state ON gates (state, product);
CREATE TABLE decisions (
    n INTEGER PRIMARY KEY AUTOINCREMENT, gate INTEGER NOT NULL REFERENCES gates (n), choice TEXT NOT NULL, note TEXT NOT NULL,
    person TEXT NOT NULL, platform TEXT NOT NULL, at TEXT NOT NULL, final INTEGER NOT NULL
);
CREATE UNIQUE INDEX one_final ON decisions (gate) WHERE final = 1;
CREATE INDEX decisions_of ON decisions (gate, n);
CREATE TABLE outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT, post INTEGER NOT NULL REFERENCES posts (id), conversation TEXT NOT NULL,
    platform TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, message TEXT,
    error TEXT NOT NULL DEFAULT '', not_before TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, UNIQUE (post, platform)
);
CREATE INDEX outbox_open ON outbox (platform, n) WHERE state IN ('pending', 'attempting');
CREATE TABLE audit (
    n INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, kind TEXT NOT NULL, person TEXT NOT NULL, product TEXT,
    subject TEXT NOT NULL, detail TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL)
"""


def migrate(db: sqlite3.Connection) -> None:
    """Create the tables and draw the letters that tell this store's ids from another store's."""
    run(db, SQL)
    db.execute("INSERT INTO notes VALUES ('origin', ?)", (secrets.token_hex(2),))
