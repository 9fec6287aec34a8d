"""Series through the official closes: one name's history, and the IV30 of many."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from sqlite_utils import Database

from engine.arrays import FloatArray, IntArray
from engine.market.sessions import sessions_before
from engine.panel import IvHistory
from engine.record import rows
from engine.record.packed import packed_iv30
from engine.record.rows import Realm, quoted
from engine.screen.result import Value
from engine.volatility.rank import SESSIONS

WINDOWS: Mapping[str, int | None] = {"quarter": 63, "year": SESSIONS, "all": None}
"""How many of the last sessions a history, and of the last settled ones a scorecard, holds; None for all."""
FEW_NAMES = 50
"""Up to so many names are looked up one by one; beyond it a run's whole IV30 column is read."""

HISTORY_COLUMNS = ("iv30", "hv30", "hv90", "vrp_structural", "vrp_tactical", "passed")
_SERIES_COLUMNS = frozenset(rows.METRIC_COLUMNS) | {"passed", "rank", "signal", "score", "score_share"}
_FLAGS = frozenset(rows.FLAG_COLUMNS) | {"passed"}
INDEXED_BY_NAME = (
    *("iv30", "iv_method", "hv30", "hv90", "vrp_structural", "vrp_tactical"),
    *("structural_252", "tactical_20", "earnings_date", "passed"),
)
"""Columns of which one name's past lies together in the file; for any other every close is looked up."""
_BY_NAME = frozenset(INDEXED_BY_NAME)

_IV30_OF = (
    "SELECT symbol, iv30 FROM observations INDEXED BY observations_iv30 WHERE run_id = ? AND iv30 NOT NULL"
)
_IV30_OF_FEW = (
    "SELECT symbol, iv30 FROM observations INDEXED BY observations_names WHERE run_id = ? AND iv30 NOT NULL"
    " AND symbol IN (SELECT value FROM json_each(?))"
)
_SERIES = (
    "SELECT session, max(id) FROM runs WHERE realm = ? AND official = 1 AND kind = 'close'"
    " AND state IN ('complete', 'degraded') AND session < ?"
    " GROUP BY key ORDER BY session DESC, max(id) DESC"
)
_ANY_IMPORT = "SELECT 1 FROM imported_iv WHERE realm = ? LIMIT 1"
# With max() SQLite takes the other columns from the row that holds it: the latest revision.
_IMPORTED = (
    "SELECT session, iv30, source, max(revision) FROM imported_iv"
    " WHERE realm = ? AND symbol = ? AND session >= ? AND session < ? GROUP BY session ORDER BY session"
)


@dataclass(frozen=True, slots=True)
class Point:
    """One official close of one name; `values` holds the columns asked for, missing is None."""

    session: date
    values: dict[str, Value]


def iv_history(db: Database, symbols: Sequence[str], before: date, realm: Realm, days: int) -> IvHistory:
    """See Store.iv_history."""
    names = list(dict.fromkeys(symbols))
    sessions = official_closes(db, realm, before, days)
    own = _iv_matrix(db, names, [ids for _, ids in sessions])
    merged, imported = _filled(db, names, own, [day for day, _ in sessions], before, realm, days)
    place = {symbol: index for index, symbol in enumerate(names)}
    order = [place[symbol] for symbol in symbols]
    return IvHistory(merged[order], None if imported is None else imported[order])


def history(
    db: Database, symbol: str, realm: Realm, days: int, columns: Sequence[str], before: date
) -> list[Point]:
    """See Store.history."""
    unknown = sorted(set(columns) - _SERIES_COLUMNS)
    if unknown:
        raise ValueError(f"no stored column {', '.join(unknown)}")
    indexed = "INDEXED BY observations_names" if _BY_NAME.issuperset(columns) else ""
    sql = f"SELECT {quoted(columns)} FROM observations {indexed} WHERE run_id = ? AND symbol = ?"  # noqa: S608
    points: list[Point] = []
    for session, ids in official_closes(db, realm, before, days):
        found = [db.execute(sql, (run_id, symbol)).fetchone() for run_id in ids]
        records = [record for record in found if record is not None]
        if records:
            points.append(Point(session, values_of(columns, records[-1])))
    return points


