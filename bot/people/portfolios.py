"""Portfolios: the legs a person holds, and what the person chose for the book."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlite_utils import Database, Migrations

from bot.people.portfolio_draft import Drafts
from engine.portfolio.book import MOST_LEGS, Leg
from engine.record.store import Store

MIGRATIONS = Migrations("portfolios")

# Numbers of legs are a person's own and never given twice: a choice made from an old list cannot reach
# another leg, and nobody learns from them how much others keep.
_POSITIONS = """
CREATE TABLE positions (
    user_id INTEGER NOT NULL,
    id INTEGER NOT NULL CHECK (id >= 1),
    symbol TEXT NOT NULL CHECK (length(symbol) BETWEEN 1 AND 32),
    kind TEXT NOT NULL CHECK (kind IN ('shares', 'option', 'adjusted option', 'future', 'future option')),
    expiration TEXT,
    strike REAL CHECK (strike > 0),
    "right" TEXT CHECK ("right" IN ('C', 'P')),
    quantity REAL NOT NULL CHECK (quantity <> 0),
    open_price REAL CHECK (open_price >= 0),
    multiplier REAL NOT NULL CHECK (multiplier > 0),
    contract TEXT NOT NULL,
    grp TEXT NOT NULL,
    added_at TEXT NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID
"""
_SETTINGS = """
CREATE TABLE portfolio_settings (
    user_id INTEGER PRIMARY KEY,
    net_liquidation REAL CHECK (net_liquidation > 0),
    last_id INTEGER NOT NULL DEFAULT 0
) STRICT
"""
_LEGS = (
    'SELECT id, symbol, kind, expiration, strike, "right", quantity, open_price, multiplier, contract, grp'
    " FROM positions WHERE user_id = ? ORDER BY id"
)
_COUNT = "SELECT count(*) FROM positions WHERE user_id = ?"
_INSERT = (
    "INSERT INTO positions (user_id, id, symbol, kind, expiration, strike,"
    ' "right", quantity, open_price, multiplier, contract, grp, added_at)'
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LAST_ID = (
    "INSERT INTO portfolio_settings (user_id, last_id) VALUES (:person, :count)"
    " ON CONFLICT (user_id) DO UPDATE SET last_id = last_id + :count RETURNING last_id"
)
_CHOOSE = (
    "INSERT INTO portfolio_settings (user_id, net_liquidation) VALUES (?, ?)"
    " ON CONFLICT (user_id) DO UPDATE SET net_liquidation = excluded.net_liquidation"
)
_FORGET = "UPDATE portfolio_settings SET net_liquidation = NULL WHERE user_id = ?"

Numbered = tuple[int, Leg]
"""A leg and the person's own number of it."""


@MIGRATIONS()
def m001_portfolios(db: Database) -> None:
    """A row per person and leg, and a row per person."""
    db.execute(_POSITIONS)
    db.execute(_SETTINGS)


@dataclass(frozen=True, slots=True)
class Book:
    """A person's legs, and what the account is worth if the person said so."""

    legs: tuple[Leg, ...]
    net_liquidation: float | None


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the legs somebody wanted to keep, each in their order."""

    new: tuple[Numbered, ...]
    over: tuple[Leg, ...] = ()
    """No room was left for these."""


class Portfolios:
    """The books of everybody; each method reads or writes one person's only.

    A leg of a contract that is held already is another lot with a row of its own. Any method may be called
    from any thread and raises StoreError when the file cannot be used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.drafts = Drafts()
        """What is being imported; it waits for its owner's yes."""
        store.prepare(MIGRATIONS)

    def legs(self, user_id: int) -> list[Numbered]:
        """The person's legs in the order they were added; empty for who keeps none."""
        with self._store.reading() as db:
            return _legs(db, user_id)

    def book(self, user_id: int) -> Book:
        """The legs without their numbers, and the settings."""
        with self._store.reading() as db:
            legs = tuple(leg for _, leg in _legs(db, user_id))
            return Book(legs, _net_liquidation(db, user_id))

    def add(self, user_id: int, legs: Sequence[Leg], now: datetime) -> Added:
        """Put legs into the book, as many as there is room for."""
        return self._store.write(lambda db: _add(db, user_id, legs, now))

    def replace(self, user_id: int, legs: Sequence[Leg], now: datetime) -> Added:
        """Put other legs in the place of the whole book."""

        def work(db: Database) -> Added:
            _clear(db, user_id)
            return _add(db, user_id, legs, now)

        return self._store.write(work)

    def remove(self, user_id: int, ids: Iterable[int]) -> list[Numbered]:
        """Take legs out of the book by their numbers; gives back those that were in it."""
        wanted = set(ids)

        def work(db: Database) -> list[Numbered]:
            gone = [(number, leg) for number, leg in _legs(db, user_id) if number in wanted]
            sql = "DELETE FROM positions WHERE user_id = ? AND id = ?"
            db.conn.executemany(sql, [(user_id, number) for number, _ in gone])
            return gone

        return self._store.write(work)

    def clear(self, user_id: int) -> int:
        """Take every leg out of the book; gives back how many there were."""
        return self._store.write(lambda db: _clear(db, user_id))

    def net_liquidation(self, user_id: int) -> float | None:
        """What the person said the account is worth; None when it was never said."""
        with self._store.reading() as db:
            return _net_liquidation(db, user_id)

    def choose(self, user_id: int, net_liquidation: float | None) -> None:
        """Keep what the account is worth, a number above 0; None forgets it."""
        if net_liquidation is None:
            self._store.write(lambda db: db.execute(_FORGET, (user_id,)))
        else:
            value = float(net_liquidation)
            self._store.write(lambda db: db.execute(_CHOOSE, (user_id, value)))


def _legs(db: Database, user_id: int) -> list[Numbered]:
    return [(int(record[0]), _leg(record)) for record in db.execute(_LEGS, (user_id,)).fetchall()]


def _net_liquidation(db: Database, user_id: int) -> float | None:
    sql = "SELECT net_liquidation FROM portfolio_settings WHERE user_id = ?"
    found = db.execute(sql, (user_id,)).fetchone()
    return None if found is None else found[0]


def _leg(record: Sequence[Any]) -> Leg:
    _, symbol, kind, expiration, strike, right, quantity, open_price, multiplier, contract, group = record
    return Leg(
        symbol=symbol,
        kind=kind,
        quantity=quantity,
        expiration=None if expiration is None else date.fromisoformat(expiration),
        strike=strike,
        right=right,
        open_price=open_price,
        multiplier=multiplier,
        contract=contract,
        group=group,
    )


def _add(db: Database, user_id: int, legs: Sequence[Leg], now: datetime) -> Added:
    (held,) = db.execute(_COUNT, (user_id,)).fetchone()
    room = max(MOST_LEGS - held, 0)
    fresh, over = legs[:room], tuple(legs[room:])
    if not fresh:
        return Added((), over)
    (last,) = db.execute(_LAST_ID, {"person": user_id, "count": len(fresh)}).fetchone()
    numbered = tuple(enumerate(fresh, last - len(fresh) + 1))
    db.conn.executemany(_INSERT, _records(user_id, numbered, now))
    return Added(numbered, over)


def _records(user_id: int, numbered: Sequence[Numbered], now: datetime) -> Iterator[tuple[Any, ...]]:
    """Rows of plain Python values: a number of numpy's own kind would be stored as bytes."""
    for number, leg in numbered:
        yield (
            user_id,
            number,
            leg.symbol,
            leg.kind,
            None if leg.expiration is None else leg.expiration.isoformat(),
            None if leg.strike is None else float(leg.strike),
            leg.right,
            float(leg.quantity),
            None if leg.open_price is None else float(leg.open_price),
            float(leg.multiplier),
            leg.contract,
            leg.group,
            now.isoformat(),
        )


def _clear(db: Database, user_id: int) -> int:
    return db.execute("DELETE FROM positions WHERE user_id = ?", (user_id,)).rowcount
