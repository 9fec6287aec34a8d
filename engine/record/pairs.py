"""The pairs of a stored run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields

from sqlite_utils import Database

from engine.record.store import Store
from engine.relative.pairs import PairRow

_COLUMNS = tuple(field.name for field in fields(PairRow))
# Only column names of this package go into the text of a statement; every value is a parameter.
_INSERT = (
    f"INSERT INTO pair_observations (run_id, {', '.join(_COLUMNS)}) "  # noqa: S608
    f"VALUES (?{', ?' * len(_COLUMNS)})"
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM pair_observations WHERE run_id = ? ORDER BY pair"  # noqa: S608


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
