"""Series through the official closes: one name's history, and the IV30 of many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from sqlite_utils import Database

from engine.arrays import FloatArray
from engine.panel import IvHistory
from engine.record import rows
from engine.record.rows import Realm, quoted
from engine.screen.result import Value

FEW_NAMES = 50
"""Up to so many names are looked up one by one; beyond it a run's whole IV30 column is read."""

HISTORY_COLUMNS = ("iv30", "hv30", "hv90", "vrp_structural", "vrp_tactical", "passed")
_SERIES_COLUMNS = frozenset(rows.METRIC_COLUMNS) | {"passed", "rank", "signal", "score", "score_share"}
_FLAGS = frozenset(rows.FLAG_COLUMNS) | {"passed"}

_IV30_OF = (
    "SELECT symbol, iv30 FROM observations INDEXED BY observations_iv30 WHERE run_id = ? AND iv30 NOT NULL"
)
_IV30_OF_FEW = f"{_IV30_OF} AND symbol IN (SELECT value FROM json_each(?))"  # noqa: S608
_SERIES = (
    "SELECT session, max(id) FROM runs WHERE realm = ? AND official = 1 AND kind = 'close'"
    " AND state IN ('complete', 'degraded') AND session < ?"
    " GROUP BY key ORDER BY session DESC, max(id) DESC"
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
    matrix = _iv_matrix(db, names, [ids for _, ids in sessions])
    place = {symbol: index for index, symbol in enumerate(names)}
    return IvHistory(iv30=matrix[[place[symbol] for symbol in symbols]])


def history(
    db: Database, symbol: str, realm: Realm, days: int, columns: Sequence[str], before: date
) -> list[Point]:
    """See Store.history."""
    unknown = sorted(set(columns) - _SERIES_COLUMNS)
    if unknown:
        raise ValueError(f"no stored column {', '.join(unknown)}")
    sql = f"SELECT {quoted(columns)} FROM observations WHERE run_id = ? AND symbol = ?"  # noqa: S608
    points: list[Point] = []
    for session, ids in official_closes(db, realm, before, days):
        found = [db.execute(sql, (run_id, symbol)).fetchone() for run_id in ids]
        records = [record for record in found if record is not None]
        if records:
            points.append(Point(session, _values(columns, records[-1])))
    return points


def official_closes(db: Database, realm: Realm, before: date, days: int) -> list[tuple[date, list[int]]]:
    """The last `days` sessions with a usable official close, oldest first, and their runs as saved."""
    found: dict[str, list[int]] = {}
    for session, run_id in db.execute(_SERIES, (realm, before.isoformat())):
        if session not in found and len(found) == days:
            break
        found.setdefault(session, []).append(run_id)
    return [(date.fromisoformat(session), ids[::-1]) for session, ids in reversed(found.items())]


def _iv_matrix(db: Database, names: Sequence[str], sessions: Sequence[Sequence[int]]) -> FloatArray:
    place = {symbol: index for index, symbol in enumerate(names)}
    sql, wanted = _IV30_OF, tuple[str, ...]()
    if len(names) <= FEW_NAMES:
        sql, wanted = _IV30_OF_FEW, (json.dumps(list(names)),)
    matrix = np.full((len(names), len(sessions)), np.nan)
    for column, ids in enumerate(sessions):
        for run_id in ids:
            for symbol, iv30 in db.execute(sql, (run_id, *wanted)):
                index = place.get(symbol)
                if index is not None:
                    matrix[index, column] = iv30
    return matrix


def _values(columns: Sequence[str], record: Sequence[Any]) -> dict[str, Value]:
    return {
        column: bool(value) if column in _FLAGS and value is not None else value
        for column, value in zip(columns, record, strict=True)
    }