def official_closes(db: Database, realm: Realm, before: date, days: int) -> list[tuple[date, list[int]]]:
    """The last `days` sessions with a usable official close, oldest first, and their runs as saved."""
    found: dict[str, list[int]] = {}
    for session, run_id in db.execute(_SERIES, (realm, before.isoformat())):
        if session not in found and len(found) == days:
            break
        found.setdefault(session, []).append(run_id)
    return [(date.fromisoformat(session), ids[::-1]) for session, ids in reversed(found.items())]


def imported_values(
    db: Database, symbol: str, realm: Realm, first: date, before: date
) -> Iterator[tuple[date, float, str, int]]:
    """(session, iv30, source, revision) of what was imported for a name, the latest revision of each session.

    From `first` up to, but without, `before`; oldest first.
    """
    limits = (realm, symbol, first.isoformat(), before.isoformat())
    for session, iv30, source, revision in db.execute(_IMPORTED, limits):
        yield date.fromisoformat(session), iv30, source, revision


def values_of(columns: Sequence[str], record: Sequence[Any]) -> dict[str, Value]:
    """Columns of observations by name, flags as bool."""
    return {
        column: bool(value) if column in _FLAGS and value is not None else value
        for column, value in zip(columns, record, strict=True)
    }


def _iv_matrix(db: Database, names: Sequence[str], sessions: Sequence[Sequence[int]]) -> FloatArray:
    few = len(names) <= FEW_NAMES
    place = {symbol: index for index, symbol in enumerate(names)}
    at: dict[tuple[str, ...], IntArray] = {}
    matrix = np.full((len(names), len(sessions)), np.nan)
    for column, ids in enumerate(sessions):
        for run_id in ids:
            packed = None if few else packed_iv30(db, run_id)
            if packed is not None:
                symbols, iv30 = packed
                if symbols not in at:
                    at[symbols] = np.array([place.get(symbol, -1) for symbol in symbols], dtype=np.int64)
                there = (at[symbols] >= 0) & np.isfinite(iv30)
                matrix[at[symbols][there], column] = iv30[there]
                continue
            found = db.execute(*(_IV30_OF_FEW, (run_id, json.dumps(names))) if few else (_IV30_OF, (run_id,)))
            for symbol, value in found:
                if symbol in place:
                    matrix[place[symbol], column] = value
    return matrix


def _filled(
    db: Database,
    names: Sequence[str],
    own: FloatArray,
    stored: Sequence[date],
    before: date,
    realm: Realm,
    days: int,
) -> tuple[FloatArray, IntArray | None]:
    """Own closes with imported values in their gaps, and how many of each name were imported.

    An imported value counts when it is of the last `days` exchange sessions before `before` and the name has
    no own IV30 of that session; a year of another decade says nothing about this one. Of each name the last
    `days` sessions stay, its own ones (measured or not) and the filled ones; imports of one name never push
    out a session of another.
    """
    lacking = np.flatnonzero(np.count_nonzero(np.isfinite(own), axis=1) < days)
    if not len(lacking) or db.execute(_ANY_IMPORT, (realm,)).fetchone() is None:
        return own, None
    recent = [day.astype(date) for day in sessions_before(before - timedelta(days=1), days)]
    grid = sorted({*stored, *recent})
    place = {day: column for column, day in enumerate(grid)}
    columns = [place[day] for day in stored]
    values = np.full((len(names), len(grid)), np.nan)
    values[:, columns] = own
    brought = np.zeros(values.shape, dtype=bool)
    for row in lacking.tolist():
        for day, iv30, _, _ in imported_values(db, names[row], realm, recent[0], before):
            column = place.get(day)
            if column is not None and np.isnan(values[row, column]):
                values[row, column], brought[row, column] = iv30, True
    if not brought.any():
        return own, None
    slots = brought.copy()
    slots[:, columns] = True
    from_end = np.cumsum(slots[:, ::-1], axis=1)[:, ::-1]
    keep = slots & (from_end <= days)
    width = int(from_end[keep].max())
    merged = np.full((len(names), width), np.nan)
    row_of, column_of = np.nonzero(keep)
    merged[row_of, width - from_end[row_of, column_of]] = values[row_of, column_of]
    return merged, np.count_nonzero(brought & keep, axis=1)
