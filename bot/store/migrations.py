"""The store's schema as numbered steps, each applied once and recorded in the same transaction. Never edit one: add one."""

import json
import secrets
import sqlite3
from collections.abc import Callable


def _first(db: sqlite3.Connection) -> None:
    for statement in FIRST.split(";\n"):
        db.execute(statement)
    db.execute("INSERT INTO notes VALUES ('origin', ?)", (secrets.token_hex(2),))


FIRST = """
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


def _second(db: sqlite3.Connection) -> None:
    for statement in SECOND.split(";\n"):
        db.execute(statement)


SECOND = """
ALTER TABLE inbound ADD COLUMN answered_by TEXT NOT NULL DEFAULT '';
CREATE INDEX posts_of_gates ON posts (kind) WHERE kind = 'gate';
CREATE INDEX mail_from ON mail (product, sender, n);
CREATE INDEX work_mail ON work (product, mail);
CREATE INDEX work_agent ON work (product, agent);
CREATE INDEX work_ended ON work (product, ended_at);
CREATE INDEX gates_thread ON gates (product, kind, thread);
CREATE INDEX gates_work ON gates (work, state)
"""


def _third(db: sqlite3.Connection) -> None:
    for statement in THIRD.split(";\n"):
        db.execute(statement)
    for post, cards in db.execute("SELECT id, cards FROM posts WHERE cards != '[]'").fetchall():
        for gate in dict.fromkeys(card["gate"] for card in json.loads(cards) if card.get("gate")):
            db.execute("INSERT INTO shown VALUES (?, ?)", (gate, post))


THIRD = """
ALTER TABLE posts ADD COLUMN answers TEXT NOT NULL DEFAULT '';
ALTER TABLE posts ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN plain INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_stale ON outbox (platform, n) WHERE stale > 0;
CREATE INDEX outbox_waiting ON outbox (platform, conversation, n) WHERE state IN ('pending', 'attempting');
CREATE TABLE shown (gate TEXT NOT NULL, post INTEGER NOT NULL REFERENCES posts (id), PRIMARY KEY (gate, post)) WITHOUT ROWID;
DROP INDEX posts_of_gates;
ALTER TABLE gates ADD COLUMN action TEXT;
ALTER TABLE gates ADD COLUMN reply TEXT;
ALTER TABLE gates ADD COLUMN sent_at TEXT;
ALTER TABLE gates ADD COLUMN sendings INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gates ADD COLUMN reminded_at TEXT;
ALTER TABLE gates ADD COLUMN reminders INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gates ADD COLUMN escalated_at TEXT;
CREATE INDEX audit_about ON audit (subject, n)
"""


def _fourth(db: sqlite3.Connection) -> None:
    for statement in FOURTH.split(";\n"):
        db.execute(statement)


FOURTH = """
ALTER TABLE work ADD COLUMN source TEXT NOT NULL DEFAULT 'person';
ALTER TABLE work ADD COLUMN schedule TEXT;
ALTER TABLE work ADD COLUMN priority TEXT;
ALTER TABLE work ADD COLUMN weight REAL;
ALTER TABLE work ADD COLUMN estimate_usd REAL;
ALTER TABLE work ADD COLUMN depends_on TEXT NOT NULL DEFAULT '[]';
ALTER TABLE work ADD COLUMN deadline TEXT;
ALTER TABLE work ADD COLUMN boost REAL NOT NULL DEFAULT 0;
ALTER TABLE work ADD COLUMN not_before TEXT;
ALTER TABLE work ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
ALTER TABLE work ADD COLUMN cost_usd REAL NOT NULL DEFAULT 0;
ALTER TABLE work ADD COLUMN peak_mib REAL NOT NULL DEFAULT 0;
CREATE INDEX work_schedule ON work (schedule, n) WHERE schedule IS NOT NULL;
CREATE TABLE admissions (
    n INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, product TEXT NOT NULL, work INTEGER NOT NULL, verdict TEXT NOT NULL,
    code TEXT NOT NULL, reason TEXT NOT NULL, numbers TEXT NOT NULL, chosen TEXT NOT NULL
);
CREATE INDEX admissions_of ON admissions (work, n);
CREATE INDEX admissions_at ON admissions (at);
CREATE TABLE spending (day TEXT NOT NULL, product TEXT NOT NULL, usd REAL NOT NULL, PRIMARY KEY (day, product));
CREATE TABLE schedules (
    name TEXT PRIMARY KEY, product TEXT NOT NULL, cron TEXT NOT NULL, timezone TEXT NOT NULL, objective TEXT NOT NULL,
    capability TEXT, missed TEXT NOT NULL, enabled INTEGER NOT NULL, from_file INTEGER NOT NULL, asked_by TEXT NOT NULL,
    conversation TEXT NOT NULL, why_off TEXT NOT NULL DEFAULT '', next_at TEXT, last_label TEXT NOT NULL DEFAULT '',
    counted_from INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
)
"""

MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first, _second, _third, _fourth)
