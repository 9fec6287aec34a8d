"""The pairs of a stored run, and the past of any pair from the names stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, fields
from datetime import date

import numpy as np
from sqlite_utils import Database

from engine.record.rows import Realm
from engine.record.series import official_closes
from engine.record.store import Store
from engine.relative.pairs import PairRow, SpreadHistory

_COLUMNS = tuple(field.name for field in fields(PairRow))
# Only column names of this package go into the text of a statement; every value is a parameter.
_INSERT = (
    f"INSERT INTO pair_observations (run_id, {', '.join(_COLUMNS)}) "  # noqa: S608
    f"VALUES (?{', ?' * len(_COLUMNS)})"
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM pair_observations WHERE run_id = ? ORDER BY pair"  # noqa: S608
# A ratio of quotes that did not count on its day (missing_reason) does not count later either.
_RATIOS = (
    "SELECT run_id, symbol, structural_252 FROM observations"
    " WHERE run_id IN (SELECT value FROM json_each(?)) AND symbol IN (?, ?)"
    " AND missing_reason IS NULL AND structural_252 NOT NULL ORDER BY run_id"
)


def save_pairs(store: Store, run_id: int, rows: Sequence[PairRow]) -> None:
    """Keep the pairs of a stored run, in place of those kept for it before.

    Raises StoreError when the record does not hold the run, or a pair stands twice.
    """

    def keep(db: Database) -> None:
        db.execute("DELETE FROM pair_observations WHERE run_id = ?", (run_id,))
        db.conn.executemany(_INSERT, [(run_id, *astuple(row)) for row in rows])

    store.write(keep)


def stored_pairs(store: Store, run_id: int) -> tuple[PairRow, ...]:
    """The pairs of a run by their id; empty when none were kept."""
    with store.reading() as db:
        return tuple(PairRow(*record) for record in db.execute(_SELECT, (run_id,)).fetchall())


def spread_history(
    store: Store, leg_a: str, leg_b: str, realm: Realm, before: date, days: int = 252
) -> SpreadHistory:
    """IV30 / HV252 of any two names at the last `days` official closes before `before`.

    The closes are those Store.history counts; where several runs of a session hold a name, the latest
    saved. Sessions that hold neither leg are left out; a leg that was not measured is NaN.
    """
    with store.reading() as db:
        closes = official_closes(db, realm, before, days)
        place = {run_id: column for column, (_, runs) in enumerate(closes) for run_id in runs}
        ratios = np.full((2, len(closes)), np.nan)
        for run_id, symbol, ratio in db.execute(_RATIOS, (json.dumps(list(place)), leg_a, leg_b)):
            ratios[[leg == symbol for leg in (leg_a, leg_b)], place[run_id]] = ratio
    held = np.isfinite(ratios).any(axis=0)
    a, b = ratios[:, held]
    sessions = tuple(session for (session, _), kept in zip(closes, held, strict=True) if kept)
    return SpreadHistory(sessions, a, b, a - b)
