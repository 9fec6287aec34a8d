"""Answers on disk with their age, and the pauses of sources: what a restart must not ask for again."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Literal

from sqlite_utils import Database

from engine.errors import StoreError
from engine.market.live.rules import CacheRules
from engine.market.sessions import NEW_YORK, OPENING, close_of, is_session, open_of, session_from

Life = Literal["chain", "history", "day", "directory"]
"""How long an answer stays good: `chain` 10 minutes in session and until the next open after the close,
`history` a day and not past a close it lacks, `day` until the next New York midnight, `directory` a week."""

FILE = "answers.db"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    source TEXT NOT NULL, key TEXT NOT NULL, fetched TEXT NOT NULL, until TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (source, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pauses (
    source TEXT PRIMARY KEY, until TEXT NOT NULL, reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


class AnswerCache:
    """One SQLite file in a private folder; every call is one short statement, safe between threads.

    A file that is damaged is set aside under another name and begun anew: nothing in it is worth a
    failed run. Raises StoreError when the folder cannot be written.
    """

    def __init__(self, folder: Path, rules: CacheRules) -> None:
        self.folder = folder
        self._rules = rules
        self._lock = Lock()
        self._blind = False
        try:
            # Yahoo's cookies lie beside the file: nobody else's business.
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = self._opened(folder / FILE)
        except OSError as error:
            raise StoreError(f"The cache folder {folder} cannot be used: {error.strerror}.") from error

    def get(self, source: str, key: str, now: datetime) -> tuple[str, datetime] | None:
        """Text and instant of fetching of an answer still good at `now`."""
        if self._blind:
            return None
        with self._using() as db:
            rows = list(
                db.execute(
                    "SELECT body, fetched, until FROM answers WHERE source = ? AND key = ?", [source, key]
                )
            )
        if not rows or datetime.fromisoformat(rows[0][2]) <= now:
            return None
        try:
            return zlib.decompress(rows[0][0]).decode(), datetime.fromisoformat(rows[0][1])
        except (zlib.error, ValueError):
            # Damage the file's own structure does not show.
            return None

    def unread(self) -> AnswerCache:
        """The same file for one who wants to ask anew: nothing is found in it, what is put stays."""
        view = copy(self)
        view._blind = True
        return view

    def put(
        self, source: str, key: str, text: str, life: Life, now: datetime, delay_minutes: float = 0.0
    ) -> None:
        """Keep an answer fetched at `now`; `delay_minutes` is how far the source lags behind the market."""
        until = good_until(life, now, self._rules, delay_minutes)
        values = [source, key, _text(now), _text(until), zlib.compress(text.encode(), 1)]
        with self._using() as db:
            db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", values)

    def forget(self, source: str, key: str) -> None:
        """Take an answer out that turned out to be wrong."""
        with self._using() as db:
            db.execute("DELETE FROM answers WHERE source = ? AND key = ?", [source, key])

    def drop_old(self, now: datetime) -> None:
        """Throw away what is no longer good."""
        with self._using() as db:
            db.execute("DELETE FROM answers WHERE until <= ?", [_text(now)])

    def counts(self, now: datetime) -> dict[str, tuple[int, int]]:
        """Of each source, answers kept and answers still good."""
        with self._using() as db:
            rows = db.execute(
                "SELECT source, count(*), sum(until > ?) FROM answers GROUP BY source", [_text(now)]
            ).fetchall()
        return {source: (kept, good) for source, kept, good in rows}

    def paused_until(self, source: str) -> tuple[datetime, str] | None:
        """End and reason of a source's pause."""
        with self._using() as db:
            rows = db.execute("SELECT until, reason FROM pauses WHERE source = ?", [source]).fetchall()
        return (datetime.fromisoformat(rows[0][0]), rows[0][1]) if rows else None

    def pause(self, source: str, until: datetime | None, reason: str) -> None:
        """Store a pause; None takes it away."""
        with self._using() as db:
            if until is None:
                db.execute("DELETE FROM pauses WHERE source = ?", [source])
            else:
                db.execute("INSERT OR REPLACE INTO pauses VALUES (?, ?, ?)", [source, _text(until), reason])

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _using(self) -> Iterator[Database]:
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise StoreError(f"The cache in {self.folder} refused: {error}.") from error

    def _opened(self, path: Path) -> Database:
        try:
            return _prepared(path)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (
                sqlite3.SQLITE_NOTADB,
                sqlite3.SQLITE_CORRUPT,
            ):
                raise StoreError(f"The cache {path} cannot be used: {error}.") from error
            path.replace(path.with_suffix(".damaged"))
            return _prepared(path)


class _DamagedError(sqlite3.DatabaseError):
    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def _prepared(path: Path) -> Database:
    connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise _DamagedError("damaged behind its head")
    except BaseException:
        connection.close()
        raise
    return Database(connection, execute_plugins=False)


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def good_until(life: Life, fetched: datetime, rules: CacheRules, delay_minutes: float = 0.0) -> datetime:
    """When an answer fetched at an instant must be asked for again (see Life)."""
    local = fetched.astimezone(NEW_YORK)
    if life == "directory":
        return fetched + timedelta(days=rules.directory_days)
    if life == "day":
        midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), NEW_YORK)
        return midnight
    today = local.date()
    opened = datetime.combine(today, OPENING, NEW_YORK)
    settled = close_of(today) + timedelta(minutes=delay_minutes) if is_session(today) else None
    if life == "history":
        a_day = fetched + timedelta(hours=rules.history_hours)
        return min(a_day, settled) if settled is not None and fetched < settled else a_day
    if settled is not None and opened <= local < settled:
        # What is fetched shortly before the close is no closing quote.
        return min(fetched + timedelta(minutes=rules.chain_minutes), settled)
    return open_of(session_from(today if local < opened else today + timedelta(days=1)))
