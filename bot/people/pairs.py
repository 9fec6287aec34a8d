"""A server's own pairs: names its managers compare beside the operator's.

What one server reads or changes carries its guild id; only the runs, which measure every pair, read all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlite_utils import Database, Migrations

from bot.failures import InputError
from engine.record.store import Store
from engine.rules import Pair

MOST = 20
"""Pairs one server may keep."""
USUAL_THRESHOLD = 0.70
MOST_THRESHOLD = 0.99

MIGRATIONS = Migrations("guild_pairs")

_PAIRS = """
CREATE TABLE guild_pairs (
    guild_id INTEGER NOT NULL,
    pair TEXT NOT NULL CHECK (length(pair) BETWEEN 1 AND 40),
    leg_a TEXT NOT NULL CHECK (length(leg_a) BETWEEN 1 AND 11),
    leg_b TEXT NOT NULL CHECK (length(leg_b) BETWEEN 1 AND 11),
    threshold REAL NOT NULL CHECK (threshold BETWEEN 0 AND 1),
    added_by INTEGER,
    added_at TEXT NOT NULL,
    PRIMARY KEY (guild_id, pair),
    CHECK (leg_a <> leg_b)
) STRICT, WITHOUT ROWID
"""
# Whoever added one may ask to be forgotten: added_by may be empty.
_OF_GUILD = (
    "SELECT pair, leg_a, leg_b, threshold, added_by, added_at FROM guild_pairs"
    " WHERE guild_id = ? ORDER BY added_at, pair"
)
_EVERYONE = "SELECT DISTINCT pair, leg_a, leg_b, threshold FROM guild_pairs ORDER BY pair"
_INSERT = (
    "INSERT INTO guild_pairs (guild_id, pair, leg_a, leg_b, threshold, added_by, added_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_DELETE = "DELETE FROM guild_pairs WHERE guild_id = ? AND pair = ?"
_SIGNS = re.compile("[^A-Z0-9]")


@MIGRATIONS()
def m001_guild_pairs(db: Database) -> None:
    """A row per server and pair."""
    db.execute(_PAIRS)


@dataclass(frozen=True, slots=True)
class OwnPair:
    """A pair a server keeps; `added_by` is None when nobody may be named any more."""

    pair: Pair
    added_by: int | None
    added_at: datetime


def pair_of(leg_a: str, leg_b: str, threshold: float) -> Pair:
    """The pair of two tickers, with an id made of them: `KO_PEP_70`.

    Equal legs and threshold (0..0.99, in hundredths) give the equal id in every server, so they share the
    stored rows; other legs or another threshold never do. Signs of a ticker become `_`, and a checksum of
    the legs follows then: BRK.B and BRK-B are two names.
    """
    legs = f"{leg_a} {leg_b}"
    plain = "_".join(_SIGNS.sub("_", leg) for leg in (leg_a, leg_b))
    name = f"{plain}_{round(threshold * 100):02d}"
    if _SIGNS.sub("", legs) != leg_a + leg_b:
        name = f"{name}_{hashlib.sha256(legs.encode()).hexdigest()[:6].upper()}"
    return Pair(id=name, leg_a=leg_a, leg_b=leg_b, correlation_threshold=round(threshold, 2))


class GuildPairs:
    """The own pairs of every server. Any method may be called from any thread and raises StoreError when
    the file cannot be used."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.prepare(MIGRATIONS)

    def of(self, guild_id: int) -> list[OwnPair]:
        """The pairs of one server in the order they were added."""
        with self._store.reading() as db:
            return _of(db, guild_id)

    def everyone(self) -> tuple[Pair, ...]:
        """The pairs of all servers by id, each once: what a run measures."""
        with self._store.reading() as db:
            return tuple(map(_pair, db.execute(_EVERYONE).fetchall()))

    def add(self, guild_id: int, pair: Pair, known: Sequence[Pair], added_by: int, now: datetime) -> None:
        """Keep a pair for a server; `known` are the operator's.

        Raises InputError when one of them or of the server has these legs, either way round, or there are
        as many as a server may keep.
        """

        def work(db: Database) -> None:
            own = [each.pair for each in _of(db, guild_id)]
            _check(pair, known, own)
            _insert(db, guild_id, pair, added_by, now)

        self._store.write(work)

    def remove(self, guild_id: int, pair_id: str) -> bool:
        """Give up a pair of one server; False when it has none of that id."""
        return self._store.write(lambda db: db.execute(_DELETE, (guild_id, pair_id)).rowcount > 0)

    def forget(self, guild_id: int) -> None:
        """Every pair of one server."""
        self._store.write(lambda db: db.execute("DELETE FROM guild_pairs WHERE guild_id = ?", (guild_id,)))


def _of(db: Database, guild_id: int) -> list[OwnPair]:
    return [
        OwnPair(_pair(record), added_by, datetime.fromisoformat(added_at))
        for *record, added_by, added_at in db.execute(_OF_GUILD, (guild_id,)).fetchall()
    ]


def _pair(record: Sequence[Any]) -> Pair:
    name, leg_a, leg_b, threshold = record
    return Pair(id=name, leg_a=leg_a, leg_b=leg_b, correlation_threshold=threshold)


def _insert(db: Database, guild_id: int, pair: Pair, added_by: int, now: datetime) -> None:
    facts = (pair.id, pair.leg_a, pair.leg_b, pair.correlation_threshold)
    db.execute(_INSERT, (guild_id, *facts, added_by, now.isoformat()))


def _check(pair: Pair, known: Sequence[Pair], own: Sequence[Pair]) -> None:
    legs = {pair.leg_a, pair.leg_b}
    twin = next((each for each in (*known, *own) if {each.leg_a, each.leg_b} == legs), None)
    if twin is not None:
        raise InputError(f"{twin.leg_a} and {twin.leg_b} are a pair already: {twin.id}.")
    if any(each.id == pair.id for each in known):
        raise InputError(f"The id {pair.id} belongs to another pair; another threshold gives another id.")
    if len(own) >= MOST:
        raise InputError(
            f"This server has {MOST} pairs, the most one server may keep; /pair remove makes room."
        )
