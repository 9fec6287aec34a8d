"""Tables of the clock: planned runs, their posts, the lease of the one process that acts."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

MIGRATIONS = Migrations("clock")

_PLANNED = """
CREATE TABLE planned_runs (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('open', 'close', 'weekly')),
    session TEXT NOT NULL,
    planned_at TEXT NOT NULL,
    until TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('planned', 'computing', 'computed', 'posting', 'done', 'failed', 'skipped')),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try TEXT,
    run_floor INTEGER,
    run_id INTEGER REFERENCES runs (id),
    alerted INTEGER NOT NULL DEFAULT 0 CHECK (alerted IN (0, 1)),
    quiet INTEGER NOT NULL DEFAULT 0 CHECK (quiet IN (0, 1)),
    started_at TEXT,
    finished_at TEXT,
    again_at TEXT,
    reason TEXT
) STRICT, WITHOUT ROWID
"""

_POSTS = """
CREATE TABLE posts (
    key TEXT NOT NULL REFERENCES planned_runs (key),
    channel_id INTEGER NOT NULL,
    guild_id INTEGER NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('screen', 'notice')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'skipped')),
    nonce TEXT NOT NULL,
    run_id INTEGER REFERENCES runs (id),
    told_by TEXT REFERENCES planned_runs (key),
    message_id INTEGER,
    floor INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try TEXT,
    sent_at TEXT,
    reason TEXT,
    PRIMARY KEY (key, channel_id)
) STRICT, WITHOUT ROWID
"""

_LEASE = """
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""


@MIGRATIONS()
def m001_clock(db: Database) -> None:
    """Planned runs, posts, leases."""
    for statement in (_PLANNED, _POSTS, _LEASE):
        db.execute(statement)
    db.execute("CREATE INDEX planned_runs_open ON planned_runs (state, planned_at)")
    db.execute("CREATE INDEX posts_open ON posts (state, next_try)")
    db.execute("CREATE INDEX posts_channel ON posts (channel_id, message_id)")
