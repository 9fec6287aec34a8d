"""Watchlists: the names a person keeps, in the person's own order."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlite_utils import Database, Migrations

from engine.record.store import Store

T = TypeVar("T")

MOST = 50
"""Names one person may keep."""
REMEMBERED = 2_000
"""People whose list is held in memory for completion."""

MIGRATIONS = Migrations("watchlists")

_WATCHED = """
CREATE TABLE watched (
    user_id INTEGER NOT NULL,
    symbol TEXT NOT NULL CHECK (length(symbol) BETWEEN 1 AND 11),
    position INTEGER NOT NULL CHECK (position >= 1),
    added_at TEXT NOT NULL,
    PRIMARY KEY (user_id, symbol)
) STRICT, WITHOUT ROWID
"""
_NAMES = "SELECT symbol FROM watched WHERE user_id = ? ORDER BY position, symbol"
_INSERT = "INSERT INTO watched (user_id, symbol, position, added_at) VALUES (?, ?, ?, ?)"


@MIGRATIONS()
def m001_watched(db: Database) -> None:
    """A row per person and name."""
    db.execute(_WATCHED)


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the names somebody wanted to add, each in the order they were named."""

    new: tuple[str, ...]
    already: tuple[str, ...]
    over: tuple[str, ...]
    """No room was left for these."""


class Watchlists:
    """The watchlists of everybody; each method reads or writes one person's only.

    Symbols are taken as they are: whoever calls has brought them to a ticker's shape. Any method may be
    called from any thread; those that reach for the file raise StoreError when it cannot be used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._memory: OrderedDict[int, tuple[str, ...]] = OrderedDict()
        self._changes = 0
        self._lock = threading.Lock()
        store.prepare(MIGRATIONS)

    def symbols(self, user_id: int) -> list[str]:
        """The person's names in the order they were added; empty for who keeps none."""
        before = self._changes
        with self._store.reading() as db:
            found = _names(db, user_id)
        self._remember(user_id, found, before)
        return found

    def remembered(self, user_id: int) -> tuple[str, ...] | None:
        """The names as last read, without touching the file; None when they are not in memory."""
        with self._lock:
            if user_id in self._memory:
                self._memory.move_to_end(user_id)
            return self._memory.get(user_id)

    def forget(self, user_id: int) -> None:
        """Drop a person's names from memory; the file keeps what it has."""
        with self._lock:
            self._changes += 1
            self._memory.pop(user_id, None)

    def add(self, user_id: int, symbols: Sequence[str], now: datetime) -> Added:
        """Put names at the end of the list, as many as there is room for."""
        return self._change(user_id, lambda db: _add(db, user_id, symbols, now))

    def remove(self, user_id: int, symbols: Sequence[str]) -> list[str]:
        """Take names off the list; gives back those that were on it."""
        return self._change(user_id, lambda db: _remove(db, user_id, symbols))

    def clear(self, user_id: int) -> int:
        """Take every name off the list; gives back how many there were."""
        return self._change(user_id, lambda db: _clear(db, user_id))

    def replace(self, user_id: int, symbols: Sequence[str], now: datetime) -> Added:
        """Put other names in the place of the whole list; nothing of it was `already` there."""

        def work(db: Database) -> Added:
            _clear(db, user_id)
            return _add(db, user_id, symbols, now)

        return self._change(user_id, work)

    def _change(self, user_id: int, work: Callable[[Database], T]) -> T:
        try:
            return self._store.write(work)
        finally:
            self.forget(user_id)

    def _remember(self, user_id: int, names: Sequence[str], before: int) -> None:
        with self._lock:
            if before != self._changes:
                return  # something was written since the file was read: what was read may be old
            self._memory[user_id] = tuple(names)
            self._memory.move_to_end(user_id)
            while len(self._memory) > REMEMBERED:
                self._memory.popitem(last=False)


def _names(db: Database, user_id: int) -> list[str]:
    return [str(symbol) for (symbol,) in db.execute(_NAMES, (user_id,)).fetchall()]


def _add(db: Database, user_id: int, symbols: Sequence[str], now: datetime) -> Added:
    held = set(_names(db, user_id))
    wanted = list(dict.fromkeys(symbols))
    fresh = [symbol for symbol in wanted if symbol not in held]
    room = max(MOST - len(held), 0)
    (last,) = db.execute(
        "SELECT coalesce(max(position), 0) FROM watched WHERE user_id = ?", (user_id,)
    ).fetchone()
    records = [
        (user_id, symbol, last + place, now.isoformat()) for place, symbol in enumerate(fresh[:room], 1)
    ]
    db.conn.executemany(_INSERT, records)
    already = tuple(symbol for symbol in wanted if symbol in held)
    return Added(new=tuple(fresh[:room]), already=already, over=tuple(fresh[room:]))


def _remove(db: Database, user_id: int, symbols: Sequence[str]) -> list[str]:
    held = set(_names(db, user_id))
    gone = [symbol for symbol in dict.fromkeys(symbols) if symbol in held]
    sql = "DELETE FROM watched WHERE user_id = ? AND symbol = ?"
    db.conn.executemany(sql, [(user_id, symbol) for symbol in gone])
    return gone


def _clear(db: Database, user_id: int) -> int:
    return db.execute("DELETE FROM watched WHERE user_id = ?", (user_id,)).rowcount
