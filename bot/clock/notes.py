"""The monthly note to one administrator of each server: entered once, claimed, sent, settled.

The table belongs to the settings of servers (bot.people.guilds) and goes with them. It names no person:
who is told is decided anew at each try, and what was sent is looked for at Discord.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeVar

from sqlite_utils import Database

from bot.clock.entries import instant_of, text_of
from bot.people.guilds import MIGRATIONS
from engine.record.store import Store

T = TypeVar("T")

NoteState = Literal["pending", "sending", "sent", "silent", "closed", "failed", "skipped"]
"""silent: there was nothing to say; closed: nobody takes direct messages; skipped: no longer set up."""
Ended = Literal["sent", "silent", "closed", "failed", "skipped"]
LAST_MONTH = "guilds/last-note-month"
"""The newest month whose notes were entered."""
_FIELDS = "month, guild_id, run_id, state, nonce, entered_at, attempts, next_try"


@dataclass(frozen=True, slots=True)
class Note:
    """What one server's keeper is to be told of one month, `2026-12`; `run_id` is its first close."""

    month: str
    guild_id: int
    run_id: int
    state: NoteState
    nonce: str
    entered_at: datetime
    attempts: int
    next_try: datetime | None

    @property
    def mark(self) -> str:
        """What tells the note from every other message of ours; it stands in the footer."""
        return f"note {self.nonce[:10]}"


class GuildNotes:
    """Notes of all servers. Every step is one transaction; `fence` raises within it when this process may
    not act. Any method may be called from any thread and raises StoreError when the file cannot be used."""

    def __init__(self, store: Store, fence: Callable[[Database], None]) -> None:
        store.prepare(MIGRATIONS)
        self._store = store
        self._fence = fence

    def enter(self, session: date, run_id: int, now: datetime) -> int:
        """Enter the month of a session for every server that is set up; how many, 0 when it was entered.

        A later close of the month enters nothing, nor for a server that was set up since: the month is
        marked in the same transaction.
        """
        month = f"{session:%Y-%m}"

        def work(db: Database) -> int:
            last = db.execute("SELECT value FROM settings WHERE key = ?", (LAST_MONTH,)).fetchone()
            if last is not None and last[0] == month:
                return 0
            db.table("settings").upsert({"key": LAST_MONTH, "value": month}, pk="key")
            servers = db.execute("SELECT guild_id FROM guilds ORDER BY guild_id").fetchall()
            for (guild_id,) in servers:
                db.execute(
                    "INSERT INTO guild_notes (month, guild_id, run_id, state, nonce, entered_at)"
                    " VALUES (?, ?, ?, 'pending', ?, ?) ON CONFLICT (month, guild_id) DO NOTHING",
                    (month, guild_id, run_id, nonce_of(month, guild_id), text_of(now)),
                )
            return len(servers)

        return self._step(work)

    def open(self, now: datetime) -> list[Note]:
        """Notes to be tried by now, oldest first; those that a crash cut off among them."""
        sql = (
            f"SELECT {_FIELDS} FROM guild_notes WHERE state IN ('pending', 'sending')"  # noqa: S608
            " AND (next_try IS NULL OR next_try <= ?) ORDER BY month, guild_id"
        )
        with self._store.reading() as db:
            return [_note(row) for row in db.execute(sql, (text_of(now),)).fetchall()]

    def claim(self, note: Note) -> bool:
        """Claim a note before it leaves; False when there is nothing to send any more."""
        sql = (
            "UPDATE guild_notes SET state = 'sending', next_try = NULL"
            " WHERE month = ? AND guild_id = ? AND state IN ('pending', 'sending')"
        )
        return self._step(lambda db: db.execute(sql, (note.month, note.guild_id)).rowcount > 0)

    def later(self, note: Note, next_try: datetime) -> None:
        """A try failed, claimed or not; the next one not before `next_try`."""
        sql = "UPDATE guild_notes SET attempts = attempts + 1, next_try = ? WHERE month = ? AND guild_id = ?"
        self._step(lambda db: db.execute(sql, (text_of(next_try), note.month, note.guild_id)))

    def end(self, note: Note, state: Ended, reason: str | None = None) -> None:
        """The note is at its end."""
        sql = "UPDATE guild_notes SET state = ?, reason = ?, next_try = NULL WHERE month = ? AND guild_id = ?"
        self._step(lambda db: db.execute(sql, (state, reason, note.month, note.guild_id)))

    def prune(self, before: datetime) -> None:
        """Forget notes entered before an instant; open ones have ended long before."""
        sql = "DELETE FROM guild_notes WHERE entered_at < ?"
        self._step(lambda db: db.execute(sql, (text_of(before),)))

    def _step(self, work: Callable[[Database], T]) -> T:
        def fenced(db: Database) -> T:
            self._fence(db)
            return work(db)

        return self._store.write(fenced)


def nonce_of(month: str, guild_id: int) -> str:
    """The same for every attempt to send one note: 20 characters of a hash."""
    return hashlib.sha256(f"note#{month}#{guild_id}".encode()).hexdigest()[:20]


def _note(row: tuple[Any, ...]) -> Note:
    month, guild_id, run_id, state, nonce, entered, attempts, next_try = row
    entered_at = instant_of(entered)
    assert entered_at is not None
    return Note(month, guild_id, run_id, state, nonce, entered_at, attempts, instant_of(next_try))
